"""Measure 100,000 series every 15 seconds: the real source, the real engine, everything on.

Run: `python benchmarks/fleet.py [--targets 100] [--changing 5]`. A process of its own answers the
scrapes (gzip, over HTTP); the clock is simulated, so rounds follow each other at once. On each of
*days* the same minutes are seen again: the season is known then. In as many rounds after them
*changing* series of every page are new ones each time, as sessions and pods are. CPU is this
process's alone, all threads; the memory is its resident set. Floors: a quarter of a core, which is
3.75 s of CPU a round, and 1 GB.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import heapq
import itertools
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import _targets

from aiops.detection import histograms, kinds, metrics, missing, rows, saturation, states
from aiops.detection.heartbeats import Heartbeats
from aiops.detection.together import Together
from aiops.engine import Engine, EngineSettings
from aiops.model import Cut, Points, Tick
from aiops.pump.heap import Heap
from aiops.sources import exposition, prometheus
from aiops.storage import StateDirectory, Store

FLOOR_CPU, FLOOR_BYTES = 3.75, 1e9
STAGES: tuple[tuple[str, Any, str], ...] = (
    ("scan", exposition.Scanner, "scan"),
    ("engine", Engine, "feed"),
    ("  first look at columns", metrics.MetricDetection, "_bind"),
    ("  rates", metrics.CounterRates, "rates"),
    ("  histograms", histograms.Histograms, "derive"),
    ("  bank", rows.Rows, "judge"),
    ("  several together", Together, "see"),
    ("  kinds", kinds.MetricKinds, "judge"),
    ("    saturation", saturation.Saturation, "see"),
    ("    states", states.States, "see"),
    ("    heartbeats", Heartbeats, "see"),
    ("    missing", missing.Missing, "see"),
)


Round = tuple[float, dict[str, float]]
"""Seconds of CPU, and of them by stage."""


class Stages:
    """Add up the CPU that threads spend inside the parts of the path."""

    def __init__(self) -> None:
        self.spent: defaultdict[str, float] = defaultdict(float)
        for name, owner, attribute in STAGES:
            setattr(owner, attribute, self._timed(name, getattr(owner, attribute)))

    def _timed(self, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:
            start = time.thread_time()
            try:
                return work(*args, **kwargs)
            finally:
                self.spent[name] += time.thread_time() - start

        return timed

    def take(self) -> dict[str, float]:
        taken = dict(self.spent)
        self.spent.clear()
        return taken


class Fleet:
    """Be the intake of all targets: simulated time, and every item straight into the engine."""

    def __init__(self, engine: Engine, targets: int) -> None:
        self.engine = engine
        self.at = _targets.START
        self.reports: Counter[tuple[str, str]] = Counter()
        self.samples = self.told = 0
        self._targets = targets
        self._asleep: list[tuple[float, int, asyncio.Future[None]]] = []
        self._turn = itertools.count()
        self.all_asleep = asyncio.Event()

    def now(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._asleep, (self.at + seconds, next(self._turn), woken))
        if len(self._asleep) == self._targets:
            self.all_asleep.set()
        await woken

    def resume(self, stream_id: str) -> None:
        return None

    async def put(self, item: Any) -> None:
        if isinstance(item, Points):
            self.samples += len(item.values)
        self.told += len(self.engine.feed(item))

    def report(self, event: str, reason: str, count: int = 1, **facts: object) -> None:
        self.reports[event, reason] += count

    async def round(self, begin: float) -> None:
        """Let one interval pass from *begin*: each target is scraped in its moment."""
        await self.all_asleep.wait()
        second = begin
        while self._asleep and self._asleep[0][0] < begin + _targets.INTERVAL:
            wake, _, woken = heapq.heappop(self._asleep)
            while second <= wake:
                self.engine.feed(Tick(second))
                second += 1.0
            self.at = max(wake, begin)
            self.all_asleep.clear()
            woken.set_result(None)
            await self.all_asleep.wait()

    def skip_to(self, at: float) -> None:
        """Let time pass in which nobody watched: sleepers wake in their moment after it."""
        moved = at - self.at
        self.at = at
        self._asleep = [(wake + moved, turn, woken) for wake, turn, woken in self._asleep]
        heapq.heapify(self._asleep)


def sources(port: int, targets: int) -> list[prometheus.PrometheusSource]:
    """Return one source a service, and one for the machines."""
    of: defaultdict[str, list[str]] = defaultdict(list)
    for n in range(targets):
        of[_targets.service_of(n)].append(f"http://127.0.0.1:{port}/metrics/{n}")
    return [
        prometheus.PrometheusSource(
            targets=urls, interval=_targets.INTERVAL, labels={"service": name} if name else {}
        )
        for name, urls in sorted(of.items())
    ]


def resident(name: str) -> float:
    """Return ``VmRSS`` or ``VmHWM`` in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return 1024.0 * float(line.split()[1])
    return 0.0


