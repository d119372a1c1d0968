"""Measure forecasts of fullness: false ones on healthy series, and lead before true ones.

Run: `python benchmarks/saturation.py [--seed 0] [--days 10] [--each 40]`. Healthy series are of
eight families (noise, drifting noise, a daily tide, saw-teeth of ten minutes to a day, a week's
growth that is cleaned up, steps, collected heaps, random walks), most of them well below their
bound. The same number of noisy series then begins to fill, at a pace of one hour to one day.
The peer is the usual rule: a straight line through the last hour reaches the bound within four.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from aiops.detection.bounds import Bound
from aiops.detection.saturation import Saturation
from aiops.model import Anomaly, Series
from detectors.trend import slopes

FAMILIES = ("noise", "drift", "tide", "saw", "week", "steps", "heap", "walk", "filling")
STEP, START, THRESHOLD = 60.0, 1.7e9, 7.5
Floats = NDArray[np.float64]


class Fleet:
    """Draw one value a minute for every series; the last family fills up on the last day."""

    def __init__(self, seed: int, each: int, days: float) -> None:
        self.rng = np.random.default_rng(seed)
        self.size = n = each * len(FAMILIES)
        self.family = np.repeat(np.arange(len(FAMILIES)), each)
        rng = self.rng
        self.level, self.noise = rng.uniform(0.3, 0.85, n), rng.uniform(0.003, 0.03, n)
        self.low = np.minimum(self.level, 0.7)
        self.period = np.exp(rng.uniform(np.log(600), np.log(86400), n))
        self.phase, self.height = rng.random(n), rng.uniform(0.1, 0.25, n)
        self.drift, self.step, self.walk = np.zeros(n), np.zeros(n), self.low.copy()
        self.begins = START + (days - rng.uniform(0.5, 1.0, n)) * 86400.0
        self.takes = np.exp(rng.uniform(np.log(3600), np.log(43200), n))

    def at(self, t: float) -> Floats:
        rng, n = self.rng, self.size
        white = rng.standard_normal(n) * self.noise
        self.drift += -self.drift / 120.0 + rng.standard_normal(n) * self.noise * 0.4
        jump = rng.random(n) < STEP / 10800.0
        self.step = np.where(jump, rng.uniform(-0.1, 0.1, n), self.step)
        self.walk = np.clip(self.walk + 0.0015 * rng.standard_normal(n), 0.05, 0.95)
        tide = np.minimum(0.12, 0.95 - self.level) * np.sin(
            2.0 * np.pi * (t / 86400.0 + self.phase)
        )
        filled = np.clip((t - self.begins) / self.takes, 0.0, None)
        shapes = [
            self.level + white,
            self.level + self.drift + 0.3 * white,
            self.level + tide + 0.3 * white,
            self.low + self.height * ((t / self.period + self.phase) % 1.0) + 0.2 * white,
            self.low + 0.15 * ((t / 604800.0 + self.phase) % 1.0) + 0.2 * white,
            self.level + self.step + 0.3 * white,
            self.low + 0.2 * ((t / (self.period / 20.0 + 60.0) + self.phase) % 1.0) + white,
            self.walk + 0.1 * white,
            self.low + (1.0 - self.low) * filled + white,
        ]
        return np.clip(np.choose(self.family, shapes), 0.0, 1.0)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--days", type=float, default=10.0)
    arguments.add_argument("--each", type=int, default=40)
    args = arguments.parse_args()
    fleet = Fleet(args.seed, args.each, args.days)
    series = [Series(f"host:{n}", "disk_used_ratio") for n in range(fleet.size)]
    made = Saturation()
    things = made.bind(series, [Bound(n, False, -1) for n in range(fleet.size)], START)
    first: dict[str, Anomaly] = {}
    hour = np.full((fleet.size, 60), np.nan)
    firing = np.zeros(fleet.size, np.bool_)
    rule: list[tuple[int, float]] = []
    spent = 0.0
    for minute in range(int(args.days * 1440)):
        t = START + 60.0 * minute
        values = fleet.at(t)
        began = time.process_time()
        for anomaly in made.see(things, t, values, THRESHOLD):
            first.setdefault(anomaly.id, anomaly)
        spent += time.process_time() - began
        hour = np.concatenate([hour[:, 1:], values[:, None]], axis=1)
        if minute % 5 == 0 and minute >= 60:
            fires = values + 14400.0 * slopes(hour, STEP) >= 1.0
            rule += [(int(n), t) for n in np.flatnonzero(fires & ~firing)]
            firing = fires
    ours = [(int(a.entity.removeprefix("host:")), a.at) for a in first.values()]
    healthy = fleet.family < len(FAMILIES) - 1
    full = fleet.begins + fleet.takes
    weeks = np.count_nonzero(healthy) * args.days / 7.0
    print(f"{fleet.size} series, {args.days:g} days, a value a minute, seed {args.seed}")
    print(f"{'':28}{'ours':>10}{'rule':>10}")
    rows: dict[str, list[str]] = {}
    for told in (ours, rule):
        for f, name in enumerate(FAMILIES[:-1]):
            count = sum(fleet.family[n] == f for n, _ in told)
            rows.setdefault(f"false on {name}", []).append(str(count))
        false = [at for n, at in told if healthy[n]]
        late = [at for at in false if at > START + 86400.0]
        rows.setdefault("false a series and week", []).append(f"{len(false) / weeks:.3f}")
        rows.setdefault("… after the first day", []).append(
            f"{len(late) / (weeks * (args.days - 1) / args.days):.3f}"
        )
        leads = []
        due = [n for n in np.flatnonzero(~healthy) if full[n] < START + args.days * 86400.0]
        for n in due:
            seen = [at for m, at in told if m == n and fleet.begins[n] <= at < full[n]]
            leads += [(full[n] - seen[0]) / fleet.takes[n]] if seen else []
        rows.setdefault("told before it was full", []).append(f"{len(leads)}/{len(due)}")
        rows.setdefault("… lead, share of the filling", []).append(
            f"{float(np.median(leads)) if leads else 0.0:.2f}"
        )
    for name, (a, b) in rows.items():
        print(f"{name:28}{a:>10}{b:>10}")
    print(f"CPU {1e6 * spent / (args.days * 1440 * fleet.size):.1f} µs a value")


if __name__ == "__main__":
    main()
