"""``provenance verify --detailed``: all that is known of one credential, to read on a terminal."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from provenance.cli import output
from provenance.cli.credential_views import CredentialTable, wrap
from provenance.reports.credential_words import detail_facts, manifest_facts, validation_entries

if TYPE_CHECKING:
    from provenance.credentials import Credential

_NAME = 14
_MOST_ENTRIES = 500
_KINDS = {"success": "ok", "informational": "note", "failure": "FAILED"}


def detail_lines(credential: "Credential", table: CredentialTable, width: int) -> Iterator[str]:
    """Yield what follows a file's row: facts, tree, manifests, validation codes.

    Args:
        credential: Read with details; where there are none, only the facts follow.
        table: Draws the tree.
        width: Columns to fill.
    """
    yield from _facts(detail_facts(credential), "  ", width)
    details = credential.details
    if details is None:
        return
    yield "  Made from:"
    yield from ("  " + line for line in table.tree(details.tree))
    for title, facts in manifest_facts(details):
        yield from ("  " + line for line in wrap(output.printable(title), width - 2))
        yield from _facts(facts, "    ", width)
    yield "  Validation:"
    yield from _entries(details.store, width)


def _facts(facts: Sequence[tuple[str, str]], indent: str, width: int) -> Iterator[str]:
    for name, value in facts:
        first, *more = wrap(output.printable(value), max(width - len(indent) - _NAME, 20))
        yield f"{indent}{name.ljust(_NAME)}{first}"
        yield from (indent + " " * _NAME + line for line in more)


def _entries(store: Mapping[str, Any], width: int) -> Iterator[str]:
    entries = validation_entries(store)
    for kind, code, explanation, where in islice(entries, _MOST_ENTRIES):
        text = f"{_KINDS[kind]:<7} {code}: {explanation} ({where})"
        first, *more = wrap(output.printable(text), width - 4)
        yield f"    {first}"
        yield from (" " * 12 + line for one in more for line in wrap(one, width - 12))
    if next(entries, None) is not None:
        yield f"    and more; --json --detailed holds all (here: the first {_MOST_ENTRIES})"
