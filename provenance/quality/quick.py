"""Figures that a training run can afford at every look: some 256 images in a fraction of a second.

Features are thumbnails: layout and colour, which a young, blurry generator varies, too, while one
that has collapsed does not. All figures of the real images are computed once.
Notation: N samples, R real images, S = side in pixels, D features.
"""

from typing import TYPE_CHECKING

import numpy as np

from provenance.quality.frechet import frechet_distance
from provenance.quality.kernels import kernel_distance

if TYPE_CHECKING:
    from numpy.typing import NDArray

_THUMBNAIL_PX = 8
_NEIGHBOURS = 5  # of Naeem et al. 2020 (arXiv 2002.09797)
_TWINS = 0.1  # duplicates lie closer than this part of the median distance of real images


class QuickFigures:
    """Compares samples with real images that stay the same.

    Args:
        reals: uint8 (R, S, S, 3), R at least 2.
    """

    def __init__(self, reals: "NDArray[np.uint8]") -> None:
        self._reals = thumbnails(reals)  # (R, D)
        self._among_reals = distances(self._reals, self._reals)  # (R, R)
        pairs = self._among_reals[~np.eye(len(reals), dtype=bool)]
        self._median, self._mean = float(np.median(pairs)), float(pairs.mean())

    def measure(self, samples: "NDArray[np.uint8]") -> dict[str, float]:
        """Return figures of samples, uint8 (N, S, S, 3), N at least 2.

        ``diversity`` is the mean distance between samples over that between real images: near 0,
        all samples are one image. ``duplicates`` is the share of samples with a twin.
        ``precision``, ``recall``, ``density`` and ``coverage`` are as in :func:`manifold`.
        """
        made = thumbnails(samples)  # (N, D)
        among = distances(made, made)  # (N, N)
        apart = float(among[~np.eye(len(made), dtype=bool)].mean())
        np.fill_diagonal(among, np.inf)
        return {
            "diversity": apart / max(self._mean, 1e-6),
            "duplicates": float((among.min(1) < _TWINS * self._median).mean()),
            **self._manifold(made, among),
            "frechet": frechet_distance(self._reals, made),
            "kernel": kernel_distance(self._reals, made),
        }

    def _manifold(
        self, made: "NDArray[np.float32]", among: "NDArray[np.float32]"
    ) -> dict[str, float]:
        between = distances(self._reals, made)  # (R, N)
        around_reals = np.sort(self._among_reals, 1)[:, min(_NEIGHBOURS, len(self._reals) - 1)]
        around_made = np.sort(among, 1)[:, min(_NEIGHBOURS, len(made)) - 1]
        inside = between < around_reals[:, None]
        return {
            "precision": float(inside.any(0).mean()),
            "recall": float((between < around_made[None]).any(1).mean()),
            "density": float(inside.sum() / _NEIGHBOURS / len(made)),
            "coverage": float(inside.any(1).mean()),
        }


def thumbnails(images: "NDArray[np.uint8]") -> "NDArray[np.float32]":
    """Return images (N, S, S, 3) averaged down to 8 x 8 px, float32 (N, 192), 0..255."""
    import torch
    from torch.nn.functional import adaptive_avg_pool2d

    pixels = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float()
    small: NDArray[np.float32] = adaptive_avg_pool2d(pixels, _THUMBNAIL_PX).flatten(1).numpy()
    return small


def distances(a: "NDArray[np.float32]", b: "NDArray[np.float32]") -> "NDArray[np.float32]":
    """Return the distances (N, M) of rows (N, D) and (M, D)."""
    squares = np.square(a).sum(1)[:, None] + np.square(b).sum(1)[None] - 2 * a @ b.T
    result: NDArray[np.float32] = np.sqrt(squares.clip(min=0))
    return result
