"""Peers of the alert budget: deviations of a moving mean, and River's half-space trees on a sample.

Each keeps what it would have said at any threshold; the threshold is chosen when all is known.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from _fleet import DAY, FAMILIES, PER_ENTITY, Fault, Wide
from river.anomaly import HalfSpaceTrees
from river.compose import Pipeline
from river.preprocessing import MinMaxScaler

QUIET = 1800.0
"""Seconds of silence after which the same entity is another incident."""

KEPT = 50_000
LOWEST = 5.0
SAMPLE = 20
HISTORY = 2.0 * DAY


class Deviations:
    """Alert where a series is *k* mean deviations from its mean of the last day."""

    def __init__(self, interval: float) -> None:
        self._gain = interval / DAY
        self._mean: Wide | None = None
        self._spread: Wide | None = None
        self._seen = 0
        self.alerts: list[tuple[float, int, float]] = []
        self.lowest = LOWEST

    def see(self, at: float, row: Wide) -> None:
        if self._mean is None or self._spread is None:
            self._mean, self._spread = row.copy(), np.zeros(len(row))
        self._seen += 1
        error = np.abs(row - self._mean)
        if self._seen > 2 * PER_ENTITY:
            far = error / np.maximum(self._spread, 1e-9)
            starts = np.arange(0, len(row), PER_ENTITY)
            worst = np.maximum.reduceat(far, starts)
            for entity in np.flatnonzero(worst >= self.lowest).tolist():
                self.alerts.append((at, entity, float(worst[entity])))
            if len(self.alerts) > 2 * KEPT:
                self.lowest = float(np.sort([z for _, _, z in self.alerts])[-KEPT])
                self.alerts = [a for a in self.alerts if a[2] >= self.lowest]
        gain = max(1.0 / self._seen, self._gain)
        self._mean += gain * (row - self._mean)
        self._spread += gain * (error - self._spread)

    def incidents(self, threshold: float) -> list[tuple[float, set[int]]]:
        """Return beginnings: alerts of one entity less than half an hour apart are one."""
        last: dict[int, float] = defaultdict(lambda: -np.inf)
        found = []
        for at, entity, far in self.alerts:
            if far < threshold:
                continue
            if at - last[entity] > QUIET:
                found.append((at, {entity}))
            last[entity] = at
        return found

    def threshold(self, allowed: float) -> float:
        """Return the lowest threshold with no more than *allowed* incidents."""
        low, high = LOWEST, 1e6
        for _ in range(40):
            middle = float(np.sqrt(low * high))
            if len(self.incidents(middle)) > allowed:
                low = middle
            else:
                high = middle
        return high


class Trees:
    """Run half-space trees on a sample: how high they score without faults, and on faults."""

    def __init__(self, series: int, faults: list[Fault]) -> None:
        step = max(series // SAMPLE, 1)
        # A step that is no multiple of the families takes all of them.
        step += step % len(FAMILIES) == 0
        self.columns = list(range(0, series, step))[:SAMPLE]
        large = [f for f in faults if f.large and len(f.columns) == 1]
        self.faults = large[:: max(len(large) // (3 * SAMPLE), 1)]
        self.clean: list[Wide] = []
        self.faulty: dict[int, list[tuple[float, float]]] = {f.seed: [] for f in self.faults}

    def see_clean(self, values: Wide) -> None:
        self.clean.append(values[:, self.columns])

    def see_faults(self, at: Wide, values: Wide) -> None:
        for fault in self.faults:
            near = (at >= fault.begins - HISTORY) & (at <= fault.ends)
            mine = values[near, fault.columns[0]]
            self.faulty[fault.seed] += zip(at[near].tolist(), mine.tolist(), strict=True)

    def top(self) -> float:
        """Return the highest score on clean series."""
        return max(max(_scores(column)) for column in np.concatenate(self.clean).T.tolist())

    def delays(self, top: float) -> list[float | None]:
        """Return when each sampled fault scored higher than *top*."""
        found: list[float | None] = []
        for fault in self.faults:
            seen = self.faulty[fault.seed]
            scores = _scores([v for _, v in seen])
            hits = [
                at - fault.begins
                for (at, _), s in zip(seen, scores, strict=True)
                if at >= fault.begins and s > top
            ]
            found.append(min(hits, default=None))
        return found


def _scores(values: list[float]) -> list[float]:
    model = Pipeline(MinMaxScaler(), HalfSpaceTrees(seed=1))
    found = []
    for value in values:
        x = {"value": value}
        found.append(model.score_one(x))
        model.learn_one(x)
    return found
