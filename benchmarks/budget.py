"""Prove the alert budget: what weeks without a fault cost, and what is found at that price.

Run: `python benchmarks/budget.py [--weeks 13] [--series 10000] [--seed 2027] [--interval 120]`.
Two engines with shipped settings read the same simulated weeks from their first sample on: one as
they are, one with a fault every four hours from the third week on. Counted are incidents told for
the first time; the first weeks of a cold engine count like all others. The peers read the same
weeks; their thresholds are chosen afterwards, so that they just keep the budget on the weeks
without faults, which no user could do. `--real` runs fault-free hours of a real system instead,
`--shop WEEKS` the simulated shop with its logs (minutes a day); `--strict` makes a missed gate
exit code 1, `--list` prints every false incident. River's detectors (`detection.multivariate`,
`detection.drift`) see 50 entities and take half of the time and more: they are off without
`--river`, everything else is as shipped.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import itertools
import math
import os
import platform
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import chi2

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from _fleet import (  # noqa: E402 - found only after the path is set
    FAMILIES,
    KINDS,
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
from _peers import Deviations, Trees  # noqa: E402

from aiops.engine import Engine, EngineSettings  # noqa: E402
from aiops.model import (  # noqa: E402
    Anomaly,
    Points,
    Series,
    SeriesSet,
    Tick,
    Transition,
    TransitionKind,
)

GRACE = 1800.0
"""Seconds after a fault has ended in which telling of it still counts."""

BUDGET = EngineSettings().budget * WEEK
MOST, LEAST = 1.5, 0.80
SHARED = Path(os.environ.get("AIOPS_SHARED", ROOT.parent / "shared"))
PETSHOP = SHARED / "data/incidents/petshop/low_traffic/noissue/metrics.csv.gz"
Telling = tuple[float, set[int]]
Delays = list[float | None]


def poisson_interval(count: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the exact interval of a Poisson mean (Garwood, Biometrika 28, 1936)."""
    tail = (1.0 - confidence) / 2.0
    low = float(chi2.ppf(tail, 2 * count)) / 2.0 if count else 0.0
    return low, float(chi2.ppf(1.0 - tail, 2 * count + 2)) / 2.0


def share_interval(hits: int, of: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson, JASA 22, 1927)."""
    z2, p = 1.96**2, hits / of
    middle, width = p + z2 / (2 * of), 1.96 * math.sqrt((p * (1 - p) + z2 / (4 * of)) / of)
    return (middle - width) / (1 + z2 / of), (middle + width) / (1 + z2 / of)


class Watch:
    """One engine with shipped settings, and all that it told."""

    def __init__(self, columns: SeriesSet, interval: float, *, river: bool = True) -> None:
        off = EngineSettings(multivariate="", drift="")
        self.engine = Engine(EngineSettings() if river else off)
        self.columns, self.interval = columns, interval
        self.told: list[Transition] = []
        self.joined: list[Telling] = []
        self.loud: list[tuple[float, int, float]] = []
        self.spent = 0.0
        self._judge = self.engine.metrics.judge
        self.engine.metrics.judge = self._overhear

    def see(self, at: Wide, values: Wide) -> None:
        start = time.process_time()
        for now, row in zip(at.tolist(), values, strict=True):
            done = self.engine.feed(Points("fleet", now, self.columns, row, self.interval))
            done += self.engine.feed(Tick(now + min(60.0, self.interval / 2)))
            self.told += [t for t in done if t.tell]
            self.joined += [(t.at, numbers(t.incident.entities)) for t in done]
        self.spent += time.process_time() - start

    def _overhear(self, points: Points, threshold: float) -> list[Anomaly]:
        """Judge as ever, and note (time, entity, surprise above the threshold) of what is loud."""
        found = self._judge(points, threshold)
        for a in found:
            self.loud += [(a.at, n, a.surprise - a.threshold) for n in numbers([a.entity])]
        return found


def numbers(entities: Iterable[str]) -> set[int]:
    """Return the numbers of the fleet's entities by their names."""
    found = (e.rpartition(":s")[2] for e in entities)
    return {int(number) for number in found if number.isdigit()}


