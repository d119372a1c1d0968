"""Tell an incident in words: one title, and a story of at most fourteen plain lines.

The order is the order of a reader's questions: what, where, since when, how far from usual,
which line, what changed before, why, was it seen before, what now.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from aiops.model import State, TransitionKind
from aiops.redaction import harmless
from aiops.units import duration, factor, quantity
from aiops.wire import rfc3339, shown, to_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from aiops.model import Anomaly, ChangeEvent, Incident, SampleLine, Suspect, Transition

__all__ = ["change_words", "parts", "story", "title", "to_json"]

WIDTH = 200
TITLE = 120
SAMPLE = 160
RECENT = 120.0  # seconds for which what was measured is told as what is
_FACTS = 3
_NAMES = 4

# Where JSON and logfmt lines say what happened, in their own words.
_MESSAGE = re.compile(
    r'(?:"(?:msg|message|event)"\s?:\s?|\b(?:msg|message)=)"((?:[^"\\]|\\.){3,400}+)'
)

# Their reason is a sentence about the series and says more than a distance from the usual value.
_SENTENCES = frozenset(
    {"saturation", "state", "flat", "stale", "missing", "river", "joint", "drift", "alert"}
)

_PROBE = "said-0123456789"

_ENDED = (State.RESOLVED, State.CLOSED)


def title(incident: Incident) -> str:
    """Say what is wrong and where in one line, from the most important anomaly."""
    ranked = _ranked(incident)
    if not ranked:
        return _clip(incident.title or f"incident {incident.id}", TITLE)
    main = ranked[0]
    quote = _quote(main)
    others = len(set(incident.entities) - {main.entity})
    where = _where(main.entity) + (f" and {others} more" if others else "")
    return _clip(f"{_what(main)} {_link(main)} {where}{quote}", TITLE)


def story(transition: Transition, *, calls: Mapping[str, Sequence[str]] | None = None) -> str:
    """Tell what happened to an incident, for a person in a hurry: plain, redacted text.

    *calls* (caller → callees, as configured) adds who depends on what is affected.
    """
    told = parts(transition, calls=calls)
    return "\n".join(line for lines in told.values() for line in lines)


def parts(
    transition: Transition, *, calls: Mapping[str, Sequence[str]] | None = None
) -> dict[str, list[str]]:
    """Return the lines of a story by what they say, in its order; see ``story``."""
    incident = transition.incident
    said = {
        "headline": [_headline(transition)],
        "since": [_since(transition)],
        "affected": [_affected(incident, calls or {})],
        "values": list(_values(incident, transition.at)),
        "samples": list(_samples(incident)),
        "change": [_changes(incident)],
        "cause": [_cause(incident)],
        "similar": [_similar(incident)],
        "next": [f"next: aiops incidents show {incident.id}"],
    }
    return {name: [_clip(line, WIDTH) for line in lines if line] for name, lines in said.items()}


def _headline(transition: Transition) -> str:
    incident = transition.incident
    words = f"{transition.kind.value.upper()} {incident.severity.label}"
    if transition.kind is TransitionKind.ACKNOWLEDGED and incident.acknowledged_by:
        words += f" (by {incident.acknowledged_by})"
    if transition.note:
        words += f" ({transition.note})"
    return f"{words}: {incident.title or title(incident)}"


def _since(transition: Transition) -> str:
    incident = transition.incident
    start = _start(incident)
    if incident.state in _ENDED or transition.kind is TransitionKind.RESOLVED:
        end = transition.at if incident.resolved_at is None else incident.resolved_at
        words = f"from {rfc3339(start)} to {rfc3339(end)}, lasted {duration(end - start)}"
        return words + _flapping(incident, start)
    words = f"since {rfc3339(start)}"
    if transition.at - start >= 1:
        words += f", for {duration(transition.at - start)}"
    last = max((anomaly.at for anomaly in incident.anomalies), default=transition.at)
    quiet = transition.at - max(last, incident.updated_at)
    words += f", last sign {duration(quiet)} ago" if quiet >= 60 else ""
    return words + _flapping(incident, start)


def _flapping(incident: Incident, start: float) -> str:
    """Say of the series that came and went most often how often that was."""
    most = max(incident.courses, key=lambda c: c.times, default=None)
    if most is None or most.times < 2:
        return ""
    since = rfc3339(most.since)
    when = since[11:16] if since[:10] == rfc3339(start)[:10] else since[:16]
    return f", {'flapping:' if most.flapping else 'flapped'} {most.times} times since {when}"


def _affected(incident: Incident, calls: Mapping[str, Sequence[str]]) -> str:
    entities = incident.entities
    hit = {_bare(entity) for entity in entities}
    callers = sorted(
        {
            _bare(caller)
            for caller, callees in calls.items()
            if _bare(caller) not in hit and any(_bare(callee) in hit for callee in callees)
        }
    )
    if len(entities) < 2 and not callers:
        return ""
    words = f"affects {_listed([_where(entity) for entity in entities])}"
    return words + (f"; called by {_listed(callers)}" if callers else "")


def _values(incident: Incident, at: float) -> Iterator[str]:
    """Tell the weightiest facts, each at its worst: that is only now while it is recent."""
    ranked = _ranked(incident)
    facts = ranked[:_FACTS]
    for index, anomaly in enumerate(facts):
        when = "now" if at - anomaly.at <= max(RECENT, 2.0 * anomaly.pace) else "at worst"
        when = "then" if incident.state in _ENDED else when
        more = len(ranked) - _FACTS if index == _FACTS - 1 else 0
        room = WIDTH - 20
        yield _clip(f"{when}: {_value(anomaly)}", room) + (f" (+{more} more)" if more > 0 else "")


def _value(anomaly: Anomaly) -> str:
    unit = anomaly.unit or anomaly.series.unit
    log = anomaly.series.kind == "log"
    if log and not unit:
        unit = "lines"
    name = _what(anomaly, whole=True) if log else _clip(anomaly.series.name, 60)
    subject = f"{name} {_link(anomaly)} {_subject(anomaly.entity)}"
    if anomaly.kind in _SENTENCES:
        return f"{subject}: {anomaly.reason}"
    if anomaly.actual is None:
        return subject if log or not anomaly.reason else f"{subject}: {anomaly.reason}"
    usual = "no usual value known"
    if anomaly.expected is not None:
        usual = f"usual {quantity(anomaly.expected, unit)}"
    if anomaly.low is not None and anomaly.high is not None and anomaly.low < anomaly.high:
        band = _band(quantity(anomaly.low, unit), quantity(anomaly.high, unit))
        usual = f"{usual} ({band})" if anomaly.expected is not None else f"usual {band}"
    times = factor(anomaly.actual, anomaly.expected)
    return f"{subject}: {quantity(anomaly.actual, unit)}, {usual}" + (f", {times}" if times else "")


def _band(low: str, high: str) -> str:
    if low.endswith("/s") and high.endswith("/s") and " " not in low + high:
        return f"{low.removesuffix('/s')} to {high}"
    number, _, unit = low.partition(" ")
    return f"{number if unit == high.partition(' ')[2] else low} to {high}"


def _samples(incident: Incident) -> Iterator[str]:
    told: set[str] = set()
    for sample in _lines(incident):
        text = _marked(sample)
        if text not in told and len(told) < _FACTS:
            told.add(text)
            yield f"  {text}"


def _marked(sample: SampleLine) -> str:
    text, new = shown(sample)
    left, right = "»", "«"
    if new is None:
        text = text.strip()
        if len(text) <= SAMPLE or (found := _MESSAGE.search(text)) is None:
            return _clip(text, SAMPLE)
        # The fields before the message say less than it does.
        new, left, right = found.span(1), "", ""
    start, end = new
    # Of a long line, the part around what is new is what the reader needs.
    end = min(end, start + SAMPLE - 20)
    spare = SAMPLE - (end - start)
    first = max(0, min(start - spare // 2, len(text) - SAMPLE))
    last = min(len(text), max(first + SAMPLE, end))
    before = ("…" if first else "") + text[first:start]
    after = text[end:last] + ("…" if last < len(text) else "")
    return f"{before}{left}{text[start:end]}{right}{after}".strip()


def _changes(incident: Incident) -> str:
    if not incident.changes:
        return ""
    start = _start(incident)
    before = [change for change in incident.changes if change.at <= start]
    nearest = (
        max(before, key=lambda change: (change.at, change.id))
        if before
        else min(incident.changes, key=lambda change: (change.at, change.id))
    )
    apart = duration(abs(start - nearest.at))
    more = len(incident.changes) - 1
    words = f"change: {change_words(nearest)}, {apart} {'before' if before else 'after the start'}"
    return words + (f" (+{more} more)" if more else "")


def _cause(incident: Incident) -> str:
    if not incident.suspects:
        return "likely cause: not enough evidence"
    first, *others = incident.suspects
    reasons = "; ".join(first.reasons[:_FACTS])
    words = f"likely cause: {_suspect(first, incident)}" + (f": {reasons}" if reasons else "")
    return words + (f" — or {_suspect(others[0], incident)}" if others else "")


def _suspect(suspect: Suspect, incident: Incident) -> str:
    named = {change.id: change_words(change) for change in incident.changes}
    name = named.get(suspect.entity) or _where(suspect.entity)
    return f"{name} ({suspect.score:.0%})".replace("%", " %")


def _similar(incident: Incident) -> str:
    if not incident.similar:
        return ""
    words = f"seen before: {_listed([s.id for s in incident.similar])}"
    fixed = next((s for s in sorted(incident.similar, key=lambda s: -s.at) if s.fix), None)
    return words + (f"; last fix: {_clip(fixed.fix, 120)}" if fixed is not None else "")


# --- words ----------------------------------------------------------------------------------


def _what(anomaly: Anomaly, *, whole: bool = False) -> str:
    if anomaly.series.kind != "log":
        name = _clip(anomaly.series.name, 60)
        if anomaly.kind in _SENTENCES:
            return f"{name} {anomaly.reason.partition(':')[0]}"
        if anomaly.actual is None or anomaly.expected is None:
            return f"{name} {anomaly.reason.partition(':')[0]}".strip()
        return f"{name} {'above' if anomaly.actual >= anomaly.expected else 'below'} usual"
    kind = anomaly.kind.lower()
    if "new_template" in kind:
        # Here the severity is the line's own.
        level = "" if anomaly.severity.label == "info" else f"{anomaly.severity.label} "
        return f"new {level}line"
    # A detector that names its finding in several words knows better than its kind.
    if " " in anomaly.reason:
        return anomaly.reason if whole else anomaly.reason.partition(": ")[0]
    known = {
        "surge": "surge of lines",
        "silence": "usual lines stopped",
        "drop": "fewer lines than usual",
        "error_share": "share of error lines above usual",
    }
    return known.get(kind) or anomaly.reason or anomaly.kind


def _quote(anomaly: Anomaly) -> str:
    if anomaly.kind not in ("new_template", "rare_template") or not anomaly.samples:
        return ""
    text, new = shown(anomaly.samples[0])
    if (found := _MESSAGE.search(text)) is not None:
        text = found[1]
    elif new is not None and new[1] - new[0] >= 12:
        text = text[slice(*new)]
    # After a colon, a service named "token" would look like the key of a secret.
    return f', "{_clip(text.strip(), 60)}"'


def _link(anomaly: Anomaly) -> str:
    return "in" if anomaly.series.kind == "log" else "on"


def _where(entity: str) -> str:
    kind, colon, name = entity.partition(":")
    return f"{kind} {name}" if colon and kind and name else entity


def _subject(entity: str) -> str:
    """Name an entity so that a colon may follow: one called "token" has no secret after it."""
    words = _where(entity)
    return words if _PROBE in harmless(f"{words}: {_PROBE}") else f"({words})"


def _bare(entity: str) -> str:
    return entity.partition(":")[2] or entity


def change_words(change: ChangeEvent) -> str:
    """Say what was changed and where; a title that names its kind says it for both."""
    words = change.title if change.kind in change.title else f"{change.kind} {change.title}"
    words = _clip(words, 80)
    return f"{words} on {_where(change.entity)}" if change.entity else words


def _start(incident: Incident) -> float:
    return min([incident.opened_at, *(anomaly.since for anomaly in incident.anomalies)])


def _ranked(incident: Incident) -> list[Anomaly]:
    """Order anomalies by weight; of one series only its weightiest speaks."""
    first: dict[str, Anomaly] = {}
    for anomaly in sorted(
        incident.anomalies, key=lambda a: (-a.severity, -a.surprise, a.at, a.series.id, a.id)
    ):
        first.setdefault(anomaly.series.id, anomaly)
    return list(first.values())


def _lines(incident: Incident) -> Iterator[SampleLine]:
    yield from incident.samples
    if not incident.samples:
        for anomaly in _ranked(incident):
            yield from anomaly.samples


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _NAMES
    return ", ".join(names[:_NAMES]) + (f" (+{more} more)" if more > 0 else "")


def _clip(text: str, width: int) -> str:
    text = harmless(text)
    return text if len(text) <= width else text[: width - 1].rstrip() + "…"
