"""Writes many small files at the price of few flushes."""

import ctypes
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from provenance.files import DEFAULT_MODE, TEMPORARY_PREFIX


def write_together(files: Mapping[Path, bytes]) -> None:
    """Write files so that each is there whole or not at all, after a power cut too.

    All are written under temporary names, then the file system is flushed once, then all are
    renamed. Flushing 64 small files one by one takes about ten times as long.

    Args:
        files: Destination to content; folders are made when missing.

    Raises:
        OSError: The disk is full or a folder not writable; what was not renamed yet is removed.
    """
    written: dict[Path, Path] = {}
    try:
        for path, data in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=TEMPORARY_PREFIX, dir=path.parent)
            written[Path(name)] = path
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
        for folder in {path.parent for path in files}:
            _flush(folder)
        for temporary, path in written.items():
            temporary.chmod(DEFAULT_MODE)
            temporary.replace(path)
    except BaseException:
        for temporary in written:
            temporary.unlink(missing_ok=True)
        raise


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
