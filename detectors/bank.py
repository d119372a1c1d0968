"""Score many like series together: one row of arrays a series, one call a scrape."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.calibrate import Floats, Selector, TailCalibrator, Wide, combine
from detectors.level import gain, limited, scale
from detectors.season import TRUSTED, SeasonTable, ramp
from detectors.shift import cumulate

REASONS: Final = ("", "level", "spike", "season", "shift", "variance", "flat", "new normal")
"""What ``BankScores.reason`` counts into; "" is a sample like the others."""

LEVEL, SPIKE, SEASON, SHIFT, VARIANCE, FLAT, NEW_NORMAL = range(1, 8)

WARMUP: Final = 12
"""Samples before a row says anything: a spread of fewer is a guess."""

FAST: Final = 0.3
"""Weight of one sample in the forecast: memory of about three samples."""

RECENT: Final = 0.08
"""Weight of one sample in the recent spread: memory of about a dozen samples."""

CALM_AFTER: Final = 3
"""Samples in a row like the others that end a departure."""

RELEASE: Final = 0.5
"""A departure goes on while the surprise is above this share of what began it."""

SMALLEST_HOLD: Final = 12.0
"""A departure lasts at least this many paces of the series before it can be accepted."""

LARGEST: Final = 1e30
"""Values beyond are treated as missing: they leave the range of float32 arithmetic."""

USEFUL: Final = 0.7
"""A season is used while it leaves less than this share of the mean deviation."""

RAMP: Final = 3 * 3600.0
"""Seconds over which a season comes into use: shorter looks like a jump, longer wastes days."""

_WIDE: Final = (
    "level",
    "fast",
    "origin",
    "plain",
    "last_at",
    "since",
)
_NARROW: Final = (
    "spread",
    "noise",
    "recent",
    "size",
    "plain_spread",
    "season_spread",
    "seen",
    "up",
    "down",
    "weight",
    "offset",
    "pace",
    "quiet",
    "blame",
    "streak",
)
_START: Final = {"last_at": -np.inf, "since": np.nan}
_LN2: Final = math.log(2.0)
_KEEP_FAST: Final = math.log(1.0 - FAST)
_BY_MEMBER: Final = np.array([LEVEL, SPIKE, SHIFT, VARIANCE], np.uint8)
_BIT: Final = np.array([1, 2, 4, 8])
_VERSION: Final = 1


@dataclass(frozen=True, slots=True, eq=False)
class BankScores:
    """Hold one entry per asked row; NaN is "don't know" in every float array.

    ``surprise`` is ``-log10`` of the calibrated tail probability, ``expected``, ``low`` and
    ``high`` are in the unit of the series, ``reason`` indexes ``REASONS``, ``since`` is when the
    present departure began, ``seen`` counts learned samples.
    """

    surprise: Wide
    expected: Wide
    low: Wide
    high: Wide
    reason: NDArray[np.uint8]
    since: Wide
    seen: NDArray[np.int64]


@dataclass(slots=True, eq=False)
class _Judged:
    """Hold everything one look at the rows yields; ``learn`` needs the same numbers."""

    sel: Selector
    at: float
    state: dict[str, Any]
    known: NDArray[np.bool_]
    value: Wide
    dt: Floats
    slot: int
    rest: Wide
    size: Floats
    offset: Floats
    slot_value: Floats
    passes: NDArray[np.uint32]
    off_level: Floats
    off_fast: Floats
    unit: Floats
    unit_fast: Floats
    up: Floats
    down: Floats
    recent: Floats
    raw: Floats
    surprise: Floats
    each: Floats
    best: NDArray[np.uint8]
    flagged: NDArray[np.bool_]
    accepted: NDArray[np.bool_]


class SeriesBank:
    """Keep up to ``max_rows`` series; score a scrape of them, then learn it.

    ``period`` and ``slots`` give the season (a day in five-minute slots; ``slots=0`` leaves it
    out). ``memory`` is the long memory in seconds. A sample with a surprise of ``flag`` or more
    is not learned, nor is what follows until the series is calm again; what is still flagged
    after ``accept_after`` seconds is accepted and reported once as "new normal".

    A value of NaN means "not in this scrape": its row is frozen. Infinite values and magnitudes
    above 1e30 are treated alike; counting them is the caller's. A row whose last sample is as
    new as ``at`` or newer learns nothing (duplicates and unordered stamps are harmless).
    About 190 bytes a row, and 4 more a slot.
    """

    def __init__(
        self,
        *,
        period: float = 86400.0,
        slots: int = 288,
        memory: float = 7 * 86400.0,
        accept_after: float = 7200.0,
        flag: float = 4.0,
        max_rows: int = 100_000,
    ) -> None:
        self.period = period
        self.memory = memory
        self.accept_after = accept_after
        self.flag = flag
        self.max_rows = max_rows
        self.rows = 0
        self._top = 0
        self._used = np.zeros(0, np.bool_)
        self._tails = TailCalibrator(4, memory=2 * memory)
        self._season = SeasonTable(slots, period) if slots else None
        self._state: dict[str, Any] = {name: np.zeros(0) for name in _WIDE}
        self._state |= {name: np.zeros(0, np.float32) for name in _NARROW}
        self._last: tuple[NDArray[np.int64], float, Wide, _Judged] | None = None

    def add(self, count: int, *, interval: float | None = None) -> NDArray[np.int64]:
        """Return *count* new rows, fewer when ``max_rows`` is reached: the caller reports that.

        *interval* is the pace of the series in seconds; ``None`` lets it be learned.
        """
        self._last = None
        count = max(min(count, self.max_rows - self.rows), 0)
        free = np.flatnonzero(~self._used[: self._top])[:count]
        fresh = np.arange(self._top, self._top + count - len(free))
        rows = np.concatenate([free, fresh]).astype(np.int64)
        if len(fresh):
            self._top = int(fresh[-1]) + 1
            self._grow(self._top)
        self._used[rows] = True
        self.rows += count
        for name, array in self._state.items():
            array[rows] = _START.get(name, 0.0)
        self._state["pace"][rows] = 0.0 if interval is None else interval
        self._tails.reset(rows)
        if self._season is not None and len(free):
            self._season.reset(free)
        return rows

    def remove(self, rows: NDArray[np.int64]) -> None:
        """Give *rows* back; later ``add`` calls hand them out again, forgotten."""
        self._last = None
        rows = np.unique(rows)
        self.rows -= int(np.count_nonzero(self._used[rows]))
        self._used[rows] = False

    def score(self, rows: NDArray[np.int64], at: float, values: Wide) -> BankScores:
        """Judge *values* of *rows* at event time *at*; changes nothing.

        *rows* holds distinct rows from ``add``; *values* has the same shape, NaN where missing.
        """
        judged = self._judge(rows, at, values)
        s = judged.state
        warming = s["seen"] < WARMUP
        unknown = warming | ~judged.known
        loud = judged.surprise >= 2.0
        # The forecast explains a spike; everything else is told against the usual level.
        quick = loud & (judged.best == 1)
        centre = judged.value - np.where(quick, judged.off_fast, judged.off_level)
        unit = np.where(quick, judged.unit_fast, judged.unit)
        edges = np.exp(self._tails.log_edge[:2, judged.sel])
        reach = np.where(quick, edges[1], edges[0]) * unit
        # A sample that is not there still has an expected value.
        centre = np.where(judged.known, centre, s["level"] + s["origin"] + judged.offset)
        reason = _BY_MEMBER[judged.best]
        reason = np.where((reason == SPIKE) & (s["weight"] > 0.5), SEASON, reason)
        reason = np.where((reason == VARIANCE) & (judged.recent < s["noise"]), FLAT, reason)
        reason = np.where(judged.accepted, NEW_NORMAL, np.where(loud, reason, 0))
        since = np.where(np.isnan(s["since"]) & judged.flagged, at, s["since"])
        return BankScores(
            surprise=np.where(unknown, np.nan, judged.surprise).astype(np.float64),
            expected=np.where(warming, np.nan, centre),
            low=np.where(warming, np.nan, centre - reach),
            high=np.where(warming, np.nan, centre + reach),
            reason=np.where(unknown, 0, reason).astype(np.uint8),
            since=since,
            seen=s["seen"].astype(np.int64),
        )

    def learn(self, rows: NDArray[np.int64], at: float, values: Wide) -> None:
        """Learn *values* of *rows* at *at*, as far as the learning policy allows."""
        j = self._judge(rows, at, values)
        self._last = None
        s = j.state
        new = j.known & (at > s["last_at"])
        departing = j.flagged | ~np.isnan(s["since"])
        good = new & (~departing | j.accepted)
        seen = s["seen"] + good

        self._learn_season(j, good)
        weight = gain(seen, j.dt, self.memory)
        reach = np.exp(np.minimum(s["streak"], 20.0) * _LN2) * 6.0 * j.unit_fast
        follow = np.minimum(np.maximum(j.off_fast, -reach), reach)
        follow = np.where(seen < 8.0, j.off_fast, follow)
        ratio = j.dt / np.maximum(np.abs(s["pace"]), 1e-6)
        fast = s["fast"] + follow * (1.0 - np.exp(ratio * _KEEP_FAST))
        error = limited(j.off_level, j.unit, seen)
        noise = np.abs(limited(j.off_fast, j.unit_fast, seen))
        done = {
            "level": s["level"] + weight * error,
            "spread": s["spread"] + weight * (np.abs(error) - s["spread"]),
            "noise": s["noise"] + weight * (noise - s["noise"]),
        }
        # What stayed is the new normal: start from where the series is now.
        if j.accepted.any():
            done["level"] = np.where(j.accepted, fast, done["level"])
            done["noise"] = np.where(j.accepted, np.maximum(j.recent, s["noise"]), done["noise"])
        for name, value in done.items():
            s[name] = np.where(good, value, s[name])
        # The sums of a shift must grow while it lasts, or it would end by itself.
        s["up"] = np.where(new, j.up * ~j.accepted, s["up"])
        s["down"] = np.where(new, j.down * ~j.accepted, s["down"])
        s["fast"] = np.where(new, fast, s["fast"])
        s["recent"] = np.where(new, j.recent, s["recent"])
        s["size"] = np.where(new, j.size, s["size"])
        s["seen"] = seen

        begun = new & j.flagged & np.isnan(s["since"])
        if begun.any():
            loud = j.each >= np.minimum(self.flag, j.each.max(axis=0))
            s["blame"] = np.where(begun, (_BIT[:, None] * loud).sum(axis=0), s["blame"])
        quiet = np.where(j.flagged, 0.0, s["quiet"] + 1.0)
        s["quiet"] = np.where(new, quiet, s["quiet"])
        s["streak"] = np.where(new, np.where(j.flagged, s["streak"] + 1.0, 0.0), s["streak"])
        ended = departing & (s["quiet"] >= CALM_AFTER) & new
        over = (new & j.accepted) | ended
        self._learn_tails(j, (good & ~j.accepted) | ended, ended)
        s["since"] = np.where(over, np.nan, np.where(begun, at, s["since"]))
        moved = new & (s["last_at"] > -np.inf)
        pace = np.where(s["pace"] == 0.0, -j.dt, s["pace"] + 0.1 * (-j.dt - s["pace"]))
        s["pace"] = np.where(moved & (s["pace"] <= 0.0), np.minimum(pace, -1e-6), s["pace"])
        s["last_at"] = np.where(new, at, s["last_at"])
        for name, array in s.items():
            self._state[name][j.sel] = array

    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return (plain header, arrays): all that ``from_state`` needs to go on exactly."""
        header = {
            "version": _VERSION,
            "period": self.period,
            "slots": 0 if self._season is None else self._season.slots,
            "memory": self.memory,
            "accept_after": self.accept_after,
            "flag": self.flag,
            "max_rows": self.max_rows,
        }
        arrays: dict[str, NDArray[Any]] = {"used": self._used[: self._top].copy()}
        arrays |= {name: array[: self._top].copy() for name, array in self._state.items()}
        arrays |= {f"tail_{k}": v for k, v in self._tails.to_arrays(self._top).items()}
        if self._season is not None:
            arrays["season"] = self._season.table[:, : self._top].copy()
        return header, arrays

    @classmethod
    def from_state(cls, header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> SeriesBank:
        """Return the bank that ``to_state`` described; raise ``ValueError`` for another version."""
        if header.get("version") != _VERSION:
            raise ValueError(f"version = {header.get('version')!r}: this code reads {_VERSION}")
        bank = cls(**{name: value for name, value in header.items() if name != "version"})
        used = arrays["used"]
        bank._top = len(used)
        bank._grow(bank._top)
        bank._used[: bank._top] = used
        bank.rows = int(np.count_nonzero(used))
        for name, array in bank._state.items():
            array[: bank._top] = arrays[name]
        bank._tails.load({k[5:]: v for k, v in arrays.items() if k.startswith("tail_")})
        if bank._season is not None:
            bank._season.table[:, : bank._top] = arrays["season"]
        return bank

    @property
    def nbytes(self) -> int:
        """Return the bytes all arrays hold, room for growth included."""
        total = self._used.nbytes + self._tails.nbytes
        total += sum(int(a.nbytes) for a in self._state.values())
        return total if self._season is None else total + self._season.table.nbytes

    def _grow(self, needed: int) -> None:
        if needed <= len(self._used):
            return
        capacity = min(max(needed, len(self._used) * 3 // 2, 16), max(self.max_rows, needed))
        for name, array in self._state.items():
            self._state[name] = np.full(capacity, _START.get(name, 0.0), array.dtype)
            self._state[name][: len(array)] = array
        used, self._used = self._used, np.zeros(capacity, np.bool_)
        self._used[: len(used)] = used
        self._tails.grow(capacity)
        if self._season is not None:
            self._season.grow(capacity)

    def _judge(self, rows: NDArray[np.int64], at: float, values: Wide) -> _Judged:
        last = self._last
        if (
            last is not None
            and last[1] == at
            and np.array_equal(last[0], rows)
            and np.array_equal(last[2], values, equal_nan=True)
        ):
            return last[3]
        sel = _selector(rows)
        # Slices are views: what is stored below is always a new array, never written in place.
        s = {name: array[sel] for name, array in self._state.items()}
        known = np.abs(values) <= LARGEST
        started = s["seen"] > 0
        value = np.where(known, values, s["level"] + s["origin"])
        s["origin"] = np.where(started, s["origin"], value)
        gap = np.where(started, at - s["last_at"], 0.0).astype(np.float32)
        pace = np.abs(s["pace"])
        # A gap is not evidence: it counts as four paces at most.
        dt = np.maximum(np.where(pace > 0.0, np.minimum(gap, 4.0 * pace), gap), 0.0)

        slot, offset = 0, s["offset"]
        slot_value, passes = np.zeros_like(offset), np.zeros(len(value), np.uint32)
        if self._season is not None:
            slot = self._season.slot(at)
            slot_value, passes = self._season.read(slot, sel)
            offset = np.where(passes > 0, slot_value * s["weight"], offset)
        rest = value - s["origin"]
        # The largest value of late, not of now: a series back at 0 has not lost its scale.
        size = np.maximum(
            np.abs(value).astype(np.float32), s["size"] * (self.memory / (dt + self.memory))
        )
        seen = s["seen"]
        # With a season the spread around it counts, not the one from before it was known.
        spread = s["spread"]
        fitted = np.where(s["season_spread"] > 0.0, np.minimum(s["season_spread"], spread), spread)
        unit = scale(spread + s["weight"] * (fitted - spread), size, seen)
        # After a gap the forecast is old; its error grows like that of a random walk.
        stale = np.sqrt(np.minimum(np.maximum(gap / np.maximum(pace, 1e-6), 1.0), 64.0))
        unit_fast = scale(s["noise"], size, seen)
        unit_fast = np.where(pace > 0.0, unit_fast * stale, unit_fast)
        # Differences are taken in float64; what is left needs no more than float32.
        bare = rest - offset
        off_level = (bare - s["level"]).astype(np.float32)
        off_fast = (bare - s["fast"]).astype(np.float32)
        z, z_fast = off_level / unit, off_fast / unit_fast
        up, down = cumulate(s["up"], s["down"], z)
        noise = np.minimum(np.abs(off_fast), 6.0 * unit_fast)
        recent = s["recent"] + np.maximum(RECENT, 1.0 / (seen + 1.0)) * (noise - s["recent"])
        # A floor of one unit's hundredth: two silent spreads are equal, not undefined.
        floor = unit_fast - s["noise"] + 0.02 * unit_fast
        change = np.abs(np.log((recent + floor) / (s["noise"] + floor))) * 4.0
        raw = np.stack([np.abs(z), np.abs(z_fast), np.maximum(up, down), change])
        np.minimum(raw, 1e30, out=raw)
        raw *= known & started

        each = self._tails.surprise(sel, raw)
        surprise = combine(each) * (s["seen"] >= WARMUP)
        lasting = ~np.isnan(s["since"])
        flagged = known & (
            surprise >= np.where(lasting, np.float32(RELEASE * self.flag), np.float32(self.flag))
        )
        hold = np.maximum(self.accept_after, SMALLEST_HOLD * pace)
        accepted = flagged & (at - s["since"] >= hold)
        judged = _Judged(
            sel,
            at,
            s,
            known,
            value,
            dt,
            slot,
            rest,
            size,
            offset,
            slot_value,
            passes,
            off_level,
            off_fast,
            unit,
            unit_fast,
            up,
            down,
            recent,
            raw,
            surprise,
            each,
            _strongest(each),
            flagged,
            accepted,
        )
        self._last = (rows.copy(), at, values.copy(), judged)
        return judged

    def _learn_tails(self, j: _Judged, teach: NDArray[np.bool_], ended: NDArray[np.bool_]) -> None:
        # A departure that went away by itself is normal for this series, once: it is taught when
        # it is over, or the lesson would end it, as one exceedance of the members that found it.
        raw = j.raw
        if ended.any():
            members = j.state["blame"].astype(np.int64) & _BIT[:, None]
            raw = np.where(ended & (members > 0), np.float32(1e30), raw)
        weight = (teach & (j.state["seen"] >= WARMUP)).astype(np.float32)
        self._tails.learn(j.sel, raw, j.dt, weight)

    def _learn_season(self, j: _Judged, good: NDArray[np.bool_]) -> None:
        if self._season is None:
            return
        s = j.state
        width = self._season.width
        last = s["last_at"]
        # The slot began at one time for all rows: before it lies another pass.
        fresh = last < j.at - (j.at % self.period - j.slot * width)
        rest = j.rest.astype(np.float32)
        self._season.learn(j.slot, j.sel, rest, j.dt, learnt=good, fresh=fresh)
        weight = gain(s["seen"] + 1.0, j.dt, self.memory)
        plain = (j.rest - s["plain"]).astype(np.float32)
        judged = good & (j.passes >= TRUSTED)
        wide = np.abs(plain)
        left = np.minimum(np.abs(rest - j.slot_value), 2.0 * np.maximum(wide, s["plain_spread"]))
        wide = s["plain_spread"] + weight * (wide - s["plain_spread"])
        s["plain_spread"] = np.where(good, wide, s["plain_spread"])
        s["plain"] = np.where(good, s["plain"] + weight * plain, s["plain"])
        fitted = s["season_spread"] == 0.0
        left = (
            np.where(fitted, s["plain_spread"], s["season_spread"]) * (1 - weight) + weight * left
        )
        s["season_spread"] = np.where(judged, left, s["season_spread"])
        useful = (s["season_spread"] > 0.0) & (s["season_spread"] < USEFUL * s["plain_spread"])
        s["weight"] = np.where(good, ramp(s["weight"], useful, j.dt, RAMP), s["weight"])
        s["offset"] = np.where(good, j.offset, s["offset"])


def _strongest(each: Floats) -> NDArray[np.uint8]:
    """Return the first of the largest along axis 0; ``argmax`` along it is ten times slower."""
    most = each.max(axis=0)
    later = each[0] < most
    best: NDArray[np.uint8] = later.astype(np.uint8)
    for row in each[1:-1]:
        later = later & (row < most)
        best += later
    return best


def _selector(rows: NDArray[np.int64]) -> Selector:
    """Return a slice for consecutive rows: views cost nothing, gathering costs a copy."""
    if len(rows) and rows[-1] - rows[0] + 1 == len(rows) and bool(np.all(np.diff(rows) == 1)):
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows
