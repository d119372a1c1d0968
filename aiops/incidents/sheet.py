"""Write one incident as HTML: no script, no network, nothing in it that a log line could say.

Every text is made harmless, then escaped; text of unknown direction stands apart from ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Final

from aiops.incidents.explanation import weighed
from aiops.incidents.story import change_words
from aiops.redaction import harmless
from aiops.units import duration, quantity
from aiops.wire import rfc3339, shown

if TYPE_CHECKING:
    from aiops.model import Anomaly, Incident, SampleLine

ROWS: Final = 12  # anomalies and entities shown
LONGEST: Final = 400  # characters of one text
_LABEL: Final = 80
_NO_FIGURES: Final[Mapping[str, str]] = {}
STYLE: Final = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.25rem .6rem}"
    "tr{border-bottom:1px solid #ddd}section{border-top:2px solid #999;margin-top:2rem}"
    "pre{background:#f4f4f4;padding:.5rem;white-space:pre-wrap;overflow-wrap:anywhere}"
    "td{overflow-wrap:anywhere}svg{width:100%;height:auto}text{unicode-bidi:isolate}"
    "mark{background:#ffd54a}.quiet{color:#555}"
    ".critical,.error{color:#b00020}.warning{color:#a15c00}"
)


def section(incident: Incident, figures: Mapping[str, str] = _NO_FIGURES, more: str = "") -> str:
    """Return all that is known of an incident as a section.

    *figures* are pictures by id of series, *more* is what the caller knows of it besides; both
    are HTML already.
    """
    start, end = began(incident), incident.resolved_at
    ended = f" to {rfc3339(end)}, {duration(max(end - start, 0.0))}" if end is not None else ""
    heard = "told" if incident.told else "not told: below a warning, silenced, or old news"
    severity = incident.severity.label
    weight = f"<span class={severity}>{severity}</span>"
    what = f"{plain_text(incident.id)}, {weight}, {incident.state.value}, {heard}"
    parts = [
        f"<section><h2>{plain_text(incident.title)}</h2>",
        f'<p class="quiet">{what}; {rfc3339(start)}{ended}</p>',
        f"<p>Affects {', '.join(plain_text(e, 80) for e in incident.entities[:ROWS])}.</p>",
        listed("Severity", [plain_text(point) for point in weighed(incident)]),
        _suspects(incident),
        listed(
            "Changes",
            [f"{rfc3339(c.at)} {plain_text(change_words(c))}" for c in incident.changes],
        ),
    ]
    parts += [f"<h3>{plain_text(name)}</h3>{figure}" for name, figure in figures.items()]
    parts.append(_anomalies(incident.anomalies))
    if incident.samples:
        parts.append("<h3>Lines</h3>" + "".join(_sample(s) for s in incident.samples))
    parts.append(
        listed(
            "Seen before",
            [
                f"{plain_text(s.id)} of {rfc3339(s.at)}, {s.score:.0%} alike: {plain_text(s.title)}"
                + (f"; fix: {plain_text(s.fix)}" if s.fix else "")
                for s in incident.similar
            ],
        )
    )
    return "".join([*parts, more]) + "</section>\n"


def _suspects(incident: Incident) -> str:
    named = {c.id: change_words(c) for c in incident.changes}
    items = [
        f"{plain_text(named.get(s.entity, s.entity))} ({s.score:.0%}): "
        + plain_text("; ".join(s.reasons))
        for s in incident.suspects
    ]
    return listed("Suspects", items) if items else "<p>Likely cause: not enough evidence.</p>"


def _anomalies(anomalies: Sequence[Anomaly]) -> str:
    rows = "".join(
        f"<tr><td>{plain_text(a.series.id)}<td>{rfc3339(a.since)}<td>{plain_text(a.reason)}"
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
        f'<text x="104" y="{y + 8}">{label(quantity(value, unit))}</text>'
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


def listed(title: str, items: Sequence[str]) -> str:
    """Return items, HTML already, as a list under a heading; nothing when there are none."""
    if not items:
        return ""
    return f"<h3>{title}</h3><ul>{''.join(f'<li>{item}</li>' for item in items)}</ul>"


def plain_text(text: str, width: int = LONGEST) -> str:
    """Return a text of any origin for a paragraph: harmless, escaped, its direction its own."""
    plain = harmless(text)
    return _isolated(plain if len(plain) <= width else plain[: width - 1] + "…")


def label(text: str) -> str:
    """Return a text for a picture, where there are no elements to keep directions apart."""
    plain = harmless(text)
    return escape(plain if len(plain) <= _LABEL else plain[: _LABEL - 1] + "…")


def _isolated(text: str) -> str:
    plain = escape(text)
    return plain if text.isascii() else f"<bdi>{plain}</bdi>"


def began(incident: Incident) -> float:
    """Return when the first of its departures began."""
    return min([incident.opened_at, *(a.since for a in incident.anomalies)])
