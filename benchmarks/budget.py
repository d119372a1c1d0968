"""Prove the alert budget: what weeks without a fault cost, and what is found at that price.

Run: `python benchmarks/budget.py [--weeks 13] [--series 10000] [--seed 2027] [--interval 300]`.
Two engines with shipped settings read the same simulated weeks from their first sample on: one as
they are, one with a fault every four hours. Counted are incidents told for the first time. The
peers read the same weeks; their thresholds are chosen afterwards, so that they just keep the
budget on the weeks without faults, which no user could do. `--real` runs fault-free stretches of
real metrics, `--shop WEEKS` the simulated shop with its logs.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy.stats import chi2

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from _fleet import (
    FAMILIES,
    PER_ENTITY,
    WEEK,
    Fault,
    Fleet,
    Start,
    Wide,
    deviations,
    inject,
    schedule,
)

from aiops.engine import Engine, EngineSettings
from aiops.model import Points, Series, SeriesSet, Tick, Transition, TransitionKind

GRACE = 1800.0
"""Seconds after a fault has ended in which telling of it still counts."""

BUDGET = EngineSettings().budget * WEEK
MOST, LEAST = 1.5, 0.80
BEGINNINGS = (TransitionKind.OPENED, TransitionKind.REOPENED)


def poisson_interval(count: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the exact interval of a Poisson mean (Garwood, Biometrika 28, 1936)."""
    tail = (1.0 - confidence) / 2.0
    low = chi2.ppf(tail, 2 * count) / 2.0 if count else 0.0
    return float(low), float(chi2.ppf(1.0 - tail, 2 * count + 2) / 2.0)


class Watch:
    """One engine and all that it told."""

    def __init__(self, fleet: Fleet, settings: EngineSettings) -> None:
        self.engine = Engine(settings)
        self.columns = SeriesSet(tuple(Series(e, n) for e, n in fleet.names()))
        self.interval = fleet.interval
        self.told: list[Transition] = []
        self.spent = 0.0
        self.facts: Counter[str] = Counter()

    def day(self, at: Wide, values: Wide) -> None:
        start = time.process_time()
        for now, row in zip(at.tolist(), values, strict=True):
            done = self.engine.feed(Points("fleet", now, self.columns, row, self.interval))
            done += self.engine.feed(Tick(now + min(60.0, self.interval / 2)))
            self.told += [t for t in done if t.tell and t.kind in BEGINNINGS]
        self.spent += time.process_time() - start
        self.facts.update(self.engine.take_facts())

    @property
    def first(self) -> list[Transition]:
        """Return incidents told for the first time."""
        return [t for t in self.told if t.kind is TransitionKind.OPENED]


@dataclass(slots=True)
class Outcome:
    """What one detector made of the faults: seconds until told, or None."""

    delays: list[float | None] = field(default_factory=list)

    def recall(self, faults: list[Fault], keep: list[bool]) -> tuple[int, int]:
        kept = [d for d, k in zip(self.delays, keep, strict=True) if k]
        return sum(d is not None for d in kept), len(kept)


def outcome(faults: list[Fault], tellings: list[tuple[float, set[int]]]) -> Outcome:
    """Return when each fault was told: an incident about its entity that begins while it lasts."""
    found = Outcome()
    for fault in faults:
        hits = [
            at - fault.begins
            for at, entities in tellings
            if fault.begins <= at <= fault.ends + GRACE and fault.entity in entities
        ]
        found.delays.append(min(hits, default=None))
    return found


def numbers(t: Transition) -> set[int]:
    return {int(e.rpartition(":s")[2]) for e in t.incident.entities}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weeks", type=int, default=13)
    parser.add_argument("--series", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=2027)
    parser.add_argument("--interval", type=float, default=300.0)
    parser.add_argument("--no-river", action="store_true")
    parser.add_argument("--list", action="store_true", help="print every false incident")
    parser.add_argument("--no-faults", action="store_true")
    options = parser.parse_args()
    fleet = Fleet(options.series, seed=options.seed, interval=options.interval)
    unit = deviations(options.series, seed=options.seed, interval=options.interval)
    end = Start + options.weeks * WEEK
    begin = Start + min(2, options.weeks // 2) * WEEK
    faults = schedule(fleet, unit, seed=options.seed, begin=begin, end=end)
    settings = EngineSettings(multivariate="", drift="") if options.no_river else EngineSettings()
    clean, faulty = Watch(fleet, settings), Watch(fleet, settings)
    for at, values in fleet.days(7 * options.weeks):
        clean.day(at, values)
        if not options.no_faults:
            near = [f for f in faults if f.ends >= at[0] and f.begins <= at[-1]]
            faulty.day(at, inject(at, values, near, unit))
    weekly = Counter(int((t.at - Start) // WEEK) for t in clean.first)
    low, high = poisson_interval(len(clean.first))
    print(
        f"clean: {len(clean.first)} in {options.weeks} weeks, interval {low:.1f}..{high:.1f},"
        f" budget {BUDGET * options.weeks:.0f}; by week {[weekly[w] for w in range(options.weeks)]}"
        f" reopened {len(clean.told) - len(clean.first)}, CPU {clean.spent:.0f} s"
    )
    kinds: Counter[str] = Counter()
    families: Counter[str] = Counter()
    for t in clean.first:
        top = max(t.incident.anomalies, key=lambda a: a.surprise)
        name = top.series.name
        family = (
            FAMILIES[(int(top.entity[-3:]) * PER_ENTITY + int(name[1:])) % 5]
            if name[0] == "m"
            else "-"
        )
        kinds[top.kind] += 1
        families[family] += 1
        if options.list:
            print(
                f"  {(t.at - Start) / 86400:7.3f} d {len(t.incident.entities)} entities",
                "; ".join(
                    f"{a.series.id} {a.kind} {a.surprise:.1f} seen {a.seen}"
                    for a in t.incident.anomalies[:4]
                ),
            )
    print("  kinds", dict(kinds), "families", dict(families))
    print("  facts", dict(clean.facts))
    if options.no_faults:
        return 0
    found = outcome(faults, [(t.at, numbers(t)) for t in faulty.told])
    hit, of = found.recall(faults, [f.large for f in faults])
    delays = [d for d, f in zip(found.delays, faults, strict=True) if d is not None and f.large]
    print(
        f"recall {hit}/{of} = {hit / max(of, 1):.3f}; all {found.recall(faults, [True] * len(faults))}"
        f" p50 {np.percentile(delays, 50):.0f} p90 {np.percentile(delays, 90):.0f}"
    )
    table = defaultdict(lambda: [0, 0])
    for f, d in zip(faults, found.delays, strict=True):
        cell = table[f.kind, max([s for s in (0, 3, 5, 8, 12) if s <= f.size])]
        cell[0] += d is not None
        cell[1] += 1
        cell = table[FAMILIES[f.columns[0] % 5], "large" if f.large else "small"]
        cell[0] += d is not None
        cell[1] += 1
    for key, (a, b) in sorted(table.items(), key=str):
        print(" ", key, f"{a}/{b}")
    spots = {f.entity for f in faults}
    stray = [
        t
        for t in faulty.first
        if not any(f.begins <= t.at <= f.ends + GRACE and f.entity in numbers(t) for f in faults)
    ]
    print(
        f"false beside faults {len(stray)}, on entities once faulty {sum(bool(numbers(t) & spots) for t in stray)}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
