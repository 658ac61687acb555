"""How well scores separate synthetic from real, with intervals; all resamples at once.

Notation: N items, G groups of equal score, B weightings of the items (bootstrap resamples).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from provenance.detection.calibration import Calibration

_BINS = 15
_CELLS_AT_ONCE = 2_000_000  # of a (B, N) array: bounds memory at some 100 MB

METRICS: Mapping[str, str] = {
    "auroc": "area under the ROC curve",
    "average_precision": "average precision, at the class balance of the items tested",
    "balanced_accuracy": "mean of true-positive and true-negative rate at the calibrated 5 % level",
    "tpr_at_1pct_fpr": "true-positive rate at 1 % false positives among the items tested",
    "tpr_at_5pct_fpr": "true-positive rate at 5 % false positives among the items tested",
    "ece": "expected calibration error, 15 bins, both classes weighing the same",
    "fpr_at_threshold": "false-positive rate that the calibrated 5 % level turns out to have",
}
"""Every metric by its key in cards and reports, with its definition."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A metric and its 95 % bootstrap interval; None where the items do not define it."""

    value: float | None
    low: float | None
    high: float | None


def summarise(
    logits: "NDArray[np.floating]",
    synthetic: "NDArray[np.bool_]",
    clusters: "Sequence[str]",
    *,
    calibration: "Calibration",
    threshold_logit: float,
    seed: int = 0,
    replicates: int = 1000,
) -> dict[str, Estimate]:
    """Compute all of :data:`METRICS` with percentile-bootstrap intervals.

    Whole clusters are drawn, not items: a real item and the fakes made from it are one draw, since
    what makes one of them hard makes its relatives hard.

    Args:
        logits: float (N,), finite; higher = synthetic.
        synthetic: bool (N,).
        clusters: N names; equal names are drawn together.
        calibration: Turns logits into the probabilities whose error is measured.
        threshold_logit: The calibrated 5 % level.
        seed: Of the resampling.
        replicates: How many resamples.
    """
    if len(logits) == 0:
        return dict.fromkeys(METRICS, Estimate(None, None, None))
    sample = _Sample(
        np.asarray(logits, np.float64), synthetic, calibration.probability(logits), threshold_logit
    )
    value = sample.metrics(np.ones((1, len(logits)), np.int64))
    draws = _resample(sample.metrics, clusters, seed=seed, replicates=replicates)
    return {name: _estimate(float(value[name][0]), draws[name]) for name in METRICS}


