"""The HTML report: one file that opens anywhere, loads nothing, and runs nothing.

Everything in it that comes from a file is hostile: jinja escapes it, control and direction
characters are written out, and the page's own policy forbids scripts should all that fail.
"""

import base64
import functools
import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from provenance.escaping import printable
from provenance.reports.item import Item
from provenance.types import Verdict

_HERE = Path(__file__).parent
_MOST_THUMBNAILS = 2_000  # some 10 MB of page
_MOST_DETAIL = 20_000  # characters of one statement's detail
_SIZE_STEP = 1024


def render_html(items: Sequence[Item], about: Mapping[str, str]) -> str:
    """Return the page.

    Args:
        items: In the order in which they are shown; thumbnails beyond the first 2,000 are left out.
        about: Name and value of what stands above the table.
    """
    shown = sum(1 for item in items if item.thumbnail)
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            rows=[_row(item, picture=i < _MOST_THUMBNAILS) for i, item in enumerate(items)],
            about=dict(about),
            counts=_counts(items),
            total=len(items),
            errors=sum(item.row.error is not None for item in items),
            pictures_left_out=len(items) > _MOST_THUMBNAILS and shown > 0,
            **style_of("report.css"),
        )
    )


def style_of(name: str) -> dict[str, str]:
    """Return a style sheet of ours, and the hash by which a page's policy admits it and no other.

    Args:
        name: File in this folder.
    """
    style = (_HERE / name).read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return {"style": Markup(style), "style_hash": digest}  # noqa: S704 - our own file


@functools.cache
def environment() -> jinja2.Environment:
    """Return the environment of all pages: everything is escaped, and nothing may be missing."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["printable"] = printable
    return made


def _counts(items: Sequence[Item]) -> list[dict[str, Any]]:
    """Return, per verdict that occurs, its count and where its part of the bar lies (0..100)."""
    counter = Counter(item.row.verdict for item in items)
    result, left = [], 0.0
    for verdict in Verdict:
        if counter[verdict]:
            width = 100.0 * counter[verdict] / len(items)
            result.append(
                {"verdict": verdict, "count": counter[verdict], "left": left, "width": width}
            )
            left += width
    return result


def _row(item: Item, *, picture: bool) -> dict[str, Any]:
    row = item.row
    return {
        "row": row,
        "picture": data_uri(item.thumbnail) if picture and item.thumbnail else None,
        "size": _size(row.size_bytes),
        "evidence": [(said, _detail(said.detail)) for said in row.evidence],
    }


def data_uri(jpeg: bytes) -> str:
    """Return a JPEG as an address that holds it whole."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()


def _detail(detail: Mapping[str, Any]) -> str:
    text = json.dumps(dict(detail), indent=2, ensure_ascii=False, default=str)
    if len(text) > _MOST_DETAIL:
        text = text[:_MOST_DETAIL] + "\n... cut here; --json has all of it"
    return "\n".join(printable(line) for line in text.split("\n"))


def _size(size_bytes: int | None) -> str:
    if size_bytes is None:
        return ""
    size = float(size_bytes)
    for unit in ("B", "KiB", "MiB"):
        if size < _SIZE_STEP:
            return f"{size:.0f} {unit}"
        size /= _SIZE_STEP
    return f"{size:.1f} GiB"
