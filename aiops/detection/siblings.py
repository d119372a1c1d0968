"""Compare the instances of a workload: who is unlike the others, and what all do at once.

Instances of one workload share its traffic, its release and its dependencies. What happens to most
of them is one fact about the workload; what happens to one of them while the others agree is a
fact about that one. Each minute

* departures of the same sort in several instances become one anomaly of the workload;
* the lines of each instance are held against its own usual times what all do now, the median of
  their ratios: what is left is a row of a bank, so an instance that always says more is usual, and
  a rush that reaches all moves none.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from aiops.detection.facts import anomaly_id
from aiops.detection.rows import EVIDENCE_FLOOR, Rows, Wording
from aiops.model import Anomaly, Section, Series, Stream
from detectors.bank import SeriesBank

FEWEST = 3
"""Instances that must be there for one of them to be unlike the others."""

MINORITY = 4
"""At most one in so many may be unlike the others: more is a departure of the workload."""

MEMORY = 86400.0
"""Seconds after which a minute of an instance has lost 1/e of its weight."""

OUTLIER = 4.0
"""Deviations of a count (roots) beyond which a minute teaches no more."""

INSTANCES = " of instances"  # so end the names of what siblings show together
MAX_HOMES = 50_000
MAX_ROWS = 10_000
_NAMED = 3
_SAMPLES = 3
_VERSION = 1


class Spoken(NamedTuple):
    """What one stream said about one entity within a minute that it was watched through."""

    stream: str
    entity: str
    lines: int
    volume: Series
    errors_of: Series


class Home(NamedTuple):
    """Where a stream belongs."""

    entity: str
    workload: str
    instance: str


@dataclass(frozen=True, slots=True)
class _Place:
    """One instance in one minute: what it said, and what it would say as all others do (root)."""

    group: str
    instance: str
    lines: int
    like: float


class Siblings:
    """Know which streams are instances of one workload; *period* is the minute in seconds."""

    def __init__(self, period: float) -> None:
        self.refused = 0
        self._minutes = period / 60.0
        self._period = period
        self._homes: dict[str, Home] = {}
        self._members: dict[str, set[str]] = {}
        self._streams: dict[str, list[str]] = {}
        self._shared: set[str] | None = None  # the streams that have siblings
        self._began: dict[str, float] = {}
        self._rows = Rows(SeriesBank(max_rows=MAX_ROWS))
        self._usual: dict[str, tuple[float, float]] = {}  # of rows: usual root, minutes

    def __len__(self) -> int:
        """Return how many differences are judged each minute."""
        return len(self._rows)

    def excuse(self, series: Sequence[str]) -> None:
        """Let the departures of *series* teach nothing: people were told what they belong to."""
        self._rows.excuse(series)

    def know(self, stream: Stream) -> None:
        """Take note of a stream; one that does not say its instance has no siblings."""
        if stream.id in self._homes or not stream.instance:
            return
        if len(self._homes) >= MAX_HOMES:
            self.refused += 1
            return
        self._place(stream.id, Home(stream.entity, stream.workload, stream.instance))

    def _place(self, stream: str, home: Home) -> None:
        self._homes[stream] = home
        self._members.setdefault(home.workload, set()).add(home.instance)
        self._streams.setdefault(home.workload, []).append(stream)
        self._shared = None

    def streams(self) -> Collection[str]:
        """Return the streams that have siblings."""
        if self._shared is None:
            shared = [w for w, members in self._members.items() if len(members) > 1]
            self._shared = {stream for workload in shared for stream in self._streams[workload]}
        return self._shared

    # --- every minute -----------------------------------------------------------------------

    def roll(
        self, minute: Sequence[Spoken], found: Sequence[Anomaly], mark: float, threshold: float
    ) -> list[Anomaly]:
        """Return *found* with what instances share made one, and who is unlike its siblings."""
        if not minute and not self._began:
            return list(found)
        groups = self._groups(minute)
        return [
            *(self._fold(found, minute, groups) if found or self._began else ()),
            *self._apart(groups, mark, threshold),
        ]

    def _group(self, spoken: Spoken) -> str:
        home = self._homes[spoken.stream]
        return home.workload if spoken.entity == home.entity else spoken.entity

    def _groups(self, minute: Iterable[Spoken]) -> dict[str, dict[str, int]]:
        """Return how many lines each instance of each workload said."""
        groups: dict[str, dict[str, int]] = {}
        for spoken in minute:
            members = groups.setdefault(self._group(spoken), {})
            instance = self._homes[spoken.stream].instance
            members[instance] = members.get(instance, 0) + spoken.lines
        return groups

    def _fold(
        self,
        found: Sequence[Anomaly],
        minute: Sequence[Spoken],
        groups: dict[str, dict[str, int]],
    ) -> list[Anomaly]:
        of = {series.id: s for s in minute for series in (s.volume, s.errors_of)}
        shared: dict[tuple[str, str, str], dict[str, list[Anomaly]]] = {}
        left: list[Anomaly] = []
        for anomaly in found:
            spoken = of.get(anomaly.series.id)
            group = None if spoken is None else self._group(spoken)
            if spoken is None or group is None or len(groups[group]) < 2:
                left.append(anomaly)
                continue
            what = anomaly.series.name.partition("{")[0]
            instance = self._homes[spoken.stream].instance
            by_instance = shared.setdefault((group, what, anomaly.kind), {})
            by_instance.setdefault(instance, []).append(anomaly)
        began, self._began = self._began, {}
        for (group, what, _), by_instance in sorted(shared.items()):
            left.append(self._one(group, what, by_instance, len(groups[group]), began))
        return left

    def _one(
        self,
        group: str,
        what: str,
        by_instance: dict[str, list[Anomaly]],
        of: int,
        began: dict[str, float],
    ) -> Anomaly:
        """Tell what some instances of a workload do as one fact about it."""
        found = [a for anomalies in by_instance.values() for a in anomalies]
        loudest = max(found, key=lambda a: (a.surprise, a.series.id))
        who = _listed(sorted(by_instance))
        reason = f"{loudest.reason}, {who} ({len(by_instance)} of {of} instances)"
        if len(found) == 1:
            return replace(loudest, reason=reason)
        entities = {a.entity for a in found}
        entity = loudest.entity if len(entities) == 1 else group
        series = replace(loudest.series, entity=entity, name=f"{what}{INSTANCES}")
        key = f"{series.id}\0{loudest.kind}"
        since = self._began[key] = began.get(key, min(a.since for a in found))
        # Lines add up; shares do not.
        size = len(found) if loudest.unit == "ratio" else 1
        samples = [s for a in sorted(found, key=lambda a: -a.surprise) for s in a.samples]
        return replace(
            loudest,
            id=anomaly_id(series.id, loudest.kind, since),
            series=series,
            since=since,
            reason=reason,
            severity=max(a.severity for a in found),
            severe=any(a.severe for a in found),
            actual=_sum([a.actual for a in found], size),
            expected=_sum([a.expected for a in found], size),
            low=_sum([a.low for a in found], size),
            high=_sum([a.high for a in found], size),
            samples=tuple(samples[:_SAMPLES]),
        )

    def _apart(
        self, groups: dict[str, dict[str, int]], mark: float, threshold: float
    ) -> list[Anomaly]:
        """Judge how far each instance is from the median of its workload."""
        places: list[_Place] = []
        for group, members in sorted(groups.items()):
            if len(members) >= FEWEST:
                places += self._places(group, members)
        if not places:
            return []
        series = [_beside(p.group, p.instance) for p in places]
        rows, refused = self._rows.rows_of(series, self._period)
        self.refused += refused
        kept = [n for n, row in enumerate(rows.tolist()) if row >= 0]
        places, series = [places[n] for n in kept], [series[n] for n in kept]
        found, scores = self._rows.judge(
            rows[kept],
            series,
            mark,
            np.array([_root(p.lines) - p.like for p in places]),
            threshold=threshold,
            wording=lambda i: Wording(partial(self._lines, places[i].like), "lines/min"),
        )
        if not found:
            return []
        loud = {a.series.id: a for a in found if a.kind != "new normal"}
        surprises = np.nan_to_num(scores.surprise).tolist()
        told: list[Anomaly] = []
        for group in sorted({p.group for p in places}):
            own = [n for n, p in enumerate(places) if p.group == group]
            unlike = [n for n in own if series[n].id in loud]
            # Those that are not told must agree, or there is no usual to be unlike.
            agree = all(surprises[n] < EVIDENCE_FLOOR for n in own if n not in unlike)
            if unlike and agree and len(unlike) <= max(len(own) // MINORITY, 1):
                first = max(unlike, key=lambda n: (surprises[n], series[n].id))
                names = [places[n].instance for n in unlike]
                told.append(self._unlike(loud[series[first].id], places[first], names, len(own)))
        return told

    def _places(self, group: str, members: dict[str, int]) -> list[_Place]:
        """Hold each instance against its usual times what all do, and learn its usual."""
        now = {_beside(group, name).id: _root(n) for name, n in members.items()}
        usual = {key: self._usual.get(key, (root, 0.0)) for key, root in now.items()}
        moved = median(root / usual[key][0] for key, root in now.items())
        for key, root in now.items():
            level, minutes = usual[key]
            gain = max(1.0 / (minutes + 1.0), self._period / MEMORY)
            level += gain * min(max(root - level, -OUTLIER), OUTLIER)
            if key in self._usual or len(self._usual) < MAX_ROWS:
                self._usual[key] = level, minutes + 1.0
        return [
            _Place(group, name, n, usual[_beside(group, name).id][0] * moved)
            for name, n in sorted(members.items())
        ]

    def _unlike(self, anomaly: Anomaly, place: _Place, names: Sequence[str], of: int) -> Anomaly:
        series = Series(place.group, "lines beside siblings", "log", "lines/min")
        actual, like = self._lines(_root(place.lines), 0.0), self._lines(place.like, 0.0)
        word = "less" if actual < like else "more"
        reason = (
            f"{_listed(names)} says {word} than its siblings: {actual:.3g} lines/min,"
            f" {like:.3g} if it did as the other {of - len(names)} do"
        )
        return replace(
            anomaly,
            id=anomaly_id(series.id, f"siblings {place.instance}", anomaly.since),
            series=series,
            kind="siblings",
            reason=reason,
            detector="siblings",
            severe=actual < like / 2.0,
        )

    def _lines(self, middle: float, apart: float) -> float:
        root = max(middle + apart, 0.0)
        return max((root / 2.0) ** 2 - 0.375, 0.0) / self._minutes

    # --- saved at a cut ---------------------------------------------------------------------

    def to_section(self) -> Section:
        """Return homes, what goes on, and the bank of differences."""
        bank, arrays = self._rows.to_state()
        usual = [[key, *known] for key, known in self._usual.items()]
        homes = [[stream, *home] for stream, home in self._homes.items()]
        header: dict[str, Any] = {"period": self._period, "homes": homes, "rows": bank}
        return Section(
            "siblings", _VERSION, {**header, "began": dict(self._began), "usual": usual}, arrays
        )

    def restore(self, section: Section) -> None:
        """Take back what ``to_section`` returned; another version or period stays cold."""
        if section.version != _VERSION or section.header["period"] != self._period:
            return
        for stream, *home in section.header["homes"]:
            self._place(stream, Home(*home))
        self._began = dict(section.header["began"])
        self._usual = {key: (level, minutes) for key, level, minutes in section.header["usual"]}
        self._rows = Rows.from_state(dict(section.header["rows"]), dict(section.arrays))


def _beside(group: str, instance: str) -> Series:
    return Series(group, f'lines{{instance="{instance}"}} beside siblings', "log", "lines/min")


def _root(count: float) -> float:
    return 2.0 * math.sqrt(count + 0.375)


def _sum(values: Sequence[float | None], size: int) -> float | None:
    known = [v for v in values if v is not None]
    return sum(known) / size if len(known) == len(values) else None


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
