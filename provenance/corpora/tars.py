"""Tar archives of small files: written so that equal content gives equal bytes, read as hostile.

Source: POSIX.1-2017, pax, "ustar interchange format".
"""

import io
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from provenance.errors import UnreadableError

MEMBER_BYTES = 64 << 20
"""Largest member that is read."""
MOST_MEMBERS = 1_000_000
_BLOCK = tarfile.BLOCKSIZE
_MODE = 0o644


def member(name: str, data: bytes) -> bytes:
    """Return a file as it stands in an archive: nobody's, of no date, filled up to whole blocks."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), _MODE
    head = info.tobuf(tarfile.USTAR_FORMAT)
    return b"".join((head, data, b"\0" * (-len(data) % _BLOCK)))


def end() -> bytes:
    """Return what closes an archive."""
    return b"\0" * (2 * _BLOCK)


def archive(files: "dict[str, bytes]") -> bytes:
    """Return an archive of files, by name."""
    return b"".join([*(member(name, data) for name, data in files.items()), end()])


def read_members(path: Path) -> dict[str, tuple[int, int]]:
    """Return name to offset and size of all files in an archive; nothing is unpacked.

    Args:
        path: The archive. Hostile.

    Raises:
        UnreadableError: It is damaged, or holds anything but plain files of distinct names that
            stay in their folder: links, devices, absolute or hidden names, too much of anything.
    """
    found: dict[str, tuple[int, int]] = {}
    try:
        with path.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            for info in _members(stream):
                _check(path, info, size)
                if info.name in found or len(found) >= MOST_MEMBERS:
                    raise _refused(path, f"holds {info.name!a} twice, or too much")
                found[info.name] = (info.offset_data, info.size)
    except (tarfile.TarError, ValueError, OverflowError) as error:
        raise _refused(path, f"is damaged: {error}") from error
    except OSError as error:
        raise _refused(path, f"cannot be read: {error.strerror or error}") from error
    return found


def read_member(path: Path, place: tuple[int, int]) -> bytes:
    """Return the content of one file, by what :func:`read_members` said of it.

    Raises:
        UnreadableError: The archive is shorter now, or cannot be read.
    """
    offset, size = place
    try:
        with path.open("rb") as stream:
            stream.seek(offset)
            data = stream.read(size)
    except OSError as error:
        raise _refused(path, f"cannot be read: {error.strerror or error}") from error
    if len(data) != size:
        raise _refused(path, "has become shorter")
    return data


def read_all(data: bytes) -> dict[str, bytes]:
    """Return the files of an archive of our own, in memory."""
    return {info.name: data[info.offset_data :][: info.size] for info in _members(io.BytesIO(data))}


def _members(stream: IO[bytes]) -> Iterator[tarfile.TarInfo]:
    """Yield the members one by one; by seeking, so that content is not read.

    Of a header only a plain one is taken: extended ones, which rename or resize what follows them,
    are never followed, since ``fromtarfile`` would read as many of them as there are.
    """
    while True:
        at = stream.tell()
        block = stream.read(_BLOCK)
        if block.count(0) == _BLOCK:
            return
        info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        info.offset, info.offset_data = at, at + _BLOCK
        yield info
        stream.seek(info.offset_data + info.size + -info.size % _BLOCK)


def _check(path: Path, info: tarfile.TarInfo, size: int) -> None:
    from provenance.corpora.schema import is_safe_name

    if info.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
        raise _refused(path, f"holds {info.name!a}, which is no plain file")
    if not is_safe_name(info.name):
        raise _refused(path, f"holds the name {info.name!a}, which does not stay in its folder")
    if not 0 <= info.size <= MEMBER_BYTES or info.offset_data + info.size > size:
        raise _refused(path, f"holds {info.name!a} of {info.size:,} bytes")


def _refused(path: Path, what: str) -> UnreadableError:
    return UnreadableError(f"The archive {path} {what}. Fetch or generate it anew.")
