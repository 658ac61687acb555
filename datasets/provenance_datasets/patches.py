"""Square patches of photographs, shared by the sources here: downscale, cut, skip what is blank.

Notation: H, W sides of a picture in px; f a whole factor; s the side of a patch in px.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np

from provenance import InputSpec, Media, MediaKind, UserError
from provenance.training import derive_seed

if TYPE_CHECKING:
    from numpy.typing import NDArray

FACTORS = (2, 3, 4)
"""Whole factors of the downscale. Two is the least that averages over a JPEG's block borders."""
MIN_CONTRAST = 6.0
"""Patches whose grey values deviate less than this (standard deviation, 0..255) are blank: the
black border of a fundus photograph, an empty sky. Every generator makes such patches perfectly, so
that they could only teach a detector noise."""


def window_side_px(window: InputSpec, source: str) -> int:
    """Return the side of the patches that ``window`` asks for.

    Raises:
        UserError: The window is not a square crop.
    """
    if window.geometry != "crop" or not window.size_px or window.size_px < 8:
        raise UserError(f"{source} yields square crops of 8 px or more; ask for --size 32.")
    return window.size_px


def scaled(pixels: "NDArray[np.uint8]", side_px: int) -> "Iterator[tuple[int, NDArray[np.uint8]]]":
    """Yield ``(f, picture)`` for each factor at which a patch fits.

    A picture below twice the patch's side is given at its own scale (f = 1), where it has the side.

    Args:
        pixels: uint8 (H, W, 3), RGB.
        side_px: Side s of the patches.

    Yields:
        The factor, and uint8 (H // f, W // f, 3): the mean of each f x f block.
    """
    shorter = min(pixels.shape[:2])
    if side_px <= shorter < FACTORS[0] * side_px:
        yield 1, pixels
    for factor in FACTORS:
        if shorter >= factor * side_px:
            yield factor, block_mean(pixels, factor)


def block_mean(pixels: "NDArray[np.uint8]", factor: int) -> "NDArray[np.uint8]":
    """Downscale by a whole factor: each pixel is the rounded mean of a block, the rest is cut off.

    Args:
        pixels: uint8 (H, W, 3).
        factor: f, at least 1.
    """
    height, width = pixels.shape[0] // factor, pixels.shape[1] // factor
    whole = pixels[: height * factor, : width * factor]
    # at whole factors OpenCV's area interpolation is this mean, and ten times as fast as numpy's
    small = cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)


def corners(pixels: "NDArray[np.uint8]", side_px: int) -> list[tuple[int, int]]:
    """Return the top left corners (row, column) of the patches that are not blank.

    The grid overlaps: its stride is half a side.

    Args:
        pixels: uint8 (H, W, 3).
        side_px: Side s of the patches.
    """
    stride = max(1, side_px // 2)
    rows = range(0, pixels.shape[0] - side_px + 1, stride)
    columns = range(0, pixels.shape[1] - side_px + 1, stride)
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    return [
        (r, c)
        for r, c in itertools.product(rows, columns)
        if grey[r : r + side_px, c : c + side_px].std() >= MIN_CONTRAST
    ]


def patches(
    pixels: "NDArray[np.uint8]",
    *,
    name: str,
    group: str,
    side_px: int,
    most: int,
    seed: int,
    category: str | None = None,
    licence: str | None = None,
) -> list[Media]:
    """Cut up to ``most`` patches out of one picture, in an order that depends on the seed.

    Args:
        pixels: uint8 (H, W, 3), RGB.
        name: Start of the ids: ``coffee`` gives ``coffee/x2/r0064c0032`` (factor, row, column in
            the downscaled picture).
        group: What must not straddle splits.
        side_px: Side s of the patches.
        most: At most so many.
        seed: Of the order.
        category: Class name, where there is one.
        licence: Of the picture.
    """
    pictures = dict(scaled(pixels, side_px))
    places = [(f, r, c) for f, picture in pictures.items() for r, c in corners(picture, side_px)]
    order = np.random.default_rng(derive_seed(seed, name)).permutation(len(places))[:most]
    return [
        Media(
            id=f"{name}/x{f}/r{r:04d}c{c:04d}",
            kind=MediaKind.IMAGE,
            data=np.ascontiguousarray(pictures[f][r : r + side_px, c : c + side_px]),
            group=group,
            category=category,
            licence=licence,
        )
        for f, r, c in (places[i] for i in order)
    ]


def round_robin(groups: Sequence[Sequence[Media]], count: int | None) -> list[Media]:
    """Take one item of each group in turn until ``count`` is reached or all are taken."""
    turns = itertools.zip_longest(*groups)
    items = (item for turn in turns for item in turn if item is not None)
    return list(itertools.islice(items, count))
