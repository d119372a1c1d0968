"""Look at one block of a bank's rows: distances, their surprise, and what departs.

Most rows of most blocks are calm. They go through arithmetic without masks; the few that are
young, missing, loud or departing are picked out by index and treated apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.bank_rows import (
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
    RECENT,
    SEASON_SPREAD,
    SEEN,
    SINCE,
    SIZE,
    SPREAD,
    UP,
    WEIGHT,
)
from detectors.calibrate import (
    ONE,
    ZERO,
    Beyond,
    Floats,
    Selector,
    TailCalibrator,
    Wide,
    combine,
    fixed,
)
from detectors.growth import above, height
from detectors.level import scale
from detectors.proportion import Proportion, sizes
from detectors.season import SeasonTable
from detectors.shift import average
from detectors.week import CENTRE, POWER, VAGUE, WeekLook, WeekTable

WARMUP: Final = 12
"""Samples before a row says anything: a spread of fewer is a guess."""

RECENT_WEIGHT: Final = 0.08
"""Weight of one sample in the recent spread: memory of about a dozen samples."""

RELEASE: Final = 0.5
"""A departure goes on while the surprise is above this share of what began it."""

SMALLEST_HOLD: Final = 12.0
"""A departure lasts at least this many paces of the series before it can be accepted."""

LARGEST: Final = 1e30
"""Values beyond are treated as missing: they leave the range of float32 arithmetic."""

Places = NDArray[np.intp]
NONE: Final[Places] = np.zeros(0, np.intp)
_NO_VALUES: Final[Floats] = np.zeros(0, np.float32)
_NO_PASSES: Final = np.zeros(0, np.uint32)
_LARGEST: Final = np.array(LARGEST)
_NO_EACH: Final = np.zeros((4, 0), np.float32)
_NO_MASK: Final = np.zeros(0, np.bool_)
_FOUR: Final = fixed(4.0)
_SIX: Final = fixed(6.0)
_FLOOR: Final = fixed(1.02)
_RECENT_WEIGHT: Final = fixed(RECENT_WEIGHT)
_SHORTEST: Final = fixed(1e-6)
_STALEST: Final = fixed(64.0)
_WARMUP: Final = fixed(WARMUP)
_VAGUE: Final = fixed(VAGUE)


@dataclass(frozen=True, slots=True)
class Policy:
    """What of a bank's configuration a look needs; arrays where that is faster."""

    memory: Floats
    accept_after: float
    flag: Floats
    warm: Floats


@dataclass(slots=True, eq=False)
class Look:
    """Hold all that one look at a block yields; learning needs the same numbers.

    Fields of two lines are for the level and for the forecast, or up and down. ``last_at``,
    ``pace`` and ``dt`` are one number when all rows are alike. Places are indexes into the
    block: ``missing`` has no value now, ``unborn`` never had one, ``young`` too few, ``hot`` may
    be surprising (``each`` holds its members), ``events`` departed before or do now, as the
    three masks on it say.
    """

    sel: Selector
    at: float
    wide: Wide
    narrow: Floats
    value: Wide
    origin: Wide
    last_at: Wide
    pace: Floats
    dt: Floats
    slot: int
    slot_value: Floats
    passes: NDArray[np.uint32]
    rest: Wide
    size: Floats
    offset: Floats
    off: Floats
    away: Floats
    unit: Floats
    sums: Floats
    recent: Floats
    raw: Floats
    edges: Floats
    beyond: Beyond
    surprise: Floats
    missing: Places
    unborn: Places
    young: Places
    hot: Places
    each: Floats
    events: Places
    lasting: NDArray[np.bool_]
    flagged: NDArray[np.bool_]
    accepted: NDArray[np.bool_]
    week: WeekLook | None
    explained: Floats
    carried: Floats
    over: Floats
    grown: Floats
    vague: Places


