"""Turn recorded alerts into a stream with a truth: formats only, the engine sees no label.

*AIT-ADS* is eight days of alerts of three intrusion detectors with the attack's phases. Such an
alert is an event without an end: as behind an Alertmanager, it is over after five minutes without
its like. *TVDiag* gives the alerts of single faults without times; they are laid into one stream
of Poisson starts, later with every call between them and the root, with alerts of nobody between.
"""

from __future__ import annotations

import lzma
import math
import random
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from _labelled import START, TEACHES, tvdiag_alerts, tvdiag_calls, tvdiag_records
from _regimes import SLACK, Departure

from aiops.commands import alert
from aiops.entities import as_entity
from aiops.model import Alert, ChangeEvent

ENDS = 300.0  # Alertmanager's resolve_timeout
HOP = 20.0  # mean seconds from one entity to the next along calls
HOURLY = 6.0  # alerts of nobody
APART = 3600.0  # between faults that only teach
NOBODY = -1


@dataclass(frozen=True, slots=True)
class Marked:
    """One labelled trouble: a fault with its root, or a phase of an attack, whose is unknown."""

    kind: str
    start: float
    end: float
    entity: str = ""
    change: ChangeEvent | None = None


@dataclass(slots=True)
class Recorded:
    """What stands in for the simulator's truth: which alert came of which trouble."""

    faults: list[Marked]
    days: float
    since: float  # what is told earlier is not counted
    calls: dict[str, list[str]] = field(default_factory=dict)
    alerts: list[Alert] = field(default_factory=list)
    _of_series: dict[str, list[tuple[float, int]]] = field(default_factory=dict)
    _of_entity: dict[str, list[tuple[float, int]]] = field(default_factory=dict)

    def add(self, one: Alert, of: int) -> None:
        """Note one alert that fires and the trouble it came of."""
        self.alerts.append(one)
        if of != NOBODY:
            self._of_series.setdefault(f"{one.entity}/alert {one.name}", []).append((one.at, of))
            self._of_entity.setdefault(one.entity, []).append((one.at, of))

    def finish(self) -> None:
        """Put everything in order of time."""
        for spans in (*self._of_series.values(), *self._of_entity.values()):
            spans.sort()
        self.alerts.sort(key=lambda a: a.at)

    def of(self, entity: str, at: float) -> tuple[int, ...]:
        """Return the troubles that this entity has alerts of around a time."""
        return _between(self._of_entity.get(entity, []), at - SLACK, at + SLACK)

    def label(self, departures: Iterable[Departure]) -> None:
        """Write down which troubles the alerts of each departure came of."""
        for d in departures:
            d.of = _between(self._of_series.get(d.series, []), d.since, d.last)


def _between(spans: Sequence[tuple[float, int]], since: float, until: float) -> tuple[int, ...]:
    first = bisect_left(spans, (since, NOBODY))
    found = set()
    for at, of in spans[first:]:
        if at > until:
            break
        found.add(of)
    return tuple(sorted(found))


# --- AIT-ADS --------------------------------------------------------------------------------


def intrusion(path: Path) -> Recorded:
    """Return the alerts of one scenario; its first day only teaches."""
    rows = list(_rows(path))
    first, last = rows[0][0], rows[-1][0]
    phases: list[Marked] = []
    of: list[int] = []
    open_: dict[str, int] = {}
    for at, _, _, label in rows:
        if label == "false_positive":
            of.append(NOBODY)
            continue
        number = open_.get(label)
        if number is None:
            number = open_[label] = len(phases)
            phases.append(Marked(label, at, at))
        phases[number] = Marked(label, phases[number].start, at)
        of.append(number)
    found = Recorded(phases, (last - first) / 86400.0 - 1.0, first + 86400.0)
    ends: dict[str, tuple[float, Alert]] = {}
    for (at, host, name, _), number in zip(rows, of, strict=True):
        one = alert(at, {"host": host, "alertname": name}, firing=True)
        known = ends.get(one.id)
        if known is not None and at > known[0] + ENDS:
            found.alerts.append(_over(known[1], known[0] + ENDS))
        ends[one.id] = at, one
        found.add(one, number)
    for at, one in ends.values():
        found.alerts.append(_over(one, at + ENDS))
    found.finish()
    return found


def _rows(path: Path) -> Iterator[tuple[float, str, str, str]]:
    """Yield (time, host, name, label); a name may hold commas."""
    with lzma.open(path, "rt") as file:
        next(file)
        for line in file:
            at, rest = line.rstrip("\n").split(",", 1)
            name, _, host, _, label, _ = rest.rsplit(",", 5)
            yield float(at), host, name, label


def _over(one: Alert, at: float) -> Alert:
    return Alert(at, one.entity, one.name, firing=False, severity=one.severity, title=one.title)


# --- TVDiag ---------------------------------------------------------------------------------


def faults_apart(path: Path, gap: float, seed: int) -> Recorded:
    """Return the last faults of a set *gap* seconds apart on average, after those that teach."""
    chance = random.Random(f"{path.stem} {seed}")
    records = tvdiag_records(path)
    taught = math.ceil(TEACHES * len(records))
    starts = [START + APART * n for n in range(taught)]
    at = starts[-1] + APART
    first = at
    for _ in records[taught:]:
        at += chance.expovariate(1.0 / gap)
        starts.append(at)
    end = at + APART
    shown = list(zip(records[taught:], starts[taught:], strict=True))
    marked = [Marked(r["type"], s, s + ENDS, as_entity(r["root"])) for r, s in shown]
    found = Recorded(marked, (end - first) / 86400.0, first, tvdiag_calls(records))
    known: set[tuple[str, str]] = set()
    firing: list[tuple[float, tuple[str, str], int]] = []
    for n, (record, start) in enumerate(zip(records, starts, strict=True)):
        hops = _hops(record)
        own = sorted(tvdiag_alerts(record))
        known.update(own)
        for who, what in own:
            late = sum(chance.expovariate(1.0 / HOP) for _ in range(hops.get(who, 3) + 1))
            firing.append((start + late, (who, what), n - taught if n >= taught else NOBODY))
    others, moment = sorted(known), START
    while (moment := moment + chance.expovariate(HOURLY / 3600.0)) < end:
        firing.append((moment, chance.choice(others), NOBODY))
    _lay(found, firing)
    found.finish()
    return found


def _lay(found: Recorded, firing: list[tuple[float, tuple[str, str], int]]) -> None:
    """Let each alert fire for five minutes; one that fires already goes on."""
    until: dict[tuple[str, str], float] = {}
    for at, (who, what), of in sorted(firing):
        labels = {"service": who, "alertname": what}
        last = until.get((who, what))
        if last is not None and at > last:
            found.alerts.append(alert(last, labels, firing=False))
        until[who, what] = at + ENDS
        found.add(alert(at, labels, firing=True), of)
    for (who, what), at in until.items():
        found.alerts.append(alert(at, {"service": who, "alertname": what}, firing=False))


def _hops(record: Mapping[str, Any]) -> dict[str, int]:
    """Return how many calls lie between the root and each entity of a fault."""
    nodes, edges = record["nodes"], dict[str, set[str]]()
    for a, b in record["edges"]:
        edges.setdefault(nodes[a], set()).add(nodes[b])
        edges.setdefault(nodes[b], set()).add(nodes[a])
    root = record["root"]
    found, edge = {root: 0}, {root}
    while edge:
        edge = {n for e in edge for n in edges.get(e, ())} - found.keys()
        found |= dict.fromkeys(edge, max(found.values()) + 1)
    return found
