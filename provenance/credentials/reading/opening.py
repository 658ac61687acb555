"""Opens what is to be read: regular files of bounded size, and what to tell the library of them."""

import io
import os
import stat
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import IO

from provenance.errors import UnreadableError
from provenance.media import recognise

MAX_FILE_BYTES = 4 << 30
HEAD_BYTES = 4096
_SMALL_BYTES = 1 << 20
_UNKNOWN_TYPE = "application/octet-stream"
# JUMBF: size and type of the superbox, size of its description box; then the description of a C2PA
# manifest store begins with its type and UUID (ISO 19566-5, C2PA specification 2.4, 11.1.4)
STORE_MARK = bytes.fromhex("6a756d64 6332706100110010800000aa00389b71")
_STORE_MARK_AT = 12
_SUPERBOX = b"jumb"
_MAX_STORE_BYTES = 1 << 30  # as a number, what other files begin with is more: JPEG, PNG, RIFF ...
_DOCUMENTS = (
    *("docm", "docx", "pptm", "pptx", "xlsm", "xlsx", "epub", "oxps", "zip"),
    *("odg", "odp", "ods", "odt", "otg", "otp", "ots", "ott"),
)
_AMBIGUOUS = ("application/zip", "text/plain", "text/xml", _UNKNOWN_TYPE)
_BEFORE_TEXT = b"\xef\xbb\xbf \t\r\n"  # byte order mark, white space
_OLD_QUICKTIME = (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as the library gets to see it.

    Attributes:
        stream: Seekable, at any position.
        hint: MIME type or suffix. The library looks at the content itself, and takes the hint only
            where that says nothing.
    """

    stream: IO[bytes]
    hint: str


def open_regular(path: Path, max_bytes: int, *, follow_links: bool = True) -> IO[bytes]:
    """Open a regular file of bounded size; a pipe or a device would block for ever.

    Args:
        path: Hostile.
        max_bytes: Size above which it is refused.
        follow_links: Whether ``path`` itself may be a symbolic link.

    Raises:
        UnreadableError: It is no regular file, empty, or too large.
        OSError: It cannot be opened; a link that may not be followed among the reasons.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow_links else os.O_NOFOLLOW)
    handle = os.open(path, flags)
    status = os.fstat(handle)
    if stat.S_ISREG(status.st_mode) and 0 < status.st_size <= max_bytes:
        return os.fdopen(handle, "rb")
    os.close(handle)
    if not stat.S_ISREG(status.st_mode):
        raise UnreadableError("is not a regular file")
    if not status.st_size:
        raise UnreadableError("the file is empty")
    limit = f"{max_bytes >> 30} GiB" if max_bytes >> 30 else f"{max_bytes >> 20} MiB"
    raise UnreadableError(f"exceeds {limit}")


def in_memory_if_small(stream: IO[bytes]) -> IO[bytes]:
    """Return the content of a small file at once: the library reads in pieces of kilobytes.

    Exactly so many bytes are asked for: room for more would cost more than the pieces do.
    """
    size = os.fstat(stream.fileno()).st_size
    if size > _SMALL_BYTES:
        return stream
    data = stream.read(size)
    return stream if stream.read(1) else io.BytesIO(data)  # it may be growing


def head_of(stream: IO[bytes]) -> bytes:
    """Return the first 4,096 bytes."""
    stream.seek(0)
    return stream.read(HEAD_BYTES)


def is_store(head: bytes) -> bool:
    """Whether content is a manifest store itself, as a sidecar is, and no media.

    A JPEG may hold the mark at the same place, in a comment, and would then hide its credential.
    """
    is_superbox = head[4:8] == _SUPERBOX and int.from_bytes(head[:4]) < _MAX_STORE_BYTES
    return is_superbox and head.startswith(STORE_MARK, _STORE_MARK_AT)


def media_hint(head: bytes, media_type: str | None, name: str = "") -> str:
    """Return what to tell the library of a file's type, where its content alone may not do.

    Args:
        head: The first bytes.
        media_type: As the caller recognised it, or None.
        name: Of the file; believed only where several types look alike from outside: documents
            are zip archives, an SVG may begin with pages of comments, old QuickTime has no brand.
    """
    # the library finds a mark in the content of everything but text: there the caller may err
    if media_type is None or head.lstrip(_BEFORE_TEXT)[:1] == b"<":
        found = recognise(head)
        media_type = _UNKNOWN_TYPE if found is None else found.media_type
    if media_type not in _AMBIGUOUS:
        return media_type
    suffix = PurePath(name).suffix[1:].lower()
    if media_type == "application/zip" and suffix in _DOCUMENTS:
        return suffix
    if media_type in ("text/plain", "text/xml") and suffix == "svg":
        return "image/svg+xml"
    if media_type == _UNKNOWN_TYPE and head[4:8] in _OLD_QUICKTIME:
        return "video/quicktime"
    return media_type
