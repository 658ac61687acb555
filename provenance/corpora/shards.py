"""Packs a corpus into WebDataset shards: tar archives by split, each item's file beside its row.

``train-000000.tar`` holds ``real/00012.png`` and ``real/00012.json``, and so on: what was made of
an item follows it, so that each shard has real and synthetic files of the same photographs. Equal
files give equal shards. Source: the WebDataset format, github.com/webdataset/webdataset.
"""

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from provenance.corpora import tars
from provenance.corpora.schema import Row
from provenance.files import TEMPORARY_PREFIX, sha256_file, write_atomic
from provenance.types import Split


@dataclass(slots=True)
class _Shard:
    """A shard that is being written.

    Attributes:
        path: Its name when it is whole.
        stream: Of the temporary file; None where the shard is there already.
        items: So far.
        rows: Of the items.
    """

    path: Path
    stream: IO[bytes] | None
    rows: list[Row] = field(default_factory=list)


class ShardWriter:
    """Spreads files over shards; a shard that is there already is whole, and stays.

    Args:
        out: The corpus.
        items: In each shard but the last of a split.
    """

    def __init__(self, out: Path, items: int) -> None:
        self._out, self._items = out, items
        self._open: dict[Split, _Shard] = {}
        self._done: dict[Split, list[tuple[dict[str, Any], list[Row]]]] = {}

    def add(self, row: Row, data: bytes) -> None:
        """Add a file to the shards of its split."""
        shard = self._open.get(row.split) or self._begin(row.split)
        shard.rows.append(row)
        if shard.stream is not None:
            key = row.file_name.rpartition(".")[0]
            shard.stream.write(tars.member(row.file_name, data))
            line = json.dumps(row.to_json(), ensure_ascii=True).encode()
            shard.stream.write(tars.member(f"{key}.json", line))
        if len(shard.rows) == self._items:
            self._end(row.split)

    def close(self) -> tuple[list[dict[str, Any]], list[Row]]:
        """Finish; return what ``corpus.json`` says of each shard, and the rows in their order."""
        for split in list(self._open):
            self._end(split)
        parts = [part for split in Split for part in self._done.get(split, [])]
        return [about for about, _ in parts], [row for _, rows in parts for row in rows]

    def _begin(self, split: Split) -> _Shard:
        number = len(self._done.get(split, []))
        path = self._out / f"{split}-{number:06d}.tar"
        stream = None if path.exists() else _temporary(path).open("wb")
        self._open[split] = shard = _Shard(path, stream)
        return shard

    def _end(self, split: Split) -> None:
        shard = self._open.pop(split)
        if shard.stream is not None:
            _finish(shard.stream, shard.path)
        about = {
            "name": shard.path.name,
            "split": str(split),
            "items": len(shard.rows),
            "bytes": shard.path.stat().st_size,
            "sha256": sha256_file(shard.path),
        }
        self._done.setdefault(split, []).append((about, shard.rows))


def prepare_shards(out: Path, generators: Iterable[str]) -> None:
    """Remove shards that a run with other generators left: what is in them would now differ."""
    mark = out / ".work" / "shards.json"
    wanted = json.dumps(list(generators)).encode()
    if not mark.is_file() or mark.read_bytes() != wanted:
        for split in Split:
            for path in out.glob(f"{split}-*.tar"):
                path.unlink()
        write_atomic(mark, wanted)


class ShardReader:
    """Reads files out of shards. Nothing is unpacked; archives are hostile.

    Args:
        folder: The corpus.
        shards: As ``corpus.json`` lists them.
    """

    def __init__(self, folder: Path, shards: Iterable[dict[str, Any]]) -> None:
        self._places: dict[str, tuple[Path, tuple[int, int]]] = {}
        for about in shards:
            path = folder / str(about["name"])
            for name, place in tars.read_members(path).items():
                self._places[name] = (path, place)

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def read(self, name: str) -> bytes:
        """Return a file.

        Raises:
            UnreadableError: The archive cannot be read.
        """
        return tars.read_member(*self._places[name])


def check_index(value: Any) -> Iterator[dict[str, Any]]:
    """Yield what ``corpus.json`` says of its shards. Hostile.

    Raises:
        ValueError: An entry is no object, or its name is no plain file name of an archive.
    """
    for about in value if isinstance(value, list) else [None]:
        if not isinstance(about, dict) or not _is_plain(about.get("name")):
            raise ValueError(f"has an entry for a shard that is none: {str(about)[:80]!a}")
        yield about


def _is_plain(name: object) -> bool:
    if not isinstance(name, str) or not name.endswith(".tar"):
        return False
    return not name.startswith(".") and not {"/", "\\", "\0"} & set(name)


def _temporary(path: Path) -> Path:
    return path.with_name(TEMPORARY_PREFIX + path.name)


def _finish(stream: IO[bytes], path: Path) -> None:
    """Close an archive, flush it to the disk, and give it its name."""
    with stream:
        stream.write(tars.end())
        stream.flush()
        os.fsync(stream.fileno())
    _temporary(path).replace(path)
