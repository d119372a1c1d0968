"""Step one row of a bank in plain numbers: look, describe and learn without arrays.

For a handful of rows numpy's overhead is all there is: about 200 calls, however few the rows.
Every name and every line has its like in ``bank_look``, ``bank_scores`` and ``bank_learn``, where
the reasons stand; a property test holds the two together. Numbers are float64 in between and are
rounded to the bank's own types when they are written back, once a step, so a bank that was saved
and loaded goes on exactly.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from detectors.bank_learn import CALM_AFTER, FAST, IN_USE, RAMP, USEFUL, USELESS, VARIANCE_MEMBER
from detectors.bank_look import LARGEST, RECENT_WEIGHT, RELEASE, SMALLEST_HOLD, WARMUP
from detectors.bank_rows import (
    BLAME,
    DOWN,
    FAST_LEVEL,
    LAST_AT,
    LEVEL,
    NOISE,
    OFFSET,
    ORIGIN,
    PACE,
    PLAIN,
    PLAIN_SPREAD,
    QUIET,
    RECENT,
    SEASON_SPREAD,
    SEEN,
    SINCE,
    SIZE,
    SPREAD,
    STREAK,
    UP,
    WEIGHT,
    BankRows,
)
from detectors.bank_scores import (
    BY_MEMBER,
    FLAT,
    LOUD,
    NEW_NORMAL,
    SEASON,
    SPIKE,
    VARIANCE,
    Told,
)
from detectors.calibrate import TailCalibrator
from detectors.level import FIRST, MOVING, OUTLIER, STILL, TINY
from detectors.one_tail import OneTail, combine
from detectors.one_week import OneWeek
from detectors.proportion import NEAR, OneProportion
from detectors.season import TRUSTED, SeasonTable
from detectors.shift import ROOM, SHARE, STEP
from detectors.week import WeekTable

_KEEP_FAST: Final = math.log(1.0 - FAST)


@dataclass(slots=True)
class _Look:
    """What ``bank_look.Look`` holds of one row."""

    row: int
    at: float
    value: float
    wide: list[float]
    narrow: list[float]
    tail: OneTail
    last_at: float
    pace: float
    missing: bool = False
    dt: float = 0.0
    slot: int = 0
    slot_value: float = 0.0
    passes: int = 0
    offset: float = 0.0
    rest: float = 0.0
    size: float = 0.0
    off: tuple[float, float] = (0.0, 0.0)
    unit: tuple[float, float] = (1.0, 1.0)
    sums: tuple[float, float] = (0.0, 0.0)
    recent: float = 0.0
    raw: Sequence[float] = (0.0, 0.0, 0.0, 0.0)
    surprise: float = 0.0
    each: Sequence[float] = ()
    lasting: bool = False
    flagged: bool = False
    accepted: bool = False
    week: OneWeek | None = None
    explained: float = 0.0
    carried: float = 0.0
    vague: bool = False
    grown: float = 1.0


class OneByOne:
    """Step rows of a bank's own arrays, one at a time."""

    def __init__(
        self,
        rows: BankRows,
        tails: TailCalibrator,
        season: SeasonTable | None,
        week: WeekTable | None,
        *,
        memory: float,
        accept_after: float,
        flag: float,
    ) -> None:
        self._rows = rows
        self._tails = tails
        self._season = season
        self._week = week
        self._memory = memory
        self._accept_after = accept_after
        self._flag = flag
        self._warm = 0.95 * min(LOUD, RELEASE * flag)

    def step(self, row: int, at: float, value: float) -> Told:
        """Judge *value* of *row* at *at*, then learn it as far as the policy allows."""
        rows = self._rows
        wide: list[float] = rows.wide[:, row].tolist()
        narrow: list[float] = rows.narrow[:, row].tolist()
        tail = OneTail(self._tails, row)
        j = _Look(row, at, value, wide, narrow, tail, wide[LAST_AT], abs(narrow[PACE]))
        self._look(j)
        told = _describe(j)
        if not j.missing and j.last_at < at:
            self._learn(j)
            rows.wide[:, row] = wide
            rows.narrow[:, row] = narrow
        return told

    # --- look -------------------------------------------------------------------------------

    def _look(self, j: _Look) -> None:
        """Fill in distances and what they come to, as ``bank_look.look`` does."""
        wide, narrow, seen = j.wide, j.narrow, j.narrow[SEEN]
        j.missing = not abs(j.value) <= LARGEST
        if j.missing:
            j.value = wide[LEVEL] + wide[ORIGIN]
        if seen == 0.0:
            wide[ORIGIN] = j.value
        j.dt, stale = _time(j.last_at, j.pace, j.at)
        j.offset = narrow[OFFSET]
        if self._season is not None:
            j.slot = self._season.slot(j.at)
            j.slot_value, j.passes = self._season.read_one(j.slot, j.row)
            if j.passes:
                j.offset = (j.slot_value - wide[PLAIN]) * narrow[WEIGHT]
        j.rest = j.value - wide[ORIGIN]
        memory = self._memory
        j.size = max(abs(j.value), narrow[SIZE] * (memory / (j.dt + memory)))
        spread = narrow[SPREAD]
        if narrow[WEIGHT]:
            spread += narrow[WEIGHT] * (min(narrow[SEASON_SPREAD], spread) - spread)
        level = _scale(spread, j.size, seen)
        forecast = stale * _scale(narrow[NOISE], j.size, seen)
        j.unit = level, forecast
        above = j.rest - j.offset - wide[LEVEL]
        jump = j.rest - j.offset - wide[FAST_LEVEL]
        if self._week is not None and self._season is not None:
            j.week = OneWeek(self._week, j.row, j.at, j.last_at, seen * j.pace)
            plain, mean = wide[PLAIN], wide[ORIGIN] + wide[PLAIN]
            size = math.copysign(max(abs(mean), NEAR * narrow[PLAIN_SPREAD], TINY), mean)
            day = OneProportion(
                self._season, j.row, size, plain, narrow[WEIGHT], j.offset, narrow[OFFSET]
            )
            week = j.week.explained(above, jump, narrow[SPREAD], day)
            j.explained, j.carried, j.vague = week
            expected = wide[ORIGIN] + wide[LEVEL] + j.offset + j.explained
            j.grown = j.week.grow(expected, narrow[SPREAD], first=not seen)
        above = (above - j.explained) / j.grown
        jump = (jump - j.carried) / j.grown
        j.off = above, jump
        j.sums = _average(narrow[UP], narrow[DOWN], above / level)
        recent = narrow[RECENT]
        shown = min(abs(jump), 6.0 * forecast)
        j.recent = recent + (shown - recent) * max(1.0 / (seen + 1.0), RECENT_WEIGHT)
        if not j.missing and seen:
            usual = 1.02 * forecast
            change = 4.0 * abs(math.log((j.recent - narrow[NOISE] + usual) / usual))
            j.raw = abs(above) / level, abs(jump) / forecast, max(j.sums), change
        if seen >= WARMUP:
            j.surprise = j.tail.together(j.raw)
            if j.surprise >= self._warm:
                j.each = j.tail.each(j.raw)
                j.surprise = combine(j.each)
        since = wide[SINCE]
        j.lasting = not math.isnan(since)
        if not j.missing:
            j.flagged = j.surprise >= (RELEASE * self._flag if j.lasting else self._flag)
        hold = max(self._accept_after, SMALLEST_HOLD * j.pace)
        j.accepted = j.flagged and j.at - since >= hold

    # --- learn ------------------------------------------------------------------------------

    def _learn(self, j: _Look) -> None:
        wide, narrow = j.wide, j.narrow
        begun = j.flagged and not j.lasting
        ended = j.lasting and not j.flagged and narrow[QUIET] + 1.0 >= CALM_AFTER
        held = (j.lasting or j.flagged) and not j.accepted
        seen, level = narrow[SEEN] + 1.0, wide[LEVEL]
        _follow(j, first=seen < FIRST)
        weight = max(4.0 / (seen + 24.0), 1.0 / seen, j.dt / (j.dt + self._memory))
        if held or j.vague:
            weight = 0.0
        if j.week is not None:
            error = abs(j.off[0]) / max(narrow[SPREAD], 1e-6)
            j.week.learn(
                j.rest,
                j.explained,
                j.off[0] * j.grown,
                j.dt,
                held=held,
                weight=weight,
                error=error,
                first=seen == 1.0,
            )
        came = False
        if not held:
            if self._season is not None:
                came = _learn_season(j, self._season, weight)
            _learn_level(j, weight, self._flag, first=seen < FIRST)
            narrow[SEEN] = seen
        if j.week is not None:
            j.week.done(wide[LEVEL] - level if j.accepted else 0.0)
        if seen >= WARMUP and (ended or not (held or j.accepted or j.vague)):
            if ended:
                blamed = int(narrow[BLAME])
                j.raw = [1e30 if blamed >> n & 1 else raw for n, raw in enumerate(j.raw)]
            j.tail.learn(j.raw, j.dt)
        if came:
            self._tails.reset(np.array([j.row]))
        if narrow[PACE] <= 0.0 and j.last_at > -math.inf:
            moved = 0.1 * (j.pace - j.dt) - j.pace if j.pace else -j.dt
            narrow[PACE] = min(moved, -1e-6)
        wide[LAST_AT] = j.at
        narrow[QUIET] = 0.0 if j.flagged else narrow[QUIET] + 1.0
        narrow[STREAK] = narrow[STREAK] + 1.0 if j.flagged else 0.0
        if begun:
            least = min(self._flag, max(j.each))
            narrow[BLAME] = sum(1 << n for n, one in enumerate(j.each) if one >= least)
            wide[SINCE] = j.at
        elif ended or j.accepted:
            wide[SINCE] = math.nan


