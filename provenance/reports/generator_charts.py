"""Charts as the geometry of an inline SVG: no library, no script, coloured by the page's style.

Units are those of the view box, ``WIDTH`` by ``HEIGHT``, origin at the top left.
"""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 300, 150
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 8, 10, 22


@dataclass(frozen=True, slots=True)
class Chart:
    """What the template draws.

    Attributes:
        title: Above it.
        note: Below it, in words; may be empty.
        line: Points of a polyline; empty for bars.
        bars: Left, top, width and height of each bar.
        marks: Place and word of each vertical mark.
        top: Label of the upper end of the scale.
        bottom: Of the lower end.
        first: Label of the left end.
        last: Of the right end.
    """

    title: str
    note: str
    line: str = ""
    bars: tuple[tuple[str, str, str, str], ...] = ()
    marks: tuple[tuple[str, str], ...] = ()
    top: str = ""
    bottom: str = ""
    first: str = ""
    last: str = ""


def line_chart(
    points: Sequence[tuple[float, float]],
    *,
    title: str,
    note: str = "",
    marks: Sequence[tuple[float, str]] = (),
) -> Chart:
    """Draw values over steps, from the smallest value to the largest.

    Args:
        points: Step and value, at least one; finite.
        title: Above it.
        note: Below it.
        marks: Step and word of vertical lines.
    """
    steps, values = [p[0] for p in points], [p[1] for p in points]
    low, high = min(values), max(values)
    across = [*steps, *(step for step, _ in marks)]
    left, right = min(across), max(across)
    places = [(_x(step, left, right), _y(value, low, high)) for step, value in points]
    return Chart(
        title,
        note,
        line=" ".join(f"{x:.1f},{y:.1f}" for x, y in places),
        marks=tuple((f"{_x(step, left, right):.1f}", word) for step, word in marks),
        top=f"{high:.3g}",
        bottom=f"{low:.3g}",
        first=f"{left:.0f}",
        last=f"step {right:.0f}",
    )


def bar_chart(
    shares: Sequence[float], *, title: str, first: str, last: str, note: str = ""
) -> Chart:
    """Draw bars from 0 to the largest.

    Args:
        shares: At least one, none negative.
        title: Above it.
        first: Label of the left end.
        last: Of the right end.
        note: Below it.
    """
    high = max(shares) or 1.0
    width = (WIDTH - _LEFT - _RIGHT) / len(shares)
    bars = []
    for i, share in enumerate(shares):
        left, top = _LEFT + i * width, _y(share, 0.0, high)
        wide, tall = max(width - 0.6, 0.4), HEIGHT - _BOTTOM - top
        bars.append((f"{left:.2f}", f"{top:.2f}", f"{wide:.2f}", f"{tall:.2f}"))
    return Chart(
        title, note, bars=tuple(bars), top=f"{high:.2%}", bottom="0", first=first, last=last
    )


def _x(value: float, low: float, high: float) -> float:
    share = (value - low) / (high - low) if high > low else 0.5
    return _LEFT + share * (WIDTH - _LEFT - _RIGHT)


def _y(value: float, low: float, high: float) -> float:
    share = (value - low) / (high - low) if high > low else 0.5
    return _TOP + (1 - share) * (HEIGHT - _TOP - _BOTTOM)
