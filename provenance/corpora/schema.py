"""What stands in a corpus: its file names, and the row that each media file has."""

import re
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from provenance.types import Label, MediaKind, Split, Step

SCHEMA_VERSION = 1
HEADER_FILE = "corpus.json"
ROWS_FILE = "metadata.jsonl"
CROISSANT_FILE = "croissant.json"
CARD_FILE = "README.md"
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Row:
    """One media file of a corpus: one line of ``metadata.jsonl``.

    Attributes:
        file_name: Relative to the corpus, with ``/``.
        sha256: Of the file's bytes, credential included.
        kind: Media kind.
        label: Real or synthetic.
        generator: Name of the generator, None for real items.
        generator_version: Of its plugin.
        checkpoint: SHA-256 of the weights.
        seed: Of the batch that the item was drawn in; None where nothing was drawn.
        category: Class of the real item, where its source has classes; of a sample, the class
            that was asked for. ``class`` in the file.
        parent: Id of the real item: its own for real items, None for free samples.
        step: Rung of the ladder.
        split: What it may be used for.
        manifest: ``embedded`` where the file carries a C2PA manifest.
        group: Photograph, speaker or author of the parent: never in two splits. Not in DESIGN's
            row; with it a reader can check the splits.
        member: Of a sample of an ensemble, the generator that made it.
    """

    file_name: str
    sha256: str
    kind: MediaKind
    label: Label
    generator: str | None
    generator_version: str | None
    checkpoint: str | None
    seed: int | None
    category: str | None
    parent: str | None
    step: Step
    split: Split
    manifest: str | None
    group: str | None = None
    member: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the row's JSON object; keys in DESIGN's order, ``file_name`` first."""
        return {_KEYS.get(name, name): getattr(self, name) for name in self.__slots__}


_KEYS = {"category": "class"}  # `class` is no Python name
_ADAPTER = TypeAdapter(Row)


def parse_row(value: Any) -> Row:
    """Check one line of ``metadata.jsonl``. Keys that are not known are left out.

    Raises:
        ValueError: A key is missing or a value is not of its kind; the message names it.
    """
    if not isinstance(value, dict):
        raise ValueError("is not a JSON object")
    named = {name: value[key] for name in Row.__slots__ if (key := _KEYS.get(name, name)) in value}
    try:
        row = _ADAPTER.validate_python(named)
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    if not is_safe_name(row.file_name):
        raise ValueError(f"file_name: {row.file_name!r} does not stay in the corpus")
    if not _SHA256.fullmatch(row.sha256):
        raise ValueError("sha256: is not 64 hexadecimal digits")
    return row


def is_safe_name(name: str) -> bool:
    """Whether a file name is relative, stays in its folder, and is not hidden."""
    parts = name.split("/")
    return all(part and not part.startswith(".") and "\\" not in part for part in parts)
