"""The files that ``provenance verify`` looks at, and how each is read in a worker process."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from provenance.errors import UnreadableError, UserError
from provenance.reports import CredentialItem

if TYPE_CHECKING:
    from provenance.credentials import ReadingOptions, TrustAnchors

STDIN = "-"
_MAX_STDIN_BYTES = 4 << 30
_MAX_PICTURE_BYTES = 64 << 20
_PICTURE_SIDE_PX = 480
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Item:
    """A file to read.

    Attributes:
        path: Where it lies.
        shown: How reports call it: its path, or ``-`` for stdin.
    """

    path: str
    shown: str


def make_reader(
    trust: "TrustAnchors", options: "ReadingOptions", init: Path | None
) -> Callable[[Item], CredentialItem]:
    """Return the function that reads one file; called once in each worker.

    Args:
        trust: Whom to trust.
        options: Where to look and how much to keep; with thumbnails, the file is pictured, too.
        init: Init segment that the files are fragments of; None for whole files.
    """
    # now, so that no file's time pays for it
    from provenance.credentials import read_credential, read_fragments

    def read(item: Item) -> CredentialItem:
        path = Path(item.path)
        if init is not None:
            found = read_fragments(init, [path], trust, options=options)[0]
            return CredentialItem(item.shown, found)
        where = replace(options, sidecars=False) if item.shown == STDIN else options
        found = read_credential(path, None, trust, options=where)
        return CredentialItem(item.shown, found, _picture(path) if options.thumbnails else None)

    return read


def lost(item: Item, reason: str) -> CredentialItem:
    """Return what stands for a file whose worker died, hung or raised."""
    from provenance.credentials.reading.examination import not_examined

    return CredentialItem(item.shown, not_examined(reason))


def _picture(path: Path) -> bytes | None:
    from provenance.media import decode_image, thumbnail

    try:
        if not path.is_file() or path.stat().st_size > _MAX_PICTURE_BYTES:
            return None
        return thumbnail(decode_image(path.read_bytes()), side_px=_PICTURE_SIDE_PX)
    except (OSError, UnreadableError, MemoryError):
        return None


def find_items(paths: Iterable[str], *, pair_sidecars: bool) -> list[Item]:
    """Return files, and the files below folders in order; each path once.

    Sidecars of a file beside them are read with that file, and left out below folders. Symbolic
    links below folders are not followed. What cannot be looked into is a file that cannot be read.

    Args:
        paths: As given on the command line.
        pair_sidecars: Whether sidecars are read with their files.
    """
    found: dict[str, Item] = {}
    for path in paths:
        # Path.is_dir raises for a name that is too long or in a closed folder; os.path says no
        is_folder = os.path.isdir(path)  # noqa: PTH112
        for file in _walk(path, pair_sidecars=pair_sidecars) if is_folder else (path,):
            shown = str(Path(file))
            found.setdefault(shown, Item(shown, shown))
    return list(found.values())


def _walk(folder: str, *, pair_sidecars: bool) -> Iterator[str]:
    from provenance.credentials.reading.sidecars import SIDECAR_SUFFIX

    unreadable: list[str] = []

    def remember(error: OSError) -> None:
        unreadable.append(str(error.filename))  # becomes a row, and exit code 5

    for root, folders, names in os.walk(folder, onerror=remember, followlinks=False):
        folders.sort()
        # names may be too long for Path methods
        paths = {name: os.path.join(root, name) for name in sorted(names)}  # noqa: PTH118
        files = [name for name, path in paths.items() if not os.path.islink(path)]  # noqa: PTH114
        media = {Path(name).stem for name in files if not name.endswith(SIDECAR_SUFFIX)}
        for name in files:
            is_paired = name.endswith(SIDECAR_SUFFIX) and Path(name).stem in media
            if not (pair_sidecars and is_paired):
                yield paths[name]
    yield from unreadable


@contextlib.contextmanager
def spooled_stdin(paths: Sequence[str]) -> Iterator[Item | None]:
    """Yield stdin as a file where ``-`` is among the paths: read once, at most 4 GiB, on disk.

    Raises:
        UserError: It is larger, or the disk is full.
    """
    if STDIN not in paths:
        yield None
        return
    with tempfile.NamedTemporaryFile(prefix="provenance-stdin-") as file:
        stream = sys.stdin.buffer
        n_bytes = 0
        try:
            while chunk := stream.read(_CHUNK_BYTES):
                n_bytes += len(chunk)
                if n_bytes > _MAX_STDIN_BYTES:
                    raise UserError(
                        "stdin holds more than 4 GiB. No file of that size is verified."
                    )
                file.write(chunk)
            file.flush()
        except OSError as error:
            raise UserError(f"stdin cannot be kept: {error.strerror or error}") from error
        yield Item(file.name, STDIN)
