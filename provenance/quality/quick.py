"""Figures that a training run can afford at every look: 256 images of 32 px in half a second.

Features are those of random weights and thumbnails, which need no training. All figures of the real
images are computed once. Notation: N samples, R real images, S = side in pixels.
"""

from typing import TYPE_CHECKING

from provenance.quality.copies import duplicates
from provenance.quality.features import RandomFeatures
from provenance.quality.frechet import frechet_distance
from provenance.quality.kernels import kernel_distance
from provenance.quality.neighbourhoods import NEIGHBOURS, manifold
from provenance.quality.variety import diversity

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LEAST_LEVELS = 1e-3  # real images that are all one picture have no variety to divide by


class QuickFigures:
    """Compares samples with real images that stay the same.

    Args:
        reals: uint8 (R, S, S, 3), R at least 2, S at least 8.
    """

    def __init__(self, reals: "NDArray[np.uint8]") -> None:
        self._features = RandomFeatures()
        self._reals = self._features(reals)  # (R, D)
        self._diversity = diversity(reals)

    def measure(self, samples: "NDArray[np.uint8]") -> dict[str, float]:
        """Return figures of samples, uint8 (N, S, S, 3), N at least 2.

        Returns:
            ``diversity``: distance of pairs of thumbnails, over that of real images; near 0, all
            samples are one image. ``similarity``: their MS-SSIM less that of real images; near 0
            is well. ``duplicates``: share of samples that repeat another. ``precision``,
            ``recall``, ``density``, ``coverage``, ``frechet`` and ``kernel``: as the functions of
            these names, on random features.
        """
        made = self._features(samples)  # (N, D)
        found = diversity(samples)
        overlap = manifold(self._reals, made, k=self._neighbours(len(made)))
        return {
            "diversity": found.thumbnail / max(self._diversity.thumbnail, _LEAST_LEVELS),
            "similarity": found.ms_ssim - self._diversity.ms_ssim,
            "duplicates": duplicates(samples).share,
            "precision": overlap.precision,
            "recall": overlap.recall,
            "density": overlap.density,
            "coverage": overlap.coverage,
            "frechet": frechet_distance(self._reals, made),
            "kernel": kernel_distance(self._reals, made),
        }

    def _neighbours(self, count: int) -> int:
        """Return k; a handful of images has no fifth neighbour."""
        return min(NEIGHBOURS, count - 1, len(self._reals) - 1)
