"""Walks a folder, decodes what is an image, and cuts each into patches."""

import logging
import math
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from provenance import InputSpec, Media, MediaKind, UnreadableError, UserError
from provenance.media import ImageLimits, decode_image, recognise
from provenance.training import derive_seed
from provenance_datasets.patches import patches, round_robin, window_side_px

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LOG = logging.getLogger(__name__)
_CORPUS_MARKS = frozenset({"corpus.json", ".work"})
"""What a corpus of ``generate`` holds, finished (the first) or begun (the second)."""
MOST_PER_FILE = 600
_HEADROOM = 4
"""A file may give this many times its fair share, for files that have less than theirs."""


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
        side_px = window_side_px(window, "folder")
        files = list_files(self._root)
        order = np.random.default_rng(derive_seed(seed, "folder")).permutation(len(files))
        most = MOST_PER_FILE
        if count is not None and files:
            most = min(most, _HEADROOM * math.ceil(count / len(files)))
        groups = self._cut([files[i] for i in order], side_px, most, count, seed)
        if not groups:
            raise UserError(
                f"{self._root} has no image of {side_px} px or more among {len(files)} files. "
                f"Hidden files, symbolic links and corpora of this suite are not read."
            )
        return round_robin(groups, count)

    def _cut(
        self, files: list[Path], side_px: int, most: int, count: int | None, seed: int
    ) -> list[list[Media]]:
        groups: list[list[Media]] = []
        skipped = own_scale = 0
        for path in files:
            if count is not None and len(groups) >= count:  # one patch of each file is enough
                break
            try:
                pixels = _read(path, side_px)
            except UnreadableError as error:
                skipped += 1
                _LOG.warning("Skipped %s: %s", path, error)
                continue
            own_scale += min(pixels.shape[:2]) < 2 * side_px
            if cut := self._patches(path, pixels, side_px, most, seed):
                groups.append(cut)
        if skipped:
            _LOG.warning("Skipped %d files of %s", skipped, self._root)
        if own_scale:
            _LOG.info("%d pictures are below %d px: used at own scale", own_scale, 2 * side_px)
        return groups

    def _patches(
        self,
        path: Path,
        pixels: "NDArray[np.uint8]",
        side_px: int,
        most: int,
        seed: int,
    ) -> list[Media]:
        relative = Path(_as_text(path.relative_to(self._root)))
        return patches(
            pixels,
            name=relative.as_posix(),
            group=relative.as_posix(),
            side_px=side_px,
            most=most,
            seed=seed,
            category=relative.parent.name or None,
        )


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


def _read(path: Path, side_px: int) -> "NDArray[np.uint8]":
    try:
        with path.open("rb") as stream:
            data = _read_image(stream)
    except OSError as error:
        raise UnreadableError(f"cannot be read: {error.strerror or error}") from error
    pixels = decode_image(data)
    if min(pixels.shape[:2]) < side_px:
        raise UnreadableError(f"{pixels.shape[1]} x {pixels.shape[0]} px is below {side_px} px")
    return pixels


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
