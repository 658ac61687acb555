"""From a logit to what a detector says of a file. Abstaining is an answer, too."""

from dataclasses import dataclass

import numpy as np

from provenance.detection.calibration import Calibration, Threshold
from provenance.types import Verdict

_EVEN = 0.5


@dataclass(frozen=True, slots=True)
class Opinion:
    """What one trained detector says of one file.

    Attributes:
        applicable: False where the detector abstains.
        probability: Calibrated P(synthetic) at even odds, 0..1; None where it abstains.
        says: ``synthetic``, ``inconclusive`` or ``no-evidence``; never "real".
        reason: One sentence for people.
        logit: Mean over the windows of the file; None where it abstains.
    """

    applicable: bool
    probability: float | None
    says: Verdict
    reason: str
    logit: float | None


def abstention(reason: str) -> Opinion:
    """Return the opinion of a detector that does not apply."""
    return Opinion(False, None, Verdict.NO_EVIDENCE, reason, None)


def opinion(logit: float, calibration: Calibration, strict: Threshold, lax: Threshold) -> Opinion:
    """Place a logit among the thresholds.

    Args:
        logit: Mean over the windows of the file, finite.
        calibration: Gives the probability.
        strict: The threshold at 1 % false positives: above it, ``synthetic``.
        lax: The threshold at 5 %: above it and not above ``strict``, ``inconclusive``.
    """
    probability = float(calibration.probability(np.asarray(logit)))
    rate = f"{strict.attainable_fpr:.1%}"
    if logit > strict.logit and probability > _EVEN:
        reason = f"scores above the level that {rate} of real items reach"
        return Opinion(True, probability, Verdict.SYNTHETIC, reason, logit)
    if logit > lax.logit:
        below = f"not above the level that {rate} of real items reach"
        why = below if logit <= strict.logit else "real is as likely as synthetic there"
        reason = f"scores high, but {why}"
        return Opinion(True, probability, Verdict.INCONCLUSIVE, reason, logit)
    return Opinion(True, probability, Verdict.NO_EVIDENCE, "scores as real items do", logit)
