"""95 % intervals that are honest about what they resample.

A mean over independent items gets a percentile bootstrap. A figure that compares two sets (a
Frechet distance, a recall) does not: drawing items with replacement puts copies into the sets,
which raises distances and puts every item's neighbour at distance 0. Those get a jackknife over
blocks instead: the items are dealt into G blocks, the figure is computed G times without one block
of either set, and the spread of these values gives its standard error (Efron and Stein 1981;
Kunsch 1989, for the delete-a-block form). No item ever comes twice.

Notation: N items, G blocks, B resamples.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from provenance.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

BLOCKS = 20
_LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its 95 % interval; ``low`` and ``high`` are None where there is none.

    Attributes:
        value: As measured on all items.
        low: Lower end.
        high: Upper end.
        unbiased: Distances whose value falls with the number of items: what is left when the first
            order of that is taken off by the jackknife. None for other figures.
    """

    value: float
    low: float | None = None
    high: float | None = None
    unbiased: float | None = None

    def to_json(self) -> dict[str, float]:
        """Return the fields that are there."""
        fields = {
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "unbiased": self.unbiased,
        }
        return {name: value for name, value in fields.items() if value is not None}


def deal(count: int, blocks: int, seed: int = 0) -> "NDArray[np.int64]":
    """Return the block of each of ``count`` items, 0..G-1: equal shares in a seeded order.

    Args:
        count: At least 2.
        blocks: G; no more blocks are used than there are items.
        seed: Of the order, so that neighbours in a source come into different blocks.
    """
    if count < 2:
        raise UserError(f"An interval needs at least 2 items, not {count}. Ask for more.")
    return np.random.default_rng(seed).permutation(count) % min(blocks, count)


def jackknife(
    value: float,
    without: "NDArray[np.float64]",
    *,
    least: float = -np.inf,
    most: float = np.inf,
    is_biased: bool = False,
) -> Estimate:
    """Return a figure with its delete-a-block interval: value plus and minus t standard errors.

    Args:
        value: Of all items.
        without: float (G,), the figure without each block.
        least: The interval is cut here.
        most: The interval is cut here.
        is_biased: Also state ``unbiased``, G value - (G - 1) mean(without).
    """
    from scipy.stats import t  # type: ignore[import-untyped]  # scikit-learn brings it

    count = len(without)
    spread = (count - 1) / count * np.square(without - without.mean()).sum()
    half = float(t.ppf((1 + _LEVEL) / 2, count - 1) * np.sqrt(spread))
    return Estimate(
        float(value),
        float(np.clip(value - half, least, most)),
        float(np.clip(value + half, least, most)),
        float(count * value - (count - 1) * without.mean()) if is_biased else None,
    )


def jackknife_of(
    statistic: "Callable[[NDArray[Any], NDArray[Any]], float]",
    a: "NDArray[Any]",
    b: "NDArray[Any]",
    *,
    blocks: int = BLOCKS,
    seed: int = 0,
    **limits: Any,
) -> Estimate:
    """Return any figure of two sets with its interval, computed G + 1 times.

    Args:
        statistic: Takes two arrays, first axis = items.
        a: The real items.
        b: The others.
        blocks: G.
        seed: Of the blocks.
        limits: As in :func:`jackknife`.
    """
    block_a, block_b = deal(len(a), blocks, seed), deal(len(b), blocks, seed + 1)
    count = min(int(block_a.max()), int(block_b.max())) + 1
    without = [statistic(a[block_a != g], b[block_b != g]) for g in range(count)]
    return jackknife(statistic(a, b), np.array(without), **limits)


def bootstrap_mean(
    values: "NDArray[np.floating[Any]] | NDArray[np.bool_]", *, seed: int, resamples: int = 1000
) -> Estimate:
    """Return the mean of independent items with its percentile-bootstrap interval.

    Args:
        values: (N,), N at least 1.
        seed: Of the resampling.
        resamples: B.
    """
    rng = np.random.default_rng(seed)
    plain = np.asarray(values, np.float64)
    count = len(plain)
    means = [plain[rng.integers(count, size=count)].mean() for _ in range(resamples)]
    low, high = np.percentile(means, [2.5, 97.5])
    return Estimate(float(plain.mean()), float(low), float(high))