def _follow(j: _Look, *, first: bool) -> None:
    """Move what follows a departing series too: the forecast, the sums, recent spread, size."""
    wide, narrow = j.wide, j.narrow
    step = j.off[1]
    if not first:
        reach = 6.0 * j.unit[1]
        if narrow[STREAK]:
            reach *= 2.0 ** min(narrow[STREAK], 20.0)
        step = _cut(step, reach)
    step *= j.grown * (1.0 - math.exp(j.dt / max(j.pace, 1e-6) * _KEEP_FAST))
    wide[FAST_LEVEL] += step + j.carried
    narrow[UP], narrow[DOWN] = j.sums
    narrow[RECENT] = j.recent
    narrow[SIZE] = j.size
    narrow[OFFSET] = j.offset


def _learn_level(j: _Look, weight: float, flag: float, *, first: bool) -> None:
    """Move level and spreads; what was accepted starts from where the series is now."""
    wide, narrow = j.wide, j.narrow
    above, jump = j.off
    if not first:
        above, jump = _cut(above, OUTLIER * j.unit[0]), _cut(jump, OUTLIER * j.unit[1])
    usual = narrow[NOISE]
    narrow[SPREAD] += (abs(above) - narrow[SPREAD]) * weight
    narrow[NOISE] += (abs(jump) - usual) * weight
    wide[LEVEL] += weight * above * j.grown
    if j.accepted:
        noisy = j.each[VARIANCE_MEMBER] >= RELEASE * flag
        jump = wide[FAST_LEVEL] - wide[LEVEL] - j.explained
        if not (noisy and j.recent > 2.0 * usual and abs(jump) <= 2.0 * j.recent):
            wide[LEVEL] += jump
        narrow[NOISE] = j.recent if noisy else max(j.recent, usual)
        narrow[UP] = narrow[DOWN] = 0.0


