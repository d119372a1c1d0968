"""Write a replay as one page: no script, no network, nothing in it that a log line could say.

The timeline of incidents, each as its sheet with plots of its series, and what was not told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from aiops.cli.evidence import EACH, Key
from aiops.cli.plot import Dot, render_plot
from aiops.incidents.passed import why_not
from aiops.incidents.sheet import ROWS, STYLE, began, label, plain_text, section
from aiops.wire import rfc3339

if TYPE_CHECKING:
    from aiops.model import Incident

MOST: Final = 100  # incidents told in full
_WIDE, _ROW = 1000, 22
_COLOURS = {"critical": "#b00020", "error": "#d9480f", "warning": "#c98a00", "info": "#5577aa"}
_HEAD = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>aiops replay</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width"><style>
{STYLE}
</style></head><body><h1>aiops replay</h1>
"""


def page(
    incidents: Sequence[Incident],
    near: Sequence[Incident],
    plots: Mapping[Key, Sequence[Dot]],
    *,
    lines: int,
    points: int,
) -> str:
    """Return the page: *near* is what was not told, *plots* the rows by (incident, series)."""
    told = sum(i.told for i in incidents)
    parts = [
        _HEAD,
        f"<p>{lines} lines, {points} values: {len(incidents)} incidents, {told} told.</p>",
    ]
    if incidents:
        parts += ["<h2>Timeline</h2>", _timeline(incidents[:MOST])]
    parts += [section(i, _figures(i, plots)) for i in incidents[:MOST]]
    if (more := len(incidents) - MOST) > 0:
        parts.append(f"<p>+{more} more incidents; see <code>aiops replay --json</code>.</p>")
    parts += [_near(near), "</body></html>\n"]
    return "".join(parts)


def _timeline(incidents: Sequence[Incident]) -> str:
    starts = [began(i) for i in incidents]
    first = min(starts)
    span = max(max(_end(i) for i in incidents) - first, 1.0)
    height = _ROW * len(incidents) + 30
    bars = []
    for n, (incident, start) in enumerate(zip(incidents, starts, strict=True)):
        left = (start - first) / span * _WIDE
        wide = max((_end(incident) - start) / span * _WIDE, 3.0)
        colour = _COLOURS[incident.severity.label]
        place = f'x="{left - 4:.1f}" text-anchor="end"'
        if left < _WIDE / 2:
            place = f'x="{left + wide + 4:.1f}"'
        bars.append(
            f'<rect x="{left:.1f}" y="{n * _ROW + 4}" width="{wide:.1f}" height="14"'
            f' fill="{colour}"/><text {place} y="{n * _ROW + 16}">{label(incident.title)}</text>'
        )
    ends = (
        f'<text x="0" y="{height - 6}">{rfc3339(first)}</text>'
        f'<text x="{_WIDE}" y="{height - 6}" text-anchor="end">{rfc3339(first + span)}</text>'
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDE} {height}"'
        f' font-family="sans-serif" font-size="12">{"".join(bars)}{ends}</svg>'
    )


def _figures(incident: Incident, plots: Mapping[Key, Sequence[Dot]]) -> dict[str, str]:
    names = [a.series.id for a in incident.anomalies if (incident.id, a.series.id) in plots]
    return {name: render_plot(plots[incident.id, name], "svg") for name in names[:EACH]}


def _near(near: Sequence[Incident]) -> str:
    if not near:
        return "<section><h2>Not told</h2><p>Nothing came near the budget line.</p></section>"
    rows = "".join(
        f"<tr><td>{rfc3339(began(i))}<td>{plain_text(i.title)}<td>{plain_text(why_not(i))}</tr>"
        for i in near[: 2 * ROWS]
    )
    head = "<section><h2>Not told</h2><p>What came nearest to the budget line, and why it stayed"
    table = f"<table><tr><th>when<th>what<th>why not</tr>{rows}</table>"
    return f"{head} a candidate.</p>{table}</section>"


def _end(incident: Incident) -> float:
    return max(incident.resolved_at or incident.updated_at, began(incident))
