"""How long the engine stands still for a cut, and what a scrape of 10,000 series costs.

Run ``python benchmarks/cut.py``. The pause is what the engine's thread does for a cut: the young
garbage, ``Engine.to_sections``, the freezing of what lives; the write happens on another thread.
Every hundredth cut looks for all garbage too. Each file has 50 kinds of line in its open window:
the hardest case.
A scrape is the scanner's and the metric detection's CPU together; once a minute River's detectors
look at the series of an entity together, which the worst one shows.
"""

from __future__ import annotations

import gc
import platform
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import _state
import numpy as np

from aiops.engine import Engine
from aiops.model import Cut, Section
from aiops.pump.heap import THOROUGH, Heap
from aiops.storage import StateDirectory, Store

ROUNDS = 9
FLOORS = {"pause at a cut": 50.0, "scrape, parse and score": 150.0}


def best(name: str, work: Callable[[int], object], clock: Callable[[], float]) -> float:
    """Print milliseconds (best, median and worst of the rounds) and return the best."""
    spent = []
    for n in range(ROUNDS):
        start = clock()
        work(n)
        spent.append(1e3 * (clock() - start))
    floor = FLOORS.get(name)
    print(
        f"{name:28}{min(spent):9.1f}{sorted(spent)[ROUNDS // 2]:9.1f}{max(spent):9.1f}"
        + (f"   floor {floor:.0f} ms" if floor else ""),
        flush=True,
    )
    return min(spent)


def pause(heap: Heap, engine: Engine) -> tuple[Section, ...]:
    with heap.still():
        return engine.to_sections()


def main() -> int:
    few, _, _ = _state.grown(scrapes=2, open_kinds=5)
    engine, scanner, cursors = _state.grown()
    rng = random.Random(6)
    print(f"Python {platform.python_version()}, numpy {np.__version__}, {platform.machine()}")
    print(", ".join(f"{n:,} {what}" for what, n in _state.sizes(engine).items()))
    print(f"\n{'':28}{'best ms':>9}{'median':>9}{'worst':>9}")
    gc.collect()
    gc.freeze()
    heap = Heap()
    best("pause at a cut", lambda _: pause(heap, engine), time.perf_counter)
    best("same, 5 kinds in a window", lambda _: pause(heap, few), time.perf_counter)
    best("pause at a cut, CPU", lambda _: pause(heap, engine), time.process_time)
    best("every hundredth cut", lambda _: pause(Heap(THOROUGH - 1), engine), time.perf_counter)
    cut = Cut(cursors, 0, 0, engine.to_sections())
    with tempfile.TemporaryDirectory() as folder:
        directory = StateDirectory.open(Path(folder))
        store = Store.open(directory, lambda *_, **__: None)
        best("durable write of a cut", lambda n: store.cuts.save(cut, float(n)), time.perf_counter)
        size = sum(f.stat().st_size for f in Path(folder).glob("models-*")) / 1e6
        print(
            f"{'of which on disk, MB each':28}{size / len([*Path(folder).glob('models-*')]):9.1f}"
        )
        store.close()
        directory.close()
    pages = [_state.page(n, rng) for n in range(20, 20 + 2 * ROUNDS)]
    best("scan of a page, CPU", lambda n: scanner.scan(pages[n]), time.process_time)
    tick = iter(range(20, 10_000))

    def scrape(n: int) -> None:
        at = _state.START + _state.INTERVAL * next(tick)
        found = scanner.scan(pages[ROUNDS + n])
        points = _state.Points("scrape", at, found.columns, found.values, _state.INTERVAL)
        engine.metrics.judge(points, engine.threshold())

    best("scrape, parse and score", scrape, time.process_time)
    return 0


if __name__ == "__main__":
    sys.exit(main())
