"""Fragmented MP4: an init segment that carries the credential, and segments that carry the content.

Each segment is checked by itself, against the hashes that the init segment's credential signs
(C2PA specification 2.4, 18.6: a Merkle tree over the segments). That all segments were given, and
in order, is not told by this.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import c2pa

from provenance.credentials.reading.credential import (
    Credential,
    ReadingOptions,
    absent,
)
from provenance.credentials.reading.examination import examine_by, not_examined
from provenance.credentials.reading.labels import holds_deadly_label
from provenance.credentials.reading.opening import MAX_FILE_BYTES, head_of, open_regular
from provenance.credentials.trust.anchors import TrustAnchors
from provenance.errors import UnreadableError

_VIDEO = "video/mp4"  # a hint: the library looks at the content
_BOX_HEADER_BYTES = 8
_LARGE_HEADER_BYTES = 16
_MAX_BOXES = 64
_CONTENT = {b"mdat", b"moof"}
_SEGMENT_STARTS = (b"styp", b"moof", b"sidx")
_MISMATCH = "assertion.bmffHash.mismatch"
_NOT_FRAGMENTED = "inithash must not be present"  # the library's word for an init segment alone
_SEGMENT = "it is a segment of a fragmented file, which is checked together with its init segment"
_INIT_SEGMENT = (
    "It is the init segment of a fragmented file; its credential is checked together with a segment"
    " of that file."
)


_DEFAULTS = ReadingOptions()


def read_fragments(
    init: Path,
    segments: Sequence[Path],
    trust: TrustAnchors,
    *,
    options: ReadingOptions = _DEFAULTS,
) -> list[Credential]:
    """Return what is known of each segment of a fragmented MP4. Never raises for what files hold.

    Args:
        init: The init segment, with the credential. Hostile.
        segments: The segments, in any order. Hostile.
        trust: Whom to trust.
        options: How much to keep; nothing is looked for elsewhere.

    Returns:
        One credential per segment, in the order given. ``integrity`` is ``ok`` where both the init
        segment and this segment are what was signed.
    """
    try:
        with open_regular(init, MAX_FILE_BYTES) as stream:
            if head_of(stream)[4:8] != b"ftyp":
                raise UnreadableError("is no MP4")
            return [_read(stream, segment, trust, options) for segment in segments]
    except (UnreadableError, OSError) as error:
        return [not_examined(f"the init segment {init.name!a}: {_reason(error)}")] * len(segments)


def _read(
    init: IO[bytes], segment: Path, trust: TrustAnchors, options: ReadingOptions
) -> Credential:
    try:
        with open_regular(segment, MAX_FILE_BYTES) as stream:
            return _pair(init, stream, trust, options)
    except (UnreadableError, OSError) as error:
        return not_examined(_reason(error))


def _pair(
    init: IO[bytes], segment: IO[bytes], trust: TrustAnchors, options: ReadingOptions
) -> Credential:
    if holds_deadly_label(init) or holds_deadly_label(segment):
        return not_examined("a label in it would end the process that reads it", is_present=True)

    def look(trusted: c2pa.Context) -> c2pa.Reader | None:
        init.seek(0)
        reader = c2pa.Reader.try_create(_VIDEO, init, None, trusted)
        if reader is None:
            return None
        init.seek(0)
        segment.seek(0)
        # a reader of its own for each segment: a failure uses the reader up
        return reader.with_fragment(_VIDEO, init, segment)

    return examine_by(look, init, trust, options)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"cannot be read: {error.strerror or error}"
    return str(error)


def alone(found: Credential, stream: IO[bytes], head: bytes) -> Credential:
    """Return what is known of a file, put right where it is a mere part of a fragmented file.

    Args:
        found: What the library says of the part; it takes an init segment for a changed file.
        stream: The part.
        head: Its first bytes.
    """
    if found.error and head[4:8] in _SEGMENT_STARTS:
        return not_examined(_SEGMENT)
    faults = [fault for fault in found.library.active_failures if fault[0] == _MISMATCH]
    is_merkle = bool(faults) and all(_NOT_FRAGMENTED in text for _, text in faults)
    if found.integrity != "failed" or not is_merkle or not _is_init_segment(stream):
        return found
    return absent(
        _INIT_SEGMENT,
        is_present=True,
        place=found.place,
        statements=found.statements,
        signals=found.signals,
        library=found.library,
        details=found.details,
    )


def _is_init_segment(stream: IO[bytes]) -> bool:
    """Whether a file describes tracks and holds nothing of them."""
    names = set(_top_boxes(stream))
    return b"moov" in names and not names & _CONTENT


def _top_boxes(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield the types of the boxes at the top level (ISO 14496-12, 4.2), at most 64."""
    at = 0
    for _ in range(_MAX_BOXES):
        stream.seek(at)
        header = stream.read(_LARGE_HEADER_BYTES)
        length, name = int.from_bytes(header[:4], "big"), header[4:8]
        if length == 1:  # a 64-bit length follows
            length = int.from_bytes(header[8:16], "big")
        yield name
        if length < _BOX_HEADER_BYTES:  # 0: to the end of the file; else: no box
            return
        at += length
