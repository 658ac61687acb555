"""The outer structure of PNG and JPEG files, read by lengths that hostile files choose.

Each length is checked against what is there, and the number of parts is bounded.
"""

import re
from collections.abc import Iterator

from provenance.errors import UnreadableError

PNG, JPEG = "image/png", "image/jpeg"
APP1, APP11 = 0xE1, 0xEB
CREDENTIAL_CHUNK = b"caBX"
_PNG_SIGNATURE_BYTES = 8
_MAX_PARTS = 1_000_000
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a length: TEM, RST0-7, SOI
_MARKER = re.compile(rb"\xff[\x01\xc0-\xfe]")
_XMP_CHUNKS = (b"iTXt", b"tEXt", b"zTXt")
_XMP_KEYWORD = b"XML:com.adobe.xmp"


def png_chunks(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield (start, stop, type) of each chunk of a PNG, up to its end.

    Raises:
        UnreadableError: A chunk is longer than what is left, or there are too many.
    """
    at = _PNG_SIGNATURE_BYTES
    for _ in range(_MAX_PARTS):
        if at >= len(data):
            return
        kind = data[at + 4 : at + 8]
        stop = at + 12 + int.from_bytes(data[at : at + 4])
        if len(kind) < 4 or stop > len(data):
            raise UnreadableError("The PNG is damaged: a chunk is longer than what is left.")
        yield at, stop, kind
        if kind == b"IEND":
            return
        at = stop
    raise UnreadableError(f"The PNG has more than {_MAX_PARTS} chunks.")


def jpeg_segments(data: bytes, *, strict: bool = False) -> Iterator[tuple[int, int, int]]:
    """Yield (start, stop, marker) of each segment of a JPEG before the coded pixels.

    Args:
        data: A whole file. Hostile.
        strict: Refuse what decoders skip between segments, each in its own way: whoever rests a
            verdict on this walk must not see other segments than the library does.

    Raises:
        UnreadableError: A segment is longer than what is left, there are too many, or, where that
            is refused, something lies between them.
    """
    at = 2
    # cameras leave stray bytes before a marker, and fill bytes
    find = _MARKER.match if strict else _MARKER.search
    for _ in range(_MAX_PARTS):
        found = find(data, at)
        if found is None:
            raise UnreadableError("The JPEG is damaged: a marker is missing.")
        at = found.start()
        marker = data[at + 1]
        if marker in (_START_OF_SCAN, _END_OF_IMAGE):
            return
        if marker in _ALONE:
            at += 2
            continue
        stop = at + 2 + int.from_bytes(data[at + 2 : at + 4])
        if stop < at + 4 or stop > len(data):
            raise UnreadableError("The JPEG is damaged: a segment is longer than what is left.")
        yield at, stop, marker
        at = stop
    raise UnreadableError(f"The JPEG has more than {_MAX_PARTS} segments.")


def is_bare(data: bytes, media_type: str) -> bool | None:
    """Whether a file carries and names no credential; None where its structure does not tell.

    A credential of a JPEG lies in segments APP11 before the pixels, and its address in XMP, in
    APP1; the library looks nowhere else. That of a PNG lies in a chunk of its own, and in XMP.

    Args:
        data: A whole file. Hostile.
        media_type: Told from its content.
    """
    try:
        if media_type == JPEG:
            markers = {marker for _, _, marker in jpeg_segments(data, strict=True)}
            return not markers & {APP1, APP11} or None
        if media_type == PNG:
            return _is_bare_png(data) or None
    except UnreadableError:
        return None  # damaged: the library says what it makes of it
    return None


def _is_bare_png(data: bytes) -> bool:
    end = 0
    for start, stop, kind in png_chunks(data):
        is_xmp = kind in _XMP_CHUNKS and data.startswith(_XMP_KEYWORD, start + 8)
        if kind == CREDENTIAL_CHUNK or is_xmp:
            return False
        end = stop
    return end == len(data)  # bytes after the end may be anything