def _times(last_at: Wide, pace: Floats, at: float) -> tuple[Wide, Floats, Floats, Floats]:
    """Return last times, paces, the time a sample stands for, how stale forecasts are.

    Rows of one scrape share their times: then all four are one number each.
    """
    pace = np.abs(pace)
    alike = last_at[0] == last_at[-1] and pace[0] == pace[-1]
    if alike and not np.count_nonzero((last_at != last_at[0]) | (pace != pace[0])):
        return _time(last_at[0], pace[0], at)
    gap = np.where(last_at > -np.inf, at - last_at, 0.0).astype(np.float32)
    paced = pace > ZERO
    # A gap is not evidence: it counts as four paces at most.
    dt = np.maximum(np.where(paced, np.minimum(gap, _FOUR * pace), gap), ZERO)
    # After a gap the forecast is old; its error grows like that of a random walk.
    stale = np.sqrt(np.minimum(np.maximum(gap / np.maximum(pace, _SHORTEST), ONE), _STALEST))
    stale = np.where(paced, stale, ONE)
    return last_at, pace, dt, stale


def _time(last: np.float64, pace: np.float32, at: float) -> tuple[Wide, Floats, Floats, Floats]:
    """Return what ``_times`` does, for one time and pace."""
    gap = np.float32(at - last) if last > -np.inf else np.float32(0.0)
    dt, stale = gap, np.float32(1.0)
    if pace > 0.0:
        dt = min(gap, np.float32(4.0) * pace)
        late = gap / max(pace, np.float32(1e-6))
        if late > 1.0:
            stale = np.sqrt(min(late, np.float32(64.0)))
    return np.array(last), np.array(pace), np.array(max(dt, np.float32(0.0))), np.array(stale)


