"""One incident while it can still change, and the picture people get of it."""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from operator import neg

from aiops.cases import Similar
from aiops.incidents.story import title
from aiops.model import (
    Anomaly,
    ChangeEvent,
    Incident,
    SampleLine,
    Severity,
    State,
    Suspect,
)
from aiops.pace import Footprint, Growth

MAX_SERIES = 200
MAX_SAMPLES = 3
STRONGEST = 9  # surprises that are kept at hand: as many as evidence is counted of
CONTEXT = 3.0  # anomalies below this surprise, and good news, join stories but make none
WIDESPREAD = 3  # entities with errors that make an incident critical
EXPLAINS = 1800.0  # seconds for which work that rose explains queues
LIVE = (State.OPEN, State.ACKNOWLEDGED)
# An enumeration's own look-up costs more than what is done with it.
_INFO, _ERROR, _CRITICAL, _CANDIDATE = (
    Severity.INFO,
    Severity.ERROR,
    Severity.CRITICAL,
    State.CANDIDATE,
)
BEFORE = 120.0  # context from longer before the start says nothing about it


class _Kept:
    """Keep what follows from a record and is not saved with it: it is no field.

    ``_usual`` is work against what was usual, of each series (of what, how many times, and that),
    ``_context`` the same where it only explains (of what, and that), ``_print`` the footprint,
    ``_growth`` what that shows of growth, ``strongest`` are the ``STRONGEST`` surprises of what is
    bad, the greatest first, or greater ones.
    """

    __slots__ = ("_context", "_growth", "_print", "_usual", "strongest")

    grown: float
    anomalies: dict[str, Anomaly]

    def __post_init__(self) -> None:
        self.strongest: list[float] = []
        if self.anomalies:
            bad = [a.surprise for a in self.anomalies.values() if a.severity > _INFO]
            self.strongest = sorted(bad, reverse=True)[:STRONGEST]
        self._print: Footprint | None = None
        self._growth = Growth(self.grown)
        self._usual: dict[str, tuple[Anomaly, float, Anomaly]] = {}
        self._context: dict[str, tuple[Anomaly, Anomaly]] = {}

    def _keep(self, made: Footprint) -> Footprint:
        self._print = made
        return made


