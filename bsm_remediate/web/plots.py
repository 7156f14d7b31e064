"""Plots as inline SVG: no script, no host; colours are classes of the page's style, so they follow light and dark.

Every text is escaped here: names come from bundles and alerts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from math import floor, log10

_WIDTH = 920
_LEFT = 190
"""Room for names, in rows."""
_AXIS = 64
"""Room for money, beside bars that stand."""
_ROW = 26
_HEIGHT = 190
_LOW = 130
"""Of a plot that is one of many."""
_NAME = 26
"""Characters of a name that are shown; the rest is in its title."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A stretch of a row, `begin` and `length` as shares of its width."""

    begin: float
    length: float
    css: str
    title: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PlotRow:
    """A named row of parts, and what it comes to."""

    name: str
    parts: tuple[Part, ...]
    total: str = ""


def bars_over_time(values: Sequence[float], moments: Sequence[str], *, unit: str, label: str) -> str:
    """Standing bars, the first at `moments[0]`; as many moments as values."""
    top = _nice(max(values, default=0.0))
    width = (_WIDTH - _AXIS) / max(len(values), 1)
    plot = _HEIGHT - 34
    parts = []
    for share in (0.0, 0.5, 1.0):
        y = 10 + plot * (1 - share)
        parts.append(f'<line class="grid" x1="{_AXIS}" x2="{_WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="{_AXIS - 8}" y="{y + 4:.1f}" text-anchor="end">{top * share:,.4g}</text>')
    for number, (value, moment) in enumerate(zip(values, moments, strict=True)):
        height = plot * value / top if top else 0.0
        if height > 0:
            x, y = _AXIS + number * width + 1, 10 + plot - height
            title = escape(f"from {_when(moment)}: {value:,.2f} {unit}")
            size = f'width="{max(width - 2, 1):.1f}" height="{height:.1f}"'
            parts.append(f'<rect class="loss" x="{x:.1f}" y="{y:.1f}" {size}><title>{title}</title></rect>')
    for number in range(0, len(moments), max(len(moments) // 7, 1)):
        x = _AXIS + number * width
        parts.append(f'<text class="tick" x="{x:.1f}" y="{_HEIGHT - 6}">{escape(_when(moments[number]))}</text>')
    return _svg(parts, _HEIGHT, label)


def rows(found: Sequence[PlotRow], *, label: str, begin: str = "", end: str = "") -> str:
    """Lying bars or stretches of time, one row each; `begin` and `end` name the axis."""
    room = 110 if any(row.total for row in found) else 4
    width = _WIDTH - _LEFT - room
    parts = []
    for number, row in enumerate(found):
        y = number * _ROW + 4
        name = row.name if len(row.name) <= _NAME else f"{row.name[: _NAME - 1]}…"
        parts.append(f'<text class="name" x="0" y="{y + 14}">{escape(name)}<title>{escape(row.name)}</title></text>')
        parts.append(f'<rect class="track" x="{_LEFT}" y="{y}" width="{width}" height="{_ROW - 8}" rx="2"/>')
        for part in row.parts:
            x, length = _LEFT + part.begin * width, max(part.length * width, 1.5)
            place = f'x="{x:.1f}" y="{y}" width="{length:.1f}" height="{_ROW - 8}"'
            parts.append(f'<rect class="{escape(part.css)}" {place}><title>{escape(part.title)}</title></rect>')
        if row.total:
            parts.append(f'<text class="total" x="{_WIDTH}" y="{y + 14}" text-anchor="end">{escape(row.total)}</text>')
    height = len(found) * _ROW + 4
    if begin or end:
        parts.append(f'<text class="tick" x="{_LEFT}" y="{height + 14}">{escape(begin)}</text>')
        right = _LEFT + width
        parts.append(f'<text class="tick" x="{right}" y="{height + 14}" text-anchor="end">{escape(end)}</text>')
        height += 20
    return _svg(parts, height, label)


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A line through `points`: moments as shares of the width, each with its value."""

    name: str
    points: tuple[tuple[float, float], ...]
    css: str


def lines_over_time(
    lines: Sequence[Line], *, label: str, begin: str, end: str, gap: float, limit: float | None = None
) -> str:
    """Lines over one axis, which `begin` and `end` name; `limit` is drawn across. A line breaks where more than `gap`
    lies between two points.
    """
    values = [value for line in lines for _, value in line.points] + ([limit] if limit is not None else [])
    low, high = min(values), max(values)
    # Shares of halves, so that the ends of what a number can be make no infinity of their difference.
    room = (high / 2 - low / 2) or abs(high / 2) or 0.5
    plot, width = _LOW - 34, _WIDTH - _AXIS - 4

    def y(value: float) -> float:
        return 10 + plot * min(max((high / 2 - value / 2) / room, 0.0), 1.0) if high > low else 10 + plot / 2

    parts = []
    for value in dict.fromkeys((low, high)):
        parts.append(f'<line class="grid" x1="{_AXIS}" x2="{_WIDTH}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>')
        parts.append(f'<text class="tick" x="{_AXIS - 8}" y="{y(value) + 4:.1f}" text-anchor="end">{value:,.4g}</text>')
    if limit is not None:
        title = f"<title>threshold {limit:g}</title>"
        parts.append(
            f'<line class="limit" x1="{_AXIS}" x2="{_WIDTH}" y1="{y(limit):.1f}" y2="{y(limit):.1f}">{title}</line>'
        )
    for line in lines:
        path = " ".join(
            f"{step}{_AXIS + moment * width:.1f} {y(value):.1f}" for step, moment, value in _steps(line.points, gap)
        )
        parts.append(f'<path class="{escape(line.css)}" d="{path}"><title>{escape(line.name)}</title></path>')
    parts.append(f'<text class="tick" x="{_AXIS}" y="{_LOW - 6}">{escape(begin)}</text>')
    parts.append(f'<text class="tick" x="{_WIDTH}" y="{_LOW - 6}" text-anchor="end">{escape(end)}</text>')
    return _svg(parts, _LOW, label)


def _steps(points: Sequence[tuple[float, float]], gap: float) -> Iterator[tuple[str, float, float]]:
    """How a path goes: `M` lifts the pen, `L` doesn't. A point alone is a dot: a line of no length with round ends."""
    last: float | None = None
    for moment, value in points:
        if last is None or moment - last > gap:
            yield "M", moment, value
        yield "L", moment, value
        last = moment


def _svg(parts: Sequence[str], height: int, label: str) -> str:
    head = f'<svg role="img" aria-label="{escape(label)}" viewBox="0 0 {_WIDTH} {height}">'
    return head + "".join(parts) + "</svg>"


def _when(moment: str) -> str:
    return datetime.fromisoformat(moment).strftime("%d %b %H:%M")


def _nice(value: float) -> float:
    """The next round figure from `value` on."""
    if value <= 0:
        return 1.0
    power = 10.0 ** floor(log10(value))
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= value * 0.999999)
