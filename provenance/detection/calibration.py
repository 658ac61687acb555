"""What a logit is worth: a probability, and thresholds with a known rate of false alarms.

Both are fitted on the calibration split alone, which is used for nothing else.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from provenance.errors import UserError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_STEPS = 100
_CONVERGED = 1e-10
_RIDGE = 1e-9  # keeps the Newton step defined where all logits are equal


@dataclass(frozen=True, slots=True)
class Calibration:
    """Platt scaling: ``P(synthetic) = sigmoid(scale * logit + bias)`` at even odds.

    Attributes:
        scale: At least 0, so that calibration never turns the order of scores round.
        bias: Shift of the scaled logit.
    """

    scale: float
    bias: float

    def probability(self, logits: "NDArray[np.floating]") -> "NDArray[np.float64]":
        """Return P(synthetic), 0..1, of logits of any shape."""
        scaled = np.clip(self.scale * np.asarray(logits, np.float64) + self.bias, -500, 500)
        return np.asarray(1 / (1 + np.exp(-scaled)), np.float64)


@dataclass(frozen=True, slots=True)
class Threshold:
    """A logit above which at most ``attainable_fpr`` of real items are expected.

    Attributes:
        target_fpr: The rate that was asked for.
        logit: Items strictly above it count as flagged.
        attainable_fpr: The expected rate that the calibration reals can vouch for. Above the target
            where there are fewer than ``1 / target - 1`` of them.
        reals: How many real items it rests on.
    """

    target_fpr: float
    logit: float
    attainable_fpr: float
    reals: int


def fit_calibration(logits: "NDArray[np.floating]", synthetic: "NDArray[np.bool_]") -> Calibration:
    """Fit Platt scaling with both classes weighing the same.

    A corpus has as many fakes as somebody chose to make, so its class balance says nothing about
    the files that will be scanned. The targets are smoothed as in Platt, "Probabilistic outputs for
    support vector machines" (1999), section 2.2, which keeps the fit finite on separable data.

    Args:
        logits: float (N,), finite.
        synthetic: bool (N,), True where the item is synthetic.

    Raises:
        UserError: One of the classes is missing.
    """
    positives = int(synthetic.sum())
    negatives = len(synthetic) - positives
    if not positives or not negatives:
        raise UserError("The calibration split needs real and synthetic items. Make more of both.")
    target = np.where(synthetic, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    weight = np.where(synthetic, 0.5 / positives, 0.5 / negatives)
    values = np.asarray(logits, np.float64)
    centre, spread = float(values.mean()), float(values.std()) or 1.0
    scale, bias = _newton((values - centre) / spread, target, weight)
    if scale <= 0:  # ranks real above synthetic here: worth nothing, so say "even odds"
        return Calibration(0.0, 0.0)
    return Calibration(scale / spread, bias - scale * centre / spread)


def _newton(
    values: "NDArray[np.float64]", target: "NDArray[np.float64]", weight: "NDArray[np.float64]"
) -> tuple[float, float]:
    """Minimise the weighted cross-entropy, which is convex, by damped Newton steps."""
    design = np.stack([values, np.ones_like(values)], axis=1)  # (N, 2)
    parameters = np.zeros(2)
    loss = _cross_entropy(design @ parameters, target, weight)
    for _ in range(_STEPS):
        p = 1 / (1 + np.exp(-(design @ parameters)))
        gradient = design.T @ (weight * (p - target))
        curvature = design.T @ (design * (weight * p * (1 - p))[:, None]) + _RIDGE * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        size = 1.0
        while size > _CONVERGED:
            candidate = _cross_entropy(design @ (parameters - size * step), target, weight)
            if candidate < loss:
                break
            size /= 2
        if size <= _CONVERGED or loss - candidate < _CONVERGED:
            break
        parameters, loss = parameters - size * step, candidate
    return float(parameters[0]), float(parameters[1])


def _cross_entropy(
    scaled: "NDArray[np.float64]", target: "NDArray[np.float64]", weight: "NDArray[np.float64]"
) -> float:
    return float(weight @ (np.logaddexp(0, scaled) - target * scaled))


def fit_threshold(real_logits: "NDArray[np.floating]", target_fpr: float) -> Threshold:
    """Find the logit that at most ``target_fpr`` of real items are expected to exceed.

    The quantile of split conformal prediction (Vovk et al., "Algorithmic learning in a random
    world", 2005): a new real item exceeds the k-th largest of n others with probability at most
    ``k / (n + 1)``, whatever the distribution, as long as both come from the same. The plain
    empirical quantile would promise more than n items can tell.

    Args:
        real_logits: float (n,), of the real calibration items, finite.
        target_fpr: Between 0 and 1, both excluded.

    Raises:
        UserError: There are no real items.
    """
    count = len(real_logits)
    if count == 0:
        raise UserError("The calibration split has no real items. Make a larger corpus.")
    rank = max(1, math.floor(target_fpr * (count + 1) + 1e-9))  # 1 = the largest
    logit = float(np.sort(np.asarray(real_logits, np.float64))[count - rank])
    return Threshold(target_fpr, logit, rank / (count + 1), count)