def beginnings(told: list[Transition]) -> list[Transition]:
    """Return incidents told for the first time."""
    return [t for t in told if t.kind is TransitionKind.OPENED]


def tellings_of(told: list[Transition]) -> list[Telling]:
    """Return every telling of a beginning, with the numbers of its entities."""
    begun = (TransitionKind.OPENED, TransitionKind.REOPENED)
    return [(t.at, numbers(t.incident.entities)) for t in told if t.kind in begun]


def delays(faults: list[Fault], tellings: list[Telling]) -> Delays:
    """Return when each fault was told: an incident about its entity that begins while it lasts."""
    found: Delays = []
    for fault in faults:
        hits = [
            at - fault.begins
            for at, entities in tellings
            if fault.begins <= at <= fault.ends + GRACE and fault.entity in entities
        ]
        found.append(min(hits, default=None))
    return found


def stages(faults: list[Fault], watch: Watch) -> list[str]:
    """Return how far each fault came: evidence, enough of it alone, a place in some incident."""
    loud: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for at, entity, above in watch.loud:
        loud[entity].append((at, above))
    held: dict[int, list[float]] = defaultdict(list)
    for at, entities in watch.joined:
        for entity in entities:
            held[entity].append(at)
    found = []
    for fault in faults:
        begin, end = fault.begins, fault.ends + GRACE
        above = [s for at, s in loud[fault.entity] if begin <= at <= end]
        inside = any(begin <= at <= end for at in held[fault.entity])
        best = max(above, default=None)
        if best is None:
            found.append("no evidence")
        elif inside:
            found.append("in an incident that began otherwise")
        else:
            found.append("evidence, not enough" if best < 0.0 else "enough, not opened")
    return found


def row(who: str, false: int, weeks: float, found: Delays, note: str = "") -> str:
    low, high = poisson_interval(false)
    hits = [d for d in found if d is not None]
    recall = "-"
    if found:
        least, most = share_interval(len(hits), len(found))
        recall = f"{len(hits) / len(found):.2f} ({least:.2f}-{most:.2f}) of {len(found)}"
    p50, p90 = np.percentile(hits, [50, 90]) / 60.0 if hits else (np.nan, np.nan)
    return (
        f"| {who} | {false} | {false / weeks:.2f} ({low / weeks:.2f}-{high / weeks:.2f}) "
        f"| {recall} | {p50:.0f} | {p90:.0f} | {note} |"
    )


HEAD = """| who | false | a week (95 %) | recall (95 %) | p50 min | p90 min | |
| --- | --- | --- | --- | --- | --- | --- |"""


def by_kind(faults: list[Fault], found: Delays) -> None:
    print("\n| found of | < 5 | 5 to 8 | 8 to 12 | 12 and more |\n| --- | --- | --- | --- | --- |")
    edges = (0.0, 5.0, 8.0, 12.0, math.inf)
    groups = [(k, [f.kind == k for f in faults]) for k in KINDS]
    for i, noise in enumerate(FAMILIES):
        groups.append((noise, [f.columns[0] % len(FAMILIES) == i for f in faults]))
    for name, mask in groups:
        cells = []
        for low, high in itertools.pairwise(edges):
            these = [
                d is not None
                for f, d, m in zip(faults, found, mask, strict=True)
                if m and low <= f.size < high
            ]
            cells.append(f"{sum(these)}/{len(these)}")
        print(f"| {name} | " + " | ".join(cells) + " |")


def lost(faults: list[Fault], found: Delays, reached: list[str]) -> None:
    """Say where the faults that the gate asks for were lost."""
    names = ("told", *sorted({"no evidence", *reached}))
    print(f"\n| large faults | {' | '.join(names)} |\n| --- {'| --- ' * len(names)}|")
    for kind in KINDS:
        counts = Counter(
            "told" if d is not None else stage
            for f, d, stage in zip(faults, found, reached, strict=True)
            if f.kind == kind and f.large
        )
        print(f"| {kind} | " + " | ".join(str(counts[name]) for name in names) + " |")


