"""Opens a corpus: checks what it says of itself, and hands out decoded items with their labels."""

import functools
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, overload

from provenance.corpora.schema import (
    HEADER_FILE,
    ROWS_FILE,
    SCHEMA_VERSION,
    Row,
    parse_row,
)
from provenance.corpora.shards import ShardReader, check_index
from provenance.errors import UnreadableError, UserError
from provenance.files import sha256_bytes
from provenance.media.decoding import decode_bytes
from provenance.types import LabelledMedia, Media, Split


class Corpus:
    """A corpus that was checked by :func:`open_corpus`.

    Attributes:
        folder: Where it lies.
        header: ``corpus.json``.
        rows: One a file, in the order of ``metadata.jsonl``.
        sha256: Of ``metadata.jsonl``, which holds the hash of each file: it stands for all.
    """

    def __init__(
        self, folder: Path, header: dict[str, Any], rows: tuple[Row, ...], sha256: str
    ) -> None:
        self.folder, self.header, self.rows, self.sha256 = folder, header, rows, sha256

    def select(
        self, *, split: Split, without_generator: str | None = None
    ) -> Sequence[LabelledMedia]:
        """Return the items of one split; they are decoded when first used, and then kept.

        Args:
            split: Which split.
            without_generator: Leave out what this generator made.
        """
        rows = [
            row
            for row in self.rows
            if row.split is split and (row.generator is None or row.generator != without_generator)
        ]
        return _Items(self, rows)

    @functools.cached_property
    def _decoded(self) -> dict[str, Any]:
        return {}

    @functools.cached_property
    def _shards(self) -> ShardReader | None:
        shards = self.header.get("shards")
        return ShardReader(self.folder, shards) if shards else None

    def missing(self, names: Sequence[str]) -> list[str]:
        """Return those of some rows' files that are not there.

        Raises:
            UnreadableError: A shard is damaged, or holds what no shard of ours holds.
        """
        if self._shards is not None:
            return [name for name in names if name not in self._shards]
        return [name for name in names if not (self.folder / name).is_file()]

    def read(self, row: Row) -> bytes:
        """Return the file of a row, out of its shard where the corpus has shards.

        Raises:
            UserError: The file is not the one that the corpus was made with.
        """
        if self._shards is None:
            data = (self.folder / row.file_name).read_bytes()
        else:
            data = self._shards.read(row.file_name)
        if sha256_bytes(data) != row.sha256:
            raise UserError(
                f"{self.folder / row.file_name} has changed since the corpus was made. "
                f"Restore it, or generate the corpus anew."
            )
        return data

    def load(self, row: Row) -> LabelledMedia:
        """Decode the file of a row.

        Raises:
            UserError: The file is not the one that the corpus was made with.
            UnreadableError: It cannot be decoded.
        """
        if row.file_name not in self._decoded:
            self._decoded[row.file_name] = decode_bytes(self.read(row))[1]
        media = Media(
            id=row.file_name,
            kind=row.kind,
            data=self._decoded[row.file_name],
            group=row.group or row.parent or row.file_name,
            category=row.category,
        )
        return LabelledMedia(media, row.label, row.step, row.generator, row.parent, row.split)


class _Items(Sequence[LabelledMedia]):
    """A lazy view on some rows of a corpus."""

    def __init__(self, corpus: Corpus, rows: Sequence[Row]) -> None:
        self._corpus, self._rows = corpus, rows

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> LabelledMedia: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[LabelledMedia]: ...
    def __getitem__(self, index: int | slice) -> LabelledMedia | Sequence[LabelledMedia]:
        if isinstance(index, slice):
            return _Items(self._corpus, self._rows[index])
        return self._corpus.load(self._rows[index])


def open_corpus(folder: Path) -> Corpus:
    """Open a corpus and check its header, its rows and that every file is there.

    Args:
        folder: What ``provenance generate --out`` named.

    Raises:
        UserError: Something is missing or wrong; the message says where and what to do.
    """
    header = _read_header(folder)
    try:
        data = (folder / ROWS_FILE).read_bytes()
    except OSError as error:
        raise _broken(folder, f"{ROWS_FILE} cannot be read: {error.strerror}") from error
    rows = tuple(_parse(folder, data))
    corpus = Corpus(folder, header, rows, sha256_bytes(data))
    _check_rows(folder, rows, corpus)
    return corpus


def _read_header(folder: Path) -> dict[str, Any]:
    path = folder / HEADER_FILE
    # Path.is_file raises for a name that is too long
    if not os.path.isfile(path):  # noqa: PTH113
        raise UserError(
            f"{folder} is no corpus: it has no {HEADER_FILE}. Make one with 'provenance generate "
            f"--out {folder}', or add --resume if that was interrupted."
        )
    try:
        header = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise _broken(folder, f"{HEADER_FILE} is not JSON: {error}") from error
    version = header.get("schema_version") if isinstance(header, dict) else None
    if version != SCHEMA_VERSION:
        raise _broken(folder, f"its schema version is {version}, this suite reads {SCHEMA_VERSION}")
    try:
        header["shards"] = list(check_index(header.get("shards", [])))
    except ValueError as error:
        raise _broken(folder, f"{HEADER_FILE} {error}") from error
    checked: dict[str, Any] = header
    return checked


def _parse(folder: Path, data: bytes) -> Iterator[Row]:
    for number, line in enumerate(data.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            yield parse_row(json.loads(line))
        except (ValueError, RecursionError) as error:  # JSON and UTF-8 errors are ValueErrors
            raise _broken(folder, f"{ROWS_FILE} line {number}: {error}") from error


def _check_rows(folder: Path, rows: Sequence[Row], corpus: Corpus) -> None:
    if not rows:
        raise _broken(folder, f"{ROWS_FILE} has no rows")
    names = {row.file_name for row in rows}
    if len(names) < len(rows):
        raise _broken(folder, f"{ROWS_FILE} names {len(rows) - len(names)} files twice")
    try:
        missing = corpus.missing(sorted(names))
    except UnreadableError as error:
        raise _broken(folder, str(error)) from error
    if missing:
        raise _broken(folder, f"{len(missing)} files are missing, {missing[0]} first")
    _check_splits(folder, rows)


def _check_splits(folder: Path, rows: Sequence[Row]) -> None:
    """Refuse a photograph, or a real item and what was made of it, in two splits."""
    splits: dict[tuple[str, str | None], Split] = {}
    for row in rows:
        for key in (("group", row.group), ("parent", row.parent)):
            if key[1] is not None and splits.setdefault(key, row.split) is not row.split:
                raise _broken(
                    folder, f"the {key[0]} {key[1]!r} is in the splits {splits[key]}, {row.split}"
                )


def _broken(folder: Path, what: str) -> UserError:
    return UserError(f"The corpus {folder} is damaged: {what}. Generate it anew.")
