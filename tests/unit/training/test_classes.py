"""Classes of sources, and of samples."""

import numpy as np
import pytest
import torch

from provenance import GeneratorSpec, Media, MediaKind, UserError
from provenance.training import choose_classes, find_classes, number_classes, resolve_options

SHARES = torch.tensor([0.25, 0.75])


def items(*categories):
    pixels = np.zeros((8, 8, 3), np.uint8)
    return [
        Media(id=str(i), kind=MediaKind.IMAGE, data=pixels, group=str(i), category=category)
        for i, category in enumerate(categories)
    ]


def test_classes_come_in_order_of_their_names():
    source = items(*["dog", "cat"] * 16)
    assert find_classes(source) == ("cat", "dog")
    assert number_classes(source, ("cat", "dog"))[:3].tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    "categories",
    [["cat"] * 40, [None] * 40, ["cat"] * 40 + [None], ["cat"] * 40 + ["dog"] * 15],
)
def test_folder_names_are_not_always_classes(categories):
    assert find_classes(items(*categories)) == ()
    assert not number_classes(items(*categories), ()).any()


def test_a_label_is_for_all_items_or_for_each():
    arguments = (3, 0)
    assert choose_classes("gan", *arguments, "dog", ("cat", "dog"), SHARES).tolist() == [1, 1, 1]
    each = choose_classes("gan", *arguments, ["dog", "cat", "dog"], ("cat", "dog"), SHARES)
    assert each.tolist() == [1, 0, 1]
    assert choose_classes("gan", 0, 0, None, ("cat", "dog"), SHARES).shape == (0,)


def test_without_a_label_classes_are_as_frequent_as_in_the_source_and_go_by_the_items_seed():
    drawn = choose_classes("gan", 2000, 5, None, ("cat", "dog"), SHARES)
    assert drawn.float().mean().item() == pytest.approx(0.75, abs=0.04)
    assert torch.equal(drawn[7:9], choose_classes("gan", 2, 12, None, ("cat", "dog"), SHARES))


@pytest.mark.parametrize(
    ("label", "classes", "words"),
    [
        ("cat", (), "gan knows no classes, so not 'cat'"),
        ("cta", ("cat", "dog"), "no class 'cta'.*cat"),
        (["cat"], ("cat", "dog"), "1 labels for 2"),
    ],
)
def test_wrong_labels_are_the_users_to_mend(label, classes, words):
    with pytest.raises(UserError, match=words):
        choose_classes("gan", 2, 0, label, classes, SHARES)


SPEC = GeneratorSpec(
    name="gan", family="gan", version="1", kind=MediaKind.IMAGE, capabilities=frozenset(),
    summary="", licence="", options={"preset": "small", "width": 8, "norm": "batch", "ema": True},
    presets={"small": {}, "large": {"width": 64, "norm": "none"}},
    variants={"norm": ("batch", "none")},
)  # fmt: skip


def test_a_preset_wins_over_defaults_and_the_user_over_both():
    assert resolve_options(SPEC, {})["width"] == 8
    large = resolve_options(SPEC, {"preset": "large", "norm": "batch"})
    assert (large["width"], large["norm"]) == (64, "batch")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"preset": "huge"}, "no preset 'huge'. Known: small, large"),
        ({"norm": "layer"}, "one of batch, none, not layer"),
        ({"ema": "false"}, "Give true or false"),
        ({"widht": 3}, "no setting 'widht'"),
    ],
)
def test_wrong_options_are_named(given, words):
    with pytest.raises(UserError, match=words):
        resolve_options(SPEC, given)
