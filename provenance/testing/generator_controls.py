"""Checks of the generator kit: what a generator can be told of its samples."""

import functools
from typing import Any, get_args

import numpy as np

from provenance.contracts import Control
from provenance.errors import UserError
from provenance.testing.generator_subject import (
    CLASSES,
    Subject,
    assert_batch,
    assert_close,
    equal,
    side_px,
)
from provenance.testing.probes import raises

_VALUES: dict[str, Any] = {"top_k": 1, "top_p": 0.5}
_FAR = 1000


# --- classes --------------------------------------------------------------------------------------


def _classes_are_honoured(subject: Subject) -> None:
    """Whoever declares classes finds those of its source, keeps them, and obeys a label."""
    if not subject.offers("class-conditional"):
        return
    generator = subject.classed()
    assert tuple(generator.classes) == CLASSES, f"finds the classes {generator.classes!r}"
    dark, light = (generator.sample(6, seed=3, label=name) for name in CLASSES)
    assert_batch(subject, dark, 6, side_px(subject))
    assert not equal(dark, light), "two labels give the same samples"
    mixed = generator.sample(6, seed=3, label=[CLASSES[i % 2] for i in range(6)])
    for i, item in enumerate(mixed):
        assert_close(item, (dark, light)[i % 2][i], "with a label each and one for all")
    free = generator.sample(6, seed=3)
    assert equal(free, generator.sample(6, seed=3, label=None)), "no label and None differ"


def _labels_are_checked(subject: Subject) -> None:
    """A class that was not learned is refused, and so are too few labels."""
    if not subject.offers("class-conditional"):
        return
    known, plain = subject.classed(), subject.fresh()
    assert tuple(plain.classes) == (), "finds classes in a source that has none"
    wrong = {
        "a class that it has not learned": (known, "cat"),
        "a class, having learned none": (plain, CLASSES[0]),
        "one label for two items": (known, [CLASSES[0]]),
    }
    for what, (generator, label) in wrong.items():
        sample = functools.partial(generator.sample, 2, seed=0, label=label)
        refused = raises(sample, UserError)
        assert refused, f"takes {what}, or fails with another error"


# --- tokens ---------------------------------------------------------------------------------------


def _controls_are_honest(subject: Subject) -> None:
    """What is declared changes samples; what is not declared is refused, never ignored."""
    unknown = set(subject.spec.controls) - set(get_args(Control))
    assert not unknown, f"there is no control {sorted(unknown)[0]!r}"
    generator = subject.fresh()
    for control, value in _VALUES.items():
        if control in subject.spec.controls:
            made = generator.sample(4, seed=1, **{control: value})
            assert_batch(subject, made, 4, side_px(subject))
            assert not equal(made, generator.sample(4, seed=1)), f"{control} changes nothing"
        else:
            sample = functools.partial(generator.sample, 1, seed=1, **{control: value})
            refused = raises(sample, (TypeError, UserError))
            assert refused, f"takes {control}, though it does not declare it"


# --- directions -----------------------------------------------------------------------------------


def _directions_move_samples(subject: Subject) -> None:
    if not subject.offers("directions"):
        return
    generator = subject.fresh()
    found = list(generator.directions())
    names = [direction.name for direction in found]
    assert names, "there is no direction"
    assert len(set(names)) == len(names), "two directions have one name"
    assert all(0 <= direction.strength <= 1 for direction in found), "a strength is not in 0..1"
    assert names == [direction.name for direction in generator.directions()], (
        "a second call differs"
    )
    moved = generator.move(_FAR, names[0], [-3.0, 0.0, 3.0])
    assert_batch(subject, moved, 3, side_px(subject))
    assert_close(moved[1], generator.sample(1, seed=_FAR)[0], "moved by 0 and sampled")
    assert not equal(moved[:1], moved[2:]), "both ways along a direction look alike"
    refused = raises(lambda: generator.move(_FAR, "no such direction", [1.0]), UserError)
    assert refused, "moves along a direction that does not exist, or fails with another error"


# --- members --------------------------------------------------------------------------------------


def _members_answer_for_samples(subject: Subject) -> None:
    if not subject.offers("members"):
        return
    generator = subject.fresh()
    for n in (0, 1, 5):
        names = list(generator.members(n, seed=4))
        assert len(names) == n, f"names {len(names)} members of {n} items"
        assert all(isinstance(name, str) and name for name in names), "a member has no name"
    assert names == list(generator.members(5, seed=4)), "a second call names others"
    assert names[1] == next(iter(generator.members(1, seed=5))), (
        "a member depends on its neighbours"
    )


# --- likelihood -----------------------------------------------------------------------------------


def _likelihoods_are_finite(subject: Subject) -> None:
    if not subject.offers("likelihood"):
        return
    generator = subject.fresh()
    bits = generator.bits_per_dim(subject.items())
    assert isinstance(bits, np.ndarray), "bits per dimension come as no array"
    assert bits.shape == (3,), f"{bits.shape} values for 3 items"
    assert bits.dtype == np.float32, f"values are {bits.dtype}, not float32"
    assert np.isfinite(bits).all(), "a likelihood is not finite"
    assert (bits > 0).all(), "an item costs no bits"
    assert len(generator.bits_per_dim(subject.items()[:0])) == 0, "an empty batch has a likelihood"


CONTROLS = (
    _classes_are_honoured,
    _labels_are_checked,
    _controls_are_honest,
    _directions_move_samples,
    _members_answer_for_samples,
    _likelihoods_are_finite,
)
"""Checks of what samples can be told; those that are not declared pass."""
