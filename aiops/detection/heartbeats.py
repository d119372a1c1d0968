"""Judge metrics that hold the time when something happened last: is the next time overdue.

The gaps between beats are taken as gamma distributed: the more regular they were, the sooner the
next one is late. Its shape is never trusted beyond the number of gaps seen.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import gammaincc

from aiops.detection.facts import anomaly_id
from aiops.detection.table import Table
from aiops.model import Anomaly, Section, Severity
from aiops.units import duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from aiops.detection.rules import MetricRules
    from aiops.model import Series

_NAME = re.compile(
    r"timestamp(?:_seconds|_ms|_milliseconds)?$|last_\w*_time(?:_seconds)?$|_last_\w+_seconds$"
    r"|_time_seconds$|_timestamp_"
)
_NEVER = re.compile(r"start|boot|creat|build|birth|expir|not_after|not_before|until|next|deadline")
GAPS = 5.0  # between beats before the next one can be late
MOST_GAPS = 200.0  # that are remembered
SHAPE = 50.0
LATE = 2.0  # times the usual gap, at least
EVIDENCE = 2.0  # decades below the threshold that still confirm
MOST = 12.0
ACCEPT = 7 * 86400.0
_VERSION = 1


@lru_cache(maxsize=20_000)
def _is_time(bare: str) -> bool:
    bare = bare.lower()
    return _NAME.search(bare) is not None and _NEVER.search(bare) is None


@dataclass(frozen=True, slots=True, eq=False)
class Beating:
    """Say which columns hold times, and in which rows that is remembered."""

    rows: NDArray[np.intp]
    of: NDArray[np.intp]
    series: tuple[Series, ...]


class Heartbeats:
    """Remember the gaps of up to *most* metrics that hold a time."""

    def __init__(self, most: int = 10_000) -> None:
        self._table = Table(
            most,
            {
                "last": ((), math.nan),
                "gaps": ((), 0.0),
                "mean": ((), 0.0),
                "square": ((), 0.0),
                "seen": ((), 0.0),
            },
        )

    def bind(self, series: Sequence[Series], rules: MetricRules, at: float) -> Beating:
        """Find the columns that hold times, by name or by rule."""
        chosen = []
        for i, one in enumerate(series):
            rule = rules.of(one)
            named = _is_time(one.name.partition("{")[0])
            if rule is not None and rule.kind:
                named = rule.kind == "heartbeat"
            if named and one.kind == "gauge":
                chosen.append(i)
        rows = self._table.rows_of([series[i].id for i in chosen], at)
        of = np.array(chosen, np.intp)[rows >= 0]
        return Beating(rows[rows >= 0], of, tuple(series[i] for i in of.tolist()))

    def see(
        self, beating: Beating, at: float, values: NDArray[np.float64], threshold: float
    ) -> list[Anomaly]:
        """Learn one scrape and return what is overdue."""
        if not len(beating.rows):
            return []
        t, rows = self._table, beating.rows
        beat = values[beating.of]
        beat = np.where(beat > 1e11, beat / 1000.0, beat)  # milliseconds
        # A time in the future, or of long ago, is none.
        beat[~((beat > at - 400 * 86400.0) & (beat <= at + 60.0))] = np.nan
        known = np.flatnonzero(~np.isnan(beat) & (t["seen_at"][rows] <= at))
        t["seen_at"][rows[known]] = at
        t["seen"][rows[known]] += 1.0
        for i in known.tolist():
            row, value = int(rows[i]), float(beat[i])
            last = float(t["last"][row])
            if value > last:
                self._beat(row, value - last)
            if math.isnan(last) or value > last:
                t["last"][row] = value
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = t["mean"][rows]
            age = at - t["last"][rows]
            spread = np.maximum(t["square"][rows] - mean**2, 0.0)
            shape = np.minimum(
                mean**2 / np.maximum(spread, 1e-9), np.minimum(t["gaps"][rows], SHAPE)
            )
            share = gammaincc(np.maximum(shape, 1e-3), shape * age / mean)
            surprise = -np.log10(np.maximum(share, 10.0**-MOST))
            late = ~np.isnan(beat) & (t["gaps"][rows] >= GAPS) & (age >= LATE * mean)
            late &= (surprise >= threshold - EVIDENCE) & (age < ACCEPT + 10.0 * mean)
        return [
            self._late(beating, int(i), at, float(surprise[i]), threshold)
            for i in np.flatnonzero(late)
        ]

    def _beat(self, row: int, gap: float) -> None:
        t = self._table
        t["gaps"][row] = count = min(float(t["gaps"][row]) + 1.0, MOST_GAPS)
        t["mean"][row] += (gap - t["mean"][row]) / count
        t["square"][row] += (gap * gap - t["square"][row]) / count

    def _late(
        self, beating: Beating, i: int, at: float, surprise: float, threshold: float
    ) -> Anomaly:
        t, row, series = self._table, int(beating.rows[i]), beating.series[i]
        mean, last = float(t["mean"][row]), float(t["last"][row])
        reach = 3.0 * math.sqrt(max(float(t["square"][row]) - mean * mean, 0.0))
        return Anomaly(
            id=anomaly_id(series.id, "stale", last),
            series=series,
            kind="stale",
            at=at,
            since=last + mean,
            surprise=round(surprise, 3),
            threshold=round(threshold, 3),
            severity=Severity.WARNING,
            reason=f"last happened {duration(at - last)} ago, usually every {duration(mean)}",
            detector="heartbeats",
            actual=at - last,
            expected=mean,
            low=max(mean - reach, 0.0),
            high=mean + reach,
            unit="s",
            severe=True,
            seen=int(t["seen"][row]),
        )

    @property
    def taken(self) -> int:
        """Return how many rows changed hands."""
        return self._table.taken

    def take_refused(self) -> int:
        """Return how many rows were refused since the last call."""
        refused, self._table.refused = self._table.refused, 0
        return refused

    # --- saved at a cut ---------------------------------------------------------------------

    def to_section(self) -> Section:
        """Return all memories."""
        ids, arrays = self._table.to_state()
        return Section("heartbeats", _VERSION, {"ids": ids}, arrays)

    def restore(self, section: Section) -> None:
        """Take back what ``to_section`` returned; another version starts cold."""
        if section.version == _VERSION:
            self._table.load(section.header["ids"], section.arrays)