def _resample(
    metrics: "Callable[[NDArray[np.int64]], dict[str, NDArray[np.float64]]]",
    clusters: "Sequence[str]",
    *,
    seed: int,
    replicates: int,
) -> "dict[str, NDArray[np.float64]]":
    random = np.random.default_rng(seed)
    names, index = np.unique(np.asarray(clusters, dtype=np.str_), return_inverse=True)
    share = np.full(len(names), 1 / max(1, len(names)))
    at_once = max(1, _CELLS_AT_ONCE // max(1, len(index)))
    parts = []
    for start in range(0, replicates, at_once):
        size = min(at_once, replicates - start)
        counts = random.multinomial(len(names), share, size=size)  # (B, clusters)
        parts.append(metrics(counts[:, index]))  # (B, N)
    return {name: np.concatenate([part[name] for part in parts]) for name in METRICS}


def _estimate(value: float, draws: "NDArray[np.float64]") -> Estimate:
    defined = draws[np.isfinite(draws)]  # a resample may miss a class
    if not np.isfinite(value) or not len(defined):
        return Estimate(None, None, None)
    low, high = np.percentile(defined, [2.5, 97.5])
    return Estimate(value, float(low), float(high))


class _Sample:
    """Scored items, sorted once, so that each weighting costs only cumulative sums."""

    def __init__(
        self,
        logits: "NDArray[np.float64]",
        synthetic: "NDArray[np.bool_]",
        probability: "NDArray[np.float64]",
        threshold_logit: float,
    ) -> None:
        self._order = np.argsort(-logits, kind="stable")
        ordered = logits[self._order]
        self._synthetic = np.asarray(synthetic, bool)[self._order]
        self._flagged = ordered > threshold_logit
        self._ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))  # (G,)
        self._probability = probability[self._order]
        bins = np.clip((self._probability * _BINS).astype(int), 0, _BINS - 1)
        self._in_bin = np.eye(_BINS)[bins]  # (N, bins)

    def metrics(self, weights: "NDArray[np.int64]") -> "dict[str, NDArray[np.float64]]":
        """Return each metric (B,) of items weighted by ``weights`` (B, N), in original order."""
        weights = weights[:, self._order]
        of_synthetic = weights * self._synthetic
        of_real = weights - of_synthetic
        positives = of_synthetic.sum(1).astype(float)
        negatives = of_real.sum(1).astype(float)
        positives[positives == 0] = negatives[negatives == 0] = np.nan  # undefined, not wrong
        hits = np.cumsum(of_synthetic, 1)[:, self._ends]  # (B, G)
        alarms = np.cumsum(of_real, 1)[:, self._ends]
        true_rate = of_synthetic @ self._flagged / positives
        false_rate = of_real @ self._flagged / negatives
        # + 0 * negatives: nan without reals, as the others are
        return {
            "auroc": _auroc(hits, alarms, positives, negatives),
            "average_precision": _average_precision(hits, alarms, positives) + 0 * negatives,
            "balanced_accuracy": (true_rate + 1 - false_rate) / 2,
            "tpr_at_1pct_fpr": _hits_at(hits, alarms, 0.01 * negatives) / positives + 0 * negatives,
            "tpr_at_5pct_fpr": _hits_at(hits, alarms, 0.05 * negatives) / positives + 0 * negatives,
            "ece": self._calibration_error(of_synthetic, of_real, positives, negatives),
            "fpr_at_threshold": false_rate,
        }

    def _calibration_error(
        self,
        of_synthetic: "NDArray[np.int64]",
        of_real: "NDArray[np.int64]",
        positives: "NDArray[np.float64]",
        negatives: "NDArray[np.float64]",
    ) -> "NDArray[np.float64]":
        """Return the sum over bins of |mean probability - share of synthetic| times the mass."""
        synthetic = of_synthetic / (2 * positives[:, None])
        real = of_real / (2 * negatives[:, None])
        gap = (synthetic + real) * self._probability - synthetic  # (B, N)
        return np.asarray(np.abs(gap @ self._in_bin).sum(1), np.float64)


def _auroc(
    hits: "NDArray[np.int64]",
    alarms: "NDArray[np.int64]",
    positives: "NDArray[np.float64]",
    negatives: "NDArray[np.float64]",
) -> "NDArray[np.float64]":
    """Return the trapezoid area: ties count half."""
    new_hits, new_alarms = np.diff(hits, prepend=0), np.diff(alarms, prepend=0)
    area = (new_alarms * (hits - new_hits / 2)).sum(1)
    return np.asarray(area / (positives * negatives), np.float64)


def _average_precision(
    hits: "NDArray[np.int64]", alarms: "NDArray[np.int64]", positives: "NDArray[np.float64]"
) -> "NDArray[np.float64]":
    """Return the sum of precision times step in recall, without interpolation."""
    precision = hits / np.maximum(hits + alarms, 1)
    return np.asarray((np.diff(hits, prepend=0) * precision).sum(1) / positives, np.float64)


def _hits_at(
    hits: "NDArray[np.int64]", alarms: "NDArray[np.int64]", allowed: "NDArray[np.float64]"
) -> "NDArray[np.int64]":
    """Return the most hits at no more than ``allowed`` false alarms; no interpolation."""
    return np.asarray(np.where(alarms <= allowed[:, None] + 1e-9, hits, 0).max(1))
