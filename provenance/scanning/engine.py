"""The scan itself: workers read and decode, this process batches windows for the detectors.

Memory stays flat whatever the folder: files in flight, windows waiting and rows held back are all
bounded. Rows come out in the order of the walk.
"""

import contextlib
import functools
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provenance.scanning.judges import Panel
from provenance.scanning.messages import Finding, ScanLimits, WorkerPlan
from provenance.scanning.verdict import conclude, sort_by_trust
from provenance.scanning.walking import Found, walk
from provenance.scanning.worker import make_examiner
from provenance.types import ScanRow
from provenance.workers import Work, WorkerPool

if TYPE_CHECKING:
    from provenance.scanning.judges import Judge
    from provenance.types import Evidence

_MOST_AHEAD = 1_000  # rows that may wait for a slow file before them
_MOST_WAITING_BYTES = 64 << 20  # of windows that wait for their batch
_MOST_WAITING_S = 2.0
_POLL_S = 0.5


@dataclass(frozen=True, slots=True)
class ScanOptions:
    """How to scan.

    Attributes:
        jobs: Worker processes that read and decode; one a core is good.
        batch_size: Files per call of a detector.
        settings: For evidence readers, see :class:`provenance.EvidenceReader`.
        limits: Of each file.
        thumbnails: Make small pictures for a report.
    """

    jobs: int = 1
    batch_size: int = 32
    settings: Mapping[str, Any] = field(default_factory=dict)
    limits: ScanLimits = field(default_factory=ScanLimits)
    thumbnails: bool = False


@dataclass(frozen=True, slots=True)
class Scanned:
    """A row, and the small JPEG that a report shows beside it (None without pixels)."""

    row: ScanRow
    thumbnail: bytes | None = None


def scan(
    paths: Sequence[Path],
    *,
    detectors: "Sequence[Judge]" = (),
    options: ScanOptions | None = None,
) -> Generator[Scanned, None, None]:
    """Scan files and folders; yield one row per file, in the order of :func:`walk`.

    Files are read in worker processes; detectors run in this one. Close the iterator (or exhaust
    it) to end the workers. No file raises: what goes wrong with it stands in its row.

    Args:
        paths: Files and folders.
        detectors: Loaded detectors, such as :class:`provenance.detection.TrainedDetector`.
        options: See :class:`ScanOptions`.

    Raises:
        ProvenanceError: Worker processes cannot be started.

    Example:
        >>> for scanned in scan([Path("inbox")]):  # doctest: +SKIP
        ...     print(scanned.row.path, scanned.row.verdict)
    """
    options = options or ScanOptions()
    panel = Panel(detectors)
    plan = WorkerPlan(
        inputs=panel.inputs,
        settings=dict(options.settings),
        limits=options.limits,
        thumbnails=options.thumbnails,
    )
    make, limits = functools.partial(make_examiner, plan), options.limits
    work = Work(make, limits.file_s, limits.worker_bytes)
    with contextlib.closing(WorkerPool(work, options.jobs, _lost)) as pool:
        yield from _Scan(panel, pool, options).run(walk(paths))


def _lost(path: str, reason: str) -> Finding:
    return Finding(path, error=reason)


class _Scan:
    """The state of one scan: what is out, what waits for its batch, what waits for its turn."""

    def __init__(self, panel: Panel, pool: WorkerPool[str, Finding], options: ScanOptions) -> None:
        self._panel = panel
        self._pool = pool
        self._options = options
        self._waiting: list[tuple[int, Finding]] = []
        self._waiting_since = 0.0
        self._done: dict[int, Scanned] = {}
        self._given = 0  # files taken from the walk
        self._told = 0  # rows yielded

    def run(self, walked: Iterator[Found]) -> Generator[Scanned, None, None]:
        walking = True
        while walking or self._told < self._given:
            walking = walking and self._hand_out(walked)
            # without a file in flight, there is nothing to wait for
            for number, finding in self._pool.collect(_POLL_S) if self._pool.busy else ():
                self._take(number, finding)
            if self._due():
                self._judge()
            yield from self._in_order()

    def _hand_out(self, walked: Iterator[Found]) -> bool:
        """Give files to the workers while there is room; return whether more may come."""
        while self._pool.has_room and self._given - self._told < _MOST_AHEAD:
            found = next(walked, None)
            if found is None:
                return False
            if found.problem:
                self._finish(self._given, Finding(found.path, error=found.problem), ())
            else:
                self._pool.submit(self._given, found.path)
            self._given += 1
        return True

    def _take(self, number: int, finding: Finding) -> None:
        if not self._panel.wants(finding):
            self._finish(number, finding, self._panel.abstain(finding))
            return
        if not self._waiting:
            self._waiting_since = time.monotonic()
        self._waiting.append((number, finding))

    def _due(self) -> bool:
        """Whether to judge what waits: a full batch, no more to come, or long enough."""
        if not self._waiting:
            return False
        return (
            len(self._waiting) >= self._options.batch_size
            or sum(finding.window_bytes for _, finding in self._waiting) >= _MOST_WAITING_BYTES
            or not self._pool.busy
            or time.monotonic() - self._waiting_since >= _MOST_WAITING_S
        )

    def _judge(self) -> None:
        size = self._options.batch_size
        batch, self._waiting = self._waiting[:size], self._waiting[size:]
        opinions = self._panel.judge([finding for _, finding in batch])
        for (number, finding), said in zip(batch, opinions, strict=True):
            self._finish(number, finding, said)

    def _finish(self, number: int, finding: Finding, said: "Sequence[Evidence]") -> None:
        self._done[number] = Scanned(_row(finding, said), finding.thumbnail)

    def _in_order(self) -> Generator[Scanned, None, None]:
        while self._told in self._done:
            scanned = self._done.pop(self._told)
            self._told += 1
            yield scanned


def _row(finding: Finding, said: "Sequence[Evidence]") -> ScanRow:
    evidence = sort_by_trust((*finding.evidence, *said))
    conclusion = conclude(evidence, error=finding.error, notes=finding.notes)
    return ScanRow(
        path=finding.path,
        sha256=finding.sha256,
        kind=finding.kind,
        verdict=conclusion.verdict,
        probability=conclusion.probability,
        reasons=conclusion.reasons,
        error=finding.error,
        evidence=evidence,
        size_bytes=finding.size_bytes,
    )
