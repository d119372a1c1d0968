"""Measure the bank of series: points per second and bytes per series, beside River, in one run.

Run: `python benchmarks/bank.py [--rows 120 10000]`. The River bundle is what one would hold per
series for the same questions: EWMean, EWVar, HoltWinters and ADWIN, one object each. All figures
are CPU time of this process on one core; values are seeded noise with a daily wave.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import platform
import sys
import time
import tracemalloc
from pathlib import Path

import numpy as np
from river.drift import ADWIN
from river.stats import EWMean, EWVar
from river.time_series import HoltWinters

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from detectors.bank import SeriesBank

STEP = 15.0
START = 1_699_920_000.0
RIVER_SERIES = 300


def values(ticks: int, rows: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return 100.0 + 10.0 * rng.standard_normal((ticks, rows))


def bank(rows: int, slots: int) -> tuple[float, float, float]:
    """Return (ms a tick, points a second, bytes a series) of a step: score and learn."""
    series = SeriesBank(slots=slots, max_rows=rows)
    names = series.add(rows, interval=STEP)
    data = values(20, rows)
    best = np.inf
    for i in range(60 if rows > 1000 else 400):
        at, tick = START + STEP * i, data[i % 20]
        start = time.process_time()
        series.step(names, at, tick)
        if i >= 20:
            best = min(best, time.process_time() - start)
    return 1000.0 * best, rows / best, series.nbytes / rows


def river() -> tuple[float, float]:
    """Return (points a second, bytes a series) of one bundle of River objects a series."""
    tracemalloc.start()
    made = [
        (EWMean(), EWVar(), HoltWinters(alpha=0.3, beta=0.05), ADWIN()) for _ in range(RIVER_SERIES)
    ]
    data = values(100, RIVER_SERIES).tolist()
    held = _feed(made, data)[1]
    tracemalloc.stop()
    # Again without the tracer, which would slow River's objects down; the best of three.
    spent = min(_feed(made, data)[0] for _ in range(3))
    return len(data) * RIVER_SERIES / spent, held / RIVER_SERIES


def _feed(made: list[tuple[EWMean, EWVar, HoltWinters, ADWIN]], data: list) -> tuple[float, float]:
    """Return (seconds of CPU, bytes held after it)."""
    spent = 0.0
    for i, tick in enumerate(data):
        start = time.process_time()
        for (mean, variance, winters, drift), value in zip(made, tick, strict=True):
            if i > 2:
                expected = winters.forecast(horizon=1)[0]
                deviation = (variance.get() or 1.0) ** 0.5
                abs(value - expected) / deviation
                abs(value - mean.get()) / deviation
            mean.update(value)
            variance.update(value)
            winters.learn_one(value)
            drift.update(value)
        spent += time.process_time() - start
    return spent, float(tracemalloc.get_traced_memory()[0])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--rows", type=int, nargs="+", default=[1, 4, 8, 30, 120, 1000, 10_000, 100_000]
    )
    options = parser.parse_args()
    version = importlib.metadata.version("river")
    print(f"a step (score and learn), numpy {np.__version__}, river {version}, Python", end=" ")
    print(f"{platform.python_version()}, {platform.machine()}, one core, CPU time, best tick\n")
    peer, peer_bytes = river()
    print("| who | series | season slots | ms/tick | points/s | bytes/series | x River |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    print(f"| River bundle | {RIVER_SERIES} | - | - | {peer:,.0f} | {peer_bytes:,.0f} | 1 |")
    for rows in options.rows:
        for slots in (0, 48, 288):
            tick, speed, size = bank(rows, slots)
            print(
                f"| SeriesBank | {rows:,} | {slots} | {tick:.3f} | {speed:,.0f} | {size:,.0f} "
                f"| {speed / peer:.1f} |",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
