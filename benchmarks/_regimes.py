"""Days of the simulated shop with faults at a chosen spacing, and whose every departure is."""

from __future__ import annotations

import sys
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from aiops.decoding.windows import WindowSettings
from aiops.engine import Engine, EngineSettings
from aiops.incidents.record import Record, counts
from aiops.model import Anomaly, Input, State, Transition, TransitionKind
from aiops.shop import CALLS, Fault, Shop
from aiops.shop.scenarios import ROOTS, deploy, fault

START = 1_767_571_200.0  # 2026-01-05, a Monday
HOUR, DAY = 3600.0, 86400.0
STEP = 30.0  # seconds a window of logs and between scrapes; shipped are 10 …
INTERVAL = 30.0  # … and 15, which takes three times as long here
EPISODES = 3  # bad times a day …
FAULTS = 5  # … and the faults (or pairs) in each
RATE = 0.3  # of the logs' volume: three lines a second in all, trouble not counted
SLACK = 90.0  # seconds by which an onset may be off: a window, a scrape and some smoothing
SILENT = 180.0  # seconds: a series that was silent longer departs anew
AFTER = 900.0  # seconds after its end in which a fault may still be told
STORM = "storm_"  # how the names of storms begin
BEGAN = (TransitionKind.OPENED, TransitionKind.REOPENED)


@dataclass(frozen=True, slots=True)
class Regime:
    """How dense faults are: mean seconds between starts, and how many begin together."""

    name: str
    gap: float
    shortest: float
    longest: float
    pairs: bool = False


REGIMES = (
    Regime("30 min", 1800.0, 480.0, 1200.0),
    Regime("8 min", 480.0, 240.0, 480.0),
    Regime("pairs", 1800.0, 480.0, 1200.0, pairs=True),
)


def schedule(regime: Regime, seed: int, days: float) -> list[Fault]:
    """Return the faults of all days but the first, which is left to learn from.

    Each day has three bad times with a few faults each: a shop that fails every eight minutes for
    weeks has no normal to depart from. Gaps are uniform between half and one and a half times the
    mean. The second of a pair begins up to three minutes later, every other time at a neighbour in
    the call graph (a cascade).
    """
    rng = np.random.default_rng([seed, int(regime.gap), regime.pairs])
    kinds = sorted(k for k in ROOTS if k != "flash_sale")
    found: list[Fault] = []

    def one(start: float, among: Sequence[str] | None) -> Fault:
        while True:
            kind = kinds[int(rng.integers(len(kinds)))]
            roots = [r for r in ROOTS[kind] if among is None or r in among]
            if roots:
                root = roots[int(rng.integers(len(roots)))]
                minutes = rng.uniform(regime.shortest, regime.longest) / 60.0
                return fault(kind, root, start, float(minutes))

    for day in range(1, int(days)):
        for shift in range(EPISODES):
            # Room for the longest episode in each third of a day.
            at = START + day * DAY + (shift + 0.4 * float(rng.random())) * DAY / EPISODES
            for n in range(FAULTS):
                first = one(at, None)
                found.append(first)
                if regime.pairs:
                    name = first.service
                    near = {*CALLS[name], *(c for c, below in CALLS.items() if name in below)}
                    others = near if n % 2 else set(CALLS) - {name}
                    found.append(one(at + float(rng.uniform(0.0, 180.0)), sorted(others)))
                at += float(rng.uniform(0.5, 1.5)) * regime.gap
    return found


def world(seed: int, days: float, faults: Sequence[Fault] = ()) -> Shop:
    """Return the shop of these faults, with an innocent deploy a day and a sale a week."""
    services = ROOTS["bad_deploy"]
    changes = [
        deploy(services[(seed + day) % len(services)], START + (24 * day + 11) * HOUR, f"3.{day}.0")
        for day in range(int(days))
    ]
    changes.append(deploy("recommendation", START + 2.5 * HOUR, "5.2.0"))
    sales = [
        fault("flash_sale", "frontend", START + (24 * day + 18) * HOUR, 60.0)
        for day in range(2, int(days), 7)
    ]
    return Shop(
        seed,
        START,
        START + days * DAY,
        faults=[*faults, *sales],
        changes=changes,
        rate=RATE,
        step=STEP,
        metric_interval=INTERVAL,
    )


def engine(*, river: bool = False) -> Engine:
    """Return an engine that knows the call graph; shipped but for River's detectors, which cost."""
    settings = EngineSettings(calls=CALLS, window=WindowSettings(width=STEP))
    return Engine(settings if river else replace(settings, multivariate="", drift=""))


@dataclass(slots=True)
class Departure:
    """One departure of one series as detection found it, and which faults it may be of.

    It lasts as long as the series is said to be unusual again within ``SILENT`` seconds.
    """

    id: str
    at: float
    since: float
    series: str
    entity: str
    last: float
    of: tuple[int, ...] = ()
    group: str = ""  # the told or untold incident it went to first
    story: str = ""  # the one it is in at the end


