"""Finds files below folders: in a fixed order, each once, following no symbolic link.

Whatever stands in a folder gives one :class:`Found`; what is no regular file says so and is never
opened, since opening a pipe would wait for ever.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_SPECIAL = {
    stat.S_IFIFO: "a named pipe, not opened",
    stat.S_IFSOCK: "a socket, not opened",
    stat.S_IFCHR: "a character device, not opened",
    stat.S_IFBLK: "a block device, not opened",
}


@dataclass(frozen=True, slots=True)
class Found:
    """One name in a folder.

    Attributes:
        path: Bytes of the name that are no text stand as surrogates (PEP 383).
        problem: Why there is nothing to read, or None for a regular file.
    """

    path: str
    problem: str | None = None


def walk(paths: Sequence[Path]) -> Iterator[Found]:
    """Yield every file at and below ``paths``, hidden ones too, sorted by the bytes of its name.

    A path that lies below another one of ``paths``, or is given twice, is found once. Symbolic
    links are never followed, those in ``paths`` included. An unreadable folder is one item with a
    problem; the walk goes on.

    Args:
        paths: Files and folders. One that does not exist gives an item with a problem.

    Example:
        >>> [found.path for found in walk([Path("/dev/null")])]
        ['/dev/null']
    """
    for root in _without_doubles(paths):
        pending = [os.fspath(root)]
        while pending:
            path = pending.pop()
            found, names = _look(path)
            if found is not None:
                yield found
            pending += [os.path.join(path, name) for name in reversed(names)]  # noqa: PTH118


def _look(path: str) -> tuple[Found | None, list[str]]:
    """Return what is at ``path``: a file or a problem; or, of a folder, the sorted names in it."""
    try:
        mode = os.lstat(path).st_mode
        if stat.S_ISDIR(mode):
            return None, sorted(_names(path), key=os.fsencode)
    except OSError as error:
        return Found(path, f"cannot be read: {error.strerror or error}"), []
    if stat.S_ISLNK(mode):
        return Found(path, "symbolic link, not followed"), []
    return Found(path, None if stat.S_ISREG(mode) else _special(mode)), []


def _special(mode: int) -> str:
    return _SPECIAL.get(stat.S_IFMT(mode), "neither a file nor a folder, not opened")


def _names(folder: str) -> list[str]:
    """List a folder without following it, had it been swapped for a link since we looked."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        return os.listdir(handle)  # noqa: PTH208 - pathlib takes no descriptor
    finally:
        os.close(handle)


def _without_doubles(paths: Sequence[Path]) -> list[Path]:
    real = [_real(path) for path in paths]
    folders = {place for place in real if _is_folder(place)}
    kept: dict[Path, Path] = {}
    for path, place in zip(paths, real, strict=True):
        if not folders.intersection(place.parents):
            kept.setdefault(place, path)
    return list(kept.values())


# pathlib raises for names that are too long and for links in circles; os.path does not
def _is_folder(path: Path) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)  # noqa: PTH112, PTH114


def _real(path: Path) -> Path:
    """Return where a path really lies; its own last part is not followed."""
    absolute = path.absolute()
    if absolute.name in ("", "..", "."):
        return Path(os.path.realpath(absolute))
    return Path(os.path.realpath(absolute.parent)) / absolute.name
