"""Score many like series together: one row of arrays a series, one call a scrape."""

from __future__ import annotations

from itertools import repeat
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.bank_learn import Events, follow, learn_pace, learn_season, learn_week, union
from detectors.bank_look import NONE, RELEASE, WARMUP, Look, Places, Policy, look
from detectors.bank_one import OneByOne
from detectors.bank_rows import (
    BLAME,
    LAST_AT,
    LEVEL,
    NOISE,
    ORIGIN,
    PACE,
    PLAIN,
    PLAIN_SPREAD,
    SEASON_SPREAD,
    SEEN,
    SPREAD,
    WEIGHT,
    BankRows,
    selector,
)
from detectors.bank_scores import (
    FLAT,
    LOUD,
    NEW_NORMAL,
    REASONS,
    SEASON,
    SHIFT,
    SPIKE,
    VARIANCE,
    BankScores,
    describe,
)
from detectors.calibrate import ONE, Floats, Selector, TailCalibrator, Wide, fixed, pick
from detectors.level import gain
from detectors.season import SeasonTable
from detectors.week import DAY, WeekTable, rows_at

__all__ = [
    "FLAT",
    "NEW_NORMAL",
    "REASONS",
    "SEASON",
    "SHIFT",
    "SPIKE",
    "VARIANCE",
    "WARMUP",
    "BankScores",
    "SeriesBank",
]

BLOCK: Final = 32768
"""Rows looked at in one go: more costs memory for what is in between and gains nothing."""

FEW: Final = 6
"""Up to so many rows a step is cheaper in plain numbers than in arrays."""

_BIT: Final = np.array([1, 2, 4, 8])
_VERSION: Final = 4
# What only a good sample changes; the rest follows a departing series too.
_GOOD: Final = np.array([SPREAD, NOISE, PLAIN_SPREAD, SEASON_SPREAD, SEEN, WEIGHT], np.intp)[
    :, None
]
_GOOD_WIDE: Final = np.array([LEVEL, PLAIN], np.intp)[:, None]