@dataclass(slots=True)
class Told:
    """One incident that people heard of."""

    at: float
    suspects: list[str] = field(default_factory=list)
    messages: int = 0
    entities: int = 1
    about: frozenset[str] = frozenset()


class Watch:
    """Watch what an engine does: each departure, where it is placed, what people hear."""

    def __init__(self, made: Engine) -> None:
        self.engine = made
        self.departures: list[Departure] = []
        self._runs: dict[str, Departure] = {}
        self.told: dict[str, Told] = {}
        self.storms: dict[str, Told] = {}
        self._placed: dict[str, str] = {}
        self._went: dict[str, str] = {}
        self._episode: Counter[str] = Counter()
        ledger, placement = made.ledger, made.placement
        self._add, self._take, self._place = ledger._add, ledger._take, placement.place  # noqa: SLF001 - seen, not changed
        ledger._add = self._adding  # type: ignore[method-assign]  # noqa: SLF001 - as above
        ledger._take = self._taking  # type: ignore[method-assign]  # noqa: SLF001 - as above
        placement.place = self._placing  # type: ignore[method-assign] # as above

    def run(self, items: Iterable[Input]) -> None:
        """Feed everything and let every incident end."""
        for item in items:
            self.hear(self.engine.feed(item))
        self.hear(self.engine.finish())
        for d in self.departures:
            d.group = d.story = self._placed.get(d.id, d.id)
            while d.group not in self.told and d.group in self._went:
                d.group = self._went[d.group]
            while d.story in self._went:
                d.story = self._went[d.story]

    def hear(self, said: Sequence[Transition]) -> None:
        """Count what people are told; a storm is a digest of stories, and nobody's own."""
        for t in said:
            if t.incident.id.startswith(STORM):
                storm = self.storms.setdefault(t.incident.id, Told(t.at))
                storm.messages += t.tell
                continue
            key = self._key(t.incident.id)
            if t.tell and (key in self.told or t.kind in BEGAN):
                about = frozenset(t.incident.entities)
                told = self.told.setdefault(key, Told(t.at, about=about))
                told.messages += 1
            if key in self.told:
                self.told[key].suspects = [s.entity for s in t.incident.suspects]
                self.told[key].entities = len(t.incident.entities)

    def _key(self, incident: str) -> str:
        return f"{incident}#{self._episode[incident]}"

    def _placing(self, found: Sequence[Anomaly]) -> list[Transition]:
        for a in found:
            known = self._runs.get(a.series.id)
            if known is not None and a.at <= known.last + SILENT:
                known.last = max(a.at, known.last)
            elif counts(a):
                # A detector may remember an older beginning than the silence in between.
                since = a.since if known is None or a.since > known.last else a.at
                name = f"{a.series.id}@{a.at:.0f}"
                self._runs[a.series.id] = run = Departure(
                    name, a.at, since, a.series.id, a.entity, a.at
                )
                self.departures.append(run)
        return self._place(found)

    def _adding(self, record: Record, anomaly: Anomaly) -> None:
        run = self._runs.get(anomaly.series.id)
        if run is not None:
            self._placed.setdefault(run.id, self._key(record.id))
        self._add(record, anomaly)

    def _taking(self, into: Record, other: Record) -> None:
        if into.state is State.RESOLVED:
            self._episode[into.id] += 1
        self._went[self._key(other.id)] = self._key(into.id)
        self._take(into, other)


class Truth:
    """Know which faults touch whom and when."""

    def __init__(self, shop: Shop, faults: Sequence[Fault]) -> None:
        self.faults = list(faults)
        spans: dict[str, list[tuple[float, float, int]]] = {}
        for i, one in enumerate(self.faults):
            reach: dict[str, tuple[float, float]] = {}
            for e in shop.touched(one):
                name = f"service:{e.service}"
                low, high = reach.get(name, (e.start, e.over))
                reach[name] = min(low, e.start), max(high, e.over)
            for name, (low, high) in reach.items():
                spans.setdefault(name, []).append((low - SLACK, high + SLACK, i))
        self._spans = {name: sorted(found) for name, found in spans.items()}
        self._longest = max((h - low for s in spans.values() for low, h, _ in s), default=0.0)

    def of(self, entity: str, since: float) -> tuple[int, ...]:
        """Return the faults that touch *entity* when a departure began; empty: none does."""
        spans = self._spans.get(entity, [])
        first = bisect_left(spans, (since - self._longest, 0.0, 0))
        found = []
        for low, high, i in spans[first:]:
            if low > since:
                break
            if since <= high:
                found.append(i)
        return tuple(found)


def observe(seed: int, regime: Regime, days: float, *, river: bool = False) -> tuple[Truth, Watch]:
    """Run one regime through the engine; return the truth and what was seen."""
    faults = schedule(regime, seed, days)
    shop = world(seed, days, faults)
    watch = Watch(engine(river=river))
    watch.run(shop.inputs())
    truth = Truth(shop, faults)
    label(truth, watch.departures)
    return truth, watch


def label(truth: Truth, departures: Iterable[Departure]) -> None:
    """Write down which faults each departure may be of."""
    for d in departures:
        d.of = truth.of(d.entity, d.since)
