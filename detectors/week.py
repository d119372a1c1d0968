"""Remember how each part of the week differs from the usual day, for many series."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.calibrate import HIGHEST, LOWEST, ONE, ZERO, Floats, Selector, Wide, fixed, pick
from detectors.proportion import Proportion, lifted
from detectors.sixteen import FIRST, UNKNOWN, ordered, pack, turn, unpack

DAY: Final = 86400.0
WEEK: Final = 7.0 * DAY
PER_DAY: Final = 12
PARTS: Final = 7 * PER_DAY
WIDTH: Final = DAY / PER_DAY
"""Two hours: straight lines between the middles of such parts follow an evening that turns into
a weekend; shorter ones cost memory that a day of five-minute slots leaves no room for."""

PROVEN: Final = 3 * WEEK
"""Seconds of life after which a week was seen twice: until then it is a guess which of the usual
day and last week will come, and whatever lies between the two is usual."""

SETTLED: Final = WEEK + DAY
"""Seconds of life after which the base is moved: all parts of the first week are of one base."""

LOOSE: Final = 0.5
"""Share of what a part rises or falls that its line may be off: by the turn of a curve, or by a
step within the part."""

VAGUE: Final = 2.0
"""Mean errors that a guess must be wide to teach nothing: whatever comes within it looks usual."""

GAIN: Final = 0.4
"""Weight of a pass in what is known of its part: a part remembers two to three weeks."""

COMPARED: Final = 84.0
"""Parts over which what last week leaves is compared with what the usual day leaves: a week."""

USEFUL: Final = 0.85
"""The week is used while it leaves less than this share of what the usual day leaves …"""

STEP: Final = 0.25
"""… and comes into use, or goes out of it, by so much a part."""

ENOUGH: Final = 1.0 / 3.0
"""Share of a part that must have been watched before it counts."""

FIELDS: Final = ("from", "to", "total", "time", "worse", "used", "base", "centre", "power")
FROM, TO, TOTAL, TIME, WORSE, USED, BASE, CENTRE, POWER = range(len(FIELDS))
_LOOSE: Final = fixed(LOOSE)
_QUARTER: Final = fixed(0.25)
_MEMORY: Final = fixed(WEEK)
_DAY: Final = fixed(DAY)
_PROVEN: Final = fixed(PROVEN)
_SETTLED: Final = fixed(SETTLED)


@dataclass(slots=True, eq=False)
class WeekLook:
    """What one look at a block read of the week: its fields, and the ends of the present line.

    ``found`` is what the line says now, ``rise`` how far it goes within its part and ``moved`` how
    far it went since the last sample. ``young`` are the places whose week was not seen twice yet,
    ``turned`` those for which a new line began since their last sample.
    """

    fields: Floats
    age: Floats
    young: NDArray[np.intp]
    turned: NDArray[np.intp]
    ends: Floats
    found: Floats = field(default_factory=lambda: ZERO)
    rise: Floats = field(default_factory=lambda: ZERO)
    moved: Floats = field(default_factory=lambda: ZERO)
    height: Floats = field(default_factory=lambda: ZERO)

    def span(self) -> tuple[Floats, Floats] | None:
        """Return the lowest and highest usual difference, ``None`` where all are and were 0."""
        found, young = self.found, self.young
        if not found.ndim:
            return None
        used = self.fields[USED]
        found_used = found * used
        # A straight line does not know when within its two hours the series turns.
        loose = np.abs(self.rise)
        loose *= _LOOSE
        if len(young) == len(found):
            return found.clip(LOWEST, ZERO) - loose, found.clip(ZERO, HIGHEST) + loose
        loose_used = loose * used
        low, high = found_used - loose_used, found_used + loose_used
        if len(young):
            low[young] = np.minimum(found[young], ZERO) - loose[young]
            high[young] = np.maximum(found[young], ZERO) + loose[young]
        return low, high

    def carried(self, jump: Floats) -> Floats:
        """Return how far the lines carried the forecasts, of which the samples are *jump* away.

        A forecast goes along its line. From one line to the next, and where the week is a guess,
        it goes as far as the series did: a step may come early, late or not at all.
        """
        carried: Floats = self.moved * self.fields[USED]
        young = self.young
        if len(young):
            carried[young] = self.moved[young]
        for loose in (young, self.turned):
            if len(loose):
                most = carried[loose]
                low, high = np.minimum(most, ZERO), np.maximum(most, ZERO)
                carried[loose] = np.minimum(np.maximum(jump[loose], low), high)
        return carried


class WeekTable:
    """Hold 84 parts of the week a row in 16 bits each, and nine float32 fields: 204 bytes.

    A part is the mean of its two hours against a base that only the whole week moves. How it
    differs from the median of the seven days at these hours is what the week adds. It is used
    where last week foretold this one better than the usual day did.
    """

    def __init__(self) -> None:
        self.table: NDArray[np.uint16] = np.full((PARTS, 0), UNKNOWN)
        self.fields: Floats = np.zeros((len(FIELDS), 0), np.float32)

    @property
    def nbytes(self) -> int:
        """Return the bytes all arrays hold."""
        return self.table.nbytes + self.fields.nbytes

    def grow(self, capacity: int) -> None:
        """Make room for *capacity* rows."""
        old, fields = self.table, self.fields
        if capacity > old.shape[1]:
            self.table = np.full((PARTS, capacity), UNKNOWN)
            self.table[:, : old.shape[1]] = old
            self.fields = np.zeros((len(FIELDS), capacity), np.float32)
            self.fields[:, : old.shape[1]] = fields

    def reset(self, rows: NDArray[np.int64]) -> None:
        """Forget *rows*."""
        self.table[:, rows] = UNKNOWN
        self.fields[:, rows] = 0.0

    def look(
        self, sel: Selector, at: float, last_at: Wide, age: Floats, day: Proportion
    ) -> WeekLook:
        """Read what is usual at *at*; *last_at* is one time or one a row."""
        fields = pick(self.fields, sel)
        part = math.floor(at / WIDTH)
        last = np.floor(last_at / WIDTH)
        turned = _turned(last, part, fields.shape[1])
        young = (age < _PROVEN).nonzero()[0]
        ends = fields[: TO + 1]
        j = WeekLook(fields, age, young, turned, ends)
        known = np.count_nonzero(ends != ZERO)
        if not known and not len(turned):
            return j
        share = fields[POWER] / day.size
        rise, then = ends[TO] - ends[FROM], ZERO
        if known:
            then = rise * (last_at / WIDTH - last).astype(np.float32)
            then += ends[FROM]
            then *= lifted(day.then, share)
        if len(turned):
            j.ends = ends = ends.copy()
            rows = sel if len(turned) == fields.shape[1] else rows_at(sel, turned)
            parts = (part - 1, part, part + 1)
            large = [day.within(n * WIDTH, WIDTH, rows, turned, share) for n in parts]
            apart = [self.difference(n, rows) for n in parts]
            ends[:, turned] = line(*(a / b for a, b in zip(apart, large, strict=True)))
            if not known and not np.count_nonzero(ends != ZERO):
                return j
            rise = ends[TO] - ends[FROM]
        found = rise * np.float32(at / WIDTH - part)
        found += ends[FROM]
        now = lifted(day.now, share)
        found *= now
        rise *= now
        j.found, j.rise, j.moved = found, rise, found - then
        if len(turned):
            # A row without a sample has not moved.
            j.moved[~(last_at > -np.inf)] = ZERO
        return j

    def part(self, part: int, rows: NDArray[np.int64]) -> Floats:
        """Return what is kept of *part*, NaN where nothing is known."""
        return unpack(self.table[part, rows])

    def close(self, rows: NDArray[np.int64], part: int, mean: Floats) -> None:
        """Keep *mean* of *part*."""
        self.table[part, rows] = pack(mean)

    def difference(self, part: int, rows: Selector) -> Floats:
        """Return how *part* differs from the usual day at its hours, 0 where not known."""
        days = ordered(self.table[part % PER_DAY :: PER_DAY, rows])
        # What is not known comes first: of seven, six or five known the median is here.
        middle = np.where(days[1] == FIRST, days[4], days[3])
        own = self.table[part % PARTS, rows]
        found = unpack(own) - unpack(turn(middle).view(np.uint16))
        found[(days[2] == FIRST) | (own == UNKNOWN)] = ZERO
        return found

    def learn(
        self,
        j: WeekLook,
        sel: Selector,
        at: float,
        last_at: Wide,
        *,
        rest: Wide,
        explained: Floats,
        excess: Floats,
        dt: Floats,
        old: NDArray[np.intp],
        held: NDArray[np.intp],
    ) -> None:
        """Learn *rest* (all of it) at *at*.

        Rows at *held* depart, by *excess*, and teach what was expected of them where their part is
        known; those at *old*, which are among them, close no part, and the caller puts their
        fields back.
        """
        fields = j.fields
        fields[: TO + 1] = j.ends
        part = math.floor(at / WIDTH)
        last = np.floor(last_at / WIDTH)
        ended = _turned(last, part, fields.shape[1])
        if len(ended):
            ended = ended[fields[TIME, ended] > ZERO]
        if len(ended) and len(old):
            ended = ended[~np.isin(ended, old)]
        if len(ended):
            parts = (last[ended] if last.ndim else last) % PARTS
            self._end(fields, ended, rows_at(sel, ended), parts)
        age, base = j.age, fields[BASE]
        over = rest.astype(np.float32)
        over -= base
        time = (age >= _DAY).astype(np.float32)
        time *= dt
        base_gain = age + dt
        base_gain.clip(ONE, _MEMORY, out=base_gain)
        np.divide(dt, base_gain, out=base_gain)
        if len(j.young):
            # The first week is measured against its first day: a base that went down with the
            # weekend would make the weekend look smaller, hour by hour, than it was.
            base_gain *= (age < _DAY) | (age >= _SETTLED)
        step = over - explained
        step *= base_gain
        if len(held):
            # A departure teaches what nothing is known of yet, or a weekend would never be known.
            # Left out, it would leave the mean of half a part, which rises or falls with the day.
            known = held[self.table[part % PARTS, rows_at(sel, held)] != UNKNOWN]
            over[known] -= excess[known]
            step[known] = ZERO
        base += step
        over *= time
        fields[TOTAL] += over
        fields[TIME] += time

    def _end(
        self,
        fields: Floats,
        ended: NDArray[np.intp],
        rows: NDArray[np.int64],
        parts: Wide,
    ) -> None:
        """Close the parts, one for all or one each, of the rows at places *ended*."""
        total, time = fields[TOTAL, ended], fields[TIME, ended]
        fields[TOTAL, ended] = ZERO
        fields[TIME, ended] = ZERO
        enough = time >= ENOUGH * WIDTH
        ended, rows = ended[enough], rows[enough]
        mean = total[enough] / time[enough]
        if not parts.ndim:
            self._pass(fields, ended, rows, int(parts), mean)
            return
        parts = parts[enough]
        for part in np.unique(parts).tolist():
            these = parts == part
            self._pass(fields, ended[these], rows[these], int(part), mean[these])

    def _pass(
        self,
        fields: Floats,
        ended: NDArray[np.intp],
        rows: NDArray[np.int64],
        part: int,
        mean: Floats,
    ) -> None:
        old = self.part(part, rows)
        known = (old == old).nonzero()[0]  # noqa: PLR0124 - NaN is "not known"
        if len(known):
            which, new = ended[known], mean[known]
            usual = old[known] - self.difference(part, rows[known])
            worse = np.abs(new - old[known]) - np.float32(USEFUL) * np.abs(new - usual)
            mean_worse = fields[WORSE, which]
            mean_worse += np.float32(1.0 / COMPARED) * (worse - mean_worse)
            fields[WORSE, which] = mean_worse
            step = np.where(mean_worse < ZERO, np.float32(STEP), np.float32(-STEP))
            fields[USED, which] = np.clip(fields[USED, which] + step, ZERO, ONE)
            moved = old[known] + np.float32(GAIN) * (new - old[known])
            # What rounds back to where it was would never arrive: it goes all the way.
            mean = mean.copy()
            mean[known] = np.where(unpack(pack(moved)) == old[known], new, moved)
        self.close(rows, part, mean)

    def accept(self, j: WeekLook, accepted: NDArray[np.intp], jump: Wide) -> None:
        """Move the base of rows whose level was accepted by *jump*: the week stays as it was."""
        if len(accepted):
            proven = j.age[accepted] >= PROVEN
            j.fields[BASE, accepted] += np.where(proven, jump, 0.0).astype(np.float32)

    def to_arrays(self, rows: int) -> dict[str, NDArray[Any]]:
        """Return copies of the first *rows* rows of every array."""
        named = {f"week_{name}": self.fields[i, :rows].copy() for i, name in enumerate(FIELDS)}
        return {"week": self.table[:, :rows].copy(), **named}

    def load(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take over what ``to_arrays`` returned; the capacity must already fit."""
        top = arrays["week"].shape[1]
        self.table[:, :top] = arrays["week"]
        for i, name in enumerate(FIELDS):
            self.fields[i, :top] = arrays[f"week_{name}"]


def line(before: Floats, here: Floats, after: Floats) -> Floats:
    """Return both ends of a line through the mean of a part, between those beside it.

    Shape (2, rows). Its slope is the mean of those to both neighbours, at most twice the flatter
    of them and none at a turning point (van Leer, Journal of Computational Physics 23, 1977): a
    part beside a step stays level, and the step is where both meet.
    """
    came, goes = here - before, after - here
    half = np.minimum(np.abs(came), np.abs(goes))
    np.minimum(half, np.abs(came + goes) * _QUARTER, out=half)
    half *= (came * goes > ZERO) * np.sign(goes)
    return np.stack((here - half, here + half))


def _turned(last: Wide, now: int, count: int) -> NDArray[np.intp]:
    """Return the places whose last sample was not in the present line or part."""
    if last.ndim:
        return np.flatnonzero(last != now)
    return np.arange(count) if last != now else np.zeros(0, np.intp)


def rows_at(sel: Selector, places: NDArray[np.intp]) -> NDArray[np.int64]:
    """Return the rows at *places* of a selection."""
    rows: NDArray[np.int64] = places + sel.start if isinstance(sel, slice) else sel[places]
    return rows
