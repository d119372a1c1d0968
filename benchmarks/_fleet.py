"""Simulate a fleet of metric series over weeks, and faults in it, day by day in arrays.

Every series has a level, a rhythm of the day, a rhythm of the week, a trend and noise of one of
five families; the series of one entity share their hours, their weekends and a part of their
noise. Nothing here knows what a detector does: parameters are drawn from ranges that people see in
operation, and a seed other than the reported one was used while anything was developed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

DAY = 86400.0
WEEK = 7 * DAY
FAMILIES = ("normal", "heavy", "lognormal", "poisson", "ar1")
POSITIVE = (2, 3)
PER_ENTITY = 20
KINDS = ("spike", "level", "ramp", "variance", "zero", "together")
SIZES = (3.0, 5.0, 8.0, 12.0)
"""Robust deviations (1.4826 times the median absolute deviation around the true rhythm)."""

LASTS = {"spike": 900.0, "zero": 3600.0, "together": 3600.0, "variance": 7200.0}
LASTS |= {"level": 3600.0, "ramp": 7200.0}
EVERY = 4 * 3600.0
"""One fault begins in every stretch of this length; the next begins after it has ended."""

Wide = NDArray[np.float64]
Start = 1_699_833_600.0  # a Monday, midnight UTC


@dataclass(frozen=True, slots=True)
class Fault:
    """One injected fault: what, where (columns), when, and how large in robust deviations."""

    kind: str
    size: float
    columns: tuple[int, ...]
    begins: float
    ends: float
    sign: float
    seed: int

    @property
    def entity(self) -> int:
        return self.columns[0] // PER_ENTITY

    @property
    def large(self) -> bool:
        """Return whether the floor of the gate asks for it."""
        return self.size >= 5.0 or len(self.columns) >= 3


class Fleet:
    """Draw the values of all series, one day after the other; the seed decides all of them."""

    def __init__(self, series: int, *, seed: int, interval: float = 300.0) -> None:
        self.series, self.seed, self.interval = series, seed, interval
        self.ticks = round(DAY / interval)
        rng = np.random.default_rng([seed, 1])
        self.entities = -(-series // PER_ENTITY)
        self.entity = np.arange(series) // PER_ENTITY
        self.family = np.arange(series) % len(FAMILIES)
        own = self.entity

        # What people of one service share: its hours, its weekends, how strong its rhythm is.
        peak = rng.uniform(0.0, 1.0, self.entities)[own] + rng.normal(0.0, 0.02, series)
        self._peak = peak
        steady = rng.random(self.entities) < 0.3
        depth = np.where(steady, 0.0, rng.uniform(0.1, 0.8, self.entities))
        self._depth = depth[own] * rng.uniform(0.3, 1.0, series)
        second = rng.uniform(0.0, 0.35, self.entities)
        self._second = second[own]
        works = rng.random(self.entities) < 0.5
        quiet = np.where(works & ~steady, rng.uniform(0.1, 0.6, self.entities), 0.0)
        self._weekend = quiet[own] * rng.uniform(0.5, 1.0, series)
        trending = rng.random(series) < 0.4
        self._trend = np.where(trending, rng.uniform(-0.015, 0.03, series), 0.0)  # a week

        # The noise: how large against the level, how heavy, how much of it is the entity's.
        self.level = 10.0 ** rng.uniform(0.0, 6.0, series)
        self.level[self.family == 3] = 10.0 ** rng.uniform(-0.3, 3.5, (self.family == 3).sum())
        self._noise = rng.uniform(0.02, 0.15, series)
        self._log_sigma = rng.uniform(0.1, 0.6, series)
        self._freedom = rng.choice([3.0, 4.0, 6.0], series)
        self._laplace = rng.random(series) < 0.5
        self._phi = rng.uniform(0.5, 0.97, series) ** (interval / 300.0)
        share = np.where(rng.random(self.entities) < 0.5, rng.uniform(0.0, 0.5, self.entities), 0.0)
        self._shared = share[own]
        self._state = np.random.default_rng([seed, 2]).standard_normal(series)

    def names(self) -> list[tuple[str, str]]:
        """Return (entity, metric) of every column; the names say nothing about what is bad."""
        return [
            (f"service:s{i // PER_ENTITY:03}", f"m{i % PER_ENTITY:02}") for i in range(self.series)
        ]

    def rhythm(self, at: Wide) -> Wide:
        """Return the mean of every series at times *at*, shape (times, series)."""
        clock = (at % DAY)[:, None] / DAY
        turn = 2.0 * np.pi * (clock - self._peak)
        wave = np.cos(turn)
        wave += self._second * np.cos(2.0 * turn)
        wave *= self._depth
        wave += 1.0
        np.maximum(wave, 0.02, out=wave)
        wave *= 1.0 - np.multiply.outer(_weekend(at), self._weekend)
        wave *= 1.0 + np.multiply.outer((at - Start) / WEEK, self._trend)
        wave *= self.level
        return wave

    def day(self, day: int) -> tuple[Wide, Wide]:
        """Return (times, values) of day number *day*; days are asked for in order."""
        at = Start + day * DAY + self.interval * np.arange(self.ticks)
        mean = self.rhythm(at)
        rng = np.random.default_rng([self.seed, 3, day])
        noise = rng.standard_normal(mean.shape, dtype=np.float32)
        common = rng.standard_normal((self.ticks, self.entities), dtype=np.float32)
        normal, heavy, logn, poisson, ar1 = (slice(i, None, 5) for i in range(5))
        for part in (normal, ar1):
            weight = self._shared[part]
            noise[:, part] *= np.sqrt(1.0 - weight)
            noise[:, part] += np.sqrt(weight) * common[:, self.entity[part]]
        shape = noise[:, heavy].shape
        laplace = self._laplace[heavy]
        tails = rng.laplace(0.0, np.sqrt(0.5), shape)
        chi = rng.standard_gamma(
            self._freedom[heavy][~laplace] / 2.0, (*shape[:1], (~laplace).sum())
        )
        chi *= 2.0 / self._freedom[heavy][~laplace]
        tails[:, ~laplace] = noise[:, heavy][:, ~laplace] / np.sqrt(chi)
        noise[:, heavy] = tails
        self._remember(noise, ar1)
        values = mean * (1.0 + self._noise * noise)
        sigma = self._log_sigma[logn]
        values[:, logn] = mean[:, logn] * np.exp(sigma * noise[:, logn] - sigma**2 / 2.0)
        values[:, poisson] = rng.poisson(mean[:, poisson])
        return at, values

    def _remember(self, noise: NDArray[np.float32], part: slice) -> None:
        """Turn white noise into AR(1) of the same variance, going on from the day before."""
        innovation = noise[:, part] * np.sqrt(1.0 - self._phi[part] ** 2)
        for n, i in enumerate(range(*part.indices(self.series))):
            phi = self._phi[i]
            noise[:, i] = lfilter([1.0], [1.0, -phi], innovation[:, n], zi=[phi * self._state[i]])[
                0
            ]
        self._state[part] = noise[-1, part]

    def days(self, count: int) -> Iterator[tuple[Wide, Wide]]:
        """Yield (times, values) of *count* days from the first one."""
        for day in range(count):
            yield self.day(day)


def _weekend(at: Wide) -> Wide:
    """Return how much weekend it is, 0 to 1: nights turn into it over four hours."""
    hours = (at - Start) % WEEK / 3600.0
    return (
        np.clip((hours - 118.0) / 4.0, 0.0, 1.0)
        - np.clip((hours - 166.0) / 4.0, 0.0, 1.0)
        + (np.clip((2.0 - hours) / 4.0, 0.0, 0.5))
    )


def deviations(series: int, *, seed: int, interval: float) -> Wide:
    """Return the robust deviation of each series around its true rhythm, from a day of its own."""
    fleet = Fleet(series, seed=seed, interval=interval)
    at, values = fleet.day(1)
    off = np.abs(values - fleet.rhythm(at))
    unit: Wide = 1.4826 * np.median(off, axis=0)
    return np.maximum(unit, 0.5 * off.mean(axis=0))


def schedule(fleet: Fleet, unit: Wide, *, seed: int, begin: float, end: float) -> list[Fault]:
    """Draw one fault for every stretch of ``EVERY`` seconds, all kinds and sizes by turns."""
    rng = np.random.default_rng([seed, 4])
    faults = []
    combos = [(kind, size) for kind in KINDS for size in SIZES]
    order: list[int] = []
    for n in range(int((end - begin) // EVERY)):
        if not order:
            order = rng.permutation(len(combos)).tolist()
        kind, size = combos[order.pop()]
        entity = int(rng.integers(fleet.entities))
        first, last = entity * PER_ENTITY, min((entity + 1) * PER_ENTITY, fleet.series)
        many = int(rng.integers(3, 9)) if kind == "together" else 1
        columns = tuple(
            sorted(rng.choice(np.arange(first, last), min(many, last - first), False).tolist())
        )
        starts = begin + n * EVERY + float(rng.uniform(0.0, 3600.0))
        sign = float(rng.choice([-1.0, 1.0])) if kind in ("level", "ramp", "spike") else 1.0
        if any(i % len(FAMILIES) in POSITIVE for i in columns):
            sign = 1.0  # below zero there is nothing
        if kind == "zero":
            mean = fleet.rhythm(np.array([starts, starts + LASTS[kind]]))[:, columns[0]]
            size = float(mean.min() / unit[columns[0]])
        faults.append(Fault(kind, size, columns, starts, starts + LASTS[kind], sign, n))
    return faults


def inject(at: Wide, values: Wide, faults: list[Fault], unit: Wide) -> Wide:
    """Return *values* with *faults* in them; counts stay whole numbers at or above zero."""
    changed = values.copy()
    for fault in faults:
        rows = np.flatnonzero((at >= fault.begins) & (at < fault.ends))
        if not len(rows):
            continue
        into = (at[rows] - fault.begins) / (fault.ends - fault.begins)
        rng = np.random.default_rng([fault.seed, 5, int(at[0])])
        for i in fault.columns:
            old = changed[rows, i]
            if fault.kind == "zero":
                changed[rows, i] = 0.0
                continue
            if fault.kind == "variance":
                new = old + fault.size * unit[i] * rng.standard_normal(len(rows))
            elif fault.kind == "ramp":
                new = old + fault.sign * fault.size * unit[i] * np.minimum(2.0 * into, 1.0)
            else:
                new = old + fault.sign * fault.size * unit[i]
            if i % len(FAMILIES) in POSITIVE:
                new = np.maximum(new, 0.0)
            changed[rows, i] = np.rint(new) if i % len(FAMILIES) == 3 else new
    return changed
