"""Measure correlation alone: anomalies a second through grouping, gate and ledger.

Run: `python benchmarks/correlation.py [--rounds 5] [--profile CASE]`. Anomalies are made
beforehand; timed is what the engine does with each of them: when did it begin, where does it
belong, is that enough to open, and letting time pass. CPU seconds, the best round.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import platform
import pstats
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from aiops.correlation.topology import Topology
from aiops.detection.facts import anomaly_id
from aiops.incidents.ledger import LedgerSettings
from aiops.model import Anomaly, Series, Severity
from aiops.placement import Placement

START = 1_767_571_200.0
TICK = 15.0
TESTS = 2000.0  # judgements a second: 10,000 series each 5 s
FLOOR = 50_000.0
METRICS = ("error_ratio", "p99_ms", "cpu_percent", "request_rate", "memory_bytes", "queue_length")
Ticks = list[tuple[float, list[Anomaly]]]


def anomaly(entity: str, name: str, at: float, since: float, surprise: float) -> Anomaly:
    series = Series(entity, name)
    return Anomaly(
        id=anomaly_id(series.id, "level", since),
        series=series,
        kind="level",
        at=at,
        since=since,
        surprise=surprise,
        threshold=8.0,
        severity=Severity.ERROR if surprise > 6.0 else Severity.WARNING,
        reason="5 instead of 1",
        detector="bank",
        actual=5.0,
        expected=1.0,
        low=0.5,
        high=1.5,
        severe=name not in ("request_rate", "cpu_percent"),
        seen=5000,
        pace=TICK,
    )


def graph(services: int, seed: int) -> dict[str, list[str]]:
    """Return who calls whom: three callees each, always further down."""
    rng = np.random.default_rng(seed)
    below = range(services)
    return {
        f"s{i}": [f"s{j}" for j in sorted({int(rng.integers(i + 1, services)) for _ in range(3)})]
        for i in below[:-1]
    }


def chance(entities: int, ticks: int, each: int, seed: int) -> Ticks:
    """Return weak anomalies of entities that have nothing to do with each other."""
    rng = np.random.default_rng(seed)
    made: Ticks = []
    for n in range(ticks):
        at = START + n * TICK
        who = rng.integers(0, entities, each).tolist()
        what = rng.integers(0, len(METRICS), each).tolist()
        sure = (3.0 + rng.exponential(0.4, each)).tolist()
        found = [
            anomaly(f"service:s{e}", METRICS[m], at, at, s)
            for e, m, s in zip(who, what, sure, strict=True)
        ]
        made.append((at, found))
    return made


def faults(calls: dict[str, list[str]], ticks: int, at_once: int, seed: int) -> Ticks:
    """Return *at_once* faults at any time, each ten minutes long and felt by all who call."""
    rng = np.random.default_rng(seed)
    callers: dict[str, list[str]] = {}
    for caller, callees in calls.items():
        for callee in callees:
            callers.setdefault(callee, []).append(caller)
    running: list[tuple[float, list[str]]] = []
    made: Ticks = []
    for n in range(ticks):
        at = START + n * TICK
        running = [r for r in running if at - r[0] < 600.0]
        while len(running) < at_once:
            root = f"s{int(rng.integers(1, len(calls)))}"
            running.append((at, [root, *callers.get(root, [])]))
        found = [
            anomaly(f"service:{e}", m, at, since, 9.0)
            for since, touched in running
            for e in touched
            for m in METRICS[:4]
        ]
        made.append((at, found))
    return made


def storm(entities: int, ticks: int, seed: int) -> Ticks:
    """Return everything failing within two minutes and staying so."""
    rng = np.random.default_rng(seed)
    begins = (START + rng.uniform(0.0, 120.0, entities)).tolist()
    made: Ticks = []
    for n in range(ticks):
        at = START + n * TICK
        found = [
            anomaly(f"service:s{e}", m, at, since, 9.0)
            for e, since in enumerate(begins)
            if since <= at
            for m in METRICS[:3]
        ]
        made.append((at, found))
    return made


CASES: dict[str, tuple[str, dict[str, list[str]], Callable[[], Ticks]]] = {
    "chance": ("500 strangers, 20 weak ones a tick", {}, lambda: chance(500, 200, 20, 1)),
    "chance, wide": ("5,000 strangers, 100 a tick", {}, lambda: chance(5000, 40, 100, 2)),
    "faults": (
        "400 services, 40 faults at once",
        graph(400, 3),
        lambda: faults(graph(400, 3), 30, 40, 3),
    ),
    "faults, unknown graph": (
        "the same without the graph",
        {},
        lambda: faults(graph(400, 3), 30, 40, 3),
    ),
    "storm": ("500 entities fail in two minutes", {}, lambda: storm(500, 12, 4)),
    "storm, known graph": (
        "the same with a graph",
        graph(500, 5),
        lambda: storm(500, 12, 4),
    ),
}


def placement(calls: dict[str, list[str]]) -> Placement:
    return Placement(
        LedgerSettings(),
        Topology(calls),
        lambda: TESTS,
        budget=2 / 604800.0,
        window=300.0,
        max_entities=10_000,
    )


def run(calls: dict[str, list[str]], ticks: Ticks) -> tuple[float, int, int]:
    """Return CPU seconds, and how many incidents and candidates there were at most."""
    placed = placement(calls)
    most = opened = 0
    # The collector need not look through what was made beforehand; the daemon freezes it, too.
    gc.collect()
    gc.freeze()
    start = time.process_time()
    for at, found in ticks:
        done = placed.place(found)
        done += placed.ledger.advance(at)
        opened += sum(t.kind == "opened" for t in done)
    spent = time.process_time() - start
    gc.unfreeze()
    most = len(placed.ledger.pictures)
    return spent, opened, most


def rows(rounds: int) -> Iterator[tuple[str, float]]:
    for name, (what, calls, make) in CASES.items():
        ticks = make()
        count = sum(len(found) for _, found in ticks)
        tries = [run(calls, ticks) for _ in range(rounds)]
        best, opened, left = min(tries)
        rate = count / best
        print(f"| {name} | {what} | {count:,} | {opened} | {left} | {rate:,.0f} |", flush=True)
        yield name, rate


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--profile", choices=[*CASES])
    parser.add_argument("--strict", action="store_true", help="a missed floor is exit code 1")
    options = parser.parse_args()
    if options.profile:
        _, calls, make = CASES[options.profile]
        ticks = make()
        profile = cProfile.Profile()
        profile.runcall(run, calls, ticks)
        pstats.Stats(profile).sort_stats("tottime").print_stats(25)
        return 0
    print(f"Python {platform.python_version()}, {platform.machine()}; floor {FLOOR:,.0f} a second")
    print("| case | what | anomalies | opened | left | anomalies/s |")
    print("| --- | --- | --- | --- | --- | --- |")
    missed = [name for name, rate in rows(options.rounds) if rate < FLOOR]
    print(f"missed: {', '.join(missed) or 'none'}")
    return 1 if missed and options.strict else 0


if __name__ == "__main__":
    sys.exit(main())