def causes(told: list[Transition], weeks: int, *, every: bool) -> None:
    """Say when and from what the false incidents came."""
    weekly = Counter(int((t.at - Start) // WEEK) for t in told)
    kinds: Counter[str] = Counter()
    for t in told:
        top = max(t.incident.anomalies, key=lambda a: a.surprise)
        column = top.series.name.removeprefix("m")
        number = int(top.entity.rpartition(":s")[2]) * PER_ENTITY
        noise = FAMILIES[(number + int(column)) % len(FAMILIES)] if column.isdigit() else "joint"
        kinds[f"{noise} {top.kind}"] += 1
        if every:
            parts = [f"{a.series.id} {a.kind} {a.surprise:.1f}" for a in t.incident.anomalies[:4]]
            day = (t.at - Start) / 86400.0
            print(f"{day:8.3f} d, {len(t.incident.entities)} entities: {'; '.join(parts)}")
    print("\nfalse by week:", " ".join(str(weekly[w]) for w in range(weeks)))
    print("false by noise and detector:", dict(kinds.most_common()))


@dataclass(slots=True)
class Half:
    """What one of the two runs hands back: fault-free weeks, or the same weeks with faults."""

    told: list[Transition]
    peer: Deviations
    trees: Trees
    threshold: float
    spent: float
    reached: list[str]


def world(options: argparse.Namespace) -> tuple[Fleet, Wide, list[Fault]]:
    seed, weeks = options.seed, options.weeks
    fleet = Fleet(options.series, seed=seed, interval=options.interval)
    unit = deviations(options.series, seed=seed, interval=options.interval)
    begin = Start + min(2, weeks // 2) * WEEK
    return fleet, unit, schedule(fleet, unit, seed=seed, begin=begin, end=Start + weeks * WEEK)


def half(options: argparse.Namespace, *, broken: bool) -> Half:
    """Read all weeks with one engine and the peers beside it."""
    fleet, unit, faults = world(options)
    columns = SeriesSet(tuple(Series(e, n) for e, n in fleet.names()))
    watch = Watch(columns, options.interval, river=options.river)
    peer, trees = Deviations(options.interval), Trees(options.series, faults)
    for at, clean in fleet.days(7 * options.weeks):
        values = clean
        if broken:
            near = [f for f in faults if f.ends >= at[0] and f.begins <= at[-1]]
            values = inject(at, clean, near, unit)
        watch.see(at, values)
        for now, one in zip(at.tolist(), values, strict=True):
            peer.see(now, one)
        if broken:
            trees.see_faults(at, values)
        else:
            trees.see_clean(values)
    reached = stages(faults, watch)
    return Half(watch.told, peer, trees, watch.engine.threshold(), watch.spent, reached)


def simulate(options: argparse.Namespace) -> bool:
    """Run the simulated weeks in two processes; return whether the gate was passed."""
    weeks = options.weeks
    faults = world(options)[2]
    large = [f for f in faults if f.large]
    with ProcessPoolExecutor(2) as pool:
        runs = [pool.submit(half, options, broken=broken) for broken in (False, True)]
        clean, broken = (run.result() for run in runs)
    first, tellings = beginnings(clean.told), tellings_of(broken.told)
    found, false = delays(large, tellings), len(first)
    print(f"{weeks} weeks, {options.series:,} series every {options.interval:.0f} s, ", end="")
    print(f"seed {options.seed}, River's detectors {'on' if options.river else 'off'}; ", end="")
    print(f"threshold {clean.threshold:.2f}, engine CPU {clean.spent:.0f} s a run\n")
    print(HEAD)
    print(row("aiops", false, weeks, found, "shipped constants, from the first sample on"))
    cut = clean.peer.threshold(BUDGET * weeks)
    theirs = delays(large, broken.peer.incidents(cut))
    count = len(clean.peer.incidents(cut))
    print(row("moving deviations", count, weeks, theirs, f"oracle: {cut:.0f} deviations"))
    loose = len(clean.peer.incidents(clean.peer.lowest))
    at_least = f"at {clean.peer.lowest:.0f} deviations"
    print(f"| same {at_least} | {loose} | {loose / weeks:.0f} | | | | lower: more |")
    top = clean.trees.top()
    note = f"oracle: above its highest score on {len(clean.trees.columns)} series, {top:.3f}"
    print(row("River HalfSpaceTrees", 0, weeks, broken.trees.delays(top), note))
    every = delays(faults, tellings)
    by_kind(faults, every)
    lost(faults, every, broken.reached)
    causes(first, weeks, every=options.list)
    hits = sum(d is not None for d in found)
    there = hits + sum(
        f.large and d is None and r.startswith("in an incident")
        for f, d, r in zip(faults, every, broken.reached, strict=True)
    )
    print(f"\nin any incident, told as a new one or not: {there / len(large):.2f} of {len(large)}")
    kept, seen = false <= MOST * BUDGET * weeks, hits >= LEAST * len(large)
    print(f"\nrate at most {MOST} x {BUDGET:.0f} a week: {'yes' if kept else 'NO'};", end=" ")
    print(f"recall at least {LEAST}: {'yes' if seen else 'NO'}")
    return kept and seen


def real() -> None:
    """Run fault-free hours of a real system: no gate, hours and interval."""
    if not PETSHOP.exists():
        print(f"skipped: {PETSHOP} is not there")
        return
    with gzip.open(PETSHOP, "rt") as lines:
        services, metrics, statistics, _, *rows = csv.reader(lines)
    names = zip(services[1:], metrics[1:], statistics[1:], strict=True)
    columns = SeriesSet(tuple(Series(f"service:{s}", f"{m}_{x}") for s, m, x in names))
    at = np.array([float(r[0]) for r in rows])
    values = np.array([[float(v) if v else np.nan for v in r[1:]] for r in rows])
    watch = Watch(columns, 300.0)
    watch.see(at, values)
    hours, count = (at[-1] - at[0]) / 3600.0, len(beginnings(watch.told))
    low, high = poisson_interval(count)
    scale = 168.0 / hours
    print("| real fault-free hours | series | hours | false | a week (95 %) |")
    print("| --- | --- | --- | --- | --- |")
    print(f"| petshop, low traffic | {len(columns.series)} | {hours:.0f} | {count} ", end="")
    print(f"| {count * scale:.1f} ({low * scale:.1f}-{high * scale:.1f}) |")


def shop(weeks: int, seed: int) -> None:
    """Run fault-free weeks of the simulated shop, logs and all."""
    from incidents import peace  # noqa: PLC0415 - only here

    first, later, _ = peace(seed, 7 * weeks)
    low, high = poisson_interval(first + later)
    print(f"shop: {first} false on day one, {later} later, {weeks} weeks, ", end="")
    print(f"{(first + later) / weeks:.1f} a week ({low / weeks:.1f}-{high / weeks:.1f})")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weeks", type=int, default=13)
    parser.add_argument("--series", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=2027, help="1 was used for development")
    parser.add_argument("--interval", type=float, default=120.0, help="a divisor of a day, seconds")
    parser.add_argument("--river", action="store_true", help="River's detectors too: dear")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--strict", action="store_true")
    parser.add_argument("--real", action="store_true")
    parser.add_argument("--shop", type=int, metavar="WEEKS", default=0)
    options = parser.parse_args()
    print(f"Python {platform.python_version()}, numpy {np.__version__}, {platform.machine()}")
    if options.real or options.shop:
        if options.real:
            real()
        if options.shop:
            shop(options.shop, options.seed)
        return 0
    passed = simulate(options)
    return 1 if options.strict and not passed else 0


if __name__ == "__main__":
    sys.exit(main())
