"""Precision, recall, density and coverage: do two sets of features lie in the same places?

A set's manifold is the union of balls about its items, each as wide as the distance to its k-th
nearest fellow. Precision and recall: Kynkaanniemi et al. 2019, arXiv 1904.06991, eq. 2-3. Density
and coverage: Naeem et al. 2020, arXiv 2002.09797, eq. 5-6.
Notation: N real and M generated items, k neighbours, G blocks; a ball's border belongs to it.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from provenance.errors import UserError
from provenance.quality.distances import distance_rows, nearest_others
from provenance.quality.frechet import check_features
from provenance.quality.intervals import BLOCKS, Estimate, deal, jackknife

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEIGHBOURS = 5


@dataclass(frozen=True, slots=True)
class Manifold:
    """How two manifolds overlap; all depend on N and M, so compare figures of equal numbers.

    Attributes:
        precision: Share of generated items inside a real ball: do they look right? 0..1.
        recall: Share of real items inside a generated ball: is all of the variety there? 0..1.
        density: Mean number of real balls about a generated item, over k; at least 0, about 1 for
            equal sets. Unlike precision, one stray real item with a wide ball counts little.
        coverage: Share of real items with a generated one in their own ball, 0..1. Unlike recall,
            stray generated items with wide balls count nothing.
    """

    precision: float
    recall: float
    density: float
    coverage: float


def manifold(
    real: "NDArray[np.floating]", fake: "NDArray[np.floating]", *, k: int = NEIGHBOURS
) -> Manifold:
    """Compare the neighbourhoods of two sets. Costs N M + N^2 + M^2 distances, in chunks.

    Args:
        real: float (N, D), N above k.
        fake: float (M, D), M above k.
        k: Which neighbour gives a ball its width.

    Raises:
        UserError: Too few items, or features of another number.
    """
    _check(real, fake, k)
    real_radius = nearest_others(real, k)[1][:, -1]
    fake_radius = nearest_others(fake, k)[1][:, -1]
    balls, nearest = np.zeros(len(fake), np.int64), np.full(len(real), np.inf)
    is_recalled = np.zeros(len(real), bool)
    for rows, distance in distance_rows(fake, real):  # (rows of M, N)
        balls[rows] = (distance <= real_radius).sum(1)
        nearest = np.minimum(nearest, distance.min(0))
        is_recalled |= (distance <= fake_radius[rows, None]).any(0)
    return Manifold(
        precision=float((balls > 0).mean()),
        recall=float(is_recalled.mean()),
        density=float(balls.mean() / k),
        coverage=float((nearest <= real_radius).mean()),
    )


def estimate_manifold(
    real: "NDArray[np.floating]",
    fake: "NDArray[np.floating]",
    *,
    k: int = NEIGHBOURS,
    blocks: int = BLOCKS,
    seed: int = 0,
) -> dict[str, Estimate]:
    """Return all four figures with 95 % intervals by jackknife over blocks of both sets.

    Leaving a block out changes the radii, the balls and the items counted, so that all of the
    chance is in the interval; a bootstrap of the items counted would leave out that of the balls.
    About ten times as slow as :func:`manifold`. Arguments as there.
    """
    _check(real, fake, k)
    blocks = min(blocks, len(real) // (k + 1), len(fake) // (k + 1))
    whole = manifold(real, fake, k=k)
    if blocks < 2:
        raise UserError(f"{len(real)} and {len(fake)} items are too few for intervals.")
    without = _Blocks(real, fake, k, blocks, seed).count()
    most = {"precision": 1.0, "recall": 1.0, "density": np.inf, "coverage": 1.0}
    return {
        name: jackknife(getattr(whole, name), without[name], least=0.0, most=limit)
        for name, limit in most.items()
    }


class _Blocks:
    """The four figures without each block, in one pass over the distances."""

    def __init__(
        self,
        real: "NDArray[np.floating]",
        fake: "NDArray[np.floating]",
        k: int,
        blocks: int,
        seed: int,
    ) -> None:
        self._real, self._fake, self._k, self._blocks = real, fake, k, blocks
        self._of_real, self._of_fake = deal(len(real), blocks, seed), deal(len(fake), blocks, seed)
        self._real_radius = _radii(real, self._of_real, k, blocks)  # (G, N)
        self._fake_radius = _radii(fake, self._of_fake, k, blocks)  # (G, M)

    def count(self) -> "dict[str, NDArray[np.float64]]":
        """Return each figure, float64 (G,)."""
        n, m, g = len(self._real), len(self._fake), self._blocks
        balls = np.zeros((g, m), np.int64)
        is_recalled, is_covered = np.zeros((g, n), bool), np.zeros((g, n), bool)
        for rows, distance in distance_rows(self._fake, self._real):  # (rows of M, N)
            for block in range(g):
                here = self._of_fake[rows] != block
                inside = distance <= self._real_radius[block]
                balls[block, rows] = inside.sum(1)
                is_covered[block] |= inside[here].any(0)
                reach = self._fake_radius[block, rows][here, None]
                is_recalled[block] |= (distance[here] <= reach).any(0)
        return self._figures(balls, is_recalled, is_covered)

    def _figures(
        self,
        balls: "NDArray[np.int64]",
        is_recalled: "NDArray[np.bool_]",
        is_covered: "NDArray[np.bool_]",
    ) -> "dict[str, NDArray[np.float64]]":
        left = np.arange(self._blocks)[:, None]
        real, fake = self._of_real != left, self._of_fake != left  # (G, N), (G, M)
        reals, fakes = real.sum(1), fake.sum(1)
        return {
            "precision": ((balls > 0) & fake).sum(1) / fakes,
            "recall": (is_recalled & real).sum(1) / reals,
            "density": (balls * fake).sum(1) / fakes / self._k,
            "coverage": (is_covered & real).sum(1) / reals,
        }


def _radii(
    points: "NDArray[np.floating]", block: "NDArray[np.int64]", k: int, blocks: int
) -> "NDArray[np.float64]":
    """Return (G, N): each item's distance to its k-th neighbour outside of block g.

    Items of block g itself get -1 there: a ball that holds nothing.
    """
    most = min(len(points) - 1, 4 * k + 8)  # that more than 3 k + 8 of these fall into g is rare
    index, distance = nearest_others(points, most)
    radii = np.empty((blocks, len(points)))
    for g in range(blocks):
        outside = block[index] != g  # (N, most)
        rank = outside.cumsum(1)
        place = np.where((rank == k).any(1), (rank == k).argmax(1), most - 1)
        radii[g] = distance[np.arange(len(points)), place]
        radii[g, block == g] = -1.0
    return radii


def _check(real: "NDArray[np.floating]", fake: "NDArray[np.floating]", k: int) -> None:
    check_features(real, fake)
    if k < 1 or min(len(real), len(fake)) <= k:
        raise UserError(
            f"With {len(real)} real and {len(fake)} generated items there is no neighbour {k}. Ask "
            f"for more items."
        )