class SeriesBank:
    """Keep up to ``max_rows`` series; score a scrape of them, then learn it.

    ``period`` and ``slots`` give the season (a day in five-minute slots; ``slots=0`` leaves it
    out). ``memory`` is the long memory in seconds. A sample with a surprise of ``flag`` or more
    is not learned, nor is what follows until the series is calm again; what is still flagged
    after ``accept_after`` seconds is accepted and reported once as "new normal".

    A value of NaN means "not in this scrape": its row is frozen. Infinite values and magnitudes
    above 1e30 are treated alike; counting them is the caller's. A row whose last sample is as
    new as ``at`` or newer learns nothing (duplicates and unordered stamps are harmless).
    About 180 bytes a row, 4 more a slot, and 204 for the week where there are slots of a day.
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
        self._rows = BankRows()
        self._tails = TailCalibrator(4, memory=2 * memory, light=2)
        self._season = SeasonTable(slots, period) if slots else None
        self._week = WeekTable() if slots and period == DAY else None
        self._policy = Policy(
            fixed(memory), accept_after, fixed(flag), fixed(0.95 * min(LOUD, RELEASE * flag))
        )
        self._one = OneByOne(
            self._rows,
            self._tails,
            self._season,
            self._week,
            memory=memory,
            accept_after=accept_after,
            flag=flag,
        )
        self._asked = np.zeros(0, np.int64)
        self._parts: list[tuple[slice, Selector]] = []
        self._last: tuple[float, NDArray[np.int64], list[tuple[slice, Look]]] | None = None
        self.rows = 0

    def add(self, count: int, *, interval: float | None = None) -> NDArray[np.int64]:
        """Return *count* new rows, fewer when ``max_rows`` is reached: the caller reports that.

        *interval* is the pace of the series in seconds; ``None`` lets it be learned.
        """
        self._last = None
        rows, again = self._rows.take(max(min(count, self.max_rows - self.rows), 0))
        self._grow(int(rows.max(initial=-1)) + 1)
        self._rows.start(rows)
        self.rows += len(rows)
        self._rows.narrow[PACE, rows] = 0.0 if interval is None else interval
        self._tails.reset(rows)
        if self._season is not None and len(again):
            self._season.reset(again)
        if self._week is not None and len(again):
            self._week.reset(again)
        return rows

    def remove(self, rows: NDArray[np.int64]) -> None:
        """Give *rows* back; later ``add`` calls hand them out again, forgotten."""
        self._last = None
        rows = np.unique(rows)
        self.rows -= int(np.count_nonzero(self._rows.used[rows]))
        self._rows.used[rows] = False

    def score(self, rows: NDArray[np.int64], at: float, values: Wide) -> BankScores:
        """Judge *values* of *rows* at event time *at*; changes nothing.

        *rows* holds distinct rows from ``add``; *values* has the same shape, NaN where missing.
        """
        return self._describe(len(rows), self._looks(rows, at, values))

    def learn(self, rows: NDArray[np.int64], at: float, values: Wide) -> None:
        """Learn *values* of *rows* at *at*, as far as the learning policy allows."""
        self._learn(self._looks(rows, at, values))

    def step(self, rows: NDArray[np.int64], at: float, values: Wide) -> BankScores:
        """Judge *values* of *rows* at *at*, then learn them: ``score`` and ``learn`` in one.

        A handful of rows is stepped in plain numbers, to the same scores but for rounding.
        """
        if len(rows) > FEW:
            looks = self._looks(rows, at, values)
            scores = self._describe(len(rows), looks)
            self._learn(looks)
            return scores
        self._last = None
        told = map(self._one.step, rows.tolist(), repeat(at), values.tolist())
        return BankScores.of(list(told))

    def excuse(self, rows: NDArray[np.int64]) -> None:
        """Let the departures that *rows* are in teach their tails nothing when they end.

        Somebody vouches that they are no chance of these rows; levels learn of none anyway.
        """
        self._last = None
        self._rows.narrow[BLAME, rows] = 0.0

    def seen(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how many samples each of *rows* has learned."""
        counts: NDArray[np.int64] = self._rows.narrow[SEEN, rows].astype(np.int64)
        return counts

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
        top = self._rows.top
        arrays = self._rows.to_arrays()
        arrays |= {f"tail_{k}": v for k, v in self._tails.to_arrays(top).items()}
        if self._season is not None:
            arrays["season"] = self._season.table[:, :top].copy()
        if self._week is not None:
            arrays |= self._week.to_arrays(top)
        return header, arrays

    @classmethod
    def from_state(cls, header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> SeriesBank:
        """Return the bank that ``to_state`` described; raise ``ValueError`` for another version."""
        if header.get("version") != _VERSION:
            raise ValueError(f"version = {header.get('version')!r}: this code reads {_VERSION}")
        bank = cls(**{name: value for name, value in header.items() if name != "version"})
        top = len(arrays["used"])
        bank._grow(top)
        bank._rows.load(arrays)
        bank.rows = int(np.count_nonzero(arrays["used"]))
        bank._tails.load({k[5:]: v for k, v in arrays.items() if k.startswith("tail_")})
        if bank._season is not None:
            bank._season.table[:, :top] = arrays["season"]
        if bank._week is not None:
            bank._week.load(arrays)
        return bank

    @property
    def nbytes(self) -> int:
        """Return the bytes all arrays hold, room for growth included."""
        total = self._rows.nbytes + self._tails.nbytes
        if self._season is not None:
            total += self._season.table.nbytes
        return total if self._week is None else total + self._week.nbytes

    def _grow(self, needed: int) -> None:
        have = self._rows.capacity
        if needed <= have:
            return
        capacity = min(max(needed, have * 3 // 2, 16), max(self.max_rows, needed))
        self._rows.grow(capacity)
        self._tails.grow(capacity)
        if self._season is not None:
            self._season.grow(capacity)
        if self._week is not None:
            self._week.grow(capacity)

    def _looks(self, rows: NDArray[np.int64], at: float, values: Wide) -> list[tuple[slice, Look]]:
        """Look at the rows block by block, or return the last look if it was the same."""
        last, same = self._last, _equal(self._asked, rows)
        # Bits, not numbers: NaN is equal to itself then, at a fifth of the time.
        if last is not None and same and last[0] == at and _equal(last[1], _bits(values)):
            return last[2]
        if not same:
            self._asked = rows.copy()
            cuts = range(0, len(rows), BLOCK)
            self._parts = [
                (slice(i, i + BLOCK), selector(self._asked[i : i + BLOCK])) for i in cuts
            ]
        kept = np.array(values, np.float64)
        looks = []
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            for part, sel in self._parts:
                fields = pick(self._rows.wide, sel), pick(self._rows.narrow, sel)
                found = look(
                    sel,
                    fields,
                    at,
                    kept[part],
                    tails=self._tails,
                    season=self._season,
                    week=self._week,
                    policy=self._policy,
                )
                looks.append((part, found))
        self._last = (at, kept.view(np.int64), looks)
        return looks

    @staticmethod
    def _describe(count: int, looks: list[tuple[slice, Look]]) -> BankScores:
        scores = BankScores.empty(count)
        for part, seen in looks:
            describe(seen, scores, part)
        return scores

    def _learn(self, looks: list[tuple[slice, Look]]) -> None:
        self._last = None
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            for _, seen in looks:
                self._learn_block(seen)

    def _learn_block(self, j: Look) -> None:
        wide, narrow = j.wide, j.narrow
        late = j.last_at >= j.at
        if not late.ndim and late:
            return
        old = union(j.missing, late.nonzero()[0]) if late.ndim else j.missing
        if len(old) == len(j.value):
            return
        # What learns less is picked out and put back: all others need no masks.
        events = Events.of(j, old, self.flag)
        held = union(old, events.departing)
        if len(held):
            before = narrow[:, old], wide[:, old]
            kept = narrow[_GOOD, events.departing], wide[_GOOD_WIDE, events.departing]

        seen = narrow[SEEN] + ONE
        weight = gain(seen, j.dt, self._policy.memory)
        frozen = union(held, j.vague)
        if len(frozen):
            weight[frozen] = 0.0
        came = NONE
        if self._season is not None:
            came = learn_season(j, self._season, weight, frozen)
        if j.week is not None and self._week is not None:
            learn_week(j, self._week, weight, old, held)
        there = wide[LEVEL, events.accepted]
        follow(j, seen, weight, events.accepted, self.flag)
        if j.week is not None and self._week is not None:
            self._week.accept(j.week, events.accepted, wide[LEVEL, events.accepted] - there)
        self._learn_tails(j, events, frozen, seen)
        if len(came):
            self._tails.reset(rows_at(j.sel, np.setdiff1d(came, held)))
        narrow[SEEN] = seen
        if len(j.unborn):
            wide[ORIGIN] = j.origin
        learn_pace(j)
        wide[LAST_AT] = j.at

        events.write(j)
        if len(held):
            narrow[_GOOD, events.departing], wide[_GOOD_WIDE, events.departing] = kept
            narrow[:, old], wide[:, old] = before
        if not isinstance(j.sel, slice):
            self._rows.narrow[:, j.sel], self._rows.wide[:, j.sel] = narrow, wide
            if j.week is not None and self._week is not None:
                self._week.fields[:, j.sel] = j.week.fields

    def _learn_tails(self, j: Look, events: Events, held: Places, seen: Floats) -> None:
        # A departure that went away by itself is normal for this series, once: it is taught when
        # it is over, or the lesson would end it, as one exceedance of the members that found it.
        weight = ONE
        if len(held) or len(j.young) or len(events.accepted):
            weight = np.ones(len(j.value), np.float32)
            weight[held] = 0.0
            weight[events.ended] = 1.0
            weight[events.accepted] = 0.0
            weight[j.young[seen[j.young] < WARMUP]] = 0.0
        beyond = j.beyond
        if len(ended := events.ended):
            members = j.narrow[BLAME, ended].astype(np.int64) & _BIT[:, None]
            j.raw[:, ended] = np.where(members > 0, np.float32(1e30), j.raw[:, ended])
            blamed, nth = (members > 0).nonzero()
            rows = j.raw.shape[1]
            places = union(beyond.places, np.sort(blamed * rows + ended[nth]))
            beyond = self._tails.beyond(j.sel, places, rows)
        self._tails.learn(j.sel, j.raw, j.dt, weight, beyond)


def _equal(a: NDArray[np.int64], b: NDArray[np.int64]) -> bool:
    return len(a) == len(b) and not np.count_nonzero(a != b)


def _bits(values: Wide) -> NDArray[np.int64]:
    return np.ascontiguousarray(values, np.float64).view(np.int64)
