"""Writes many small files at the price of few flushes."""

import ctypes
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

from provenance.files import DEFAULT_MODE, TEMPORARY_PREFIX

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


def write_together(files: Mapping[Path, bytes], *, aside: Path | None = None) -> None:
    """Write files so that each is there whole or not at all, after a power cut too.

    All are written under temporary names, then the file system is flushed once, then all are
    renamed. Flushing 64 small files one by one takes about ten times as long.

    Args:
        files: Destination to content; folders are made when missing.
        aside: Folder of the temporary files, on the same file system; beside each file when None.
            With it, what a killed run leaves is found without a look at all the others.

    Raises:
        OSError: The disk is full or a folder not writable; what was not renamed yet is removed.
    """
    written: dict[str, Path] = {}
    mark = TEMPORARY_PREFIX + secrets.token_hex(8)
    folders = {path.parent for path in files}
    try:
        for folder in folders if aside is None else {*folders, aside}:
            folder.mkdir(parents=True, exist_ok=True)
        for number, (path, data) in enumerate(files.items()):
            temporary = f"{aside or path.parent}/{mark}-{number}"
            handle = os.open(temporary, _NEW, DEFAULT_MODE)
            written[temporary] = path
            with open(handle, "wb", buffering=0) as stream:  # noqa: PTH123 - a descriptor
                _write_all(stream.write, data)
        for folder in folders:
            _flush(folder)
        for temporary, path in written.items():
            os.replace(temporary, path)  # noqa: PTH105 - half the time of Path's
    except BaseException:
        for temporary in written:
            Path(temporary).unlink(missing_ok=True)
        raise


def _write_all(write: Callable[[memoryview], int | None], data: bytes) -> None:
    """Write all of ``data``: the system may take less at a time than it is given."""
    left = memoryview(data)
    while left:
        left = left[write(left) or 0 :]


def _flush(folder: Path) -> None:
    """Flush the file system that holds ``folder``; all of them where the system has no syncfs."""
    syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if syncfs is None:
        os.sync()
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        if syncfs(handle) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(folder))
    finally:
        os.close(handle)