def look(
    sel: Selector,
    fields: tuple[Wide, Floats],
    at: float,
    value: Wide,
    *,
    tails: TailCalibrator,
    season: SeasonTable | None,
    week: WeekTable | None,
    policy: Policy,
) -> Look:
    """Judge *value* of the chosen rows, whose *fields* are these; change nothing."""
    wide, narrow = fields
    seen, noise = narrow[SEEN], narrow[NOISE]
    missing = (~(np.abs(value) <= _LARGEST)).nonzero()[0]
    young = (seen < _WARMUP).nonzero()[0]
    unborn = young[seen[young] == 0.0] if len(young) else NONE
    origin, last_at = wide[ORIGIN], wide[LAST_AT]
    if len(missing):
        value = value.copy()
        value[missing] = wide[LEVEL, missing] + origin[missing]
    if len(unborn):
        origin = origin.copy()
        origin[unborn] = value[unborn]
    last_at, pace, dt, stale = _times(last_at, narrow[PACE], at)
    slot, offset, slot_value, passes = 0, narrow[OFFSET], _NO_VALUES, _NO_PASSES
    if season is not None:
        slot = season.slot(at)
        slot_value, passes = season.read(slot, sel)
        unknown = (passes == 0).nonzero()[0]
        if len(unknown) < len(offset):
            # Around the plain level: a season that comes into use must not move the level.
            before, offset = offset, slot_value - wide[PLAIN].astype(np.float32)
            offset *= narrow[WEIGHT]
            if len(unknown):
                offset[unknown] = before[unknown]
    rest = value - origin
    # Differences are taken in float64; what is left needs no more than float32.
    off = (rest - offset - wide[LEVEL : FAST_LEVEL + 1]).astype(np.float32)
    known, explained, carried, vague = None, ZERO, ZERO, NONE
    if week is not None and season is not None:
        plain = wide[PLAIN].astype(np.float32)
        size = sizes(plain + origin.astype(np.float32), narrow[PLAIN_SPREAD])
        day = Proportion(season, size, plain, narrow[WEIGHT], offset, narrow[OFFSET])
        known = week.look(sel, at, last_at, seen * np.abs(narrow[PACE]), day)
        if (span := known.span()) is not None:
            carried = known.carried(off[1])
            off[1] -= carried
            # Of what is usual by the week, that is expected which is nearest to the forecast.
            explained = off[0] - off[1]
            np.maximum(explained, span[0], out=explained)
            np.minimum(explained, span[1], out=explained)
            if len(guessed := known.young):
                wide_span = (span[1] - span[0])[guessed] > _VAGUE * narrow[SPREAD, guessed]
                vague = guessed[wide_span]
    # The largest value of late, not of now: a series back at 0 has not lost its scale.
    size = value.astype(np.float32)
    np.abs(size, out=size)
    np.maximum(size, narrow[SIZE] * (policy.memory / (dt + policy.memory)), out=size)
    # With a season the spread around it counts, not the one from before it was known.
    unit = narrow[SPREAD : NOISE + 1]
    if np.count_nonzero(narrow[WEIGHT] != ZERO):
        unit = unit.copy()
        closer = np.minimum(narrow[SEASON_SPREAD], unit[0])
        closer -= unit[0]
        closer *= narrow[WEIGHT]
        unit[0] += closer
    unit = scale(unit, size, seen)
    unit[1] *= stale
    over, grown = ZERO, ONE
    if known is not None:
        off[0] -= explained
        expected = (origin + wide[LEVEL]).astype(np.float32) + (offset + explained)
        high = height(expected, narrow[SPREAD])
        over = above(high, known.fields[CENTRE])
        if len(unborn):
            over[unborn] = 0.0
        grown = np.exp(known.fields[POWER] * over)
        off /= grown
        known.height = high
    away = np.abs(off)
    raw = np.empty((4, len(value)), np.float32)
    np.divide(away, unit, out=raw[:2])
    sums = average(narrow[UP : DOWN + 1], off[0] / unit[0])
    np.maximum(sums[0], sums[1], out=raw[2])
    shown = np.minimum(away[1], _SIX * unit[1])
    recent = narrow[RECENT]
    shown -= recent
    weight = seen + ONE
    np.divide(ONE, weight, out=weight)
    shown *= weight.clip(_RECENT_WEIGHT, ONE, out=weight)
    shown += recent
    recent = shown
    # A floor of one unit's hundredth: two silent spreads are equal, not undefined.
    usual = _FLOOR * unit[1]
    change = recent - noise
    change += usual
    change /= usual
    np.log(change, out=change)
    np.abs(change, out=change)
    np.multiply(change, _FOUR, out=raw[3])
    if len(missing):
        raw[:, missing] = 0.0
    if len(unborn):
        raw[:, unborn] = 0.0

    surprise, edges, beyond = tails.together(sel, raw)
    loud = (surprise >= policy.warm).nonzero()[0]
    each = _NO_EACH
    if len(loud):
        these = loud + sel.start if isinstance(sel, slice) else sel[loud]
        each = tails.surprise(these, np.minimum(raw.take(loud, axis=1), np.float32(LARGEST)))
        surprise[loud] = combine(each)
    if len(young):
        surprise[young] = 0.0
    since = wide[SINCE]
    departing = surprise >= policy.flag
    departing |= since == since  # noqa: PLR0124 - NaN is "no departure"
    events = departing.nonzero()[0]
    lasting = flagged = accepted = _NO_MASK
    if len(events):
        lasting = ~np.isnan(since[events])
        flagged = surprise[events] >= np.where(lasting, np.float32(RELEASE), ONE) * policy.flag
        if len(missing):
            flagged &= ~np.isin(events, missing)
        hold = np.maximum(policy.accept_after, SMALLEST_HOLD * np.abs(narrow[PACE, events]))
        accepted = flagged & (at - since[events] >= hold)
    return Look(
        sel,
        at,
        wide,
        narrow,
        value,
        origin,
        last_at,
        pace,
        dt,
        slot,
        slot_value,
        passes,
        rest,
        size,
        offset,
        off,
        away,
        unit,
        sums,
        recent,
        raw,
        edges,
        beyond,
        surprise,
        missing,
        unborn,
        young,
        loud,
        each,
        events,
        lasting,
        flagged,
        accepted,
        known,
        explained,
        carried,
        over,
        grown,
        vague,
    )


def members_of(seen: Look, places: Places) -> Floats:
    """Return the members' surprises of *places*, which must be among the hot ones."""
    return seen.each.take(np.searchsorted(seen.hot, places), axis=1)


def blame(each: Floats, flag: float) -> Floats:
    """Return one bit for each member that is loud enough to have begun a departure."""
    loud = each >= np.minimum(np.float32(flag), each.max(axis=0))
    found: Floats = (np.array([1, 2, 4, 8], np.float32)[:, None] * loud).sum(axis=0)
    return found
