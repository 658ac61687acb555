"""Frozen values that travel between the layers. Imports nothing beyond the standard library."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


class MediaKind(enum.StrEnum):
    """What a file is, whatever its name says."""

    IMAGE = "image"
    AUDIO = "audio"
    TEXT = "text"
    VIDEO = "video"


class Label(enum.StrEnum):
    """Ground truth of a corpus item."""

    REAL = "real"
    SYNTHETIC = "synthetic"


class Step(enum.StrEnum):
    """How much of an item a machine made: the ladder from a real item to a free sample."""

    REAL = "real"
    RECONSTRUCTION = "reconstruction"
    RESAMPLE = "resample"
    SAMPLE = "sample"


class Split(enum.StrEnum):
    """What an item may be used for. Calibration is fitted on data of its own."""

    TRAIN = "train"
    VALIDATION = "validation"
    CALIBRATION = "calibration"
    TEST = "test"


class Channel(enum.StrEnum):
    """The kind of evidence, in descending order of trust."""

    CREDENTIAL = "credential"
    WATERMARK = "watermark"
    FINGERPRINT = "fingerprint"
    METADATA = "metadata"
    DETECTOR = "detector"


class Verdict(enum.StrEnum):
    """What one piece of evidence says, and what all evidence together says. Never "real"."""

    SYNTHETIC = "synthetic"
    EDITED = "edited"
    CAPTURED = "captured"
    TAMPERED = "tampered"
    INCONCLUSIVE = "inconclusive"
    NO_EVIDENCE = "no-evidence"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Media:
    """One decoded item.

    Attributes:
        id: Stable name within its source, for example ``coffee/x2/r0064c0032``.
        kind: The media kind.
        data: Image: uint8 (H, W, 3), sRGB, 0..255. Audio: float32 (samples,), -1..1. Text: str.
        group: Items that share a group never straddle splits: one photograph, speaker or author.
        category: Class name where the source has classes.
        licence: SPDX name, or the source's own words.
        sample_rate_hz: Audio only.
    """

    id: str
    kind: MediaKind
    data: Any
    group: str
    category: str | None = None
    licence: str | None = None
    sample_rate_hz: int | None = None


@dataclass(frozen=True, slots=True)
class LabelledMedia:
    """A decoded corpus item with its ground truth; what detectors are trained on.

    Attributes:
        media: The decoded item, never its container.
        label: Real or synthetic.
        step: Rung of the ladder.
        generator: Name of the generator that made it; None for real items.
        parent: Id of the real item that it was made from; its own id for real items.
        split: What it may be used for.
    """

    media: Media
    label: Label
    step: Step
    generator: str | None
    parent: str | None
    split: Split


@dataclass(frozen=True, slots=True)
class Evidence:
    """One statement by one source about one file.

    Attributes:
        channel: Kind of evidence.
        source: Who says so, with version: ``spectral@1.0``, ``c2pa@0.38.1``.
        says: What this source alone would conclude.
        probability: Calibrated probability of "synthetic" (0..1), where the source gives one.
        reason: One sentence for people.
        detail: JSON-able facts behind the statement. Hostile input: escape before showing.
    """

    channel: Channel
    source: str
    says: Verdict
    probability: float | None = None
    reason: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of DESIGN's scan row."""
        return {
            "channel": str(self.channel),
            "source": self.source,
            "says": str(self.says),
            "probability": self.probability,
            "reason": self.reason,
            "detail": dict(self.detail),
        }


@dataclass(frozen=True, slots=True)
class ScanRow:
    """Everything that a scan says of one file.

    Attributes:
        path: As found; may hold any character a file name may hold.
        sha256: Of the file's bytes; None where they could not be read.
        kind: Recognised by content; None where unknown or unread.
        verdict: What all evidence together says.
        probability: Calibrated probability of "synthetic" (0..1), where a detector applied.
        reasons: Sentences for people, most trusted evidence first.
        error: What went wrong with this file, or None.
        evidence: All statements, most trusted channel first.
        size_bytes: Size of the file; None where it could not be read.
    """

    path: str
    sha256: str | None
    kind: MediaKind | None
    verdict: Verdict
    probability: float | None = None
    reasons: tuple[str, ...] = ()
    error: str | None = None
    evidence: tuple[Evidence, ...] = ()
    size_bytes: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of DESIGN's scan row."""
        return {
            "path": self.path,
            "sha256": self.sha256,
            "kind": None if self.kind is None else str(self.kind),
            "verdict": str(self.verdict),
            "probability": self.probability,
            "reasons": list(self.reasons),
            "error": self.error,
            "evidence": [evidence.to_json() for evidence in self.evidence],
            "size_bytes": self.size_bytes,
        }
