"""What changes while a run goes on: the learning rate, and what is due at parts of the budget."""

import math
from collections.abc import Iterable

import torch

_WARM_UP = 0.03  # part of the budget
_FLOOR = 0.02  # of the peak, at the end


def set_learning_rate(optimizer: torch.optim.Optimizer, peak: float, fraction: float) -> None:
    """Set the learning rate: 3 % linear warm-up, then a cosine to 2 % of the peak.

    Args:
        optimizer: All of its groups are set.
        peak: The highest rate.
        fraction: Where the run stands (0..1), as ``TrainingLoop.fraction``.
    """
    if fraction < _WARM_UP:
        share = max(0.05, fraction / _WARM_UP)
    else:
        angle = math.pi * (fraction - _WARM_UP) / (1 - _WARM_UP)
        share = _FLOOR + (1 - _FLOOR) * 0.5 * (1 + math.cos(angle))
    for group in optimizer.param_groups:
        group["lr"] = peak * share


class Milestones:
    """Says once for each of some parts of the budget that it has been passed.

    Args:
        fractions: Parts of the budget (0..1).
        start: Where a resumed run stands; what lies before is not said again.
    """

    def __init__(self, fractions: Iterable[float], start: float) -> None:
        self._left = [fraction for fraction in fractions if fraction > start]

    def passed(self, fraction: float) -> bool:
        """Return whether a milestone was passed since the last call."""
        before = len(self._left)
        self._left = [left for left in self._left if left > fraction]
        return len(self._left) < before
