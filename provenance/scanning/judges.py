"""The loaded detectors of a scan: which windows they want, and what they say of a batch."""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from provenance.scanning.plain import plain_evidence
from provenance.types import Channel, Evidence, MediaKind, Verdict

if TYPE_CHECKING:
    from provenance.contracts import InputSpec
    from provenance.scanning.messages import Finding

_LOG = logging.getLogger(__name__)


class Said(Protocol):
    """What a detector says of one file; :class:`provenance.detection.Opinion` is one."""

    @property
    def applicable(self) -> bool:
        """False abstains."""
        ...

    @property
    def probability(self) -> float | None:
        """Calibrated probability of "synthetic" (0..1)."""
        ...

    @property
    def says(self) -> Verdict:
        """Synthetic, inconclusive or no-evidence."""
        ...

    @property
    def reason(self) -> str:
        """One sentence."""
        ...


class Judge(Protocol):
    """A loaded detector; :class:`provenance.detection.TrainedDetector` is one."""

    @property
    def name(self) -> str:
        """Lower case."""
        ...

    @property
    def version(self) -> str:
        """Of its features and network."""
        ...

    @property
    def input(self) -> "InputSpec":
        """The windows that it wants."""
        ...

    @property
    def kinds(self) -> frozenset[MediaKind]:
        """Media kinds that it scores."""
        ...

    def judge(self, windows: Sequence[Sequence[Any]]) -> Sequence[Said]:
        """Return one opinion per file, each given as the windows cut from it."""
        ...


class Panel:
    """All detectors of a scan. Those with equal inputs share the windows of one decode."""

    def __init__(self, judges: Sequence[Judge]) -> None:
        self._judges = tuple(judges)
        specs = list(dict.fromkeys(judge.input for judge in self._judges))
        self.inputs: tuple[tuple[InputSpec, frozenset[MediaKind]], ...] = tuple(
            (spec, _kinds(self._judges, spec)) for spec in specs
        )
        self._index = {spec: i for i, spec in enumerate(specs)}
        self._failed: set[str] = set()

    def wants(self, finding: "Finding") -> bool:
        """Whether any detector has windows of this file to look at."""
        return any(self._windows(judge, finding) for judge in self._judges)

    def abstain(self, finding: "Finding") -> list[Evidence]:
        """Return why each detector of this kind of file has nothing to say."""
        if finding.error and not finding.windows:  # not even read: the error says it all
            return []
        return [
            _abstention(judge, self._reason(judge, finding))
            for judge in self._judges
            if finding.kind in judge.kinds
        ]

    def judge(self, findings: "Sequence[Finding]") -> list[list[Evidence]]:
        """Return, per file, what each detector of its kind says."""
        said: list[list[Evidence]] = [[] for _ in findings]
        for judge in self._judges:
            mine = [i for i, finding in enumerate(findings) if finding.kind in judge.kinds]
            able = [i for i in mine if self._windows(judge, findings[i])]
            answers = dict(zip(able, self._ask(judge, [findings[i] for i in able]), strict=True))
            for i in mine:
                reason = self._reason(judge, findings[i])
                said[i].append(answers.get(i) or _abstention(judge, reason))
        return said

    def _ask(self, judge: Judge, findings: "Sequence[Finding]") -> list[Evidence]:
        """Ask one detector; it abstains on the files on which it fails, and the scan goes on.

        Where it fails on a batch, it is asked again file by file: one odd file must not silence it
        on its neighbours.
        """
        try:
            return _opinions(judge, [self._windows(judge, finding) for finding in findings])
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may raise anything
            if len(findings) > 1:
                _LOG.debug("detector %s fails on %d files", judge.name, len(findings))
                return [said for finding in findings for said in self._ask(judge, [finding])]
            why = f"failed: {type(error).__name__}: {error}"
            self._warn(judge, why, error)
            return [_abstention(judge, why)]

    def _warn(self, judge: Judge, why: str, error: BaseException) -> None:
        _LOG.debug("detector %s %s", judge.name, why, exc_info=error)
        if judge.name not in self._failed:
            self._failed.add(judge.name)
            _LOG.warning("Detector %s abstains where it fails; it %s", judge.name, why)

    def _cut(self, judge: Judge, finding: "Finding") -> list[Any] | str:
        if not finding.windows or finding.kind not in judge.kinds:
            return "no windows"
        return finding.windows[self._index[judge.input]]

    def _windows(self, judge: Judge, finding: "Finding") -> list[Any]:
        cut = self._cut(judge, finding)
        return [] if isinstance(cut, str) else cut

    def _reason(self, judge: Judge, finding: "Finding") -> str:
        cut = self._cut(judge, finding)
        return cut if isinstance(cut, str) else ""


def _kinds(judges: Sequence[Judge], spec: "InputSpec") -> frozenset[MediaKind]:
    return frozenset().union(*(judge.kinds for judge in judges if judge.input == spec))


def _source(judge: Judge) -> str:
    return f"{judge.name}@{judge.version}"


def _opinions(judge: Judge, windows: list[list[Any]]) -> list[Evidence]:
    opinions = list(judge.judge(windows)) if windows else []
    if len(opinions) != len(windows):
        raise ValueError(f"{len(opinions)} opinions of {len(windows)} files")
    return [_statement(judge, opinion) for opinion in opinions]


def _statement(judge: Judge, opinion: Said) -> Evidence:
    if not opinion.applicable or opinion.probability is None:
        return _abstention(judge, opinion.reason)
    return plain_evidence(
        Evidence(
            Channel.DETECTOR,
            _source(judge),
            opinion.says,
            float(opinion.probability),
            f"{judge.name} {opinion.reason or f'gives {opinion.probability:.2f}'}",
            {"applicable": True, "logit": getattr(opinion, "logit", None)},
        )
    )


def _abstention(judge: Judge, why: str) -> Evidence:
    reason = f"{judge.name} abstains: {why or 'not applicable'}"
    detail = {"applicable": False}
    return Evidence(Channel.DETECTOR, _source(judge), Verdict.NO_EVIDENCE, None, reason, detail)
