"""What is kept beside the certificates of an imported list, read strictly.

A key that is misspelt or new means that somebody wants something of the list that this program does
not do, so it is refused rather than passed over.
"""

import dataclasses
import datetime
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from provenance.credentials.trust.roots import Purpose
from provenance.errors import UserError

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Record:
    """What ``NAME.json`` holds.

    Attributes:
        format: Of this file.
        name: As the file.
        purpose: ``manifest`` or ``time``.
        sha256: Of ``NAME.pem``.
        source: File or address that the list came from.
        date: When it was issued or, where it does not say so, its file last changed; ISO 8601.
        next_update: When a newer one is due, ISO 8601 or None.
        imported: When, ISO 8601.
        allow_expired: Whether roots that have expired were meant to be taken.
    """

    format: int
    name: str
    purpose: Purpose
    sha256: str
    source: str
    date: str
    next_update: str | None
    imported: str
    allow_expired: bool


def read_record(path: Path) -> Record:
    """Read ``NAME.json``: exactly the keys of a :class:`Record`, each of its type.

    Raises:
        UserError: It is anything else.
    """
    name = path.stem
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise damaged_list(name, f"{path.name} cannot be read ({error})") from error
    types = {one.name: one.type for one in dataclasses.fields(Record)}
    if not isinstance(value, dict):
        raise damaged_list(name, f"{path.name} holds no object")
    for key in {**types, **value}:
        if key not in types:
            raise damaged_list(name, f"{path.name} has an unknown key {key!a}")
        if key not in value or not isinstance(value[key], _plain(types[key])):
            raise damaged_list(name, f"{path.name} has no proper {key!a}")
    record = Record(**value)
    if record.format != FORMAT or record.name != name or record.purpose not in get_args(Purpose):
        raise damaged_list(name, f"{path.name} is of another version, list or kind")
    if not all(map(_is_moment, (record.date, record.imported, record.next_update or record.date))):
        raise damaged_list(name, f"{path.name} has a date that is none")
    return record


def _is_moment(text: str) -> bool:
    try:
        return datetime.datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _plain(annotation: Any) -> Any:
    """Return what ``isinstance`` knows of an annotation: the type behind a literal."""
    return str if annotation is Purpose else annotation


def damaged_list(name: str, words: str) -> UserError:
    """Return the error for a list that is not as it was imported."""
    return UserError(
        f"The trust list {name} is damaged: {words}. Import it again with --replace, or run:"
        f" provenance trust remove {name}"
    )
