"""Keep quiet about what people said they know: silences, snoozes and maintenance windows.

A mute hides anomalies, never incidents as such: an incident is quiet only while every symptom in it
is hidden, so whatever spreads or worsens beyond what somebody named is told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from aiops.incidents.record import counts
from aiops.model import Anomaly, Command, Incident, Severity

MAX_ACTIVE = 500
MAX_KEPT = 1000  # ended ones among them, for those who ask later what was hidden

COMMANDS = frozenset({"silence", "silence-edit"})


@dataclass(frozen=True, slots=True)
class Silence:
    """Say what is not told from ``starts`` until ``ends`` (epoch seconds), by whom and why.

    ``entity`` is a glob over ``KIND:NAME`` or the bare name; ``text`` is part of a title, series or
    sample line, or a glob over one of them, whatever its case; both empty match everything.
    ``severity`` is the worst that is hidden. A snooze is a silence of one ``incident``.
    """

    id: str
    starts: float
    ends: float
    by: str = ""
    reason: str = ""
    entity: str = ""
    text: str = ""
    severity: Severity = Severity.CRITICAL
    incident: str = ""

    def is_active(self, at: float) -> bool:
        """Return whether it hides anything at *at*."""
        return self.starts <= at < self.ends

    def hides(self, incident: Incident, anomaly: Anomaly) -> bool:
        """Return whether this symptom of this incident is one that nobody wants to hear of."""
        if self.incident and self.incident != incident.id:
            return False
        return (
            incident.severity <= self.severity
            and fits(self.entity, anomaly.entity)
            and (not self.text or any(_says(self.text, t) for t in _texts(incident, anomaly)))
        )


@dataclass(slots=True)
class Muting:
    """Hold every silence, bounded; ended ones stay until ``MAX_KEPT`` newer ones came."""

    facts: Counter[str] = field(default_factory=Counter)
    silences: dict[str, Silence] = field(default_factory=dict)

    def obey(self, command: Command) -> None:
        """Take a ``silence`` or ``silence-edit``; what cannot be done is counted."""
        if command.kind == "silence":
            self.add(silence_of(command))
            return
        known = self.silences.get(command.target)
        if known is None or not known.is_active(command.at):
            self.facts["command_without_target"] += 1
            return
        ends = number(command.args.get("until"), known.ends)
        reason = command.args.get("reason") or known.reason
        # It was quiet until now, whatever is said afterwards.
        self.silences[known.id] = replace(known, ends=max(ends, command.at), reason=reason)

    def add(self, silence: Silence) -> None:
        """Begin a silence; those that ended first make room."""
        at = silence.starts
        if sum(at < s.ends for s in self.silences.values()) >= MAX_ACTIVE:
            self.facts["silences_refused"] += 1
            return
        self.silences[silence.id] = silence
        while len(self.silences) > MAX_KEPT:
            del self.silences[min(self.silences.values(), key=lambda s: (s.ends, s.id)).id]

    def active(self, at: float) -> list[Silence]:
        """Return what hides something at *at*, oldest first."""
        return [s for s in self.silences.values() if s.is_active(at)]

    def to_state(self) -> list[Any]:
        """Return plain values for ``restore``."""
        state: list[Any] = msgspec.to_builtins(list(self.silences.values()))
        return state

    def restore(self, state: Sequence[Any]) -> None:
        """Take back what ``to_state`` returned."""
        known = msgspec.convert(state, list[Silence])
        self.silences = {silence.id: silence for silence in known}


def hidden_by(incident: Incident, active: Sequence[Silence]) -> tuple[str, ...]:
    """Return the ids of the silences that together hide an incident, empty when it is told."""
    if not active:
        return ()
    bad = [a for a in incident.anomalies if counts(a)]
    shown = [a for a in bad if a.severe] or bad or list(incident.anomalies)
    found: dict[str, None] = {}
    for anomaly in shown:
        mine = [s.id for s in active if s.hides(incident, anomaly)]
        if not mine:
            return ()
        found |= dict.fromkeys(mine)
    return tuple(found)


def silence_of(command: Command) -> Silence:
    """Return the silence that a command begins; its id is the number of its row."""
    args = command.args
    return Silence(
        id=f"sil_{command.seq}",
        starts=command.at,
        ends=number(args.get("until"), command.at),
        by=command.by,
        reason=args.get("reason", ""),
        entity=args.get("entity", ""),
        text=args.get("text", ""),
        severity=Severity[args.get("severity", "critical").upper()],
    )


def snooze_of(command: Command, incident: Incident) -> Silence:
    """Return the silence of one incident; it gives way when the incident gets worse."""
    return Silence(
        id=f"snooze_{command.seq}",
        starts=command.at,
        ends=number(command.args.get("until"), command.at),
        by=command.by,
        reason="snoozed",
        severity=incident.severity,
        incident=incident.id,
    )


def fits(pattern: str, entity: str) -> bool:
    """Return whether a glob matches an entity by its whole name or its bare one."""
    bare = entity.partition(":")[2] or entity
    return not pattern or fnmatchcase(entity, pattern) or fnmatchcase(bare, pattern)


def number(text: str | None, default: float) -> float:
    """Return the number that a command's argument holds."""
    try:
        return default if text is None else float(text)
    except ValueError:
        return default


def _texts(incident: Incident, anomaly: Anomaly) -> Iterable[str]:
    yield from (incident.title, anomaly.series.id, anomaly.reason)
    yield from (sample.text for sample in anomaly.samples)


def _says(pattern: str, text: str) -> bool:
    pattern, text = pattern.casefold(), text.casefold()
    return pattern in text or fnmatchcase(text, pattern)
