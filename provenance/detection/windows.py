"""Fits a detector's input to a corpus, and cuts the corpus to it."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from provenance.contracts import InputSpec
from provenance.errors import UnreadableError, UserError
from provenance.media import cut_windows
from provenance.types import LabelledMedia, Media, MediaKind


def fit_input(spec: InputSpec, media: Iterable[Media]) -> InputSpec:
    """Shrink the window of ``spec`` to the smallest image, so that no item is left out.

    A detector learns at the size at which it will be used, since sizes differ in their statistics;
    items are never enlarged to a size. Other media kinds keep the spec.

    Args:
        spec: What the plugin wants.
        media: All items that it will learn from and be tested on.

    Raises:
        UserError: An image is smaller than the detector can take.
    """
    sides = [min(item.data.shape[:2]) for item in media if item.kind is MediaKind.IMAGE]
    if not sides:
        return spec
    smallest = min(sides)
    if smallest < spec.min_side_px:
        raise UserError(
            f"The corpus has images of {smallest} px, this detector needs {spec.min_side_px} px. "
            "Make a corpus of larger images."
        )
    if spec.size_px is None or spec.size_px <= smallest:
        return spec
    # a stride wider than the window would leave gaps in a file that could have been looked at
    stride = None if spec.stride_px is None else min(spec.stride_px, smallest)
    return replace(spec, size_px=smallest, stride_px=stride)


def windows_of(media: Media, spec: InputSpec) -> list[Any]:
    """Return the windows of one item; [] where it is too small."""
    try:
        return cut_windows(media.data, media.kind, spec)
    except UnreadableError:
        return []


def cut_items(items: Sequence[LabelledMedia], spec: InputSpec) -> list[LabelledMedia]:
    """Return each window as an item of its own, labelled as the item that it was cut from.

    The first window keeps the item's id; ids of parents change alike, so that each window of a fake
    finds the same window of its parent.
    """
    return [
        replace(
            item,
            media=replace(item.media, id=_window_id(item.media.id, index), data=window),
            parent=item.parent and _window_id(item.parent, index),
        )
        for item in items
        for index, window in enumerate(windows_of(item.media, spec))
    ]


def _window_id(name: str, index: int) -> str:
    return name if index == 0 else f"{name}#{index}"
