"""What runs in a worker process: read one file, gather its evidence, decode it once, cut windows.

The file is hostile; what the process may take is limited by :mod:`provenance.workers`. torch is
never imported here.
"""

import functools
import hashlib
import importlib
import logging
import os
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from provenance.errors import UnreadableError
from provenance.scanning.messages import Finding, WorkerPlan
from provenance.scanning.plain import plain_evidence
from provenance.types import MediaKind
from provenance.workers import Last

if TYPE_CHECKING:
    from provenance.contracts import EvidenceReader, EvidenceSpec
    from provenance.media import Recognised
    from provenance.types import Evidence

_LOG = logging.getLogger(__name__)
_CHUNK_BYTES = 1 << 20
_HEAD_BYTES = 4096
_UNKNOWN = "application/octet-stream"


class Reader(NamedTuple):
    """An evidence reader of this process."""

    spec: "EvidenceSpec"
    reader: "EvidenceReader"


class Content(NamedTuple):
    """A file as read: ``data`` is its head alone where it is over the limit of bytes."""

    data: bytes
    size_bytes: int
    sha256: str

    @property
    def whole(self) -> bool:
        """Whether ``data`` is all of the file; not so where it was too large, or grew meanwhile."""
        return len(self.data) == self.size_bytes


def make_examiner(plan: WorkerPlan) -> Callable[[str], Finding | Last[Finding]]:
    """Return the function that examines a path; called once in a worker process.

    An evidence reader that cannot be built is left out, with a warning.
    """
    importlib.import_module("provenance.media.image")
    import cv2

    cv2.setNumThreads(1)  # one thread a process: there is a process per core
    readers, faults = build_readers(plan)
    for fault in faults:
        _LOG.warning("%s", fault)
    return functools.partial(_examine_or_tell, plan=plan, readers=readers)


def build_readers(plan: WorkerPlan) -> tuple[list[Reader], tuple[str, ...]]:
    """Build every evidence reader; return them, and a sentence for each that cannot be built."""
    from provenance.plugins import registry

    readers, faults = [], []
    for name, offer in registry().evidence.items():
        try:
            readers.append(Reader(offer.spec, offer.factory(plan.settings)))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may raise anything
            faults.append(f"Evidence reader {name} left out: {type(error).__name__}: {error}")
    return readers, tuple(faults)


def examine(path: str, plan: WorkerPlan, readers: list[Reader]) -> Finding:
    """Learn everything about one file but what detectors say.

    Raises:
        MemoryError: An evidence reader needs more than this process may have.
    """
    from provenance.media import recognise

    try:
        content = read_content(path, plan.limits.max_bytes)
    except (OSError, UnreadableError) as error:
        reason = getattr(error, "strerror", None) or error
        return Finding(path, error=f"cannot be read: {reason}")
    known = Finding(path, content.sha256, content.size_bytes)
    if not content.data:
        return replace(known, error="the file is empty")
    found = recognise(content.data[:_HEAD_BYTES])
    evidence, failures, unread = _gather(path, found, readers)
    finding = replace(known, kind=found.kind if found else None, evidence=evidence)
    try:
        finding = _look_inside(finding, content, found, plan)
    except MemoryError:  # what the readers said of the file stays
        finding = _unseen(finding, plan, "could not be decoded")
        finding = replace(finding, error=_out_of_memory(plan), retire=True)
    if finding.error:  # a damaged file has one error, and not one for each who stumbled over it
        errors, notes = [finding.error, *failures], (*finding.notes, *unread)
    else:
        errors, notes = failures + unread, finding.notes
    return replace(finding, error="; ".join(errors) or None, notes=notes)


def read_content(path: str, max_bytes: int) -> Content:
    """Read and hash a regular file once; keep the head only of one larger than ``max_bytes``.

    So, too, of a file that grows while it is read: half of it is in nobody's interest.

    Raises:
        OSError: The file cannot be opened or read; it is a symbolic link by now.
        UnreadableError: It is no regular file by now.
    """
    # what is at this path may have changed since the walk: neither follow a link nor wait for a
    # pipe
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as stream:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableError("no longer a regular file")
        # what is asked for is allocated, so no more than the file holds
        data = stream.read(min(max_bytes, status.st_size))
        digest, size = hashlib.sha256(data), len(data)
        while chunk := stream.read(_CHUNK_BYTES):
            data = (data + chunk)[:_HEAD_BYTES]
            digest.update(chunk)
            size += len(chunk)
    return Content(data, size, digest.hexdigest())