@dataclass(slots=True)
class Record(_Kept):
    """Everything the ledger knows of one incident.

    ``anomalies`` holds each series at its worst, ``last`` when it was seen last. ``gist`` is
    what people were told: an update must differ from it. ``fix``, ``cause`` and ``verdict`` are
    what people said of it.
    """

    id: str
    state: State
    started: float
    updated: float
    seq: int = 0
    ready_at: float | None = None
    pace: float = 0.0
    opened_at: float = 0.0
    resolved_at: float | None = None
    told: bool = False
    told_at: float = 0.0
    told_severity: Severity = Severity.INFO
    gist: tuple[str, int, Severity] = ("", 0, Severity.INFO)
    behind: bool = False  # it differs from what was told, and that can wait
    notified: list[float] = field(default_factory=list)
    updates: int = 0
    returns: int = 0  # times it came back after it had resolved
    acknowledged_by: str = ""
    acknowledged_at: float = 0.0
    asked_at: float = 0.0  # since when somebody was asked to look after it
    escalated: bool = False
    assigned_to: str = ""
    seen: dict[str, float] = field(default_factory=dict)  # entity: its last sign
    onsets: dict[str, float] = field(default_factory=dict)  # entity: onset of its newest series
    grown: float = -math.inf  # when the newest departure in it began
    beside: str = ""  # the open incident that it began beside, after that had stopped growing
    without: list[str] = field(default_factory=list)  # entities that a person split off
    severity: Severity = Severity.INFO
    felt: bool = False  # any of it is a symptom, not only unusual work
    failing: list[str] = field(default_factory=list)  # entities with errors, as many as matter
    dirty: bool = True
    anomalies: dict[str, Anomaly] = field(default_factory=dict)
    last: dict[str, float] = field(default_factory=dict)
    risen: dict[str, float] = field(default_factory=dict)
    changes: list[ChangeEvent] = field(default_factory=list)
    suspects: tuple[Suspect, ...] = ()
    similar: tuple[Similar, ...] = ()
    fix: str = ""
    cause: str = ""
    verdict: str = ""

    def footprint(self) -> Footprint:
        """Return where and when this incident was last seen."""
        kept = self._print
        growth = self._growth if self.state in LIVE else None
        if kept is None or kept.started != self.started or kept.growth is not growth:
            made = Footprint(self.id, self.started, self.seen, self.last, self.onsets, growth)
            return self._keep(made)
        return kept

    def add(self, anomaly: Anomaly) -> bool:
        """Take an anomaly in; return whether the bound on series left room for it."""
        return not self.add_all((anomaly,))

    def add_all(self, found: Iterable[Anomaly]) -> int:
        """Take anomalies in, in their order; return for how many the bound left no room."""
        anomalies, seen, onsets, lasts = self.anomalies, self.seen, self.onsets, self.last
        beyond = 0
        for anomaly in found:
            series, at, severe = anomaly.series, anomaly.at, anomaly.severe
            key, entity = series.id, series.entity
            known, last = anomalies.get(key), lasts.get(key)
            if known is None and len(anomalies) >= MAX_SERIES:
                beyond += 1
                continue
            if at >= seen.get(entity, at):
                seen[entity] = at
            matters = counts(anomaly)
            if matters:
                since = anomaly.since
                self.pace = max(self.pace, anomaly.pace)
                if (known is None or not counts(known)) and since > onsets.get(entity, -math.inf):
                    onsets[entity] = since
                if since > self.grown and (last is None or since > last):
                    self.grown = self._growth.at = since
                # Work alone does not keep alive what was felt; a candidate needs it to explain.
                if at > self.updated and (severe or not self.felt or self.state is _CANDIDATE):
                    self.updated = at
            if last is None or at >= last:
                lasts[key] = at
            if not severe and anomaly.actual is not None and anomaly.expected:
                times = anomaly.actual / anomaly.expected
                most = self.risen.get(key)
                if most is None or times > most:
                    self.risen[key] = times
            # The story shows a series at its worst; its beginning stays the first one.
            if known is None:
                worst = anomaly
            elif _is_worse(anomaly, known):
                worst = _going_on(known, anomaly)
            else:
                continue
            anomalies[key] = worst
            self.dirty = True
            if matters:
                self._weigh(worst)
            if worst.severity > _INFO:
                self._rank(worst.surprise)
        return beyond

    def _rank(self, surprise: float) -> None:
        """Keep a surprise among the strongest, if it is one; a series may be there twice."""
        strongest = self.strongest
        if len(strongest) < STRONGEST or surprise > strongest[-1]:
            insort(strongest, surprise, key=neg)
            del strongest[STRONGEST:]

    def _weigh(self, anomaly: Anomaly) -> None:
        """Take what is new or worse than before, and counts, into severity and beginning."""
        severity, since = anomaly.severity, anomaly.since
        self.severity = max(self.severity, severity)
        if not anomaly.severe:
            if not self.felt and since < self.started:
                self.started = since
            return
        if since < self.started or not self.felt:
            self.started = since
        self.felt = True
        if severity >= _ERROR and anomaly.series.entity not in self.failing:
            self.failing = [*self.failing, anomaly.series.entity][:WIDESPREAD]
            if len(self.failing) >= WIDESPREAD:
                self.severity = _CRITICAL

    def bad(self, since: float) -> list[Anomaly]:
        """Return what was bad at *since* or later, whatever was usual."""
        last = self.last
        return [a for k, a in self.anomalies.items() if last[k] >= since and a.severity > _INFO]

    def recent(self, since: float) -> list[Anomaly]:
        """Return the anomalies seen at *since* or later: the others are no coincidence.

        Work is compared with what was usual before it rose: a forecast follows it soon.
        """
        found, last = [], self.last
        for key, anomaly in self.anomalies.items():
            seen = last[key]
            if anomaly.severe:
                if seen >= since:
                    found.append(anomaly)
            elif seen >= since:
                found.append(self._against_usual(key, anomaly))
            elif seen >= since - EXPLAINS:
                # No evidence any more, but it still explains what waits behind it.
                found.append(self._explaining(key, anomaly))
        return found

    def _against_usual(self, key: str, anomaly: Anomaly) -> Anomaly:
        times = self.risen.get(key, 0.0)
        if anomaly.actual is None or times <= 1.0:
            return anomaly
        kept = self._usual.get(key)
        if kept is None or kept[0] is not anomaly or kept[1] != times:
            made = replace(anomaly, expected=anomaly.actual / times)
            kept = self._usual[key] = anomaly, times, made
        return kept[2]

    def _explaining(self, key: str, anomaly: Anomaly) -> Anomaly:
        usual = self._against_usual(key, anomaly)
        kept = self._context.get(key)
        if kept is None or kept[0] is not usual:
            kept = self._context[key] = usual, replace(usual, severity=_INFO)
        return kept[1]

    def symptoms(self) -> set[str]:
        """Return the series that were felt: the pattern by which it is known again."""
        return {key for key, a in self.anomalies.items() if a.severe and counts(a)}

    def entities(self) -> tuple[str, ...]:
        """Return who is affected, in order of onset; those with symptoms when there are any."""
        every = list(self.anomalies.values())
        bad = [a for a in every if counts(a)]
        first: dict[str, float] = {}
        for anomaly in [a for a in bad if a.severe] or bad or every:
            known = first.get(anomaly.entity, anomaly.since)
            first[anomaly.entity] = min(known, anomaly.since)
        return tuple(sorted(first, key=lambda e: (first[e], e)))

    def now_gist(self) -> tuple[str, int, Severity]:
        """Return what an update would be about: the first suspect, how wide and how severe."""
        wide = len(self.entities())
        first = self.suspects[0].entity if self.suspects else ""
        return first, wide.bit_length(), self.severity

    def picture(self) -> Incident:
        """Return an immutable picture of this incident as it is now."""
        ranked = sorted(self._shown(), key=_weight)
        entities = self.entities()
        bare = Incident(
            id=self.id,
            seq=self.seq,
            state=self.state,
            severity=self.severity,
            title="",
            opened_at=self.opened_at or self.updated,
            updated_at=self.updated,
            resolved_at=self.resolved_at,
            told=self.told,
            entities=entities,
            suspects=self.suspects,
            anomalies=tuple(ranked),
            changes=tuple(self.changes),
            samples=_samples(self._by_cause(ranked)),
            similar=self.similar,
            acknowledged_by=self.acknowledged_by,
            assigned_to=self.assigned_to,
            escalated=self.escalated,
            notified_at=tuple(self.notified),
        )
        main = self._main(ranked)
        told = bare if main is None else replace(bare, anomalies=(main,))
        return replace(bare, title=title(told))

    def _shown(self) -> list[Anomaly]:
        """Leave out context from long before the start: it would only mislead."""
        since = self.started - BEFORE
        every = list(self.anomalies.values())
        return [a for a in every if counts(a) or a.at >= since] or every

    def suspected(self) -> str:
        """Return the entity suspected first, by itself or by its change."""
        if not self.suspects:
            return ""
        first = self.suspects[0].entity
        return next((c.entity for c in self.changes if c.id == first), first)

    def _by_cause(self, ranked: Sequence[Anomaly]) -> list[Anomaly]:
        """Order anomalies for samples: the cause's failures first, information last."""
        root = self.suspected()
        return sorted(
            ranked,
            key=lambda a: (
                a.severity <= Severity.INFO,
                not (a.entity == root and a.severity >= Severity.ERROR),
                -a.severity,
                a.kind != "new_template",
                -a.surprise,
                a.series.id,
            ),
        )

    def _main(self, ranked: Sequence[Anomaly]) -> Anomaly | None:
        """Return the most telling fact: a new error line or a symptom of the cause, if any."""
        root = self.suspected()
        own = [a for a in ranked if a.entity == root and a.severe and counts(a)]
        lines = [a for a in own if a.kind == "new_template" and a.severity >= Severity.ERROR]
        felt = [a for a in ranked if a.severe and counts(a)]
        return next(iter([*lines, *own, *felt, *ranked]), None)


