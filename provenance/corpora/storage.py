"""Where the files of a corpus lie while it is made: loose, or a batch in one archive for shards.

Names are those of the rows. A batch is written whole or not at all.
"""

import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, Self

from provenance.corpora import tars
from provenance.corpora.plan import BATCH_ITEMS, WORK_FOLDER, Plan
from provenance.corpora.writing import write_together
from provenance.files import remove_temporaries


class Storage(Protocol):
    """Where files go."""

    def missing(self, names: Sequence[str]) -> list[str]:
        """Return those of one batch's names that are not there yet."""
        ...

    def write(self, files: Mapping[str, bytes]) -> None:
        """Write what was missing of one batch; each file is there whole or not at all."""
        ...

    def read(self, name: str) -> bytes:
        """Return a file that is there."""
        ...

    def remove(self, folder: str) -> None:
        """Remove all files below a folder."""
        ...


def storage_of(plan: Plan, out: Path) -> Storage:
    """Return where the files of a run go."""
    return Batched(out) if plan.request.shards else Loose(out)


def clean(out: Path) -> None:
    """Delete what a killed run left half-written; does not look at finished media files."""
    for path in out.glob(".tmp-*"):
        path.unlink(missing_ok=True)
    for name in ("generators", "sheets", WORK_FOLDER):
        remove_temporaries(out / name)


class Behind:
    """Writes a batch in a thread while the next one is made: half of writing is waiting.

    A ``with`` statement ends when all is written.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage, self._thread = storage, ThreadPoolExecutor(1)
        self._written: Future[None] | None = None

    def write(self, files: Mapping[str, bytes]) -> None:
        """Write files soon; raises what went wrong with those before."""
        if self._written is not None:
            self._written.result()
        self._written = self._thread.submit(self._storage.write, files)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._thread.shutdown()
        if self._written is not None and kind is None:
            self._written.result()


class Loose:
    """Each file by itself, under its own name in the corpus."""

    def __init__(self, out: Path) -> None:
        self._out, self._aside = out, out / WORK_FOLDER / "incoming"

    def missing(self, names: Sequence[str]) -> list[str]:
        """Return the names of files that are not there yet."""
        return [name for name in names if not (self._out / name).exists()]

    def write(self, files: Mapping[str, bytes]) -> None:
        """Write files together."""
        paths = {self._out / name: data for name, data in files.items()}
        write_together(paths, aside=self._aside)

    def read(self, name: str) -> bytes:
        """Return a file."""
        return (self._out / name).read_bytes()

    def remove(self, folder: str) -> None:
        """Remove a folder."""
        shutil.rmtree(self._out / folder, ignore_errors=True)


class Batched:
    """One archive a batch, in the work folder; :mod:`provenance.corpora.shards` packs them."""

    def __init__(self, out: Path) -> None:
        self._folder = out / WORK_FOLDER / "batches"
        self._recent: dict[Path, tuple[Path, dict[str, bytes]]] = {}

    def missing(self, names: Sequence[str]) -> list[str]:
        """Return all names of the batch, or none: it is there whole or not at all."""
        return [] if self._path(names[0]).exists() else list(names)

    def write(self, files: Mapping[str, bytes]) -> None:
        """Write the archive of a batch."""
        if files:
            path = self._path(next(iter(files)))
            write_together({path: tars.archive(dict(files))}, aside=self._folder)

    def read(self, name: str) -> bytes:
        """Return a file, and keep its batch in memory: its neighbours are read next."""
        path = self._path(name)
        recent, files = self._recent.get(path.parent, (None, {}))
        if recent != path:
            files = tars.read_all(path.read_bytes())
            self._recent[path.parent] = (path, files)
        return files[name]

    def remove(self, folder: str) -> None:
        """Remove the archives of a folder."""
        shutil.rmtree(self._folder / folder, ignore_errors=True)

    def remove_all(self) -> None:
        """Remove everything, once it is packed."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, name: str) -> Path:
        folder, _, base = name.rpartition("/")
        first = int(base.partition(".")[0]) // BATCH_ITEMS * BATCH_ITEMS
        return self._folder / folder / f"{first:05d}.tar"
