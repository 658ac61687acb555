"""What a training run left beside the weights: its logs as curves, its sheets in order."""

import json
import math
import reprlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_MOST_BYTES = 64 << 20
_MOST_POINTS = 240
_MOST_CURVES = 40
_MOST_NAMES = 200  # of figures in a log, most of which may be words
_DEEPEST = 6  # of a card
_MOST_SHEETS = 8
_MOST_TEXT = 300
_SHORT = reprlib.Repr()  # as deep as six levels
_SHORT.maxdict = _SHORT.maxstring = _MOST_TEXT
_LARGEST = 1e300  # differences of larger numbers are infinite
_NOT_DRAWN = {"step", "time_s", "elapsed_s"}
_NO_REMEDY = {"none", "keep", "wait"}


@dataclass(frozen=True, slots=True)
class Curve:
    """One figure over the steps of one training loop.

    Attributes:
        loop: Name of the loop; empty where there is one only.
        name: Of the figure, as logged.
        points: Step and value, in order; at most 240.
        marks: Steps at which the watch acted, and what it did.
        is_look: Whether the watch measured it, on samples.
    """

    loop: str
    name: str
    points: tuple[tuple[float, float], ...]
    marks: tuple[tuple[float, str], ...] = ()
    is_look: bool = False


@dataclass(frozen=True, slots=True)
class Sheet:
    """A picture of samples that training kept.

    Attributes:
        name: Of the file.
        png: Decoded within limits and encoded anew.
    """

    name: str
    png: bytes


def read_curves(folder: Path) -> list[Curve]:
    """Read ``log.jsonl`` and ``log-NAME.jsonl``; lines that are no JSON objects count as absent.

    Args:
        folder: Of the trained generator.
    """
    curves = []
    for path in sorted(folder.glob("log*.jsonl")):
        loop = path.stem.removeprefix("log").removeprefix("-")
        curves += _curves(loop, list(_lines(path)))
    return curves[:_MOST_CURVES]


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    if not path.is_file() or path.stat().st_size > _MOST_BYTES:
        return
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            continue  # a killed run leaves half a line
        if isinstance(found, dict) and _is_number(found.get("step")):
            yield found


def _curves(loop: str, lines: list[dict[str, Any]]) -> list[Curve]:
    looks = [line for line in lines if "collapse" in line]
    others = [line for line in lines if "collapse" not in line]
    marks = tuple(
        (float(line["step"]), str(line["action"]))
        for line in looks
        if str(line.get("action", "none")) not in _NO_REMEDY
    )
    drawn = [
        Curve(loop, name, points, marks, is_look)
        for some, is_look in ((others, False), (looks, True))
        for name, points in _series(some).items()
    ]
    return [curve for curve in drawn if len(curve.points) > 1]


def _series(lines: list[dict[str, Any]]) -> dict[str, tuple[tuple[float, float], ...]]:
    names = dict.fromkeys(name for line in lines for name in line if name not in _NOT_DRAWN)
    return {name: _thinned(_points(lines, name)) for name in list(names)[:_MOST_NAMES]}


def _points(lines: list[dict[str, Any]], name: str) -> list[tuple[float, float]]:
    return [
        (float(line["step"]), float(line[name])) for line in lines if _is_number(line.get(name))
    ]


def _thinned(points: list[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """Return at most 240 of the points, evenly, the last one included."""
    every = math.ceil(len(points) / _MOST_POINTS) or 1
    return tuple(reversed(points[::-1][::every]))


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return -_LARGEST < value < _LARGEST  # a whole number may be too large to become a float


def read_sheets(folder: Path) -> tuple[list[Sheet], int]:
    """Read the sheets that training kept, in order; of many, an even choice with first and last.

    Args:
        folder: Of the trained generator.

    Returns:
        Sheets that can be decoded, and how many there are in all.
    """
    from provenance.errors import UnreadableError
    from provenance.media import decode_image, encode_png

    paths = sorted(path for path in folder.glob("samples/*.png") if path.is_file())
    last, wanted = len(paths) - 1, min(len(paths), _MOST_SHEETS)
    chosen = sorted({round(i * last / max(wanted - 1, 1)) for i in range(wanted)})
    sheets = []
    for path in (paths[i] for i in chosen):
        try:
            with path.open("rb") as stream:
                pixels = decode_image(stream.read(_MOST_BYTES))
        except (OSError, UnreadableError):
            continue  # the page says how many of how many are shown
        sheets.append(Sheet(path.stem, encode_png(pixels, compression=9)))
    return sheets, len(paths)


def card_facts(card: Mapping[str, Any], *, most_items: int = 6) -> list[tuple[str, str]]:
    """Return the card as rows of a table: nested names joined by dots, long lists cut.

    Args:
        card: JSON object, from a file that anybody may have written.
        most_items: Of a list that are shown.
    """
    return list(_flattened(card, (), most_items))


def _flattened(value: Any, path: tuple[str, ...], most: int) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and value and len(path) < _DEEPEST:
        for key, inner in value.items():
            yield from _flattened(inner, (*path, str(key)), most)
    else:
        yield ".".join(path), _text(value, most)


def _text(value: Any, most: int, depth: int = 0) -> str:
    if depth > _DEEPEST:
        return "..."
    if isinstance(value, list):
        shown = ", ".join(_text(one, most, depth + 1) for one in value[:most])
        return f"{shown} and {len(value) - most:,} more" if len(value) > most else shown or "none"
    if value is None or value == {}:
        return "none"
    if isinstance(value, Mapping):
        value = _SHORT.repr(value)
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= _MOST_TEXT else text[:_MOST_TEXT] + " ..."
