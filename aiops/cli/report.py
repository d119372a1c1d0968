"""Write a replay as one page: no script, no network, nothing in it that a log line could say.

Every text is made harmless, then escaped; text of unknown direction stands apart from ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Final

from aiops.cli.evidence import EACH, Key
from aiops.cli.plot import Dot, render_plot
from aiops.incidents.explanation import weighed
from aiops.incidents.passed import why_not
from aiops.redaction import harmless
from aiops.units import duration, quantity
from aiops.wire import rfc3339, shown

if TYPE_CHECKING:
    from aiops.model import Anomaly, Incident, SampleLine

MOST: Final = 100  # incidents told in full
ROWS: Final = 12  # anomalies and near misses shown of each kind
LONGEST: Final = 400  # characters of one text
_LABEL: Final = 80
_WIDE, _ROW = 1000, 22
_COLOURS = {"critical": "#b00020", "error": "#d9480f", "warning": "#c98a00", "info": "#5577aa"}
_HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>aiops replay</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width"><style>
body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.25rem .6rem}
tr{border-bottom:1px solid #ddd}section{border-top:2px solid #999;margin-top:2rem}
pre{background:#f4f4f4;padding:.5rem;white-space:pre-wrap;overflow-wrap:anywhere}
td{overflow-wrap:anywhere}svg{width:100%;height:auto}text{unicode-bidi:isolate}mark{background:#ffd54a}.quiet{color:#555}
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
    parts += [_incident(incident, plots) for incident in incidents[:MOST]]
    if (more := len(incidents) - MOST) > 0:
        parts.append(f"<p>+{more} more incidents; see <code>aiops replay --json</code>.</p>")
    parts += [_near(near), "</body></html>\n"]
    return "".join(parts)


def _timeline(incidents: Sequence[Incident]) -> str:
    starts = [_start(i) for i in incidents]
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
            f' fill="{colour}"/><text {place} y="{n * _ROW + 16}">{_label(incident.title)}</text>'
        )
    ends = (
        f'<text x="0" y="{height - 6}">{rfc3339(first)}</text>'
        f'<text x="{_WIDE}" y="{height - 6}" text-anchor="end">{rfc3339(first + span)}</text>'
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDE} {height}"'
        f' font-family="sans-serif" font-size="12">{"".join(bars)}{ends}</svg>'
    )


def _incident(incident: Incident, plots: Mapping[Key, Sequence[Dot]]) -> str:
    start, end = _start(incident), incident.resolved_at
    ended = f" to {rfc3339(end)}, {duration(max(end - start, 0.0))}" if end is not None else ""
    heard = "told" if incident.told else "not told: below a warning, silenced, or old news"
    what = f"{_text(incident.id)}, {incident.severity.label}, {incident.state.value}, {heard}"
    parts = [
        f"<section><h2>{_text(incident.title)}</h2>",
        f'<p class="quiet">{what}; {rfc3339(start)}{ended}</p>',
        f"<p>Affects {', '.join(_text(e, 80) for e in incident.entities[:ROWS])}.</p>",
        _listed("Severity", [_text(point) for point in weighed(incident)]),
        _suspects(incident),
        _listed(
            "Changes",
            [
                f"{rfc3339(c.at)} {_text(c.kind)} {_text(c.title)} on {_text(c.entity)}"
                for c in incident.changes
            ],
        ),
    ]
    drawn = [a for a in incident.anomalies if (incident.id, a.series.id) in plots][:EACH]
    for anomaly in drawn:
        rows = plots[incident.id, anomaly.series.id]
        parts.append(f"<h3>{_text(anomaly.series.id)}</h3>{render_plot(rows, 'svg')}")
    parts.append(_anomalies(incident.anomalies))
    if incident.samples:
        parts.append("<h3>Lines</h3>" + "".join(_sample(s) for s in incident.samples))
    parts.append(
        _listed(
            "Seen before",
            [
                f"{_text(s.id)} of {rfc3339(s.at)}, {s.score:.0%} alike: {_text(s.title)}"
                + (f"; fix: {_text(s.fix)}" if s.fix else "")
                for s in incident.similar
            ],
        )
    )
    return "".join(parts) + "</section>\n"


def _suspects(incident: Incident) -> str:
    named = {c.id: f"{c.kind} {c.title} on {c.entity}" for c in incident.changes}
    items = [
        f"{_text(named.get(s.entity, s.entity))} ({s.score:.0%}): {_text('; '.join(s.reasons))}"
        for s in incident.suspects
    ]
    return _listed("Suspects", items) if items else "<p>Likely cause: not enough evidence.</p>"


def _anomalies(anomalies: Sequence[Anomaly]) -> str:
    rows = "".join(
        f"<tr><td>{_text(a.series.id)}<td>{rfc3339(a.since)}<td>{_text(a.reason)}"
        f"<td>{_bar(a)}<td>{a.surprise:.1f}</tr>"
        for a in anomalies[:ROWS]
    )
    more = len(anomalies) - ROWS
    head = "<h3>Evidence</h3><table><tr><th>series<th>since<th>what<th>usual, then<th>surprise</tr>"
    return f"{head}{rows}</table>" + (f"<p>+{more} more</p>" if more > 0 else "")


def _bar(anomaly: Anomaly) -> str:
    """Draw the usual value above that of the anomaly, on one scale."""
    if anomaly.actual is None or anomaly.expected is None:
        return ""
    unit = anomaly.unit or anomaly.series.unit
    most = max(abs(anomaly.actual), abs(anomaly.expected)) or 1.0
    bars = "".join(
        f'<rect x="0" y="{y}" width="{abs(value) / most * 100:.1f}" height="8" fill="{colour}"/>'
        f'<text x="104" y="{y + 8}">{_label(quantity(value, unit))}</text>'
        for y, value, colour in ((0, anomaly.expected, "#9ab"), (10, anomaly.actual, "#c00"))
    )
    return f'<svg viewBox="0 0 220 20" font-size="9" style="width:14rem">{bars}</svg>'


def _sample(sample: SampleLine) -> str:
    text, new = shown(sample)
    if new is None or new[1] > LONGEST:
        return f"<pre>{_isolated(text[:LONGEST])}</pre>"
    start, end = new
    words = f"{escape(text[:start])}<mark>{escape(text[start:end])}</mark>"
    return f"<pre><bdi>{words}{escape(text[end:LONGEST])}</bdi></pre>"


def _near(near: Sequence[Incident]) -> str:
    if not near:
        return "<section><h2>Not told</h2><p>Nothing came near the budget line.</p></section>"
    rows = "".join(
        f"<tr><td>{rfc3339(_start(i))}<td>{_text(i.title)}<td>{_text(why_not(i))}</tr>"
        for i in near[: 2 * ROWS]
    )
    head = "<section><h2>Not told</h2><p>What came nearest to the budget line, and why it stayed"
    table = f"<table><tr><th>when<th>what<th>why not</tr>{rows}</table>"
    return f"{head} a candidate.</p>{table}</section>"


def _listed(title: str, items: Sequence[str]) -> str:
    if not items:
        return ""
    return f"<h3>{title}</h3><ul>{''.join(f'<li>{item}</li>' for item in items)}</ul>"


def _text(text: str, width: int = LONGEST) -> str:
    plain = harmless(text)
    return _isolated(plain if len(plain) <= width else plain[: width - 1] + "…")


def _label(text: str) -> str:
    """Return a text for a picture, where there are no elements to keep directions apart."""
    plain = harmless(text)
    return escape(plain if len(plain) <= _LABEL else plain[: _LABEL - 1] + "…")


def _isolated(text: str) -> str:
    plain = escape(text)
    return plain if text.isascii() else f"<bdi>{plain}</bdi>"


def _start(incident: Incident) -> float:
    return min([incident.opened_at, *(a.since for a in incident.anomalies)])


def _end(incident: Incident) -> float:
    return max(incident.resolved_at or incident.updated_at, _start(incident))
