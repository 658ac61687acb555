"""Figures that a training run can afford at every look: 256 images of 32 px in half a second.

Where samples lie is asked on thumbnails, layout and colour: a young, blurry generator varies these,
one that has collapsed does not. How far off they are is asked on features of random weights, which
see texture. Nothing needs training, and all figures of the real images are computed once.
Notation: N samples, R real images, S = side in pixels, D features.
"""

from typing import TYPE_CHECKING

from provenance.quality.copies import duplicates
from provenance.quality.features import RandomFeatures
from provenance.quality.frechet import frechet_distance
from provenance.quality.kernels import kernel_distance
from provenance.quality.neighbourhoods import NEIGHBOURS, manifold
from provenance.quality.variety import diversity, thumbnails

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_PAIRS = 128  # of MS-SSIM, which takes most of a look
_SIDE_PX = 32
_LEAST_LEVELS = 1e-3  # real images that are all one picture have no variety to divide by


class QuickFigures:
    """Compares samples with real images that stay the same.

    Args:
        reals: uint8 (R, S, S, 3), R at least 2, S at least 8.
    """

    def __init__(self, reals: "NDArray[np.uint8]") -> None:
        reals = _small(reals)
        self._features = RandomFeatures()
        self._reals = self._features(reals)  # (R, D)
        self._layouts = thumbnails(reals)  # (R, 192)
        self._diversity = diversity(reals, pairs=_PAIRS)
        self._duplicates = duplicates(reals).share

    def measure(self, samples: "NDArray[np.uint8]") -> dict[str, float]:
        """Return figures of samples, uint8 (N, S, S, 3), N at least 2.

        Returns:
            ``variety``: diversity times (1 - duplicates) times (1 - similarity)^2; about 1 for real
            images, near 0 where all samples are one image, or a few. ``diversity``: distance of
            pairs of thumbnails over that of real images. ``duplicates``: share of samples that
            repeat another, less that of real images. ``similarity``: MS-SSIM of pairs, less that of
            real images; twice in the product, since it tells most. ``precision``,
            ``recall``, ``density`` and ``coverage``: as in :func:`manifold`, on thumbnails.
            ``frechet`` and ``kernel``: the distances of these names, on random features.
        """
        samples = _small(samples)
        made = self._features(samples)  # (N, D)
        overlap = manifold(self._layouts, thumbnails(samples), k=self._neighbours(len(made)))
        return {
            **self._variety(samples),
            "precision": overlap.precision,
            "recall": overlap.recall,
            "density": overlap.density,
            "coverage": overlap.coverage,
            "frechet": frechet_distance(self._reals, made),
            "kernel": kernel_distance(self._reals, made),
        }

    def _variety(self, samples: "NDArray[np.uint8]") -> dict[str, float]:
        found = diversity(samples, pairs=_PAIRS)
        apart = found.thumbnail / max(self._diversity.thumbnail, _LEAST_LEVELS)
        similar = found.ms_ssim - self._diversity.ms_ssim
        repeated = duplicates(samples).share - self._duplicates
        return {
            "variety": apart * (1 - max(repeated, 0.0)) * (1 - max(similar, 0.0)) ** 2,
            "diversity": apart,
            "duplicates": repeated,
            "similarity": similar,
        }

    def _neighbours(self, count: int) -> int:
        """Return k; a handful of images has no fifth neighbour."""
        return min(NEIGHBOURS, count - 1, len(self._reals) - 1)


def _small(images: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
    """Return images of 64 px and more as means over squares, of 32 to 63 px.

    Collapse shows at any size; at 256 px a look would take ten gigabytes, and longer than training.
    """
    n, height, width, channels = images.shape
    factor = max(1, min(height, width) // _SIDE_PX)
    if factor == 1:
        return images
    high, wide = height // factor, width // factor
    whole = images[:, : high * factor, : wide * factor]
    squares = whole.reshape(n, high, factor, wide, factor, channels)
    shrunk: NDArray[np.uint8] = squares.mean((2, 4), dtype="float32").round().astype(images.dtype)
    return shrunk
