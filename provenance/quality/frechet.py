"""Frechet distance of two sets of features (Heusel et al. 2017, arXiv 1706.08500, eq. 6).

Both sets are taken for Gaussians. Sees a shift of the whole, less variety, wrong texture where the
features know texture. Does not see memorisation: the training set itself scores best.
Notation: N items, D features, G blocks.
"""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from provenance.errors import UserError
from provenance.quality.intervals import BLOCKS, Estimate, deal, jackknife

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ROWS_AT_ONCE = 8192


class Moments(NamedTuple):
    """Sums over items, from which blocks can be taken off again; float64."""

    items: int
    total: "NDArray[np.float64]"  # (D,)
    outer: "NDArray[np.float64]"  # (D, D), sum of x x^T

    def less(self, other: "Moments") -> "Moments":
        """Return the moments of the items that ``other`` has not."""
        return Moments(self.items - other.items, self.total - other.total, self.outer - other.outer)

    def mean_and_covariance(self) -> "tuple[NDArray[np.float64], NDArray[np.float64]]":
        """Return the mean (D,) and the covariance (D, D), divided by N - 1."""
        mean = self.total / self.items
        return mean, (self.outer - self.items * np.outer(mean, mean)) / (self.items - 1)


def moments(features: "NDArray[np.floating]", centre: "NDArray[np.float64]") -> Moments:
    """Return the moments of features (N, D) about ``centre`` (D,), in chunks."""
    width = features.shape[1]
    total, outer = np.zeros(width), np.zeros((width, width))
    for start in range(0, len(features), _ROWS_AT_ONCE):
        rows = features[start : start + _ROWS_AT_ONCE].astype(np.float64) - centre
        total += rows.sum(0)
        outer += rows.T @ rows
    return Moments(len(features), total, outer)


def frechet_distance(a: "NDArray[np.floating]", b: "NDArray[np.floating]") -> float:
    """Return |mean_a - mean_b|^2 + tr(A + B - 2 (A B)^(1/2)), at least 0.

    Biased upward by about a constant over N: compare only figures of equal N, or use
    :func:`estimate_frechet`. No square root of a non-symmetric matrix is taken, so that more
    features than items are no trouble.

    Args:
        a: float (N, D), N at least 2.
        b: float (M, D), M at least 2.

    Raises:
        UserError: Too few items, or features of another number.

    Example:
        >>> import numpy as np
        >>> a = np.random.default_rng(0).normal(size=(4000, 3))
        >>> round(frechet_distance(a, a + [2.0, 0.0, 0.0]), 3)
        4.0
    """
    check_features(a, b)
    centre = a.mean(0, dtype=np.float64)
    return _distance(moments(a, centre), moments(b, centre))


def estimate_frechet(
    a: "NDArray[np.floating]", b: "NDArray[np.floating]", *, blocks: int = BLOCKS, seed: int = 0
) -> Estimate:
    """Return the Frechet distance with a 95 % interval and without its bias in N.

    A bootstrap would raise the distance itself, since resamples hold fewer different items; this is
    a delete-a-block jackknife. ``unbiased`` is an extrapolation to infinitely many items as in
    arXiv 1911.07023, by the jackknife instead of a fit of a line; it may come out below 0 where two
    sets hardly differ. Arguments as :func:`frechet_distance`.
    """
    check_features(a, b)
    centre = a.mean(0, dtype=np.float64)
    parts_a, parts_b = (_per_block(x, centre, deal(len(x), blocks, seed)) for x in (a, b))
    whole_a, whole_b = _sum(parts_a), _sum(parts_b)
    without = [
        _distance(whole_a.less(part_a), whole_b.less(part_b))
        for part_a, part_b in zip(parts_a, parts_b, strict=False)
    ]
    value = _distance(whole_a, whole_b)
    return jackknife(value, np.array(without), least=0.0, is_biased=True)


def check_features(a: "NDArray[np.floating]", b: "NDArray[np.floating]") -> None:
    """Check that two sets of features can be compared.

    Raises:
        UserError: They are not both (N, D) of one D, hold fewer than two items, or are not finite.
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise UserError(f"Features of shapes {a.shape} and {b.shape} cannot be compared.")
    if min(len(a), len(b)) < 2:
        raise UserError(f"Comparing needs 2 items a set, not {len(a)} and {len(b)}. Ask for more.")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise UserError("Some features are no numbers. The generator or the features are broken.")


def _per_block(
    features: "NDArray[np.floating]", centre: "NDArray[np.float64]", block: "NDArray[np.int64]"
) -> list[Moments]:
    return [moments(features[block == g], centre) for g in range(block.max() + 1)]


def _sum(parts: list[Moments]) -> Moments:
    return Moments(
        sum(part.items for part in parts),
        np.sum([part.total for part in parts], axis=0),
        np.sum([part.outer for part in parts], axis=0),
    )


def _distance(a: Moments, b: Moments) -> float:
    mean_a, cov_a = a.mean_and_covariance()
    mean_b, cov_b = b.mean_and_covariance()
    root = _square_root(cov_a)
    # tr (A B)^(1/2) is that of the symmetric A^(1/2) B A^(1/2), whose eigenvalues are the same
    eigenvalues = np.linalg.eigvalsh(root @ cov_b @ root)
    trace = np.sqrt(eigenvalues.clip(min=0)).sum()
    between = np.square(mean_a - mean_b).sum() + np.trace(cov_a) + np.trace(cov_b)
    return float(max(between - 2 * trace, 0.0))


def _square_root(matrix: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """Return the symmetric root of a positive semi-definite matrix."""
    values, vectors = np.linalg.eigh(matrix)
    root: NDArray[np.float64] = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    return root
