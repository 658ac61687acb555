"""Paints a large image tile by tile, each of a small generator's side, without visible seams.

Notation: H, W the image's size in pixels, S the side of a tile, B tiles painted in one call.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from provenance.training.seeds import derive_seed

if TYPE_CHECKING:
    from numpy.typing import NDArray

Paint = Callable[
    ["NDArray[np.uint8]", "NDArray[np.bool_] | None", int],
    "NDArray[np.uint8]",
]
"""From tiles (B, S, S, 3), masks (B, S, S) or None, and a seed, to tiles of the same shape."""

_BATCH = 64
_Place = tuple[int, int]  # row and column of a tile's first pixel


@dataclass(frozen=True, slots=True)
class Painter:
    """Who paints tiles.

    Attributes:
        side_px: S.
        seed: Of all that is drawn; tile i of a pass has the i-th seed of that pass.
        paint: Paints a batch.
        progress: Called with a fraction and a message.
    """

    side_px: int
    seed: int
    paint: Paint
    progress: Callable[[float, str], None]

    def batches(self, pass_name: str, places: list[_Place]) -> Iterator[tuple[list[_Place], int]]:
        """Yield the places of each batch and its seed."""
        first = derive_seed(self.seed, "edit", pass_name) % 2**31  # room for the tiles' own
        for start in range(0, len(places), _BATCH):
            self.progress(start / len(places), f"{pass_name}: {start} of {len(places)} tiles")
            yield places[start : start + _BATCH], first + start


# --- the whole image ------------------------------------------------------------------------------


def redraw_whole(painter: Painter, image: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
    """Return the image with every tile painted; tiles overlap by a quarter and are blended there.

    Args:
        painter: Who paints.
        image: uint8 (H, W, 3); beyond its edges it is reflected.
    """
    side = painter.side_px
    step = side - side // 4
    canvas = _padded(image, side, step, margin=0)
    weight = _tent(side, side // 4)[..., None]  # (S, S, 1)
    total = np.zeros(canvas.shape, np.float32)
    weights = np.zeros((*canvas.shape[:2], 1), np.float32)
    places = _grid(canvas.shape, side, step)
    for batch, seed in painter.batches("whole", places):
        tiles = np.stack([canvas[_window(place, side)] for place in batch])  # (B, S, S, 3)
        for place, tile in zip(batch, painter.paint(tiles, None, seed), strict=True):
            total[_window(place, side)] += weight * tile
            weights[_window(place, side)] += weight
    height, width = image.shape[:2]
    mean = total[:height, :width] / weights[:height, :width]
    return np.asarray(mean.round().clip(0, 255), np.uint8)


# --- a region -------------------------------------------------------------------------------------


def redraw_masked(
    painter: Painter, image: "NDArray[np.uint8]", region: "NDArray[np.bool_]"
) -> "NDArray[np.uint8]":
    """Return the image with a region painted anew; every other pixel is as it was.

    First whole tiles, then a band over each of their vertical seams, then one over each horizontal
    seam, by tiles shifted by half a side, which see what lies on both sides.

    Args:
        painter: Who paints.
        image: uint8 (H, W, 3); beyond its edges it is reflected.
        region: bool (H, W), true where to paint.
    """
    side = painter.side_px
    half = side // 2
    canvas = _padded(image, side, side, margin=half)
    open_ = np.zeros(canvas.shape[:2], bool)
    height, width = region.shape
    open_[half : half + height, half : half + width] = region
    inner = (canvas.shape[0] - half, canvas.shape[1] - half)  # the first tile begins at the image
    grid = [(row + half, column + half) for row, column in _grid(inner, side, side)]
    _pass(painter, "tiles", canvas, open_, grid, None)
    beside = [(row, column - half) for row, column in grid if column > half]
    _pass(painter, "columns", canvas, open_, beside, 1)
    below = [(row - half, column) for row, column in grid if row > half]
    _pass(painter, "rows", canvas, open_, below, 0)
    painted = canvas[half : half + height, half : half + width]
    share = _feather(region, max(1, side // 8))[..., None]  # (H, W, 1)
    mixed = (1 - share) * image + share * painted
    return np.where(region[..., None], mixed.round().clip(0, 255).astype(np.uint8), image)


def _pass(
    painter: Painter,
    name: str,
    canvas: "NDArray[np.uint8]",
    region: "NDArray[np.bool_]",
    places: list[_Place],
    axis: int | None,
) -> None:
    """Paint the region of each tile that it touches into the canvas.

    Args:
        painter: Who paints.
        name: Of the pass.
        canvas: uint8 (H, W, 3); changed.
        region: bool (H, W).
        places: Of tiles that do not overlap.
        axis: Along which a band about the tile's middle is painted; None for all of the tile.
    """
    side = painter.side_px
    band = np.ones((side, side), np.float32) if axis is None else _band(side, axis)
    touched = [place for place in places if (region[_window(place, side)] & (band > 0)).any()]
    for batch, seed in painter.batches(name, touched):
        windows = [_window(place, side) for place in batch]
        masks = np.stack([region[window] & (band > 0) for window in windows])  # (B, S, S)
        tiles = np.stack([canvas[window] for window in windows])  # (B, S, S, 3)
        for window, mask, tile in zip(
            windows, masks, painter.paint(tiles, masks, seed), strict=True
        ):
            share = (band * mask)[..., None]  # (S, S, 1)
            mixed = (1 - share) * canvas[window] + share * tile
            canvas[window] = mixed.round().clip(0, 255).astype(np.uint8)


# --- geometry -------------------------------------------------------------------------------------


def _padded(
    image: "NDArray[np.uint8]", side: int, step: int, *, margin: int
) -> "NDArray[np.uint8]":
    """Return the image reflected beyond its edges, so that whole tiles cover it.

    Args:
        image: uint8 (H, W, 3).
        side: S.
        step: From tile to tile.
        margin: Before the first tile and after the last one.
    """
    more = []
    for size in image.shape[:2]:
        tiles = 1 + max(0, -(-(size - side) // step))
        more.append((margin, margin + side + (tiles - 1) * step - size))
    return np.pad(image, (*more, (0, 0)), mode="reflect")


def _grid(shape: tuple[int, ...], side: int, step: int) -> list[_Place]:
    """Return the places of tiles that lie within ``shape``, row by row."""
    rows, columns = (range(0, size - side + 1, step) for size in shape[:2])
    return [(row, column) for row in rows for column in columns]


def _window(place: _Place, side: int) -> tuple[slice, slice]:
    row, column = place
    return slice(row, row + side), slice(column, column + side)


def _tent(side: int, ramp: int) -> "NDArray[np.float32]":
    """Return weights (S, S): 1 in the middle, falling over ``ramp`` pixels to each edge."""
    distance = np.minimum(np.arange(side), np.arange(side)[::-1]) + 1
    line = np.minimum(1.0, distance / (ramp + 1)).astype(np.float32)  # (S,)
    return np.outer(line, line).astype(np.float32)


def _band(side: int, axis: int) -> "NDArray[np.float32]":
    """Return weights (S, S) of a band about the middle, a quarter of the side wide.

    Args:
        side: S.
        axis: 1 for a band that stands, over a vertical seam; 0 for one that lies.
    """
    distance = np.abs(np.arange(side) - (side - 1) / 2)
    line = np.clip((side / 8 - distance) / (side / 16), 0, 1).astype(np.float32)  # (S,)
    lying = np.repeat(line[:, None], side, axis=1)
    return lying if axis == 0 else lying.T


def _feather(region: "NDArray[np.bool_]", ramp_px: int) -> "NDArray[np.float32]":
    """Return the share of new content (H, W): rises from the region's edge inwards to 1.

    Where a part of the region is thinner than the ramp, it rises to 1 in the middle all the same.

    Args:
        region: bool (H, W).
        ramp_px: How deep the rise reaches.
    """
    import cv2

    marks = region.astype(np.uint8)
    # an edge of the image is none of the region's: there is nothing beyond it to blend with
    bordered = np.pad(marks, 1, mode="edge")
    depth = cv2.distanceTransform(bordered, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    count, parts = cv2.connectedComponents(marks)
    deepest = np.zeros(count, np.float32)
    np.maximum.at(deepest, parts.ravel(), depth.ravel().astype(np.float32))
    ramp = np.minimum(ramp_px, deepest)[parts]  # (H, W)
    return np.asarray(np.clip(depth / np.maximum(ramp, 1e-6), 0, 1) * marks, np.float32)
