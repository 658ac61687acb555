"""Groups never straddle splits, every split has one, and shares come near what was asked for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance import Split, UserError
from provenance.corpora import assign_splits
from provenance.corpora.splits import FRACTIONS

GROUPS = st.dictionaries(st.text(max_size=8), st.integers(1, 1000), min_size=4, max_size=40)


@given(GROUPS, st.integers(0, 2**40))
def test_each_group_has_one_split_and_each_split_a_group(groups, seed):
    splits = assign_splits(groups, seed)
    assert set(splits) == set(groups)
    assert set(splits.values()) == set(Split)


@given(GROUPS, st.integers(0, 2**40))
def test_splits_depend_on_groups_and_seed_only(groups, seed):
    turned = dict(reversed(groups.items()))
    assert assign_splits(groups, seed) == assign_splits(turned, seed)


@given(st.integers(10, 60), st.integers(1, 90), st.integers(0, 2**40))
def test_equal_groups_come_within_one_group_of_the_fractions(count, size, seed):
    groups = {f"g{i}": size for i in range(count)}
    splits = list(assign_splits(groups, seed).values())
    for split, fraction in FRACTIONS.items():
        assert abs(splits.count(split) - fraction * count) <= 1


def test_seeds_differ():
    groups = {f"g{i}": 10 for i in range(12)}
    found = {tuple(sorted(assign_splits(groups, seed).items())) for seed in range(8)}
    assert len(found) == 8


def test_many_groups_are_divided_quickly_and_exactly():
    splits = list(assign_splits({str(i): 1 for i in range(10_000)}, 3).values())
    assert [splits.count(split) for split in FRACTIONS] == [5000, 1000, 2000, 2000]


@given(GROUPS, st.integers(0, 2**40), st.data())
def test_what_a_generator_has_learned_from_can_only_train(groups, seed, data):
    some = data.draw(st.sets(st.sampled_from(sorted(groups)), max_size=len(groups) - 3))
    splits = assign_splits(groups, seed, trained_on=some | {"elsewhere\n"})
    assert {splits[group] for group in some} <= {Split.TRAIN}
    assert set(splits) == set(groups)
    assert len(groups) - len(some) < 4 or set(splits.values()) == set(Split)


def test_a_generator_that_has_seen_everything_leaves_nothing_to_test_on():
    with pytest.raises(UserError, match="2 groups"):
        assign_splits(dict.fromkeys("abcde", 1), 0, trained_on="abc")


def test_three_groups_are_too_few():
    with pytest.raises(UserError, match="3 groups"):
        assign_splits({"a": 1, "b": 1, "c": 1}, 0)
