"""Reports for programs and spreadsheets."""

import csv
import json
from collections.abc import Iterable
from io import StringIO

from provenance.escaping import printable
from provenance.reports.item import Item

CSV_COLUMNS = (
    "path", "verdict", "probability", "kind", "sha256", "size_bytes", "error", "reasons",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@")  # what a spreadsheet computes when a cell starts with it


def render_jsonl(items: Iterable[Item]) -> str:
    """Return one JSON object a line: the scan row, in ASCII, so that any name survives."""
    return "".join(json.dumps(item.row.to_json(), allow_nan=False) + "\n" for item in items)


def render_csv(items: Iterable[Item]) -> str:
    """Return a table with a header, safe to open in a spreadsheet: no cell is a formula."""
    stream = StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    writer.writerows(map(_cells, items))
    return stream.getvalue()


def _cells(item: Item) -> list[str]:
    row = item.row
    values = (
        row.path,
        row.verdict,
        "" if row.probability is None else f"{row.probability:.4f}",
        row.kind or "",
        row.sha256 or "",
        "" if row.size_bytes is None else row.size_bytes,
        row.error or "",
        " | ".join(row.reasons),
    )
    return [_harmless(printable(value)) for value in values]


def _harmless(cell: str) -> str:
    """Put an apostrophe before what a spreadsheet would take for a formula (OWASP's advice)."""
    return f"'{cell}" if cell.lstrip().startswith(_FORMULA) else cell
