"""One HTML page about one trained generator: card, curves, pictures, and what they mean.

Like all pages of ours it loads nothing and runs nothing. The card, the logs and what a plugin
calls its classes are hostile: escaped, and control characters written out.
"""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provenance.errors import UserError
from provenance.files import write_atomic
from provenance.quality.inspection import Section, Strip
from provenance.reports.generator_charts import HEIGHT, WIDTH, Chart, bar_chart, line_chart
from provenance.reports.generator_history import Curve, card_facts, read_curves, read_sheets
from provenance.reports.generator_words import (
    EXPLANATIONS,
    FIGURE_NAMES,
    FIGURES,
    HISTORY,
    LOOKS,
    SHEETS,
    TITLES,
    findings,
)
from provenance.reports.page import data_uri, environment, style_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SUFFIXES = (".html", ".htm")
_FIRST_FACTS = (
    "name", "generator", "family", "version", "preset", "size_px", "created", "device", "budget_s",
    "licence", "weights_sha256",
)  # fmt: skip
_LARGEST_PNG_PX = 96  # of a picture; larger ones are JPEG, or the page would weigh too much
_ROWS_OF_PICTURES = {"interpolations", "directions", "neighbours", "reconstructions", "resamples"}


def render_generator_page(
    card: Mapping[str, Any],
    folder: Path,
    sections: Sequence[Section],
    about: Mapping[str, str],
) -> str:
    """Return the page.

    Args:
        card: Of the generator.
        folder: Where it lies; logs and sheets are read there.
        sections: What was seen, in the order of the page.
        about: Name and value of what stands at the end: seed, source, versions.
    """
    curves = read_curves(folder)
    sheets, sheets_kept = read_sheets(folder)
    facts = card_facts(card)
    return (
        environment()
        .get_template("generator_page.html.j2")
        .render(
            name=str(card.get("name") or card.get("generator") or folder.name),
            first_facts=_first_facts(facts),
            facts=facts,
            losses=[_chart(curve) for curve in curves if not curve.is_look],
            looks=[_chart(curve) for curve in curves if curve.is_look],
            acted=_acted(curves),
            sections=[_section(section) for section in sections],
            sheets=[(sheet.name, _png_uri(sheet.png)) for sheet in sheets],
            sheets_kept=sheets_kept,
            words={"history": HISTORY, "looks": LOOKS, "sheets": SHEETS},
            about=dict(about),
            width=WIDTH,
            height=HEIGHT,
            **style_of("generator_page.css"),
        )
    )


def check_page_destination(path: Path) -> None:
    """Check that a page can be written there, before minutes are spent on what it shows.

    Raises:
        UserError: Another suffix, a folder, or one that cannot be written to.
    """
    from provenance.reports.writing import check_destination

    if path.suffix.lower() not in SUFFIXES:
        raise UserError(f"{path}: the page ends in {' or '.join(SUFFIXES)}.")
    check_destination(path)


def write_page(path: Path, page: str) -> None:
    """Write the page whole or not at all.

    Raises:
        UserError: It cannot be written.
    """
    try:
        write_atomic(path, page.encode())
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}") from error


def _first_facts(facts: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    known = dict(facts)
    wanted = (*_FIRST_FACTS, "data.source", "data.items")
    steps = [(name, text) for name, text in facts if name.startswith("steps.")]
    return [(name, known[name]) for name in wanted if known.get(name, "none") != "none"] + steps


def _chart(curve: Curve) -> Chart:
    words = curve.name.replace("_", " ")
    title = f"{curve.loop}: {words}" if curve.loop else words
    note = FIGURES.get(curve.name, "") if curve.is_look else ""
    return line_chart(curve.points, title=title, note=note, marks=curve.marks)


def _acted(curves: Sequence[Curve]) -> list[str]:
    """Return in words where the watch acted, once for each loop."""
    marks = {(curve.loop, mark) for curve in curves if curve.is_look for mark in curve.marks}
    return [f"step {step:.0f}: {word}" for _, (step, word) in sorted(marks)]


def _section(section: Section) -> dict[str, Any]:
    rows = [{"title": strip.title, **strip.figures} for strip in section.strips]
    is_whole = section.missing is None and section.error is None
    return {
        "key": section.key,
        "title": TITLES.get(section.key, section.key),
        "explanation": EXPLANATIONS.get(section.key, ""),
        "findings": findings(section.key, section.figures, rows) if is_whole else [],
        "missing": section.missing,
        "error": section.error,
        "strips": [_strip(section.key, strip) for strip in section.strips],
        "charts": _section_charts(section),
    }


def _section_charts(section: Section) -> list[Chart]:
    if section.key != "tokens" or not section.figures.get("bars"):
        return []
    codes = section.figures["codes"]
    title = "Share of each code" if codes == len(section.figures["bars"]) else "Share of codes"
    return [bar_chart(section.figures["bars"], title=title, first="1", last=f"{codes:,} codes")]


def _strip(key: str, strip: Strip) -> dict[str, Any]:
    captions = [*strip.captions, *[""] * (len(strip.images) - len(strip.captions))]
    pictures = [
        {"uri": _picture(image), "caption": caption}
        for image, caption in zip(strip.images, captions, strict=True)
    ]
    figures = [
        f"{FIGURE_NAMES.get(name, name)} {value:.3g}" for name, value in strip.figures.items()
    ]
    return {
        "title": strip.title,
        "figures": figures,
        "pictures": pictures,
        "is_row": key in _ROWS_OF_PICTURES,
    }


def _picture(image: "NDArray[np.uint8]") -> str:
    from provenance.media import encode_jpeg, encode_png

    if max(image.shape[:2]) <= _LARGEST_PNG_PX:
        return _png_uri(encode_png(image, compression=9))
    return data_uri(encode_jpeg(image, quality=92))


def _png_uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()
