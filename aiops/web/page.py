"""Pages for people: what is open now and what was, and each incident; no scripts, no forms."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final
from urllib.parse import quote

from aiops.incidents.sheet import STYLE, listed, plain_text, section
from aiops.incidents.story import title
from aiops.model import Incident
from aiops.redaction import harmless
from aiops.wire import rfc3339

SHOWN: Final = 100
MOMENTS: Final = 100

# Relative addresses: behind a proxy the pages may live under a path of its choice.
_FOOT = '<p><a href="{up}api/v1/incidents">JSON</a> · <a href="{up}metrics">metrics</a></p>'


def page(incidents: Sequence[Incident], *, warming_up: bool) -> str:
    """Return the first page as HTML; every text in it is redacted and escaped."""
    parts = [_head("aiops"), "<h1>aiops</h1>"]
    if warming_up:
        parts.append("<p>Still learning what is normal.</p>")
    if not incidents:
        parts.append("<p>No incidents.</p>")
    else:
        parts.append("<table><tr><th>state<th>severity<th>opened<th>what<th>id</tr>")
        parts += [_row(incident) for incident in incidents[:SHOWN]]
        parts.append("</table>")
    return "".join([*parts, _FOOT.format(up="")]) + "</body></html>\n"


def incident_page(
    incident: Incident,
    *,
    story: str,
    muted_by: Sequence[str],
    timeline: Sequence[tuple[float, str]],
    messages: Sequence[tuple[float, str]],
) -> str:
    """Return the page of one incident as HTML: where the links of messages lead.

    *story* is its message as of now, *timeline* what happened to it, *messages* who was told
    what, both as (time, words). What acts on it is a command or a link of a message, never a
    page that anybody may open.
    """
    people = [
        f"{does} {plain_text(name)}"
        for does, name in (
            ("acknowledged by", incident.acknowledged_by),
            ("assigned to", incident.assigned_to),
        )
        if name
    ]
    told = "".join(f"{escape(harmless(line))}\n" for line in story.split("\n"))
    more = listed("Timeline", _moments(timeline)) + listed("Notifications", _moments(messages))
    parts = [
        _head(incident.title),
        f'<p><a href="../">aiops</a></p><pre><bdi>{told}</bdi></pre>',
        listed("People", people),
        listed("Muted by", [plain_text(name) for name in muted_by]),
        section(incident, more=more),
        f'<p><a href="../api/v1/incidents/{quote(incident.id, safe="")}">JSON</a></p>',
    ]
    return "".join(parts) + "</body></html>\n"


def _head(name: str) -> str:
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(harmless(name))}</title>"
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>'
    )


def _row(incident: Incident) -> str:
    severity = incident.severity.label
    what = incident.title or title(incident)
    link = f"incidents/{quote(incident.id, safe='')}"
    return (
        f"<tr><td>{escape(incident.state.value)}<td class={severity}>{severity}"
        f"<td>{rfc3339(incident.opened_at)}<td>{plain_text(what)}"
        f'<td><a href="{link}">{plain_text(incident.id)}</a></tr>'
    )


def _moments(moments: Sequence[tuple[float, str]]) -> list[str]:
    more = len(moments) - MOMENTS
    shown = [f"{rfc3339(at)} {plain_text(words)}" for at, words in moments[:MOMENTS]]
    return shown + ([f"+{more} more"] if more > 0 else [])
