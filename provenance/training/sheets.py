"""Pictures of a run in progress: contact sheets, and whether samples still differ.

Images are uint8 (N, S, S, 3), sRGB, S = side in pixels.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from provenance.files import write_atomic
from provenance.media import contact_sheet

_MOST_COMPARED = 256


def write_sheet(
    workdir: Path, step: int, rows: Sequence[NDArray[np.uint8]], captions: Sequence[str]
) -> None:
    """Write ``workdir/samples/step_XXXXXX.png``, where ``generate`` looks for the last one.

    Args:
        workdir: Of the run.
        step: Sheets sort by it.
        rows: Of images, all of one size.
        captions: One a row.
    """
    path = workdir / "samples" / f"step_{step:06d}.png"
    write_atomic(path, contact_sheet(rows, captions=captions))


def pick_pictures(
    images: NDArray[np.uint8], held_out: NDArray[np.uint8], count: int
) -> NDArray[np.uint8]:
    """Return ``count`` originals for a sheet: held-out ones where there are as many."""
    return _evenly(held_out if len(held_out) >= count else images, count)


def spread(samples: NDArray[np.uint8], images: NDArray[np.uint8]) -> float:
    """Return how far samples lie from one another, relative to images: near 0 is collapse.

    Distances are root mean squares between pairs of an even choice.
    """
    return _distance(samples) / max(_distance(images), 1e-6)


def _distance(images: NDArray[np.uint8]) -> float:
    """Return the mean distance of pairs, 0..255."""
    chosen = _evenly(images, min(len(images), _MOST_COMPARED)).astype(np.float32)
    apart = (chosen - np.roll(chosen, len(chosen) // 2, axis=0)) ** 2
    return float(np.sqrt(apart.mean((1, 2, 3))).mean())


def _evenly(images: NDArray[np.uint8], count: int) -> NDArray[np.uint8]:
    """Return ``count`` images from first to last; some twice where there are fewer."""
    chosen: NDArray[np.uint8] = images[np.linspace(0, len(images) - 1, count).astype(int)]
    return chosen
