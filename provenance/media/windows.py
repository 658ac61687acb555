"""Cuts a decoded item into the windows that a plugin asked for; interpolates only when told."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from provenance.contracts import InputSpec
from provenance.errors import UnreadableError
from provenance.types import MediaKind

if TYPE_CHECKING:
    from numpy.typing import NDArray


def cut_windows(data: Any, kind: MediaKind, spec: InputSpec) -> list[Any]:
    """Return the windows of one item, at least one.

    Args:
        data: Decoded item, as described by :class:`provenance.Media`.
        kind: Its media kind.
        spec: The geometry wanted.

    Raises:
        UnreadableError: The item is too small for the spec, or its kind has no windows yet.
            The message reads as the reason of an abstention.
    """
    if kind is MediaKind.IMAGE:
        return _image_windows(data, spec)
    if spec.geometry == "native":
        return [data]
    raise UnreadableError(f"{kind} has no {spec.geometry} windows")


def _image_windows(pixels: "NDArray[np.uint8]", spec: InputSpec) -> "list[NDArray[np.uint8]]":
    height, width = pixels.shape[:2]
    needed = spec.min_side_px
    if spec.geometry in ("crop", "tiles") and spec.size_px:
        needed = max(needed, spec.size_px)
    if min(height, width) < needed:
        raise UnreadableError(f"{width} x {height} px is below the {needed} px that are needed")
    if spec.geometry == "native" or not spec.size_px:
        return [pixels]
    if spec.geometry == "resize":
        import cv2

        size = (spec.size_px, spec.size_px)
        return [np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)]
    if spec.geometry == "crop":
        top, left = (height - spec.size_px) // 2, (width - spec.size_px) // 2
        return [_window(pixels, top, left, spec.size_px)]
    return _tiles(pixels, spec.size_px, spec.stride_px or spec.size_px, spec.max_tiles)


def _tiles(
    pixels: "NDArray[np.uint8]", size: int, stride: int, most: int
) -> "list[NDArray[np.uint8]]":
    height, width = pixels.shape[:2]
    tops, lefts = _starts(height, size, stride), _starts(width, size, stride)
    if len(tops) * len(lefts) > most:  # a coarser grid, which still reaches every part and edge
        few, many = sorted((tops, lefts), key=len)
        short = math.ceil(math.sqrt(most * len(few) / len(many)))
        tops, lefts = (
            _evenly(starts, short if starts is few else most // short) for starts in (tops, lefts)
        )
    return [_window(pixels, top, left, size) for top in tops for left in lefts]


def _evenly(values: list[int], most: int) -> list[int]:
    """Return at most ``most`` of the values, spread evenly, the first and the last among them."""
    chosen = np.linspace(0, len(values) - 1, min(most, len(values))).round().astype(int)
    return [values[i] for i in chosen]


def _starts(length: int, size: int, stride: int) -> list[int]:
    """Return where tiles start; the last one ends at the edge, overlapping the one before it."""
    return sorted({*range(0, length - size + 1, stride), length - size})


def _window(pixels: "NDArray[np.uint8]", top: int, left: int, size: int) -> "NDArray[np.uint8]":
    return np.ascontiguousarray(pixels[top : top + size, left : left + size])