@contextmanager
def targets_process(changing: int, after: int) -> Iterator[int]:
    """Yield the port of the targets."""
    program = str(Path(__file__).with_name("_targets.py"))
    command = [sys.executable, program, str(changing), str(after)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        try:
            yield int(child.stdout.readline())
        finally:
            child.terminate()


async def scraped(
    options: argparse.Namespace, engine: Engine, port: int, stages: Stages
) -> tuple[Fleet, list[Round]]:
    """Return the fleet and what every round cost."""
    fleet = Fleet(engine, options.targets)
    told = []
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(source.run(fleet))  # type: ignore[arg-type]  # all that is asked for
            for source in sources(port, options.targets)
        ]
        for day in range(options.days + 1):
            begin = _targets.START + 86400.0 * min(day, options.days - 1)
            if day == options.days:
                begin += options.rounds * _targets.INTERVAL
            elif day:
                await fleet.all_asleep.wait()
                fleet.skip_to(begin)
            for n in range(options.rounds):
                start = time.process_time()
                await fleet.round(begin + n * _targets.INTERVAL)
                told.append((time.process_time() - start, stages.take()))
                if not day and not n:
                    print(f"resident after the first round {resident('VmRSS') / 1e6:.0f} MB")
        for task in tasks:
            task.cancel()
    return fleet, told


def cut(engine: Engine) -> None:
    """Print how long the engine stands still for a cut, and what its write costs."""
    heap = Heap()
    pauses = []
    for _ in range(5):
        start = time.process_time(), time.perf_counter()
        with heap.still():
            sections = engine.to_sections()
        pauses.append((time.process_time() - start[0], time.perf_counter() - start[1]))
    spent, waited = min(pauses)
    print(f"\npause at a cut {1e3 * waited:.0f} ms, of them CPU {1e3 * spent:.0f} ms (best of 5)")
    with tempfile.TemporaryDirectory() as folder:
        directory = StateDirectory.open(Path(folder))
        store = Store.open(directory, lambda *_, **__: None)
        start = time.process_time(), time.perf_counter()
        store.cuts.save(Cut({}, 0, 0, sections), 0.0)
        spent, waited = time.process_time() - start[0], time.perf_counter() - start[1]
        size = sum(f.stat().st_size for f in Path(folder).glob("models-*"))
        print(f"write of {size / 1e6:.0f} MB: {1e3 * waited:.0f} ms, CPU {1e3 * spent:.0f} ms")
        store.close()
        directory.close()


def table(told: list[Round], changing: int) -> float:
    """Print CPU by stage; return what the dearer kind of round costs on average."""
    first, steady, moving = told[:1], told[2:-changing], told[-changing:]
    kinds = (first, steady, moving)
    print("\n| CPU, ms a round | first sight | steady, mean | series change, mean |")
    print("| --- | --- | --- | --- |")
    for name in dict.fromkeys(name for name, _, _ in STAGES):
        cells = [1e3 * sum(stages.get(name, 0.0) for _, stages in k) / len(k) for k in kinds]
        print(f"| {name.replace('  ', '- ')} | " + " | ".join(f"{c:,.1f}" for c in cells) + " |")
    means = [sum(cpu for cpu, _ in k) / len(k) for k in kinds]
    print("| all of the process | " + " | ".join(f"{1e3 * m:,.0f}" for m in means) + " |")
    for name, some in (("steady", steady), ("changing", moving)):
        costs = [cpu for cpu, _ in some]
        print(f"{name} rounds: best {min(costs):.2f} s, worst {max(costs):.2f} s")
    return max(means[1:])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--targets", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--days", type=int, default=3)
    parser.add_argument("--changing", type=int, default=5)
    options = parser.parse_args()
    before = resident("VmRSS")
    pages = [_targets.page(n).text(_targets.START) for n in range(2)]
    print(f"a page: {len(pages[0]):,} and {len(pages[1]):,} bytes; everything on, as shipped")
    engine, stages = Engine(EngineSettings()), Stages()
    with targets_process(options.changing, options.rounds * options.days) as port:
        fleet, told = asyncio.run(scraped(options, engine, port, stages))
    rounds = len(told)
    print(f"{fleet.samples / rounds:,.0f} series a round, {engine.metrics.series_count:,} judged,")
    facts = engine.take_facts()
    kept = {name: n for name, n in facts.items() if n and not name.startswith("anomaly:")}
    print(f"{rounds} rounds, transitions {fleet.told}, {kept}, {dict(fleet.reports)}")
    mean = table(told, options.rounds)
    gc.collect()
    steady = resident("VmRSS")
    print(f"resident: start {before / 1e6:.0f} MB, now {steady / 1e6:.0f} MB, ", end="")
    print(f"peak {resident('VmHWM') / 1e6:.0f} MB")
    cut(engine)
    peak = resident("VmHWM")
    print(f"peak with cuts {peak / 1e6:.0f} MB")
    print(
        f"share of a core, the dearer rounds: {100.0 * mean / _targets.INTERVAL:.1f} % (floor 25 %)"
    )
    return int(mean > FLOOR_CPU or peak > FLOOR_BYTES)


if __name__ == "__main__":
    sys.exit(main())