def _gather(
    path: str, found: "Recognised | None", readers: list[Reader]
) -> "tuple[tuple[Evidence, ...], list[str], list[str]]":
    """Ask every reader that reads this kind.

    Returns:
        Statements; which readers failed; which readers say that they cannot read this file.
    """
    evidence: list[Evidence] = []
    failures, unread = [], []
    kind, media_type = (found.kind, found.media_type) if found else (None, _UNKNOWN)
    for spec, reader in readers:
        if spec.kinds is not None and kind not in spec.kinds:
            continue
        try:
            evidence += map(plain_evidence, reader.read(Path(path), media_type))
        except MemoryError:
            raise
        except UnreadableError as error:
            unread.append(f"{spec.name}: {error}")
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may raise anything
            failures.append(f"{spec.name} failed: {type(error).__name__}: {error}")
    return tuple(evidence), failures, unread


def _look_inside(
    finding: Finding, content: Content, found: "Recognised | None", plan: WorkerPlan
) -> Finding:
    """Decode once and cut a window per input."""
    from provenance.media import DECODED_KINDS, WITHOUT_PIXELS, ImageLimits, decode_bytes

    kind = finding.kind
    what = found.media_type if found else "content of no known kind"
    if kind is None or kind not in DECODED_KINDS or what in WITHOUT_PIXELS:
        return _unseen(finding, plan, f"{what}: no detector looks at it")
    if kind is not MediaKind.IMAGE and not _wanted(kind, plan):
        return _unseen(finding, plan, f"no detector of {kind} is loaded")
    if not content.whole and content.size_bytes <= plan.limits.max_bytes:
        why = "changed while it was read"
        return replace(_unseen(finding, plan, why), error=why)
    if not content.whole:
        limit = f"{content.size_bytes:,} bytes are over the limit of {plan.limits.max_bytes:,}"
        return replace(_unseen(finding, plan, "too large"), error=limit)
    try:
        limits = ImageLimits(plan.limits.max_bytes, plan.limits.max_pixels)
        _, data = decode_bytes(content.data, limits)
    except UnreadableError as error:
        return replace(_unseen(finding, plan, "could not be decoded"), error=str(error))
    return replace(
        finding,
        windows=tuple(_cut(data, kind, spec, kinds) for spec, kinds in plan.inputs),
        thumbnail=_thumbnail(data) if plan.thumbnails and kind is MediaKind.IMAGE else None,
    )


def _wanted(kind: MediaKind, plan: WorkerPlan) -> bool:
    return any(kind in kinds for _, kinds in plan.inputs)


def _unseen(finding: Finding, plan: WorkerPlan, why: str) -> Finding:
    return replace(finding, windows=(why,) * len(plan.inputs), notes=(*finding.notes, why))


def _cut(data: Any, kind: MediaKind, spec: Any, kinds: frozenset[MediaKind]) -> list[Any] | str:
    from provenance.media import cut_windows

    if kind not in kinds:
        return f"does not look at {kind}"
    try:
        return cut_windows(data, kind, spec)
    except UnreadableError as error:
        return str(error)
    except (ValueError, ZeroDivisionError) as error:  # a spec that no item fits
        return f"cannot be cut to {spec}: {error}"


def _thumbnail(pixels: Any) -> bytes:
    from provenance.media import thumbnail

    return thumbnail(pixels)


def _examine_or_tell(path: str, plan: WorkerPlan, readers: list[Reader]) -> Finding | Last[Finding]:
    try:
        finding = examine(path, plan, readers)
    except MemoryError:
        raise  # the pool says so, and replaces this process
    except Exception as error:  # noqa: BLE001 - one file never ends a scan
        return Finding(path, error=f"could not be examined: {type(error).__name__}: {error}")
    return Last(finding) if finding.retire else finding


def _out_of_memory(plan: WorkerPlan) -> str:
    return f"needs more memory than the limit of {plan.limits.worker_bytes >> 20:,} MiB"
