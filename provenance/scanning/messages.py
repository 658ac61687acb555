"""What travels between the main process and its workers, by pickle."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from provenance.contracts import InputSpec
from provenance.types import Evidence, MediaKind


@dataclass(frozen=True, slots=True)
class ScanLimits:
    """What one file may cost.

    Attributes:
        file_s: Seconds of wall time, reading, evidence and decoding together.
        worker_bytes: Address space of a worker beyond what its libraries take. Linux only.
        max_bytes: Larger files are hashed and asked for evidence, but not decoded.
        max_pixels: Images that declare more are not decoded.
    """

    file_s: float = 60.0
    worker_bytes: int = 1 << 30
    max_bytes: int = 256 << 20
    max_pixels: int = 100_000_000


@dataclass(frozen=True, slots=True)
class WorkerPlan:
    """What every worker does with every file.

    Attributes:
        inputs: The distinct windows that the detectors want, and the kinds they want them of.
        settings: Handed to the factory of each evidence reader.
        limits: Of one file.
        thumbnails: Whether to make small pictures for a report.
    """

    inputs: tuple[tuple[InputSpec, frozenset[MediaKind]], ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    limits: ScanLimits = field(default_factory=ScanLimits)
    thumbnails: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """What a worker learned of one file.

    Attributes:
        path: As found.
        sha256: None where the file could not be read.
        size_bytes: None where the file could not be read.
        kind: By content; None where unknown.
        error: What went wrong, or None.
        notes: Sentences about what was not looked at, and why.
        evidence: Statements of the evidence readers.
        windows: Per input of the plan, the windows cut for it, or why there are none.
        thumbnail: A small JPEG, where the plan asks for it and the file has pixels.
        retire: The worker ends after this message; its other tasks go elsewhere.
    """

    path: str
    sha256: str | None = None
    size_bytes: int | None = None
    kind: MediaKind | None = None
    error: str | None = None
    notes: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    windows: tuple[list[Any] | str, ...] = ()
    thumbnail: bytes | None = None
    retire: bool = False

    @property
    def window_bytes(self) -> int:
        """Roughly what the windows take in memory."""
        pieces = [piece for cut in self.windows if not isinstance(cut, str) for piece in cut]
        return sum(getattr(piece, "nbytes", 0) or len(piece) for piece in pieces)
