"""From all evidence of one file to one verdict, by a rule that stands in this folder's README.

The most trusted channel that decides, decides: credential, watermark, fingerprint, metadata,
detector. What a less trusted channel says against it is told in the reasons and never averaged in.
Nothing found is ``no-evidence``, and never "real".
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from provenance.types import Channel, Evidence, Verdict

# Within one channel: content that no longer matches its credential voids what the same channel
# says of its origin; and what is synthetic as a whole has been edited in no narrower sense.
_DECIDING = (Verdict.TAMPERED, Verdict.SYNTHETIC, Verdict.EDITED, Verdict.CAPTURED)
_MACHINE_MADE = frozenset({Verdict.SYNTHETIC, Verdict.EDITED})
_CERTAIN = 1e-6  # probabilities are held this far from 0 and 1, where log-odds are infinite


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What all evidence together says.

    Attributes:
        verdict: See the table in the README.
        probability: Detectors' calibrated probabilities of "synthetic", fused; None without any.
        reasons: Sentences for people: conflicts, then the deciding channel's, then the rest. The
            error is not repeated.
    """

    verdict: Verdict
    probability: float | None
    reasons: tuple[str, ...]


def conclude(
    evidence: Sequence[Evidence], *, error: str | None = None, notes: Sequence[str] = ()
) -> Conclusion:
    """Draw the conclusion.

    Args:
        evidence: All statements, in any order.
        error: What went wrong with the file. It is the verdict where no evidence decides.
        notes: What was not looked at, and why; ends the reasons.

    Example:
        >>> conclude([]).verdict
        <Verdict.NO_EVIDENCE: 'no-evidence'>
    """
    by_trust = sort_by_trust(evidence)
    says = {channel: _channel_says(channel, by_trust) for channel in Channel}
    decider = next((channel for channel in Channel if says[channel] in _DECIDING), None)
    verdict = says[decider] if decider else _undecided(says.values(), error)
    reasons = [
        *_conflicts(decider, says, _opinions(by_trust)),
        *_sentences(by_trust, decider),
        *notes,
    ]
    return Conclusion(verdict, fuse(by_trust), tuple(dict.fromkeys(reasons)))


def sort_by_trust(evidence: Iterable[Evidence]) -> tuple[Evidence, ...]:
    """Return the statements, most trusted channel first, otherwise in their order."""
    order = list(Channel)
    return tuple(sorted(evidence, key=lambda statement: order.index(statement.channel)))


def fuse(evidence: Iterable[Evidence]) -> float | None:
    """Return the sigmoid of the detectors' mean log-odds; None where none gave a probability.

    Calibrated log-odds add up for independent detectors (Good, "Weight of evidence", 1985). Ours
    are not independent: they look at the same pixels, so the mean stands in for the sum, and
    several detectors are never surer than the surest of them.
    """
    odds = [_log_odds(statement.probability) for statement in _opinions(evidence)]
    return 1.0 / (1.0 + math.exp(-sum(odds) / len(odds))) if odds else None


def _log_odds(probability: float | None) -> float:
    p = min(max(probability or 0.0, _CERTAIN), 1.0 - _CERTAIN)
    return math.log(p / (1.0 - p))


def _opinions(evidence: Iterable[Evidence]) -> list[Evidence]:
    """Return what detectors said; one that abstains has no probability, and no vote."""
    return [
        statement
        for statement in evidence
        if statement.channel is Channel.DETECTOR and statement.probability is not None
    ]


def _channel_says(channel: Channel, evidence: Sequence[Evidence]) -> Verdict:
    if channel is Channel.DETECTOR:
        return _detectors_say(_opinions(evidence))
    said = {statement.says for statement in evidence if statement.channel is channel}
    deciding = [verdict for verdict in _DECIDING if verdict in said]
    if _clash(deciding):
        return Verdict.INCONCLUSIVE
    if deciding:
        return deciding[0]
    return Verdict.INCONCLUSIVE if Verdict.INCONCLUSIVE in said else Verdict.NO_EVIDENCE


def _clash(verdicts: Sequence[Verdict]) -> bool:
    """Whether one channel says both "captured" and "made by a machine" of intact content."""
    return (
        Verdict.TAMPERED not in verdicts
        and Verdict.CAPTURED in verdicts
        and bool(_MACHINE_MADE.intersection(verdicts))
    )


def _detectors_say(opinions: Sequence[Evidence]) -> Verdict:
    """All must agree: a detector in its band, or against the others, makes it inconclusive."""
    said = {opinion.says for opinion in opinions}
    if said in ({Verdict.SYNTHETIC}, {Verdict.NO_EVIDENCE}):
        return said.pop()
    return Verdict.INCONCLUSIVE if said else Verdict.NO_EVIDENCE


def _undecided(said: Iterable[Verdict], error: str | None) -> Verdict:
    if error:
        return Verdict.ERROR
    return Verdict.INCONCLUSIVE if Verdict.INCONCLUSIVE in said else Verdict.NO_EVIDENCE


def _conflicts(
    decider: Channel | None, says: dict[Channel, Verdict], opinions: Sequence[Evidence]
) -> list[str]:
    """Name each channel that contradicts the one that decides, and detectors that disagree."""
    if decider is None:
        return _split_opinions(opinions)
    verdict = says[decider]
    return [
        f"Conflict: {channel} says {other}, the more trusted {decider} says {verdict}"
        for channel, other in says.items()
        if channel is not decider and _contradicts(verdict, other)
    ]


def _split_opinions(opinions: Sequence[Evidence]) -> list[str]:
    said = {opinion.source: opinion.says for opinion in opinions}
    if len(set(said.values())) < 2:
        return []
    return ["Detectors disagree: " + ", ".join(f"{who} says {what}" for who, what in said.items())]


def _contradicts(verdict: Verdict, other: Verdict) -> bool:
    if verdict is Verdict.TAMPERED or other not in _DECIDING:
        return False
    return (verdict in _MACHINE_MADE) != (other in _MACHINE_MADE)


def _sentences(evidence: Sequence[Evidence], decider: Channel | None) -> list[str]:
    """Return every statement's sentence, those of the deciding channel first."""
    first = [statement for statement in evidence if statement.channel is decider]
    rest = [statement for statement in evidence if statement.channel is not decider]
    return [
        statement.reason or f"{statement.source} says {statement.says}"
        for statement in (*first, *rest)
    ]
