"""Measure the bank of series: points per second and bytes per series, beside River, in one run.

Run: `python benchmarks/bank.py [--rows 1000 10000]`. A River bundle is what one would hold per
series for the same questions, one object each: EWMean, EWVar, HoltWinters and ADWIN; with a season
of a day HoltWinters has one of 288 values too. Like is held against like: banks without a season
beside the bundle without, banks with a season beside the bundle with it, all at five minutes (a
season of River's counts samples, not time).

All who are compared take turns: a round is two hours for each of them, so it holds one close of a
part of the week, and the mean of a round is what counts, the best of all rounds. CPU time of this
process on one core. Values are seeded noise, with a daily wave where there is a season.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import platform
import statistics
import sys
import time
import tracemalloc
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from river.drift import ADWIN
from river.stats import EWMean, EWVar
from river.time_series import HoltWinters

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from detectors.bank import SeriesBank

STEP: Final = 300.0
START: Final = 1_699_920_000.0
DAY: Final = 288
ROUND: Final = 24
"""Samples of a round: two hours."""

RIVER_SERIES: Final = 300
KNOWN: Final = 4 * 7 * DAY
"""Samples after which a season and the week are known: four weeks."""

TAUGHT: Final = 200
"""Rows that are taught so long; larger banks repeat them, for what is known costs no less so."""


def values(start: int, ticks: int, rows: int, *, season: bool) -> NDArray[np.float64]:
    """Return a tick a line, from sample *start* on."""
    rng = np.random.default_rng(start)
    day = np.arange(start, start + ticks)[:, None] % DAY / DAY
    wave = 20.0 * np.sin(2.0 * np.pi * day) if season else 0.0
    made: NDArray[np.float64] = 100.0 + wave + 10.0 * rng.standard_normal((ticks, rows))
    return made


@dataclass(slots=True)
class Entry:
    """One who takes turns: how many series, and the CPU seconds a tick of each round."""

    who: str
    series: int
    season: str
    size: float = 0.0
    seconds: list[float] = field(default_factory=list)

    def rate(self, rank: int = 0) -> float:
        """Return the points a second of the round of this rank, 0 is the best."""
        return self.series / sorted(self.seconds)[rank]


class Bank(Entry):
    """A bank of *rows*, with a season that is known, one that is not yet, or none."""

    def __init__(self, rows: int, season: str) -> None:
        super().__init__("SeriesBank", rows, season)
        self.at = 0
        self.slots = DAY if season != "none" else 0
        bank = SeriesBank(slots=self.slots, max_rows=rows)
        if season == "known":
            header, arrays = self._taught(min(rows, TAUGHT))
            often = -(-rows // min(rows, TAUGHT))
            bank = SeriesBank.from_state(
                header | {"max_rows": rows},
                {k: np.concatenate([v] * often, axis=-1)[..., :rows] for k, v in arrays.items()},
            )
            self.names = np.arange(rows)
        else:
            self.names = bank.add(rows, interval=STEP)
        self.bank = bank
        self.size = bank.nbytes / rows

    def _taught(self, rows: int) -> tuple[dict, dict]:
        bank = SeriesBank(slots=DAY, max_rows=rows)
        names = bank.add(rows, interval=STEP)
        for tick in values(0, KNOWN, rows, season=True):
            bank.step(names, START + STEP * self.at, tick)
            self.at += 1
        return bank.to_state()

    def round(self) -> None:
        data = values(self.at, ROUND, self.series, season=bool(self.slots))
        bank, names, at = self.bank, self.names, START + STEP * self.at
        start = time.process_time()
        for i, tick in enumerate(data):
            bank.step(names, at + STEP * i, tick)
        self.seconds.append((time.process_time() - start) / ROUND)
        self.at += ROUND


class River(Entry):
    """A bundle of River objects a series, its season of a day known if it has one."""

    def __init__(self, season: str) -> None:
        super().__init__("River: EWMean, EWVar, HoltWinters, ADWIN", RIVER_SERIES, season)
        # HoltWinters gathers a whole season before it says or learns anything.
        self.at, known = 0, 2 * DAY if season == "known" else 2 * ROUND
        tracemalloc.start()
        traced = self._made(20)
        self._feed(traced, values(0, known, 20, season=season == "known"))
        self.size = tracemalloc.get_traced_memory()[0] / 20
        tracemalloc.stop()
        # Made again without the tracer, which would slow River's objects down.
        self.made = self._made(RIVER_SERIES)
        self._feed(self.made, values(0, known, RIVER_SERIES, season=season == "known"))
        self.at = known

    def _made(self, count: int) -> list[tuple[EWMean, EWVar, HoltWinters, ADWIN]]:
        season = {"gamma": 0.1, "seasonality": DAY} if self.season == "known" else {}
        return [
            (EWMean(), EWVar(), HoltWinters(alpha=0.3, beta=0.05, **season), ADWIN())
            for _ in range(count)
        ]

    @staticmethod
    def _feed(
        made: list[tuple[EWMean, EWVar, HoltWinters, ADWIN]], data: NDArray[np.float64]
    ) -> None:
        for tick in data.tolist():
            for (mean, variance, winters, drift), value in zip(made, tick, strict=True):
                if winters.level:
                    expected = winters.forecast(horizon=1)[0]
                    deviation = (variance.get() or 1.0) ** 0.5
                    abs(value - expected) / deviation
                    abs(value - mean.get()) / deviation
                mean.update(value)
                variance.update(value)
                winters.learn_one(value)
                drift.update(value)

    def round(self) -> None:
        data = values(self.at, ROUND, RIVER_SERIES, season=self.season == "known")
        start = time.process_time()
        self._feed(self.made, data)
        self.seconds.append((time.process_time() - start) / ROUND)
        self.at += ROUND


def compared(rows: list[int], rounds: int) -> list[Entry]:
    """Return all entries after *rounds* in turn."""
    peers = [River("none"), River("known")]
    banks = [Bank(count, season) for season in ("none", "young", "known") for count in rows]
    for _ in range(rounds):
        for entry in [*peers, *banks]:
            entry.round()
    return [*peers, *banks]


def line(entry: Entry, peer: Entry) -> str:
    """Return one line of the table; the median is over the rounds, each beside the peer's own."""
    ratios = [
        entry.series / mine * theirs / peer.series
        for mine, theirs in zip(entry.seconds, peer.seconds, strict=True)
    ]
    return (
        f"| {entry.who} | {entry.series:,} | {entry.season} | {1000.0 * min(entry.seconds):.3f} "
        f"| {entry.rate():,.0f} | {entry.size:,.0f} "
        f"| {entry.rate() / peer.rate():.1f} | {statistics.median(ratios):.1f} |"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[12, 120, 1000, 10_000, 100_000])
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    version = importlib.metadata.version("river")
    print(f"a step (score and learn), numpy {np.__version__}, river {version}, Python", end=" ")
    print(f"{platform.python_version()}, {platform.machine()}, one core, CPU time")
    print(f"{options.rounds} rounds in turn, each the mean of {ROUND} ticks; floor 20 x River at")
    print("10,000 series, 5 million points/s, 400 bytes without a season and 1,536 with one\n")
    entries = compared(options.rows, options.rounds)
    plain, seasonal = entries[:2]
    print("| who | series | season | ms/tick | points/s | bytes/series | x River | median |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for entry in entries:
        print(line(entry, plain if entry.season == "none" else seasonal))
    return 0


if __name__ == "__main__":
    sys.exit(main())