def _learn_season(j: _Look, season: SeasonTable, weight: float) -> bool:
    """Learn the slot of the day; return whether the season came into use."""
    wide, narrow = j.wide, j.narrow
    fresh = j.last_at < j.at - (j.at % season.period - j.slot * season.width)
    rest, step, used = j.rest - j.explained, 0.0, narrow[WEIGHT]
    if not j.vague:
        age = narrow[SEEN] * j.pace
        step = season.learn_one(j.slot, j.row, rest, j.dt, fresh=fresh, age=age)
    plain = rest - wide[PLAIN]
    far, spread = abs(plain), narrow[PLAIN_SPREAD]
    most = 2.0 * max(far, spread)
    spread += (far - spread) * weight
    narrow[PLAIN_SPREAD] = spread
    share = min(max(j.pace, season.width), season.period) / season.period
    mean = step * share if j.passes else 0.0
    wide[PLAIN] += plain * weight + used * (mean - plain * weight)
    fitted = narrow[SEASON_SPREAD]
    if j.passes >= TRUSTED:
        fitted = spread if fitted == 0.0 else fitted
        fitted += (min(abs(rest - j.slot_value), most) - fitted) * weight
        narrow[SEASON_SPREAD] = fitted
    useful = 0.0 < fitted < (USEFUL + used * (USELESS - USEFUL)) * spread
    narrow[WEIGHT] += (useful - used) * (j.dt / (j.dt + RAMP))
    return used < IN_USE <= narrow[WEIGHT]


def _time(last: float, pace: float, at: float) -> tuple[float, float]:
    """Return the time a sample stands for and how stale the forecast is."""
    gap = at - last if last > -math.inf else 0.0
    if not pace:
        return max(gap, 0.0), 1.0
    stale = math.sqrt(min(max(gap / max(pace, 1e-6), 1.0), 64.0))
    return max(min(gap, 4.0 * pace), 0.0), stale


def _scale(spread: float, size: float, seen: float) -> float:
    size = max(size, TINY)
    still = min(spread / (MOVING * size), 1e9)
    return STILL * size / (still * still + 1.0) + spread * (8.0 / (seen + 1.0) + 1.0)


def _average(up: float, down: float, z: float) -> tuple[float, float]:
    moved = (up - down) * (1.0 - SHARE) + _cut(z, STEP) * SHARE * ROOM
    return max(moved, 0.0), max(-moved, 0.0)


def _cut(value: float, reach: float) -> float:
    # Asked four times a step: min and max would cost five times as much.
    if value > reach:
        return reach
    if value < -reach:
        return -reach
    return value


def _describe(j: _Look) -> Told:
    """Say what ``bank_scores.describe`` says, for one row and before it learns."""
    narrow = j.narrow
    seen = narrow[SEEN]
    since = j.at if j.flagged and not j.lasting else j.wide[SINCE]
    if seen < WARMUP:
        nan = math.nan
        return Told(nan, nan, nan, nan, 0, since, int(seen))
    member, reason = 0, 0
    if j.each and j.surprise >= LOUD:
        best = j.each.index(max(j.each))
        member = int(best == 1)
        reason = int(BY_MEMBER[best])
        if reason == SPIKE and narrow[WEIGHT] > 0.5:
            reason = SEASON
        elif reason == VARIANCE and j.recent < narrow[NOISE]:
            reason = FLAT
    if j.accepted:
        reason = NEW_NORMAL
    centre = j.value - j.off[member] * j.grown
    reach = j.tail.edges[member] * j.unit[member] * j.grown
    surprise = math.nan if j.missing else j.surprise
    return Told(surprise, centre, centre - reach, centre + reach, reason, since, int(seen))
