"""Files written so that a reader never sees a half-written one, and folders with one writer."""

import contextlib
import errno
import hashlib
import json
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from provenance.errors import UserError

TEMPORARY_PREFIX = ".tmp-"
_CHUNK_BYTES = 1 << 20


def _default_mode() -> int:
    """Return the mode of new files under this process's umask. Reading it means setting it.

    It is narrow meanwhile, so that a file of another thread can be too private, never too open.
    """
    umask = os.umask(0o077)
    os.umask(umask)
    return 0o666 & ~umask


DEFAULT_MODE = _default_mode()
"""Permission bits of files that say nothing else: those that ``open`` would give them."""


def write_atomic(path: Path, data: bytes, *, mode: int = DEFAULT_MODE) -> None:
    """Write ``data`` to a temporary name beside ``path``, flush it to disk, and rename.

    Args:
        path: Destination; replaced when it exists. Its folder is made when missing.
        data: The whole content.
        mode: Permission bits of the new file; the umask counts in the default only. Keys use 0o600.

    Raises:
        OSError: The disk is full, the folder is not writable, or ``path`` is no regular file; it is
            then untouched.
    """
    check_replaceable(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=TEMPORARY_PREFIX, dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(mode)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def is_same_file(one: Path, other: Path) -> bool:
    """Whether two names, links among them, lead to one file that exists."""
    try:
        return one.samefile(other)
    except OSError:
        return False  # one is not there; whoever opens it says so


def check_replaceable(path: Path) -> None:
    """Check that a rename to ``path`` takes the place of a file or of nothing.

    Root would else turn ``/dev/null`` or ``/dev/stdout`` into a file, and anybody a pipe.

    Raises:
        OSError: It is a device, a pipe, a socket or a folder, perhaps behind a link.
    """
    try:
        mode = path.stat().st_mode
    except OSError:
        return  # nothing there; whatever else is wrong will show
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "it is no regular file, and is not replaced by one", str(path))


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON, atomically. NaN is refused: it is not JSON.

    ASCII with escapes, since a string that holds a file name need not be Unicode.
    """
    text = json.dumps(value, indent=2, ensure_ascii=True, allow_nan=False)
    write_atomic(path, text.encode() + b"\n")


def sha256_bytes(data: bytes) -> str:
    """Return the SHA-256 of ``data`` in hex."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file in hex, read in chunks so that memory stays flat."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def remove_temporaries(folder: Path) -> int:
    """Delete what a killed run left half-written below ``folder``; return how many files."""
    leftovers = [path for path in folder.rglob(f"{TEMPORARY_PREFIX}*") if path.is_file()]
    for path in leftovers:
        path.unlink(missing_ok=True)
    return len(leftovers)


@contextlib.contextmanager
def folder_lock(folder: Path, *, wait_s: float = 0.0) -> Iterator[None]:
    """Hold ``folder`` for one writer; released when the process ends, however it ends.

    Args:
        folder: Made when missing.
        wait_s: How long to wait for another writer to finish.

    Raises:
        UserError: Another process still writes to the folder after ``wait_s`` seconds.
    """
    import fcntl

    folder.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + wait_s
    with (folder / ".lock").open("a") as stream:
        while True:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise UserError(
                        f"Another run is writing to {folder}. Wait for it, or stop it first."
                    ) from None
                time.sleep(0.1)
        yield
