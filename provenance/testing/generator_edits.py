"""Checks of the generator kit: part of a real item made anew."""

from typing import Any

import numpy as np

from provenance.errors import UserError
from provenance.testing.generator_subject import (
    Subject,
    assert_batch,
    assert_close,
    equal,
    side_px,
)
from provenance.testing.probes import raises
from provenance.types import MediaKind

_LEAST_LEVELS = 2.0  # of 0..255: what is this close counts as kept
_MOST_SHARE = 0.5  # of the change within the mask, that may reach what lies far from it


def _inpainting_keeps_what_is_not_masked(subject: Subject) -> None:
    """A mask in one corner leaves the opposite one about as it is reconstructed."""
    if not _inpaints(subject):
        return
    generator, items, mask = subject.fresh(), subject.items(), _corner(subject)
    plain = generator.resample(items, 0.0, seed=1)
    made = generator.resample(items, 1.0, seed=1, mask=mask)
    assert_batch(subject, made, len(items), side_px(subject))
    change = np.abs(made.astype(float) - plain).mean(axis=3)  # (N, H, W)
    within, far = change[mask].mean(), change[mask[:, ::-1, ::-1]].mean()
    allowed = max(_LEAST_LEVELS, _MOST_SHARE * within)
    assert far <= allowed, f"far from the mask values change by {far:.3g}, within by {within:.3g}"
    nothing = generator.resample(items, 1.0, seed=1, mask=np.zeros_like(mask))
    assert_close(nothing, plain, "with an empty mask and with fraction 0")
    assert equal(mask, _corner(subject)), "resample writes into its mask"


def _inpainting_follows_its_seed(subject: Subject) -> None:
    if not _inpaints(subject):
        return
    generator, items, mask = subject.fresh(), subject.items(), _corner(subject)
    made = generator.resample(items, 1.0, seed=1, mask=mask)
    assert equal(made, generator.resample(items, 1.0, seed=1, mask=mask)), "a second call differs"
    other = generator.resample(items, 1.0, seed=1001, mask=mask)
    assert not equal(made, other), "two seeds fill a mask alike"
    alone = generator.resample(items[1:2], 1.0, seed=2, mask=mask[1:2])
    assert_close(made[1], alone[0], "in a batch and alone")


def _masks_are_not_ignored(subject: Subject) -> None:
    """Who does not declare ``inpaint`` refuses a mask, lest all of an item be drawn anew."""
    if not subject.offers("resample") or subject.offers("inpaint"):
        return
    if subject.spec.kind is not MediaKind.IMAGE:
        return
    generator, items, mask = subject.fresh(), subject.items(), _corner(subject)
    refused = raises(
        lambda: generator.resample(items, 1.0, seed=1, mask=mask), (TypeError, UserError)
    )
    assert refused, "takes a mask, though it does not declare 'inpaint'"


def _inpaints(subject: Subject) -> bool:
    if not subject.offers("inpaint"):
        return False
    assert subject.offers("resample"), "declares 'inpaint', but not 'resample'"
    return subject.spec.kind is MediaKind.IMAGE


def _corner(subject: Subject) -> Any:
    """Return a mask bool (3, H, W), true in the first quarter of rows and columns."""
    side = side_px(subject) or 0
    mask = np.zeros((3, side, side), bool)
    mask[:, : side // 4, : side // 4] = True
    return mask


EDITS = (
    _inpainting_keeps_what_is_not_masked,
    _inpainting_follows_its_seed,
    _masks_are_not_ignored,
)
"""Checks of masks; what is not declared must be refused."""
