"""The life of incidents: candidate, open, acknowledged, resolved, closed; event time only."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import msgspec

from aiops.incidents.expected import BEFORE, Expected
from aiops.incidents.firing import Firing
from aiops.incidents.inhibition import FOLLOWS, Follows
from aiops.incidents.joining import foremost, host_of, join, may_join
from aiops.incidents.lessons import WORDS, Lessons
from aiops.incidents.opening import Gate, Opens, candidate, is_enough, longest_waiting, vouched
from aiops.incidents.passed import Passed
from aiops.incidents.people import Hands, obey, overdue
from aiops.incidents.record import LIVE, MAX_SERIES, Record, counts
from aiops.incidents.returning import awaits, calm_at, flaps, reopen, same_as_before
from aiops.incidents.settings import LedgerSettings
from aiops.incidents.telling import Hears, is_due, note_told, what_is_new, who_hears
from aiops.model import (
    Anomaly,
    ChangeEvent,
    Command,
    Incident,
    Section,
    Severity,
    State,
    Suspect,
    Transition,
    TransitionKind,
)
from aiops.pace import Footprint, reach

__all__ = ["MAX_SERIES", "Ledger", "LedgerSettings"]

_VERSION = 9
# An enumeration's own look-up costs more than what is done with it.
_CANDIDATE, _RESOLVED, _CRITICAL = State.CANDIDATE, State.RESOLVED, Severity.CRITICAL
_LOOKS_BACK = frozenset({TransitionKind.OPENED, TransitionKind.REOPENED, TransitionKind.UPDATED})

Rank = Callable[[Sequence[Anomaly], Sequence[ChangeEvent]], tuple[Suspect, ...]]


class Ledger:
    """Keep all incidents that can still change; everything it decides is a ``Transition``."""

    name = "ledger"  # of its section

    def __init__(self, settings: LedgerSettings, rank: Rank, follows: Follows = FOLLOWS) -> None:
        self.facts: Counter[str] = Counter()
        self.settings = settings
        self._rank = rank
        self._follows = follows
        self._records: dict[str, Record] = {}
        self._moved: dict[str, None] = {}
        self._parted: dict[str, None] = {}  # by a person: they may hold less than before
        self._unsettled: dict[str, tuple[float, float]] = {}  # candidates that grew: when, pace
        self._returned: set[str] = set()
        self._expected = Expected(self.facts)
        self._now = -math.inf
        self.firing = Firing(self.facts)
        self.lessons = Lessons(self.facts)
        self.passed = Passed()

    # --- asked by the engine ----------------------------------------------------------------

    def moved(self) -> Sequence[tuple[str, Footprint | None]]:
        """Return the footprints that changed since last asked, ``None`` for what takes no more.

        What a person took apart comes twice: without a footprint, then with the one that is left.
        """
        if not self._moved:
            return ()
        found = list[tuple[str, Footprint | None]]()
        if self._parted:
            found += [(name, None) for name in self._parted]
            self._parted.clear()
        for name in self._moved:
            record = self._records.get(name)
            kept = None if record is None or record.state is _RESOLVED else record.footprint()
            found.append((name, kept))
        self._moved.clear()
        return found

    def absorb(self, anomaly: Anomaly, homes: Sequence[str], opens: Opens) -> list[Transition]:
        """Add an anomaly to the first of *homes* (or to a new candidate) and see what follows.

        A resolved incident takes nothing; a candidate that repeats its pattern reopens it.
        """
        return [*self.take(anomaly, homes), *self.settle(lambda _: Gate(opens))]

    def take(self, anomaly: Anomaly, homes: Sequence[str], beside: str = "") -> list[Transition]:
        """Add an anomaly as ``absorb`` does, but leave it to ``settle`` what a candidate is.

        *beside* is the open incident that it is near to and yet no part of, as far as is known.
        """
        anomaly = self.lessons.weigh(self._expected.weigh(anomaly, self.settings.grace))
        at, matters = anomaly.at, counts(anomaly)
        self._now = max(self._now, at)
        if matters:
            self.firing.see(anomaly, self.settings.resolve_after)
        living = self._living(anomaly, homes)
        if not living and not matters:
            return []
        record = foremost(living) or self._candidate(anomaly)
        if beside and record.state is _CANDIDATE and not record.beside:
            record.beside = beside
        done = self._merge(record, living, at) if len(living) > 1 else []
        self._add(record, anomaly)
        if record.state is not _CANDIDATE:
            return done + self._escalate(record, at)
        self._unsettled[record.id] = (at, anomaly.pace)
        return done

    def _living(self, anomaly: Anomaly, homes: Sequence[str]) -> list[Record]:
        """Return the incidents of *homes*, and those that wait for an anomaly, that may take it."""
        names, entity, found = homes, anomaly.series.entity, list[Record]()
        if self._returned:
            names = [*homes, *self._awaiting(anomaly, homes)]
        for name in names:
            record = self._records.get(name)
            if record and record.state is not _RESOLVED and entity not in record.without:
                found.append(record)
        return found

    def settle(self, gate: Callable[[float], Gate]) -> list[Transition]:
        """Decide which of the candidates that grew have enough evidence to open.

        *gate* says by whose measure, for the pace of what came last (seconds).
        """
        unsettled, self._unsettled = self._unsettled, {}
        gates = {pace: gate(pace) for pace in {pace: None for _, pace in unsettled.values()}}
        done: list[Transition] = []
        for name, (at, pace) in unsettled.items():
            record = self._records.get(name)
            if record is None or record.state is not _CANDIDATE:
                continue
            # What comes later may also explain what came before: then nothing is ready any more.
            if not is_enough(record, at, gates[pace], self.lessons):
                record.ready_at = None
            elif record.ready_at is None:
                record.ready_at = at
                if self.settings.patience <= 0.0:
                    done += self._begin(record, at)
        return done

    def change(self, event: ChangeEvent) -> None:
        """Remember a change, once; open incidents that began near it look at it, too."""
        if self._expected.change(event):
            for record in self._records.values():
                record.dirty |= -BEFORE <= event.at - record.started <= 0.0

    def command(self, command: Command) -> list[Transition]:
        """Apply what a person asked for; unknown targets are counted, not errors."""
        record = self._records.get(command.target)
        if command.kind in WORDS:
            self.lessons.hear(command, record)
            return []
        if record is None or record.state not in LIVE:
            self.facts["command_without_target"] += 1
            return []
        if command.kind == "resolve":
            record.fix = command.args.get("note", record.fix)
            return [self._resolve(record, max(command.at, record.updated))]
        done = obey(command, record, Hands(self._records, self._emit, self._take, self.facts))
        self._moved.update(dict.fromkeys(self._records))
        self._parted.update(self._moved)
        return done

    def advance(self, at: float) -> list[Transition]:
        """Let event time reach *at*: tell what is ready, resolve what is quiet, drop the rest."""
        done: list[Transition] = []
        self._now = max(self._now, at)
        for record in list(self._records.values()):
            silent, quiet = at - record.updated, self._quiet(record)
            if record.state is State.CANDIDATE:
                if record.ready_at is not None:
                    if at - record.ready_at >= self.settings.patience:
                        done += self._begin(record, at)
                elif silent > quiet:
                    self._fade(record)
                    continue
            if record.state is State.RESOLVED:
                if silent > self.settings.close_after:
                    record.state = State.CLOSED
                    self._forget(record.id)
            elif record.state in LIVE:
                if silent > quiet and not self._flaps(record, at):
                    done.append(self._resolve(record, at))
                else:
                    late = overdue(record, at, self.settings, self._emit)
                    done += late or self._update(record, at)
        return done

    def vouched(self, at: float) -> list[str]:
        """Return the series that depart at *at* in what is open and confirmed."""
        return vouched(self._records.values(), at)

    def tell_open(self, at: float) -> list[Transition]:
        """Return OPENED again for every open incident nobody was told of (after old news)."""
        untold = [r for r in self._records.values() if r.state in LIVE and not r.told]
        return [self._emit(record, TransitionKind.OPENED, at) for record in untold]

    def is_told(self, incident: str) -> bool:
        """Return whether people were told of an incident; one that merged away counts as told."""
        record = self._records.get(incident)
        return record is None or record.told

    def told(self, incident: str, at: float) -> None:
        """Note that people were told: the picture they have is this one."""
        record = self._records.get(incident)
        if record is not None:
            note_told(record, at)

    @property
    def pictures(self) -> list[Incident]:
        """Return a picture of every candidate and incident that can still change."""
        return [self._picture(r, self._now) for r in self._records.values()]

    def is_at_rest(self, quiet: float) -> bool:
        """Return whether so many seconds without news leave nothing that time could change."""
        if quiet <= self.settings.resolve_after + self.settings.close_after:
            return False
        return not any(self._flaps(r, self._now) for r in self._records.values())

    def _flaps(self, record: Record, at: float) -> bool:
        return flaps(record, self._records.values(), self.firing, at)

    @property
    def longest_quiet(self) -> float:
        """Return after how many seconds without news everything that is open has ended."""
        every = self._records.values()
        calm = [calm_at(r, every, self.firing, self._now) - self._now for r in every]
        return max([*map(self._quiet, every), *calm], default=self.settings.resolve_after)

    # --- deciding ---------------------------------------------------------------------------

    def _quiet(self, record: Record) -> float:
        return reach(record.pace, self.settings.resolve_after)

    def _awaiting(self, anomaly: Anomaly, homes: Sequence[str]) -> list[str]:
        """Return the incidents that are no home of an anomaly and wait for its series."""
        known, back = self._records, sorted(self._returned.difference(homes))
        return [n for n in back if awaits(known[n], known.values(), anomaly, self.firing)]

    def _forget(self, name: str) -> None:
        del self._records[name]
        self._returned.discard(name)
        self._moved[name] = None

    def _candidate(self, anomaly: Anomaly) -> Record:
        late = longest_waiting(self._records, self.settings.max_candidates)
        if late is not None:
            self._forget(late.id)
            self.facts["candidates_dropped"] += 1
        record = candidate(anomaly, self._records)
        self._records[record.id] = record
        self._moved[record.id] = None
        return record

    def _merge(self, into: Record, others: Sequence[Record], at: float) -> list[Transition]:
        """Join what belongs together: candidates at once, open ones when they share symptoms."""
        done: list[Transition] = []
        for other in others:
            if other is into or not may_join(into, other):
                continue
            self._take(into, other)
            if other.state in LIVE:
                # It ends here; its story goes on under the other id.
                other.state, other.resolved_at = State.CLOSED, at
                done.append(self._emit(other, TransitionKind.MERGED, at))
        return done

    def _take(self, into: Record, other: Record) -> None:
        if beyond := join(into, other):
            self.facts["anomalies_beyond_bound"] += beyond
        self._moved[into.id] = None
        self._forget(other.id)

    def _add(self, record: Record, anomaly: Anomaly) -> None:
        started, wide = record.started, len(record.onsets)
        if record.add_all((anomaly,)):
            self.facts["anomalies_beyond_bound"] += 1
        elif record.started != started or len(record.onsets) != wide:
            self._moved[record.id] = None

    def _fade(self, record: Record) -> None:
        """Let a candidate go; what it held belongs to the incident that it began beside."""
        if (host := host_of(record, self._records)) is not None:
            self._take(host, record)
        else:
            self.passed.note(record)
            self._forget(record.id)

    def _begin(self, record: Record, at: float) -> list[Transition]:
        """Open a candidate that has enough evidence, unless it follows from an open incident."""
        beside = host_of(record, self._records)
        for one in [record] if beside is None else [record, beside]:
            self._reconsider(one)
        host, why = self._follows.host(record, beside, self._records.values(), self.firing, at)
        if host is None:
            return [self._open(record, at)]
        self._take(host, record)
        if not why:
            return self._escalate(host, at)
        self.facts["inhibited"] += 1
        silent = replace(self._emit(host, TransitionKind.UPDATED, at, why), tell=False)
        return [silent, *self._escalate(host, at)]

    def _escalate(self, record: Record, at: float) -> list[Transition]:
        hears = who_hears(record, at)
        if hears is Hears.NOBODY:
            return []
        worse = self._emit(record, TransitionKind.ESCALATED, at)
        return [replace(worse, newcomers=hears is Hears.NEWCOMERS)]

    def _open(self, record: Record, at: float) -> Transition:
        self._reconsider(record)
        before = same_as_before(record, self._records.values(), at, self.settings.reopen_within)
        if before is not None:
            self._take(before, record)
            reopen(before, at)
            self._returned.add(before.id)
            self._moved[before.id] = None
            return self._emit(before, TransitionKind.REOPENED, at)
        live = [r for r in self._records.values() if r.state in LIVE]
        if len(live) >= self.settings.max_live:
            self._forget(min(live, key=lambda r: (r.updated, r.id)).id)
            self.facts["incidents_dropped"] += 1
        record.state, record.opened_at = State.OPEN, at
        self._moved[record.id] = None
        return self._emit(record, TransitionKind.OPENED, at)

    def _update(self, record: Record, at: float) -> list[Transition]:
        if not is_due(record, at, self.settings.update_interval):
            return []
        self._reconsider(record)
        kind = what_is_new(record, at, self.settings.update_interval)
        return [] if kind is None else [self._emit(record, kind, at)]

    def _resolve(self, record: Record, at: float) -> Transition:
        record.state, record.resolved_at = State.RESOLVED, at
        self._moved[record.id] = None
        done = self._emit(record, TransitionKind.RESOLVED, at)
        self.lessons.learn(record)
        return done

    def _reconsider(self, record: Record) -> None:
        if record.dirty:
            record.changes = self._expected.near(record.started)
            ranked = self._rank(self.lessons.heard(record.anomalies.values()), record.changes)
            record.suspects = self.lessons.blame(ranked, record)
            record.dirty = False

    def _emit(self, record: Record, kind: TransitionKind, at: float, note: str = "") -> Transition:
        self._reconsider(record)
        if kind in _LOOKS_BACK:
            self.lessons.recall(record)
        record.seq += 1
        return Transition(kind, self._picture(record, at), at, note=note)

    def _picture(self, record: Record, at: float) -> Incident:
        picture = record.picture()
        return replace(picture, courses=self.firing.courses(picture.anomalies, at))

    # --- saved at a cut ---------------------------------------------------------------------

    def to_section(self) -> Section:
        """Return everything that can still change."""
        header = {
            "records": msgspec.to_builtins(list(self._records.values())),
            "expected": self._expected.to_state(),
            "firing": self.firing.to_state(),
            "now": self._now,
        }
        return Section(self.name, _VERSION, header)

    def restore(self, section: Section) -> None:
        """Take back what ``to_section`` returned; an unknown version stays empty."""
        if section.version != _VERSION:
            return
        records = msgspec.convert(section.header["records"], list[Record])
        self._records = {record.id: record for record in records}
        self._moved = dict.fromkeys(self._records)
        self._returned = {record.id for record in records if record.returns}
        self._expected.restore(section.header["expected"])
        self.firing.restore(section.header["firing"])
        self._now = section.header["now"]
