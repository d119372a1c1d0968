"""Draw a scored series by hand: one SVG, alone or inside a page that needs nothing else."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Final, NamedTuple

from aiops.wire import rfc3339

if TYPE_CHECKING:
    from detectors.base import Score

WIDTH: Final = 1000
HEIGHT: Final = 320
LEFT: Final = 70
TOP: Final = 20
BOTTOM: Final = 40
MOST: Final = 4000
"""Rows drawn: a screen shows no more; anomalies and extremes are never left out."""


class Dot(NamedTuple):
    """One drawn row; what is not known is ``None``."""

    at: float
    value: float | None
    low: float | None
    high: float | None
    anomaly: bool


class Drawing:
    """Collect rows for a plot, at most twice ``MOST`` of them at any time."""

    def __init__(self) -> None:
        self._rows: list[Dot] = []
        self._step = 1
        self._pending: list[Dot] = []

    def add(self, at: float, value: float | None, score: Score, *, anomaly: bool) -> None:
        if not math.isfinite(at):
            return
        self._pending.append(Dot(at, value, score.low, score.high, anomaly))
        if len(self._pending) >= self._step:
            self._rows += _spoken_for(self._pending)
            self._pending = []
        if len(self._rows) > 2 * MOST:
            self._step = max(2, self._step * 2)
            halves = [self._rows[i : i + 4] for i in range(0, len(self._rows), 4)]
            self._rows = [row for four in halves for row in _spoken_for(four)]

    def rows(self) -> list[Dot]:
        return self._rows + _spoken_for(self._pending)


def _spoken_for(rows: list[Dot]) -> list[Dot]:
    """Return the rows that speak for these: the least, the greatest, and an anomaly."""
    if len(rows) <= 2:
        return rows
    known = [row for row in rows if row.value is not None] or rows[:1]
    ends = {
        min(known, key=lambda row: row.value or 0.0),
        max(known, key=lambda row: row.value or 0.0),
        *[row for row in known if row.anomaly][:1],
    }
    return sorted(ends, key=lambda row: row.at)


def few(rows: Sequence[Dot], most: int) -> list[Dot]:
    """Return at most about *most* rows that speak for all; anomalies and extremes stay."""
    step = max(-(-3 * len(rows) // most), 1)
    parts = (list(rows[n : n + step]) for n in range(0, len(rows), step))
    return [row for part in parts for row in _spoken_for(part)]


def render_plot(rows: Sequence[Dot], kind: str) -> str:
    """Return the plot as ``svg`` or as a self-contained ``html`` page."""
    svg = _svg(rows)
    if kind == "svg":
        return svg
    told = [row for row in rows if row.anomaly]
    items = "".join(f"<li>{rfc3339(row.at)}: {row.value:g}</li>" for row in told if row.value)
    listed = f"<ul>{items}</ul>" if items else "<p>No anomalies.</p>"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>aiops score</title>'
        '</head><body style="font:15px system-ui,sans-serif">' + svg + listed + "</body></html>\n"
    )


def _svg(rows: Sequence[Dot]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="11">'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>'
    )
    values = [row.value for row in rows if row.value is not None]
    if not values:
        return head + f'<text x="{LEFT}" y="{TOP + 20}">no values</text></svg>\n'
    ats = [row.at for row in rows]
    across = _scale(min(ats), max(ats), LEFT, WIDTH - 20)
    # The band may be wild while it is learned: the values say how high the picture is.
    low, high = min(values), max(values)
    margin = 0.1 * (high - low) or max(abs(high), 1.0) * 0.1
    up = _scale(low - margin, high + margin, HEIGHT - BOTTOM, TOP)
    parts = [head, _axes(ats, low, high, across, up), _band(rows, across, up)]
    parts += [_line(run, across, up) for run in _runs(rows)]
    parts += [
        f'<circle cx="{across(row.at):.1f}" cy="{up(row.value):.1f}" r="4" fill="#c00">'
        f"<title>{escape(f'{rfc3339(row.at)}: {row.value:g}')}</title></circle>"
        for row in rows
        if row.anomaly and row.value is not None
    ]
    return "".join(parts) + "</svg>\n"


class _Scale(NamedTuple):
    start: float
    factor: float
    origin: float
    bounds: tuple[float, float]

    def __call__(self, value: float) -> float:
        place = self.origin + (value - self.start) * self.factor
        return min(max(place, self.bounds[0]), self.bounds[1])


def _scale(start: float, end: float, origin: float, target: float) -> _Scale:
    span = end - start
    factor = (target - origin) / span if span > 0 and math.isfinite(span) else 0.0
    return _Scale(start, factor, origin, (min(origin, target), max(origin, target)))


def _axes(ats: Sequence[float], low: float, high: float, across: _Scale, up: _Scale) -> str:
    bottom = HEIGHT - BOTTOM
    marks = [
        f'<line x1="{LEFT}" y1="{bottom}" x2="{WIDTH - 20}" y2="{bottom}" stroke="#999"/>',
        f'<line x1="{LEFT}" y1="{TOP}" x2="{LEFT}" y2="{bottom}" stroke="#999"/>',
    ]
    marks += [
        f'<text x="{LEFT - 6}" y="{up(value) + 4:.1f}" text-anchor="end">{value:.4g}</text>'
        for value in (low, (low + high) / 2, high)
    ]
    first, last = min(ats), max(ats)
    marks += [
        f'<text x="{across(at):.1f}" y="{bottom + 18}" text-anchor="{anchor}">{rfc3339(at)}</text>'
        for at, anchor in ((first, "start"), ((first + last) / 2, "middle"), (last, "end"))
    ]
    return "".join(marks)


def _band(rows: Sequence[Dot], across: _Scale, up: _Scale) -> str:
    known = [(row.at, row.low, row.high) for row in rows if row.low is not None]
    if len(known) < 2:
        return ""
    above = [f"{across(at):.1f},{up(high or 0.0):.1f}" for at, _, high in known]
    below = [f"{across(at):.1f},{up(low or 0.0):.1f}" for at, low, _ in reversed(known)]
    return f'<polygon points="{" ".join(above + below)}" fill="#cde" stroke="none"/>'


def _runs(rows: Sequence[Dot]) -> list[list[Dot]]:
    """Cut the rows at gaps: nothing is drawn where nothing was measured."""
    runs: list[list[Dot]] = [[]]
    for row in rows:
        if row.value is None:
            runs.append([])
        else:
            runs[-1].append(row)
    return [run for run in runs if run]


def _line(run: Sequence[Dot], across: _Scale, up: _Scale) -> str:
    points = " ".join(f"{across(r.at):.1f},{up(r.value or 0.0):.1f}" for r in run)
    return f'<polyline points="{points}" fill="none" stroke="#247" stroke-width="1.2"/>'
