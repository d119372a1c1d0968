"""Write down an incident that is over, in Markdown, for people to finish.

Everything that came from logs is code or escaped: nothing in it can become a link, an image, a
heading or a mention where the document is pasted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from aiops.incidents.explanation import weighed
from aiops.incidents.story import change_words
from aiops.redaction import harmless, unmentioned
from aiops.units import duration, quantity
from aiops.wire import rfc3339, shown

if TYPE_CHECKING:
    from aiops.cases import Case
    from aiops.model import Anomaly, Incident

MOST = 20  # rows of one table
_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#!|~$&]|:(?=//))")


def postmortem(
    incident: Incident,
    *,
    case: Case | None = None,
    timeline: Sequence[tuple[float, str]] = (),
    messages: Sequence[tuple[float, str]] = (),
) -> str:
    """Return the Markdown of one incident.

    *timeline* is what happened to it, *messages* who was told what, both as (time, words).
    """
    start = min([incident.opened_at, *(a.since for a in incident.anomalies)])
    end = incident.resolved_at
    lines = [
        f"# {_text(incident.title)}",
        "",
        f"- incident: {_code(incident.id)}, {incident.severity.label}, {incident.state.value}",
        f"- from {rfc3339(start)} to {rfc3339(end) if end is not None else 'now'}"
        + (f", lasted {duration(max(end - start, 0.0))}" if end is not None else ""),
        f"- affected: {', '.join(_code(e) for e in incident.entities) or 'unknown'}",
    ]
    if incident.acknowledged_by:
        lines.append(f"- acknowledged by {_text(incident.acknowledged_by)}")
    if incident.assigned_to:
        lines.append(f"- assigned to {_text(incident.assigned_to)}")
    lines += ["", "## Timeline", "", *_timeline(incident, timeline)]
    lines += ["", "## Evidence", "", *_evidence(incident)]
    lines += ["", "## Severity", ""]
    lines += [f"- {_text(point)}" for point in weighed(incident)] or ["Nothing weighs."]
    lines += ["", "## Suspects", "", *_suspects(incident)]
    lines += ["", "## Changes", ""]
    lines += [f"- {rfc3339(c.at)} {_text(change_words(c))}" for c in incident.changes[:MOST]] or [
        "None known."
    ]
    lines += ["", "## Notifications", ""]
    told = messages or [(at, "told") for at in incident.notified_at]
    lines += [f"- {rfc3339(at)} {_text(words)}" for at, words in told[:MOST]] or [
        "Nobody was told."
    ]
    lines += ["", "## Similar incidents", ""]
    lines += [
        f"- {_code(s.id)} of {rfc3339(s.at)} ({s.score:.0%} alike): {_text(s.title)}"
        + (f"; fix: {_text(s.fix)}" if s.fix else "")
        for s in incident.similar
    ] or ["None known."]
    return "\n".join([*lines, "", "## Cause and fix", "", *_ending(case), ""])


def _timeline(incident: Incident, timeline: Sequence[tuple[float, str]]) -> list[str]:
    rows = [(a.since, f"{_code(a.series.id)} begins: {_text(a.reason)}") for a in _first(incident)]
    rows += [(c.at, f"change: {_text(change_words(c))}") for c in incident.changes[:MOST]]
    rows += [(at, _text(words)) for at, words in timeline]
    return [f"- {rfc3339(at)} {words}" for at, words in sorted(rows)]


def _first(incident: Incident) -> list[Anomaly]:
    return sorted(incident.anomalies, key=lambda a: (a.since, a.series.id))[:MOST]


def _evidence(incident: Incident) -> list[str]:
    rows = ["| series | since | value | usual | surprise |", "| --- | --- | --- | --- | --- |"]
    for a in incident.anomalies[:MOST]:
        unit = a.unit or a.series.unit
        usual = quantity(a.expected, unit) if a.expected is not None else "unknown"
        value = quantity(a.actual, unit) if a.actual is not None else _text(a.reason)
        rows.append(
            f"| {_code(a.series.id)} | {rfc3339(a.since)} | {value} | {usual} | {a.surprise:.1f} |"
        )
    if (more := len(incident.anomalies) - MOST) > 0:
        rows.append(f"\n{more} more.")
    restless = [c for c in incident.courses if c.times > 1]
    rows += [""] if restless else []
    rows += [
        f"- {_code(c.series)} came and went {c.times} times since {rfc3339(c.since)}"
        for c in restless
    ]
    lines = [shown(sample)[0] for sample in incident.samples]
    return [*rows, "", *(f"- {_code(line)}" for line in lines)]


def _suspects(incident: Incident) -> list[str]:
    named = {c.id: change_words(c) for c in incident.changes}
    return [
        f"{n}. {_code(named.get(s.entity, s.entity))} ({s.score:.0%})"
        + (f": {_text('; '.join(s.reasons))}" if s.reasons else "")
        for n, s in enumerate(incident.suspects, 1)
    ] or ["Not enough evidence."]


def _ending(case: Case | None) -> list[str]:
    if case is None:
        return ["- cause: to be written", "- fix: to be written"]
    by = "named by a person" if case.named else "first suspect"
    lines = [f"- cause: {_code(case.cause)} ({by})" if case.cause else "- cause: to be written"]
    lines.append(f"- fix: {_text(case.fix)}" if case.fix else "- fix: to be written")
    if case.verdict:
        lines.append(f"- verdict: {_text(case.verdict)}")
    if case.answered is not None:
        lines.append(f"- somebody took it after {duration(case.answered)}")
    return lines


def _text(text: str) -> str:
    """Return hostile text as words of a paragraph."""
    return _SPECIAL.sub(r"\\\1", unmentioned(harmless(text))).replace("\n", " ")


def _code(text: str) -> str:
    """Return hostile text as code: its own backticks cannot end it, nor a bar end its cell."""
    plain = harmless(text).replace("\n", " ").replace("`", "'").replace("|", "\u00a6")
    return f"`{plain}`" if plain.strip() else "``"