def counts(anomaly: Anomaly) -> bool:
    """Return whether an anomaly is more than context: bad, and rare enough to matter."""
    return anomaly.severity > _INFO and anomaly.surprise >= CONTEXT


def _is_worse(anomaly: Anomaly, known: Anomaly) -> bool:
    if anomaly.severity != known.severity:
        return anomaly.severity > known.severity
    return anomaly.surprise > known.surprise


def _going_on(known: Anomaly, anomaly: Anomaly) -> Anomaly:
    """Return an anomaly with the beginning and the samples of what was known of its series."""
    samples, since = known.samples or anomaly.samples, min(known.since, anomaly.since)
    if samples == anomaly.samples and since == anomaly.since:
        return anomaly
    return replace(anomaly, samples=samples, since=since)


def _weight(anomaly: Anomaly) -> tuple[float, ...]:
    return (
        -float(anomaly.severe and counts(anomaly)),
        -float(anomaly.severity),
        -anomaly.surprise,
        anomaly.since,
    )


def _samples(ranked: Sequence[Anomaly]) -> tuple[SampleLine, ...]:
    """Return a few lines, each of another kind, and none of mere information beside errors."""
    samples: list[SampleLine] = []
    bad = [a for a in ranked if a.severity > Severity.INFO and a.samples]
    told: set[str] = set()
    for anomaly in bad or ranked:
        for sample in anomaly.samples[:1]:
            if len(samples) < MAX_SAMPLES and sample.text not in told:
                told.add(sample.text)
                samples.append(sample)
    return tuple(samples)
