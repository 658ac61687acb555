"""What a file is, told from its first bytes. A name proves nothing."""

from dataclasses import dataclass
from pathlib import Path
from typing import IO

from provenance.errors import UnreadableError
from provenance.types import MediaKind

HEAD_BYTES = 4096
_FLAC = b"fLaC"
_BMFF_IMAGES = {
    b"avif": "image/avif",
    b"avis": "image/avif",
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"mif1": "image/heif",
    b"msf1": "image/heif",
}
_PREFIXES: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "image/jxl"),
    (b"\xff\x0a", "image/jxl"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "image/jp2"),
    (_FLAC, "audio/flac"),
    (b"OggS", "audio/ogg"),
    (b"ID3", "audio/mpeg"),
    (b"%PDF-", "application/pdf"),
    (b"PK\x03\x04", "application/zip"),
    (b"\x1aE\xdf\xa3", "video/x-matroska"),
)
_BMP_HEADERS = (12, 16, 40, 52, 56, 64, 108, 124)  # sizes of the header after the first 14 bytes
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}


@dataclass(frozen=True, slots=True)
class Recognised:
    """What the content says a file is.

    Attributes:
        media_type: MIME type.
        kind: Media kind; None for containers such as PDF, which carry credentials only.
    """

    media_type: str
    kind: MediaKind | None


def recognise_file(path: Path) -> Recognised | None:
    """Recognise a file by its first bytes; None where they say nothing.

    Raises:
        UnreadableError: The file cannot be opened, or is empty.
    """
    try:
        with path.open("rb") as stream:
            if not stream.peek(1):
                raise UnreadableError("the file is empty")
            return recognise_stream(stream)
    except OSError as error:
        raise UnreadableError(f"cannot be read: {error.strerror or error}") from error


def recognise_stream(stream: IO[bytes]) -> Recognised | None:
    """Recognise content that can be looked into beyond its first bytes, as :func:`recognise` does.

    Args:
        stream: Seekable; its position is changed.

    Raises:
        OSError: It cannot be read.
    """
    stream.seek(0)
    head = stream.read(HEAD_BYTES)
    behind_tag = _behind_id3(stream, head)
    return recognise(behind_tag if behind_tag == _FLAC else head)


def _behind_id3(stream: IO[bytes], head: bytes) -> bytes:
    """Return the first bytes behind an ID3 tag, in which a credential puts itself before FLAC."""
    if not head.startswith(b"ID3") or len(head) < 10:
        return b""
    n_bytes = sum((byte & 0x7F) << 7 * place for place, byte in enumerate(reversed(head[6:10])))
    stream.seek(10 + n_bytes)  # ID3v2.4.0, 3.1: ten bytes of header, the size in sevens of bits
    return stream.read(len(_FLAC))


def recognise(head: bytes) -> Recognised | None:
    """Recognise content by its first bytes (4,096 are enough); None where they say nothing."""
    media_type = _media_type(head)
    if media_type is None:
        return None
    kind = media_type.partition("/")[0]
    return Recognised(media_type, MediaKind(kind) if kind in set(MediaKind) else None)


def _media_type(head: bytes) -> str | None:
    for prefix, media_type in _PREFIXES:
        if head.startswith(prefix):
            return media_type
    if head[:4] == b"RIFF":
        return _RIFF.get(head[8:12])
    if head[4:8] == b"ftyp":
        return _bmff(head[8:12])
    if head[4:8] == b"styp":
        return "video/mp4"
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return "image/bmp"
    if head.startswith(_UTF16):
        return _text(head.decode("utf-16", errors="replace").encode())
    return _mpeg_audio(head) or _text(head)


def _bmff(brand: bytes) -> str:
    if brand in _BMFF_IMAGES:
        return _BMFF_IMAGES[brand]
    if brand[:3] == b"M4A":
        return "audio/mp4"
    return "video/quicktime" if brand == b"qt  " else "video/mp4"


def _mpeg_audio(head: bytes) -> str | None:
    """Tell by the frame header: sync, then layer III with a valid rate, or ADTS (layer 0)."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xF0 not in (0xE0, 0xF0):
        return None
    layer, rate, frequency = head[1] >> 1 & 3, head[2] >> 4, head[2] >> 2 & 3
    if layer == 1 and rate not in (0, 15) and frequency != 3:
        return "audio/mpeg"
    return "audio/aac" if layer == 0 and head[1] & 0xF0 == 0xF0 and frequency != 3 else None


def _text(head: bytes) -> str | None:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4 or error.start == 0:  # not merely cut inside a character
            return None
        text = head[: error.start].decode("utf-8")
    if any(ord(c) < 32 and c not in "\t\n\r\f\x1b" for c in text):
        return None
    start = text.lstrip("\ufeff \t\r\n")[:512].lower()
    if start.startswith("<svg") or (start.startswith("<?xml") and "<svg" in text.lower()):
        return "image/svg+xml"
    return "text/plain"
