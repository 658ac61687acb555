"""Kernel distance of two sets of features: KID (Binkowski et al. 2018, arXiv 1801.01401).

The squared maximum mean discrepancy under the kernel (x.y / D + 1)^3, in its unbiased form: its
expectation does not depend on the number of items, and is 0 for equal distributions; so it may come
out slightly below 0. Takes nothing for Gaussian.
Notation: N items, D features, G blocks.
"""

from typing import TYPE_CHECKING

import numpy as np

from provenance.quality.frechet import check_features
from provenance.quality.intervals import BLOCKS, Estimate, deal, jackknife

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CELLS_AT_ONCE = 4_000_000  # of a kernel matrix: bounds memory at some 100 MB


def kernel_distance(
    a: "NDArray[np.floating]",
    b: "NDArray[np.floating]",
    *,
    subsets: int = 0,
    subset_size: int = 1000,
    seed: int = 0,
) -> float:
    """Return the unbiased squared discrepancy; multiply by 1,000 for the usual unit.

    Args:
        a: float (N, D), N at least 2.
        b: float (M, D), M at least 2.
        subsets: 0 compares all items, each with each, in chunks. Otherwise the mean over so many
            random subsets, as the paper does: the same expectation, with more noise.
        subset_size: Items of each set in a subset, at most N and M.
        seed: Of the subsets.

    Raises:
        UserError: Too few items, or features of another number.
    """
    check_features(a, b)
    if not subsets:
        return _discrepancy(_sum_pairs(a, a, True), _sum_pairs(a, b), _sum_pairs(b, b, True), a, b)
    rng = np.random.default_rng(seed)
    size = min(subset_size, len(a), len(b))
    found = []
    for _ in range(subsets):
        part_a = a[rng.choice(len(a), size, replace=False)]
        part_b = b[rng.choice(len(b), size, replace=False)]
        found.append(kernel_distance(part_a, part_b))
    return float(np.mean(found))


def estimate_kernel(
    a: "NDArray[np.floating]", b: "NDArray[np.floating]", *, blocks: int = BLOCKS, seed: int = 0
) -> Estimate:
    """Return the kernel distance of all items with a 95 % interval by jackknife over blocks.

    The spread over random subsets, which other tools print beside KID, is that of subsets, not of
    the figure, and shrinks to nothing where subsets are all of the items. Arguments as
    :func:`kernel_distance`.
    """
    check_features(a, b)
    of_a, of_b = deal(len(a), blocks, seed), deal(len(b), blocks, seed)
    count = min(int(of_a.max()), int(of_b.max())) + 1
    parts_a = [a[of_a == g] for g in range(count)]
    parts_b = [b[of_b == g] for g in range(count)]
    k_aa, k_bb = _block_sums(parts_a, parts_a, True), _block_sums(parts_b, parts_b, True)
    k_ab = _block_sums(parts_a, parts_b)
    n, m = np.array([len(p) for p in parts_a]), np.array([len(p) for p in parts_b])
    value = _unbiased(k_aa.sum(), k_ab.sum(), k_bb.sum(), n.sum(), m.sum())
    without = [
        _unbiased(_less(k_aa, g), _less(k_ab, g), _less(k_bb, g), n.sum() - n[g], m.sum() - m[g])
        for g in range(count)
    ]
    return jackknife(value, np.array(without))


def _discrepancy(
    k_aa: float,
    k_ab: float,
    k_bb: float,
    a: "NDArray[np.floating]",
    b: "NDArray[np.floating]",
) -> float:
    return _unbiased(k_aa, k_ab, k_bb, len(a), len(b))


def _unbiased(k_aa: float, k_ab: float, k_bb: float, n: int, m: int) -> float:
    """Return the U-statistic from sums over pairs of different items."""
    return float(k_aa / (n * (n - 1)) + k_bb / (m * (m - 1)) - 2 * k_ab / (n * m))


def _less(sums: "NDArray[np.float64]", g: int) -> float:
    """Return the sum over all pairs of blocks without block ``g`` on either side."""
    return float(sums.sum() - sums[g].sum() - sums[:, g].sum() + sums[g, g])


def _block_sums(
    parts_a: "list[NDArray[np.floating]]",
    parts_b: "list[NDArray[np.floating]]",
    is_same: bool = False,
) -> "NDArray[np.float64]":
    """Return (G, G), the kernel summed over the pairs of two blocks."""
    sums = [
        [_sum_pairs(a, b, is_same and i == j) for j, b in enumerate(parts_b)]
        for i, a in enumerate(parts_a)
    ]
    return np.array(sums)


def _sum_pairs(
    a: "NDArray[np.floating]", b: "NDArray[np.floating]", is_same: bool = False
) -> float:
    """Return the sum of the kernel over pairs, without an item's pair with itself."""
    width = a.shape[1]
    other = b.astype(np.float64)
    total = 0.0
    rows = max(1, _CELLS_AT_ONCE // len(b))
    for start in range(0, len(a), rows):
        products = a[start : start + rows].astype(np.float64) @ other.T  # (rows, M)
        total += float(((products / width + 1) ** 3).sum())
    if is_same:
        squares = np.square(other).sum(1)
        total -= float(((squares / width + 1) ** 3).sum())
    return total
