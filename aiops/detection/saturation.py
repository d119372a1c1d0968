"""Say when something will be full: lines over several spans, up to where they meet the bound.

A forecast reaches four times as far as the line it extends (six hours for a day, as the alert
rules of node_exporter have it), a quarter as far as the series was watched, and a day at most.
What rose before and came down by itself is only told once it is higher than it ever was: logs
that are rotated and heaps that are collected fill up all the time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from aiops.detection.facts import anomaly_id
from aiops.detection.levels import FIELDS, SPANS, WIDTHS, Levels
from aiops.detection.table import Table
from aiops.model import Anomaly, Section, Severity
from aiops.units import duration, quantity
from detectors.trend import Lines, lines, slopes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from aiops.detection.bounds import Bound
    from aiops.model import Series

FEWEST = 0.5  # of them that must be known
REACH = 4.0  # forecast over length of line
WATCHED = 0.25  # forecast over time watched
HORIZON = 86400.0
SOON, NEXT = 4 * 3600.0, 3600.0  # from here on it is an error, critical
LASTING = 0.3  # of its slope that the last third must keep
LOOSE, TIGHT = 4.0, 1.5  # fastest over slowest pace that may be told first, and at any time
HIGHER = 0.1  # of the room left at the former peak that must be gone, too
FULL, NOT_FULL = 0.995, 0.97
AT_ONCE = 256  # rows fitted together: bounds the memory of a fit
_VERSION = 1


class Saturation:
    """Watch up to *most* things that can be full."""

    def __init__(self, most: int = 10_000) -> None:
        self._table = Table(
            most,
            {
                "began": ((), math.nan),
                "seen": ((), 0.0),
                **FIELDS,
                # What is told: since when, by a line of which length, and when it is full.
                "since": ((), math.nan),
                "span": ((), 0.0),
                "slope": ((), 0.0),
                "base": ((), 0.0),
                "noise": ((), 0.0),
                "full_at": ((), 0.0),
                "full_low": ((), 0.0),
                "full_high": ((), 0.0),
                "surprise": ((), 0.0),
            },
        )
        self._levels = Levels(self._table)

    def __len__(self) -> int:
        return len(self._table)

    def bind(self, series: Sequence[Series], bounds: Sequence[Bound], at: float) -> Fillable:
        """Give every bound a row; those beyond the room are left out."""
        rows = self._table.rows_of([series[b.of].id for b in bounds], at)
        kept = [(b, row) for b, row in zip(bounds, rows.tolist(), strict=True) if row >= 0]
        return Fillable(
            rows=np.array([row for _, row in kept], np.intp),
            of=np.array([b.of for b, _ in kept], np.intp),
            free=np.array([b.free for b, _ in kept], np.bool_),
            whole=np.array([b.whole for b, _ in kept], np.intp),
            size=np.array([b.size for b, _ in kept], np.float64),
            said=np.array([b.said for b, _ in kept], np.bool_),
            series=tuple(series[b.of] for b, _ in kept),
        )

    def see(
        self, things: Fillable, at: float, values: NDArray[np.float64], threshold: float
    ) -> list[Anomaly]:
        """Learn one scrape and return everything that is on its way to be full."""
        if not len(things.rows):
            return []
        t, rows = self._table, things.rows
        whole = np.where(things.whole >= 0, values[things.whole], things.size)
        with np.errstate(invalid="ignore", divide="ignore"):
            used = values[things.of] / whole
            used = np.where(things.free, 1.0 - used, used)
        used[things.said] = np.minimum(used[things.said], 1.0)
        # An unlimited quota is told as 0, -1 or an absurd number; nothing is more than full.
        used[~((whole > 0.0) & (whole < 1e17) & (used >= -0.01) & (used <= 1.05))] = np.nan
        known = ~np.isnan(used) & (t["seen_at"][rows] <= at)
        if known.any():
            self._learn(rows[known], at, used[known], threshold)
        return [
            self._told(things, int(i), at, used=used, whole=whole, threshold=threshold)
            for i in np.flatnonzero(known & ~np.isnan(t["since"][rows]))
            if not self._over(int(rows[i]), at, float(used[i]))
        ]

    # --- learning ---------------------------------------------------------------------------

    def _learn(
        self, rows: NDArray[np.intp], at: float, used: NDArray[np.float64], threshold: float
    ) -> None:
        t = self._table
        t["seen_at"][rows] = at
        t["seen"][rows] += 1.0
        began = t["began"][rows]
        t["began"][rows] = np.where(np.isnan(began), at, began)
        for s in range(len(WIDTHS)):
            new = self._levels.turn(rows, s, at)
            if len(new):
                self._fit(new, s, at, threshold)
            self._levels.add(rows, s, used)

    def _fit(self, rows: NDArray[np.intp], s: int, at: float, threshold: float) -> None:
        t = self._table
        told = ~np.isnan(t["since"][rows])
        for k, n in enumerate(SPANS):
            part = t["ring"][rows, s, -n:]
            slope = slopes(part, WIDTHS[s])
            slope[np.count_nonzero(~np.isnan(part), axis=1) < FEWEST * n] = np.nan
            usual = self._levels.usual(rows, s, k, slope, told)
            # Most things stand still: only what rises so fast that it matters is fitted.
            with np.errstate(invalid="ignore"):
                worth = 2.0 * REACH * slope * n * WIDTHS[s] >= 1.0 - part[:, -1]
            worth |= told & ~np.isnan(slope)
            chosen = np.flatnonzero(worth)
            for start in range(0, len(chosen), AT_ONCE):
                some = chosen[start : start + AT_ONCE]
                fitted = lines(part[some], WIDTHS[s])
                for i, place in enumerate(some.tolist()):
                    line = _Line.of(fitted, i, float(part[place, -1]), float(usual[place]))
                    self._decide(int(rows[place]), s, n, line, at=at, threshold=threshold)

    def _decide(
        self, row: int, s: int, n: int, line: _Line, *, at: float, threshold: float
    ) -> None:
        t, span = self._table, n * WIDTHS[s]
        told = not math.isnan(t["since"][row])
        if told and self._stopped(row, s, n, line, at):
            t["since"][row] = math.nan
            return
        if not (line.slow > 0.0 and line.late > LASTING * line.slope):
            return
        room = max(1.0 - line.level, 0.0)
        left = room / line.slope
        if told:
            # The longest line within the rise says most; a shorter one only when it is certain.
            inside = span <= 1.2 * (at - float(t["since"][row]))
            certain = line.surprise >= threshold and line.fast <= TIGHT * line.slow
            if left > 2.0 * HORIZON or not (certain or (inside and span >= t["span"][row])):
                return
        else:
            watched = max(at - float(t["began"][row]), 0.0)
            before = self._levels.before(row, s, span)
            peak = float(np.fmax.reduce([*before, *t["peak"][row, s:]]))
            higher = math.isnan(peak) or line.last > peak + HIGHER * (1.0 - peak)
            reach = min(HORIZON, REACH * span, WATCHED * watched)
            if left > reach or not higher or line.surprise < threshold:
                return
            if line.fast > LOOSE * line.slow:
                return
            known = before[~np.isnan(before)]
            base = float(np.median(known)) if len(known) >= 6 else line.first
            # The line began where it leaves what was usual before.
            rose = (line.level - base) / line.slope
            t["since"][row] = max(at - max(rose, span), float(t["began"][row]))
            t["base"][row], t["noise"][row] = base, line.noise
            t["surprise"][row] = line.surprise
        t["span"][row], t["slope"][row] = span, line.slope
        t["full_at"][row] = at + left
        t["full_low"][row], t["full_high"][row] = at + room / line.fast, at + room / line.slow
        t["surprise"][row] = max(float(t["surprise"][row]), line.surprise)

    def _stopped(self, row: int, s: int, n: int, line: _Line, at: float) -> bool:
        """Return whether the last third of a line within the rise has clearly lost its pace."""
        t = self._table
        third = n // 3
        # Too short a piece is all noise, too long a one holds what was before the rise.
        inside = 0.1 <= third * WIDTHS[s] / (at - float(t["since"][row])) <= 0.67
        error = line.noise * math.sqrt(12.0 / third**3) / WIDTHS[s]
        return (
            inside
            and line.last < FULL
            and line.late + 4.0 * error < LASTING * float(t["slope"][row])
        )

    def _over(self, row: int, at: float, used: float) -> bool:
        """Return whether room was made: then nothing is told any more."""
        t = self._table
        line = 1.0 - float(t["slope"][row]) * (float(t["full_at"][row]) - at)
        # Halfway back to where it came from, and not by one value, is more than noise.
        used = max(used, float(np.fmax.reduce(t["ring"][row, 0, -4:], initial=-1.0)))
        over = used < min(line, NOT_FULL) - max(
            0.5 * (min(line, 1.0) - float(t["base"][row])), 3.0 * float(t["noise"][row])
        )
        if over:
            t["since"][row] = math.nan
        return over

    # --- telling ----------------------------------------------------------------------------

    def _told(
        self,
        things: Fillable,
        i: int,
        at: float,
        *,
        used: NDArray[np.float64],
        whole: NDArray[np.float64],
        threshold: float,
    ) -> Anomaly:
        t, row, series = self._table, int(things.rows[i]), things.series[i]
        share, size = float(used[i]), float(whole[i])
        left = float(t["full_at"][row]) - at
        low, high = float(t["full_low"][row]) - at, float(t["full_high"][row]) - at
        since, base = float(t["since"][row]), float(t["base"][row])
        pace = 3600.0 * float(t["slope"][row]) * size
        unit = series.unit
        amount = f"{quantity(100.0 * share, '%')} used"
        if things.whole[i] >= 0 or unit not in ("ratio", "%"):
            amount = f"{quantity(100.0 * share, '%')} of {quantity(size, unit)} used"
        if share >= FULL:
            reason = f"full: {amount}, it grew {quantity(pace, unit)} an hour"
            left = 0.0
        else:
            reason = (
                f"full in {duration(left)} ({duration(low)} to {_later(high)}):"
                f" {amount}, growing {quantity(pace, unit)} an hour"
            )
        severity = Severity.WARNING
        if left <= SOON:
            severity = Severity.CRITICAL if left <= NEXT else Severity.ERROR
        reach = 100.0 * 3.0 * float(t["noise"][row])
        return Anomaly(
            id=anomaly_id(series.id, "saturation", since),
            series=series,
            kind="saturation",
            at=at,
            since=since,
            surprise=round(float(t["surprise"][row]), 3),
            threshold=round(threshold, 3),
            severity=severity,
            reason=reason,
            detector="trend",
            actual=100.0 * share,
            expected=100.0 * base,
            low=100.0 * base - reach,
            high=100.0 * base + reach,
            unit="%",
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
        header: dict[str, Any] = {"ids": ids}
        return Section("saturation", _VERSION, header, arrays)

    def restore(self, section: Section) -> None:
        """Take back what ``to_section`` returned; another version starts cold."""
        if section.version == _VERSION:
            self._table.load(section.header["ids"], section.arrays)


@dataclass(frozen=True, slots=True, eq=False)
class Fillable:
    """Say which columns of a source can be full, and in which rows that is remembered."""

    rows: NDArray[np.intp]
    of: NDArray[np.intp]
    free: NDArray[np.bool_]
    whole: NDArray[np.intp]
    size: NDArray[np.float64]
    said: NDArray[np.bool_]
    series: tuple[Series, ...]


@dataclass(frozen=True, slots=True)
class _Line:
    """Hold one fitted line; ``last`` is the newest value it goes by."""

    slope: float
    slow: float
    fast: float
    late: float
    level: float
    first: float
    noise: float
    surprise: float
    last: float

    @classmethod
    def of(cls, fitted: Lines, i: int, last: float, usual: float) -> _Line:
        """Take the *i*-th line; its surprise is the larger one of both tests."""
        return cls(
            slope=float(fitted.slope[i]),
            slow=float(fitted.slow[i]),
            fast=float(fitted.fast[i]),
            late=float(fitted.late[i]),
            level=float(fitted.level[i]),
            first=float(fitted.first[i]),
            noise=float(fitted.noise[i]),
            surprise=max(float(fitted.surprise[i]), usual),
            last=last,
        )


def _later(seconds: float) -> str:
    return duration(seconds) if seconds < 10 * HORIZON else "never"
