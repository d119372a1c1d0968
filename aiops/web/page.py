"""One page for people: what is open now, what was; no scripts, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

from aiops.incidents.story import title
from aiops.model import Incident
from aiops.redaction import harmless
from aiops.wire import rfc3339

SHOWN: Final = 100

_HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>aiops</title>
<meta name="viewport" content="width=device-width"><style>
body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.3rem .6rem}
tr{border-bottom:1px solid #ccc}.critical,.error{color:#b00020}.warning{color:#a15c00}
</style></head><body><h1>aiops</h1>
"""


def page(incidents: Sequence[Incident], *, warming_up: bool) -> str:
    """Return the page as HTML; every text in it is redacted and escaped."""
    parts = [_HEAD]
    if warming_up:
        parts.append("<p>Still learning what is normal.</p>")
    if not incidents:
        parts.append("<p>No incidents.</p>")
    else:
        parts.append("<table><tr><th>state<th>severity<th>opened<th>what<th>id</tr>")
        parts += [_row(incident) for incident in incidents[:SHOWN]]
        parts.append("</table>")
    parts.append('<p><a href="/api/v1/incidents">JSON</a> · <a href="/metrics">metrics</a></p>')
    return "".join(parts) + "</body></html>\n"


def _row(incident: Incident) -> str:
    severity = incident.severity.label
    what = harmless(incident.title) or title(incident)
    link = escape(f"/api/v1/incidents/{incident.id}", quote=True)
    return (
        f"<tr><td>{escape(incident.state.value)}<td class={severity}>{severity}"
        f"<td>{rfc3339(incident.opened_at)}<td>{escape(what)}"
        f'<td><a href="{link}">{escape(incident.id)}</a></tr>'
    )
