"""The life of incidents: candidate, open, acknowledged, resolved, closed; event time only."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from aiops.incidents.story import title
from aiops.model import (
    Anomaly,
    ChangeEvent,
    Command,
    Footprint,
    Incident,
    SampleLine,
    Section,
    Severity,
    State,
    Suspect,
    Transition,
    TransitionKind,
)

MAX_SERIES = 60
MAX_SAMPLES = 3
MAX_CHANGES = 10
CONTEXT = 3.0  # anomalies below this surprise, and good news, join stories but make none
SETTLE = 180.0  # the one update waits this long for the rest of the story
_VERSION = 1
_LIVE = (State.OPEN, State.ACKNOWLEDGED)

Rank = Callable[[Sequence[Anomaly], Sequence[ChangeEvent]], tuple[Suspect, ...]]
Opens = Callable[[Sequence[Anomaly], dict[str, float]], bool]


@dataclass(frozen=True, slots=True)
class LedgerSettings:
    """How incidents live, in seconds of event time, and how many there may be."""

    resolve_after: float = 300.0
    update_interval: float = 900.0
    close_after: float = 3600.0
    max_candidates: int = 500
    max_live: int = 200


@dataclass(slots=True)
class _Record:
    """One incident while it can still change."""

    id: str
    state: State
    started: float
    updated: float
    seq: int = 0
    opened_at: float = 0.0
    resolved_at: float | None = None
    told: bool = False
    told_at: float = 0.0
    gist: tuple[str, ...] = ()
    notified: list[float] = field(default_factory=list)
    updates: int = 0
    acknowledged_by: str = ""
    severity: Severity = Severity.INFO
    anomalies: dict[str, Anomaly] = field(default_factory=dict)
    last: dict[str, float] = field(default_factory=dict)
    counts: dict[str, float] = field(default_factory=dict)
    changes: list[ChangeEvent] = field(default_factory=list)
    suspects: tuple[Suspect, ...] = ()

    def footprint(self) -> Footprint:
        entities: dict[str, float] = {}
        for series, at in self.last.items():
            entity = self.anomalies[series].entity
            entities[entity] = max(at, entities.get(entity, at))
        return Footprint(self.id, self.started, self.updated, entities, self.last)


class Ledger:
    """Keep all incidents that can still change; everything it decides is a ``Transition``."""

    def __init__(self, settings: LedgerSettings, rank: Rank) -> None:
        self.facts: Counter[str] = Counter()
        self.settings = settings
        self._rank = rank
        self._records: dict[str, _Record] = {}
        self._changes: list[ChangeEvent] = []

    # --- asked by the engine ----------------------------------------------------------------

    def footprints(self) -> list[Footprint]:
        """Return what every living incident and candidate covers, resolved ones included."""
        return [r.footprint() for r in self._records.values() if r.state is not State.CLOSED]

    def absorb(self, anomaly: Anomaly, homes: Sequence[str], opens: Opens) -> list[Transition]:
        """Add an anomaly to the first of *homes* (or to a new candidate) and see what follows."""
        living = [self._records[h] for h in homes if h in self._records]
        record = self._choose(living)
        if record is None:
            if not _counts(anomaly):
                return []
            record = self._candidate(anomaly)
        done = self._merge(record, living, anomaly.at)
        self._add(record, anomaly)
        at = anomaly.at
        if record.state is State.CANDIDATE:
            if opens(list(record.anomalies.values()), record.counts):
                done.append(self._open(record, at))
        elif record.state is State.RESOLVED:
            if _counts(anomaly):
                record.state, record.resolved_at = State.OPEN, None
                done.append(self._emit(record, TransitionKind.REOPENED, at))
        else:
            done += self._grown(record, at)
        return done

    def change(self, event: ChangeEvent) -> None:
        """Remember a change; incidents that open later look back at it."""
        self._changes.append(event)
        self._changes.sort(key=lambda c: (c.at, c.id))
        del self._changes[:-200]

    def command(self, command: Command) -> list[Transition]:
        """Apply what a person asked for; unknown targets are counted, not errors."""
        record = self._records.get(command.target)
        if record is None or record.state not in _LIVE:
            self.facts["command_without_target"] += 1
            return []
        if command.kind == "ack" and record.state is State.OPEN:
            record.state, record.acknowledged_by = State.ACKNOWLEDGED, command.by
            return [self._emit(record, TransitionKind.ACKNOWLEDGED, command.at)]
        if command.kind == "resolve":
            return [self._resolve(record, max(command.at, record.updated))]
        return []

    def advance(self, at: float) -> list[Transition]:
        """Let event time reach *at*: resolve what is quiet, drop what never opened."""
        done: list[Transition] = []
        quiet = self.settings.resolve_after
        for record in list(self._records.values()):
            if record.state is State.CANDIDATE:
                if at - record.updated > quiet:
                    del self._records[record.id]
            elif record.state is State.RESOLVED:
                if at - record.updated > self.settings.close_after:
                    record.state = State.CLOSED
                    del self._records[record.id]
            elif at - record.updated > quiet:
                done.append(self._resolve(record, at))
            else:
                done += self._update(record, at)
        return done

    def tell_open(self, at: float) -> list[Transition]:
        """Return OPENED again for every open incident nobody was told of (after old news)."""
        return [
            self._emit(record, TransitionKind.OPENED, at)
            for record in self._records.values()
            if record.state in _LIVE and not record.told
        ]

    def is_told(self, incident: str) -> bool:
        """Return whether people were told of an incident; one that merged away counts as told."""
        record = self._records.get(incident)
        return record is None or record.told

    def told(self, incident: str, at: float) -> None:
        """Note that people were told: the picture they have is this one."""
        record = self._records.get(incident)
        if record is not None:
            record.told = True
            record.told_at = at
            record.notified = [*record.notified, at][-20:]
            record.gist = self._gist(record)

    @property
    def pictures(self) -> list[Incident]:
        """Return a picture of every candidate and incident that can still change."""
        return [self._picture(r) for r in self._records.values()]

    # --- deciding ---------------------------------------------------------------------------

    @staticmethod
    def _choose(living: list[_Record]) -> _Record | None:
        open_first = [r for r in living if r.state in _LIVE]
        if open_first:
            return min(open_first, key=lambda r: (r.opened_at, r.id))
        return living[0] if living else None

    def _candidate(self, anomaly: Anomaly) -> _Record:
        waiting = [r for r in self._records.values() if r.state is State.CANDIDATE]
        if len(waiting) >= self.settings.max_candidates:
            oldest = min(waiting, key=lambda r: (r.updated, r.id))
            del self._records[oldest.id]
            self.facts["candidates_dropped"] += 1
        name = "inc_" + hashlib.blake2b(anomaly.id.encode(), digest_size=6).hexdigest()
        record = _Record(name, State.CANDIDATE, anomaly.since, anomaly.at)
        self._records[name] = record
        return record

    def _merge(self, into: _Record, others: Sequence[_Record], at: float) -> list[Transition]:
        done = []
        for other in others:
            if other is into or other.state is State.RESOLVED or into.state is State.RESOLVED:
                continue
            if other.state in _LIVE and into.state not in _LIVE:
                continue
            for anomaly in other.anomalies.values():
                self._add(into, anomaly)
            for series, count in other.counts.items():
                into.counts[series] = max(into.counts.get(series, 0.0), count)
            into.started = min(into.started, other.started)
            del self._records[other.id]
            if other.state in _LIVE:
                done.append(self._emit(other, TransitionKind.MERGED, at))
        return done

    def _add(self, record: _Record, anomaly: Anomaly) -> None:
        key = anomaly.series.id
        known = record.anomalies.get(key)
        record.counts[key] = record.counts.get(key, 0.0) + (anomaly.actual or 0.0)
        if known is None and len(record.anomalies) >= MAX_SERIES:
            self.facts["anomalies_beyond_bound"] += 1
            return
        # The story shows a series at its worst; its beginning stays the first one.
        if known is None:
            record.anomalies[key] = anomaly
        elif anomaly.surprise > known.surprise or anomaly.severity > known.severity:
            samples = known.samples or anomaly.samples
            since = min(known.since, anomaly.since)
            record.anomalies[key] = replace(anomaly, samples=samples, since=since)
        record.last[key] = max(anomaly.at, record.last.get(key, anomaly.at))
        if _counts(anomaly):
            record.updated = max(record.updated, anomaly.at)
            record.started = min(record.started, anomaly.since)

    def _open(self, record: _Record, at: float) -> Transition:
        live = [r for r in self._records.values() if r.state in _LIVE]
        if len(live) >= self.settings.max_live:
            self._records.pop(min(live, key=lambda r: (r.updated, r.id)).id)
            self.facts["incidents_dropped"] += 1
        record.state, record.opened_at = State.OPEN, at
        self._reconsider(record)
        return self._emit(record, TransitionKind.OPENED, at)

    def _grown(self, record: _Record, at: float) -> list[Transition]:
        before = record.severity
        self._reconsider(record)
        if record.severity > before:
            return [self._emit(record, TransitionKind.ESCALATED, at)]
        return []

    def _update(self, record: _Record, at: float) -> list[Transition]:
        wait = SETTLE if record.updates == 0 else self.settings.update_interval
        wait *= 4 ** max(record.updates - 1, 0)
        if not record.told or at - record.told_at < wait:
            return []
        before = record.severity
        self._reconsider(record)
        if record.severity > before:
            return [self._emit(record, TransitionKind.ESCALATED, at)]
        if self._gist(record) == record.gist:
            return []
        record.updates += 1
        return [self._emit(record, TransitionKind.UPDATED, at)]

    def _resolve(self, record: _Record, at: float) -> Transition:
        self._reconsider(record)
        record.state, record.resolved_at = State.RESOLVED, at
        return self._emit(record, TransitionKind.RESOLVED, at)

    def _reconsider(self, record: _Record) -> None:
        bad = [a for a in record.anomalies.values() if _counts(a)]
        worst = max((a.severity for a in bad), default=Severity.INFO)
        failing = {a.entity for a in bad if a.severity >= Severity.ERROR}
        if len(failing) >= 3:
            worst = Severity.CRITICAL
        record.severity = max(worst, record.severity)
        record.changes = self._changes_near(record)
        record.suspects = self._rank(list(record.anomalies.values()), record.changes)

    def _changes_near(self, record: _Record) -> list[ChangeEvent]:
        near = [c for c in self._changes if -1800.0 <= c.at - record.started <= 300.0]
        return near[-MAX_CHANGES:]

    # --- pictures ---------------------------------------------------------------------------

    def _emit(self, record: _Record, kind: TransitionKind, at: float) -> Transition:
        record.seq += 1
        return Transition(kind, self._picture(record), at)

    @classmethod
    def _gist(cls, record: _Record) -> tuple[str, ...]:
        """Return what an update would be about: who is affected and who is suspected first."""
        suspect = record.suspects[0].entity if record.suspects else ""
        return (suspect, *sorted(cls._entities(record)))

    @staticmethod
    def _entities(record: _Record) -> tuple[str, ...]:
        first: dict[str, float] = {}
        every = list(record.anomalies.values())
        for anomaly in [a for a in every if _counts(a)] or every:
            known = first.get(anomaly.entity, anomaly.since)
            first[anomaly.entity] = min(known, anomaly.since)
        return tuple(sorted(first, key=lambda e: (first[e], e)))

    def _picture(self, record: _Record) -> Incident:
        ranked = sorted(
            record.anomalies.values(), key=lambda a: (-a.severity, -a.surprise, a.since, a.series.id)
        )
        samples: list[SampleLine] = []
        for anomaly in ranked:
            for sample in anomaly.samples[:1]:
                if len(samples) < MAX_SAMPLES and sample.text not in {s.text for s in samples}:
                    samples.append(sample)
        bare = Incident(
            id=record.id,
            seq=record.seq,
            state=record.state,
            severity=record.severity,
            title="",
            opened_at=record.opened_at or record.updated,
            updated_at=record.updated,
            resolved_at=record.resolved_at,
            told=record.told,
            entities=self._entities(record),
            suspects=record.suspects,
            anomalies=tuple(ranked),
            changes=tuple(record.changes),
            samples=tuple(samples),
            acknowledged_by=record.acknowledged_by,
            notified_at=tuple(record.notified),
        )
        return replace(bare, title=title(bare))

    # --- saved at a cut ---------------------------------------------------------------------

    def to_section(self) -> Section:
        """Return everything that can still change."""
        header = {
            "records": msgspec.to_builtins(list(self._records.values())),
            "changes": msgspec.to_builtins(self._changes),
        }
        return Section("ledger", _VERSION, header)

    def restore(self, section: Section) -> None:
        """Take back what ``to_section`` returned; an unknown version stays empty."""
        if section.version != _VERSION:
            return
        records = msgspec.convert(section.header["records"], list[_Record])
        self._records = {record.id: record for record in records}
        self._changes = msgspec.convert(section.header["changes"], list[ChangeEvent])


def _counts(anomaly: Anomaly) -> bool:
    """Return whether an anomaly is more than context: bad, and rare enough to matter."""
    return anomaly.severity > Severity.INFO and anomaly.surprise >= CONTEXT
