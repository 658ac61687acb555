"""Whether a generator hands out what it has learned from: samples beside their nearest images.

Nearness alone does not tell: a blurred image is near to everything. A copy is much nearer to ONE
training image than to the next ones, so the distance to the nearest is divided by the mean distance
to the fifty nearest: Carlini et al. 2023, arXiv 2301.13188, section 5.1. Notation: N samples, M
training images of side S, k neighbours.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from provenance.quality.copies import find_nearest
from provenance.quality.inspection import Section, Strip, View
from provenance.quality.variety import thumbnails

if TYPE_CHECKING:
    from numpy.typing import NDArray

COPY_RATIO = 0.5
_SIDE_PX = 16  # what is compared: enough to know a picture again, and cheap
_MOST_TRAINING = 20_000
_FEWEST_TRAINING = 60
_COMPARED, _NEIGHBOURHOOD = 256, 50
_SHOWN, _BESIDE = 8, 4


def see_neighbours(view: View) -> Section:
    """Show the samples most like copies, each beside its nearest training images."""
    reals = view.real_images
    training = reals.training[:_MOST_TRAINING]
    if len(training) < _FEWEST_TRAINING:
        few = f"The source holds {len(training)} images that it learned from; too few to compare."
        return Section("neighbours", missing=few)
    samples = view.samples[:_COMPARED]
    small = thumbnails(training, _SIDE_PX)  # (M, 16 * 16 * 3)
    unit = np.sqrt(small.shape[1])
    found = find_nearest(thumbnails(samples, _SIDE_PX), small, k=_NEIGHBOURHOOD)
    distance = found.distance / unit
    ratio = copy_ratio(distance)
    figures = _figures(distance, ratio) | {
        f"real_{name}": value for name, value in _baseline(small, unit).items()
    }
    figures |= {"training_images": len(training), "is_unseen": reals.is_unseen}
    strips = tuple(
        _strip(samples[i], training[found.index[i, :_BESIDE]], distance[i], float(ratio[i]))
        for i in np.argsort(ratio, kind="stable")[:_SHOWN]
    )
    return Section("neighbours", strips, figures)


def copy_ratio(distance: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """Return the nearest distance over the mean one, float64 (N,): near 0 for a copy, else near 1.

    Args:
        distance: float (N, k), nearest first.
    """
    return np.asarray(distance[:, 0] / np.maximum(distance.mean(1), 1e-9), np.float64)


def _baseline(small: "NDArray[np.float32]", unit: float) -> dict[str, Any]:
    """Return the same figures of training images among one another."""
    chosen = np.linspace(0, len(small) - 1, min(len(small), _COMPARED)).astype(int)
    found = find_nearest(small[chosen], small, k=_NEIGHBOURHOOD + 1)
    others = found.distance[:, 1:] / unit  # the nearest is the image itself
    return _figures(others, copy_ratio(others))


def _figures(distance: "NDArray[np.float64]", ratio: "NDArray[np.float64]") -> dict[str, Any]:
    return {
        "compared": len(ratio),
        "nearest_levels": round(float(np.median(distance[:, 0])), 2),
        "ratio": round(float(np.median(ratio)), 3),
        "copies": round(float((ratio < COPY_RATIO).mean()), 4),
    }


def _strip(
    sample: "NDArray[np.uint8]",
    neighbours: "NDArray[np.uint8]",
    distance: "NDArray[np.float64]",
    ratio: float,
) -> Strip:
    captions = ("sample", *(f"{one:.1f}" for one in distance[: len(neighbours)]))
    images = np.concatenate([sample[None], neighbours])
    return Strip("Sample, then its nearest", images, captions, {"ratio": round(ratio, 3)})
