"""Copies: samples that repeat one another, and samples that repeat a training image.

Frechet distance, precision and even recall are best for a model that hands out its training set;
only a look at nearest neighbours tells.
Notation: N samples, M real images, D features, k neighbours.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from provenance.quality.distances import distance_rows, nearest_others, smallest
from provenance.quality.spectra import check_image_pair
from provenance.quality.variety import thumbnails

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from provenance.quality.features import Features

SAME_LEVELS = 4.0
"""Thumbnails that differ by less (root mean square, 0..255) show the same picture."""


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Images of one set that look like another of it.

    Attributes:
        is_duplicate: bool (N,), whether there is another whose 8 px thumbnail differs by less than
            four grey levels (root mean square).
        share: Part of the images that are, 0..1; compare with that of real images.
        exact: Part of the images whose very pixels come twice or more, 0..1.
    """

    is_duplicate: "NDArray[np.bool_]"
    share: float
    exact: float


@dataclass(frozen=True, slots=True)
class Neighbours:
    """For each of N samples its k nearest real images, nearest first.

    Attributes:
        index: int64 (N, k), rows of the real images.
        distance: float64 (N, k), in the features' unit; without features in grey levels (0..255,
            root mean square over the pixels).
    """

    index: "NDArray[np.int64]"
    distance: "NDArray[np.float64]"


def duplicates(images: "NDArray[np.uint8]", *, tolerance: float = SAME_LEVELS) -> Duplicates:
    """Find images of a set that repeat another one.

    Args:
        images: uint8 (N, S, S, 3).
        tolerance: In grey levels.
    """
    if len(images) < 2:
        return Duplicates(np.zeros(len(images), bool), 0.0, 0.0)
    small = thumbnails(images)
    apart = nearest_others(small, 1)[1][:, 0] / np.sqrt(small.shape[1])
    found = apart < tolerance
    flat = np.ascontiguousarray(images).reshape(len(images), -1)
    _, which, counts = np.unique(flat, axis=0, return_inverse=True, return_counts=True)
    return Duplicates(found, float(found.mean()), float((counts[which] > 1).mean()))


def nearest(
    samples: "NDArray[np.uint8]",
    reals: "NDArray[np.uint8]",
    features: "Features | None" = None,
    *,
    k: int = 1,
) -> Neighbours:
    """Return the nearest real images of each sample.

    Args:
        samples: uint8 (N, S, S, 3).
        reals: uint8 (M, S, S, 3), the training images where memorisation is the question.
        features: In which nearness is measured; None takes the pixels.
        k: At most M are returned.

    Raises:
        UserError: Images of another size, or no real ones.
    """
    check_image_pair(samples, reals)
    if features is None:
        a, b = (np.asarray(x, np.float32).reshape(len(x), -1) for x in (samples, reals))
        unit = float(np.sqrt(a.shape[1]))
    else:
        a, b, unit = features(samples), features(reals), 1.0
    found = find_nearest(a, b, k=k)
    return Neighbours(found.index, found.distance / unit)


def find_nearest(a: "NDArray[np.floating]", b: "NDArray[np.floating]", *, k: int = 1) -> Neighbours:
    """Return the k nearest rows of ``b`` (M, D) of each row of ``a`` (N, D)."""
    count = min(k, len(b))
    index, distance = np.empty((len(a), count), np.int64), np.empty((len(a), count))
    for rows, found in distance_rows(a, b):
        index[rows], distance[rows] = smallest(found, count)
    return Neighbours(index, distance)


def copied_share(
    samples: "NDArray[np.floating]",
    training: "NDArray[np.floating]",
    held_out: "NDArray[np.floating]",
    *,
    quantile: float = 0.01,
) -> "NDArray[np.bool_]":
    """Return for each sample whether it lies suspiciously close to a training item, bool (N,).

    Closer than all but ``quantile`` of the held-out real items lie to theirs: so of honest samples
    about that share is found too, and of copies nearly all. Needs held-out items of the same
    scenes; where they show others, they lie far off, and honest samples look like copies.

    Args:
        samples: Features float (N, D).
        training: Features float (M, D) of what the generator learned from.
        held_out: Features float (L, D) of real items that it did not.
        quantile: 0..1.
    """
    allowed = np.quantile(find_nearest(held_out, training).distance[:, 0], quantile)
    found: NDArray[np.bool_] = find_nearest(samples, training).distance[:, 0] < allowed
    return found
