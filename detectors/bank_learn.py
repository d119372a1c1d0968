"""Learn one block of a bank's rows from a look at it: levels, spreads, season, departures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from detectors.bank_look import NONE, RELEASE, Look, Places, blame, members_of
from detectors.bank_rows import (
    BLAME,
    DOWN,
    FAST_LEVEL,
    LEVEL,
    NOISE,
    OFFSET,
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
)
from detectors.calibrate import HIGHEST, ONE, ZERO, Floats, fixed
from detectors.growth import learned
from detectors.level import FIRST, limited
from detectors.season import TRUSTED, SeasonTable, ramp
from detectors.week import CENTRE, POWER, WeekTable

FAST: Final = 0.3
"""Weight of one sample in the forecast: memory of about three samples."""

VARIANCE_MEMBER: Final = 3
"""Place of the member that compares recent noise with usual noise."""

CALM_AFTER: Final = 3
"""Samples in a row like the others that end a departure."""

USEFUL: Final = 0.7
"""A season comes into use when it leaves less than this share of the mean deviation, …"""

USELESS: Final = 0.85
"""… and goes out of use when it leaves more than this: half of what it needed to gain. One that
is about as good as none would come and go otherwise, and its tails begin anew each time."""

RAMP: Final = 3 * 3600.0
"""Seconds over which a season comes into use: shorter looks like a jump, longer wastes days."""

IN_USE: Final = 0.5
"""Weight from which a season is in use: tails that were learned before are of another band."""

_KEEP_FAST: Final = fixed(math.log(1.0 - FAST))
_TWO: Final = fixed(2.0)
_SIX: Final = fixed(6.0)
_USEFUL: Final = fixed(USEFUL)
_MARGIN: Final = fixed(USELESS - USEFUL)
_IN_USE: Final = fixed(IN_USE)
_SHORTEST: Final = fixed(1e-6)
_TRUSTED: Final = np.uint32(TRUSTED)


@dataclass(frozen=True, slots=True, eq=False)
class Events:
    """Places of one block where a departure begins, lasts, is accepted or ends at this sample."""

    departing: Places
    flagged: Places
    begun: Places
    accepted: Places
    ended: Places
    streak: Floats
    blame: Floats

    @classmethod
    def of(cls, j: Look, old: Places, flag: float) -> Events:
        if not len(j.events):
            return _NO_EVENTS
        places, flagged, accepted, lasting = j.events, j.flagged, j.accepted, j.lasting
        if len(old):
            new = ~np.isin(places, old)
            places, flagged = places[new], flagged[new]
            accepted, lasting = accepted[new], lasting[new]
        quiet = j.narrow[QUIET, places] + 1.0
        begun = places[flagged & ~lasting]
        return cls(
            departing=places[~accepted],
            flagged=places[flagged],
            begun=begun,
            accepted=places[accepted],
            ended=places[lasting & ~flagged & (quiet >= CALM_AFTER)],
            streak=j.narrow[STREAK, places[flagged]] + 1.0,
            blame=blame(members_of(j, begun), flag),
        )

    def write(self, j: Look) -> None:
        narrow, since = j.narrow, j.wide[SINCE]
        narrow[QUIET] += ONE
        narrow[STREAK] = ZERO
        if self is _NO_EVENTS:
            return
        narrow[QUIET, self.flagged] = 0.0
        narrow[STREAK, self.flagged] = self.streak
        narrow[BLAME, self.begun] = self.blame
        since[self.accepted] = np.nan
        since[self.ended] = np.nan
        since[self.begun] = j.at


_NO_EVENTS = Events(NONE, NONE, NONE, NONE, NONE, np.zeros(0, np.float32), np.zeros(0, np.float32))


def follow(j: Look, seen: Floats, weight: Floats, accepted: Places, flag: float) -> None:
    """Move forecast, level and spreads."""
    wide, narrow = j.wide, j.narrow
    reach = _SIX * j.unit[1]
    if len(streaks := (narrow[STREAK] != ZERO).nonzero()[0]):
        reach[streaks] *= np.exp2(np.minimum(narrow[STREAK, streaks], np.float32(20.0)))
    step = np.minimum(j.off[1], reach)
    np.maximum(step, np.negative(reach, out=reach), out=step)
    error = limited(j.off, j.unit)
    if len(j.young):
        first = j.young[seen[j.young] < FIRST]
        step[first] = j.off[1, first]
        error[:, first] = j.off[:, first]
    moved = error[0]
    if j.grown.ndim:
        step *= j.grown
        moved = moved * j.grown
    step *= ONE - np.exp(j.dt / np.maximum(j.pace, _SHORTEST) * _KEEP_FAST)
    step += j.carried
    wide[FAST_LEVEL] += step
    usual = narrow[NOISE, accepted]
    wide[LEVEL] += weight * moved
    np.abs(error, out=error)
    spreads = narrow[SPREAD : NOISE + 1]
    error -= spreads
    error *= weight
    spreads += error
    # The mean of a shift must stay while it lasts, or it would end by itself.
    narrow[UP : DOWN + 1] = j.sums
    narrow[RECENT] = j.recent
    narrow[SIZE] = j.size
    if len(accepted):
        # What stayed is the new normal: start from where the series is now. Noise that was told
        # as larger or smaller is the usual one, either way; around larger noise a moment's
        # forecast says nothing of the level.
        recent, there = j.recent[accepted], wide[LEVEL, accepted]
        noisy = members_of(j, accepted)[VARIANCE_MEMBER] >= RELEASE * flag
        jump = wide[FAST_LEVEL, accepted] - there
        if j.explained.ndim:
            jump -= j.explained[accepted]
        near = noisy & (recent > _TWO * usual) & (np.abs(jump) <= _TWO * recent)
        wide[LEVEL, accepted] = there + np.where(near, 0.0, jump)
        narrow[NOISE, accepted] = np.where(noisy, recent, np.maximum(recent, usual))
        narrow[UP : DOWN + 1, accepted] = 0.0


def learn_season(j: Look, season: SeasonTable, weight: Floats, held: Places) -> Places:
    """Learn the slot of the day, and whether the season explains the series.

    Returns the places for which it came into use at this sample.
    """
    narrow = j.narrow
    # The slot began at one time for all rows: before it lies another pass.
    fresh = j.last_at < j.at - (j.at % season.period - j.slot * season.width)
    usual = j.rest - j.explained if j.explained.ndim else j.rest
    rest = usual.astype(np.float32)
    step = season.learn(
        j.slot, j.sel, rest, j.dt, fresh=fresh, kept=held, age=narrow[SEEN] * np.abs(narrow[PACE])
    )
    plain = (usual - j.wide[PLAIN]).astype(np.float32)
    wide, spread = np.abs(plain), narrow[PLAIN_SPREAD]
    most = np.maximum(wide, spread)
    most *= _TWO
    wide -= spread
    wide *= weight
    spread += wide
    plain *= weight
    trusted = j.passes >= _TRUSTED
    many = np.count_nonzero(trusted)
    used = narrow[WEIGHT]
    if count := np.count_nonzero(used != ZERO):
        # The plain level of a season in use is the mean of its slots. A mean of late would go up
        # and down with the day, and what is expected the other way.
        step *= j.pace.clip(season.width, season.period) / np.float32(season.period)
        if many < len(step):
            step[j.passes == 0] = ZERO
        step -= plain
        step *= used
        plain += step
    j.wide[PLAIN] += plain
    fitted = narrow[SEASON_SPREAD]
    if many:
        left = np.minimum(np.abs(rest - j.slot_value), most)
        first = (trusted & (fitted == 0.0)).nonzero()[0]
        fitted[first] = spread[first]
        left -= fitted
        left *= weight
        if many < len(left):
            left *= trusted
        fitted += left
    most = _USEFUL * spread
    if count:
        most += used * (_MARGIN * spread)
    useful = fitted < most
    useful &= fitted > ZERO
    came = NONE
    if count or np.count_nonzero(useful):
        moved = ramp(used, useful, j.dt, RAMP)
        came = ((moved >= _IN_USE) > (used >= _IN_USE)).nonzero()[0]
        narrow[WEIGHT] = moved
    narrow[OFFSET] = j.offset
    return came


def learn_week(j: Look, week: WeekTable, weight: Floats, old: Places, held: Places) -> None:
    """Learn the part of the week from what was there before the week explained any of it."""
    if j.week is None:
        return
    before, seen = j.week.fields[:, old], j.narrow[SEEN]
    week.learn(
        j.week,
        j.sel,
        j.at,
        j.last_at,
        rest=j.rest,
        explained=j.explained,
        excess=j.off[0] * j.grown,
        dt=j.dt,
        old=old,
        held=held,
    )
    fields = j.week.fields
    error = j.narrow[SPREAD].clip(_SHORTEST, HIGHEST)
    np.divide(j.away[0], error, out=error)
    fields[POWER] = learned(fields[POWER], j.over, error, weight)
    step = j.week.height - fields[CENTRE]
    step *= np.where(seen == ZERO, ONE, weight) if len(j.unborn) else weight
    fields[CENTRE] += step
    if len(old):
        j.week.fields[:, old] = before


def learn_pace(j: Look) -> None:
    """Learn the pace of rows that were not told theirs: it is kept negative."""
    pace = j.narrow[PACE]
    if not np.count_nonzero(pace <= ZERO):
        return
    moved = np.where(pace == 0.0, -j.dt, pace + np.float32(0.1) * (-j.dt - pace))
    learning = (j.last_at > -np.inf) & (pace <= 0.0)
    j.narrow[PACE] = np.where(learning, np.minimum(moved, np.float32(-1e-6)), pace)


def union(a: Places, b: Places) -> Places:
    """Return the sorted places of either; *a* and *b* are sorted."""
    if not len(b):
        return a
    if not len(a):
        return b
    both = np.concatenate((a, b))
    both.sort()
    new = np.empty(len(both), np.bool_)
    new[0] = True
    np.not_equal(both[1:], both[:-1], out=new[1:])
    return both[new]
