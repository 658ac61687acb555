"""Walks a folder, decodes what is an image, and cuts each into patches."""

import logging
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from provenance import InputSpec, Media, MediaKind, UnreadableError, UserError
from provenance.media import ImageLimits, decode_image, recognise
from provenance_datasets.records import Record, cut_records

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LOG = logging.getLogger(__name__)
_CORPUS_MARKS = frozenset({"corpus.json", ".work"})
"""What a corpus of ``generate`` holds, finished (the first) or begun (the second)."""


class Folder:
    """The source ``folder:PATH``.

    Args:
        argument: Path of the folder; ``~`` is the user's home.

    Raises:
        UserError: Nothing stands after the colon, or there is no such folder.
    """

    def __init__(self, argument: str) -> None:
        if not argument:
            raise UserError("folder needs a path: --real folder:PATH")
        self._root = Path(argument).expanduser()
        # Path.is_dir raises for a name that is too long
        if not os.path.isdir(self._root):  # noqa: PTH112
            raise UserError(f"There is no folder {self._root}. Check the path after 'folder:'.")

    def items(self, window: InputSpec, *, count: int | None, seed: int) -> Sequence[Media]:
        """Return up to ``count`` patches, one of each file in turn, files in a seeded order.

        Files are decoded only until there is enough, so that a large folder costs what is used.

        Args:
            window: A square crop of ``size_px``.
            count: None for all, at most 600 of a file.
            seed: Of the order of files and patches.

        Raises:
            UserError: The window is no square crop, or the folder has no image of that size.
        """
        files = list_files(self._root)
        records = [self._record(path) for path in files]
        where = str(self._root)
        items = cut_records(records, window, source="folder", where=where, count=count, seed=seed)
        if not items:
            raise UserError(
                f"{self._root} has no image of {window.size_px} px or more among {len(files)} "
                f"files. Hidden files, symbolic links and corpora of this suite are not read."
            )
        return items

    def _record(self, path: Path) -> Record:
        relative = Path(_as_text(path.relative_to(self._root)))
        category = relative.parent.name or None
        return Record(relative.as_posix(), lambda: (_read(path), category), str(path))


def list_files(root: Path) -> list[Path]:
    """Return the regular files below ``root``, sorted: no hidden ones, no symbolic links.

    Corpora of this suite are left out whole. Their synthetic files would pass for real ones, and a
    run that writes below its own source would change it.
    """
    found: list[Path] = []
    for folder, folders, names in os.walk(root, followlinks=False):
        if not _CORPUS_MARKS.isdisjoint((*folders, *names)):
            _LOG.warning("Left out %s: it is a corpus of this suite", folder)
            folders.clear()
            continue
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths = (Path(folder) / name for name in names if not name.startswith("."))
        found += filter(_is_regular, paths)
    return sorted(found)


def _is_regular(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:  # in a folder that may be listed but not entered, or gone meanwhile
        return False


def _read(path: Path) -> "NDArray[np.uint8]":
    try:
        with path.open("rb") as stream:
            data = _read_image(stream)
    except OSError as error:
        raise UnreadableError(f"cannot be read: {error.strerror or error}") from error
    return decode_image(data)


def _read_image(stream: BinaryIO) -> bytes:
    """Read a whole file, after its head and its size: a disk image must not fill the memory."""
    head = stream.read(4096)
    found = recognise(head)
    if found is None or found.kind is not MediaKind.IMAGE:
        raise UnreadableError("is not an image")
    most = ImageLimits().max_bytes
    if os.fstat(stream.fileno()).st_size > most:
        raise UnreadableError(f"exceeds {most >> 20} MiB")
    return head + stream.read(most)


def _as_text(path: Path) -> str:
    r"""Return a path with bytes that are not UTF-8 written out, as in ``caf\xe9.png``.

    It becomes an id, and stands in JSON and in signed manifests, which hold Unicode only.
    """
    return os.fsencode(path).decode("utf-8", errors="backslashreplace")
