"""The plan decides everything once, and survives its way to disk and back."""

import dataclasses
import shlex

import numpy as np
import pytest

from provenance import Media, MediaKind, Split, Step, UserError
from provenance.corpora.plan import (
    BATCH_ITEMS,
    PlannedGenerator,
    Request,
    check_same,
    load_plan,
    make_plan,
    save_plan,
    training_items,
)

STEPS = (Step.RECONSTRUCTION, Step.RESAMPLE, Step.SAMPLE)
GENERATOR = PlannedGenerator("g", "g", "fake", "1.0", "Apache-2.0", STEPS)


def pool(count, groups=8):
    random = np.random.default_rng(0)
    return [
        Media(
            id=f"g{i % groups}/{i}",
            kind=MediaKind.IMAGE,
            data=random.integers(0, 255, (8, 8, 3), np.uint8),
            group=f"g{i % groups}",
        )
        for i in range(count)
    ]


@pytest.fixture
def plan():
    return make_plan(Request(count=100, seed=3), pool(300), [GENERATOR])


def test_every_file_is_in_exactly_one_batch(plan):
    planned = [(step, number) for step, number, generator in plan.files() if generator is not None]
    batched = [(batch.step, n) for batch in plan.batches(GENERATOR) for n in batch.numbers]
    assert sorted(planned) == sorted(batched)
    assert len(set(batched)) == len(batched) == 300
    names = [plan.file_name(s, n, g and g.name) for s, n, g in plan.files()]
    assert len(set(names)) == len(names) == 400


def test_seeds_are_of_the_batch_and_its_own(plan):
    drawn = [batch for batch in plan.batches(GENERATOR) if batch.step is not Step.RECONSTRUCTION]
    assert len({batch.seed for batch in drawn}) == len(drawn)
    for batch in plan.batches(GENERATOR):
        assert all(plan.seed_of("g", batch.step, n) == batch.seed for n in batch.numbers)
        assert len(batch.numbers) <= BATCH_ITEMS
        assert (batch.seed is None) == (batch.step is Step.RECONSTRUCTION)


def test_only_photographs_of_the_train_split_train(plan):
    items = training_items(plan, pool(300))
    train = {item.group for item in plan.items if item.split is Split.TRAIN}
    assert {media.group for media in items} == train
    assert len(items) == sum(media.group in train for media in pool(300))


def test_groups_beyond_the_corpus_train():
    plan = make_plan(Request(count=8), pool(40, groups=20), [GENERATOR])
    extra = {f"g{i}" for i in range(8, 20)}
    assert extra <= {g for g, split in plan.groups.items() if split is Split.TRAIN}


def test_a_plan_survives_the_disk(plan, tmp_path):
    save_plan(plan, tmp_path)
    assert load_plan(tmp_path) == plan
    assert load_plan(tmp_path / "elsewhere") is None


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"version": 2}', "\x00"])
def test_a_damaged_plan_is_the_users_to_mend(text, tmp_path):
    (tmp_path / ".work").mkdir()
    (tmp_path / ".work" / "plan.json").write_text(text)
    with pytest.raises(UserError, match="is not a plan"):
        load_plan(tmp_path)


def test_a_plan_of_an_older_version_is_named_so(tmp_path):
    (tmp_path / ".work").mkdir()
    (tmp_path / ".work" / "plan.json").write_text('{"version": 1}')
    with pytest.raises(UserError, match="of version 1"):
        load_plan(tmp_path)


def test_resuming_with_other_options_is_refused(plan):
    check_same(plan, plan.request)
    with pytest.raises(UserError, match="budget_s, sign"):
        check_same(plan, dataclasses.replace(plan.request, sign=False, budget_s=1))


def test_the_recorded_command_can_be_pasted_into_a_shell():
    request = Request(
        real="folder:/my photos/$(x)", checkpoints=("a b",), budget_s=1234567.25, sign=False
    )
    words = shlex.split(request.command())
    assert words[words.index("--real") + 1] == "folder:/my photos/$(x)"
    assert words[words.index("--checkpoint") + 1] == "a b"
    assert float(words[words.index("--budget") + 1]) == 1234567.25
    assert "--budget 120 " in Request().command()
