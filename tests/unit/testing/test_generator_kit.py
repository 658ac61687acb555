"""The conformance kit finds each broken promise of a generator, and nothing in a good one."""

import random
from dataclasses import replace

import numpy as np
import pytest
from example_controls import RICH, WRONG_CONTROLS, Rich
from example_generator import (
    SPEC,
    WRONG,
    Example,
    LessThanDeclared,
    Random,
)

from provenance import ArtefactError, Media, MediaKind, UserError
from provenance.testing import check_generator, generator_checks
from provenance.training import load_weights, save_weights


@pytest.fixture(autouse=True)
def _gradient_mode():
    import torch

    yield
    torch.set_grad_enabled(True)


def failures(factory, spec=SPEC, **options):
    results = check_generator(factory, spec, on_fail="collect", **options)
    assert [result.name for result in results] == list(generator_checks())
    return {result.name for result in results if result.status == "failed"}


def test_a_good_generator_passes():
    assert failures(Example, module="json") == set()


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.__name__)
def test_a_broken_promise_is_found_and_no_other(wrong):
    assert failures(wrong) == WRONG[wrong]


def test_a_good_generator_that_can_do_everything_passes():
    assert failures(Rich, RICH) == set()


@pytest.mark.parametrize("wrong", WRONG_CONTROLS, ids=lambda wrong: wrong.__name__)
def test_a_broken_promise_of_control_is_found_and_no_other(wrong):
    assert failures(wrong, RICH) == WRONG_CONTROLS[wrong]


@pytest.mark.parametrize(
    "change",
    [
        {"presets": {"other": {}}},
        {"presets": {**RICH.presets, "odd": {"nothing": 1}}},
        {"variants": {"nothing": (1, 2)}},
        {"variants": {"tone": ("warm", "warm")}},
    ],
    ids=lambda change: str(change)[:40],
)
def test_settings_that_contradict_each_other_are_found(change):
    assert "presets_and_variants_resolve" in failures(Rich, replace(RICH, **change))


def test_chance_is_found():
    assert {"samples_repeat", "saved_is_what_was_trained"} <= failures(Random)


def test_a_method_that_is_declared_but_missing_is_found():
    assert "capabilities_are_honest" in failures(LessThanDeclared)


@pytest.mark.parametrize(
    "change", [{"family": ""}, {"capabilities": SPEC.capabilities | {"levitate"}}], ids="-".join
)
def test_an_incomplete_spec_is_found(change):
    assert failures(Example, replace(SPEC, **change)) == {"spec_is_complete"}


class Words:
    """Text, to see that the kit assumes no image: a word drawn from those that were learned."""

    def __init__(self):
        self.words = []

    def fit(self, source, context):
        if not source or context.options:
            raise UserError("nothing to learn, or a setting")
        for step in range(2):
            context.progress(step / 2, "reading")
        self.words = sorted({word for item in source for word in item.data.split()})

    def save(self, folder):
        codes = np.frombuffer(" ".join(self.words).encode(), np.uint8)
        save_weights(folder, {"codes": codes}, {})

    def load(self, folder, device):
        arrays, _ = load_weights(folder)
        if set(arrays) != {"codes"}:
            raise ArtefactError("other arrays")
        self.words = arrays["codes"].tobytes().decode().split()

    def sample(self, n, *, seed, label=None, truncation=1.0, temperature=1.0):
        if label is not None or not self.words:
            raise UserError("a label, or not trained")
        return [random.Random(seed + i).choice(self.words) for i in range(n)]


TEXT = replace(SPEC, kind=MediaKind.TEXT, capabilities=frozenset(), sizes_px=())


def test_other_kinds_bring_their_own_items():
    items = [Media(f"line/{i}", MediaKind.TEXT, f"word{i} and more", "g") for i in range(5)]
    assert failures(Words, TEXT, items=items) == set()
    with pytest.raises(ValueError, match="Pass items"):
        check_generator(Words, TEXT)
