"""The week of one row in plain numbers: what ``WeekTable`` does for many, for a few.

Formulas and their order are those of ``detectors.week`` and ``detectors.growth``; a property test
holds the two together.
"""

from __future__ import annotations

import math
import struct

from detectors.growth import FAR, REACH, SPEED, TINY
from detectors.proportion import OneProportion
from detectors.week import (
    BASE,
    CENTRE,
    COMPARED,
    DAY,
    ENOUGH,
    FROM,
    GAIN,
    LOOSE,
    PARTS,
    PER_DAY,
    POWER,
    PROVEN,
    SETTLED,
    STEP,
    TIME,
    TO,
    TOTAL,
    USED,
    USEFUL,
    VAGUE,
    WEEK,
    WIDTH,
    WORSE,
    WeekTable,
)

_FLOAT = struct.Struct("<f")
_WORD = struct.Struct("<I")


class OneWeek:
    """Read the week of one row at one time, learn and write it back."""

    __slots__ = ("_at", "_fields", "_height", "_last", "_over", "_row", "_table", "age", "grown")

    def __init__(self, week: WeekTable, row: int, at: float, last_at: float, age: float) -> None:
        self._table, self._row, self._at, self._last = week, row, at, last_at
        self._fields: list[float] = week.fields[:, row].tolist()
        self._height = self._over = 0.0
        self.age, self.grown = age, 1.0

    def explained(
        self, above: float, jump: float, spread: float, day: OneProportion
    ) -> tuple[float, float, bool]:
        """Return what the week explains, how far it carried the forecast, and if it guesses.

        The sample is *above* its level and a *jump* away from its forecast.
        """
        fields, young = self._fields, self.age < PROVEN
        part, power = math.floor(self._at / WIDTH), fields[POWER]
        first = math.isinf(self._last)
        last = part if first else math.floor(self._last / WIDTH)
        then = 0.0
        if not first:
            along = self._last / WIDTH - last
            then = fields[FROM] + along * (fields[TO] - fields[FROM])
            then *= day.lifted(day.then, power)
        turned = first or last != part
        if turned:
            fields[FROM], fields[TO] = self._line(part, day)
        now = day.lifted(day.now, power)
        rise = fields[TO] - fields[FROM]
        found = (fields[FROM] + (self._at / WIDTH - part) * rise) * now
        moved = 0.0 if first else found - then
        if not (fields[FROM] or fields[TO] or moved):
            return 0.0, 0.0, False
        used = 1.0 if young else fields[USED]
        carried = moved * used
        if turned or young:
            carried = min(max(jump, min(carried, 0.0)), max(carried, 0.0))
        loose = abs(rise * now) * LOOSE * used
        found *= used
        low, high = found - loose, found + loose
        if young:
            low, high = min(found, 0.0) - loose, max(found, 0.0) + loose
        explained = min(max(above - (jump - carried), low), high)
        return explained, carried, young and high - low > VAGUE * spread

    def grow(self, expected: float, spread: float, *, first: bool) -> float:
        """Return how much larger noise is at the level *expected* than it usually is."""
        self._height = math.log(max(abs(expected), spread, TINY))
        over = min(max(self._height - self._fields[CENTRE], -REACH), REACH)
        self._over = 0.0 if first else over
        self.grown = math.exp(self._fields[POWER] * self._over)
        return self.grown

    def learn(
        self,
        rest: float,
        explained: float,
        excess: float,
        dt: float,
        *,
        held: bool,
        weight: float,
        error: float,
        first: bool,
    ) -> None:
        """Learn *rest* (all of it) and an *error* in mean errors; ``done`` writes it back."""
        fields, part = self._fields, math.floor(self._at / WIDTH)
        if fields[TIME] > 0.0 and math.floor(self._last / WIDTH) != part:
            self._end(math.floor(self._last / WIDTH) % PARTS)
        over = rest - fields[BASE]
        if held and self._known(part % PARTS):
            over -= excess
        elif not DAY <= self.age < SETTLED:
            gain = dt / max(min(self.age + dt, WEEK), 1.0)
            fields[BASE] += (over - explained) * gain
        if self.age >= DAY:
            fields[TOTAL] += over * dt
            fields[TIME] += dt
        taught = (min(error, FAR) - 1.0) * self._over * weight * SPEED
        fields[POWER] = min(max(fields[POWER] + taught, 0.0), 1.0)
        fields[CENTRE] += (1.0 if first else weight) * (self._height - fields[CENTRE])

    def done(self, jump: float) -> None:
        """Move the base by *jump*, by which a level was accepted, and write the row back."""
        if self.age >= PROVEN:
            self._fields[BASE] += jump
        self._table.fields[:, self._row] = self._fields

    def _end(self, part: int) -> None:
        fields = self._fields
        total, time = fields[TOTAL], fields[TIME]
        fields[TOTAL] = fields[TIME] = 0.0
        if time < ENOUGH * WIDTH:
            return
        mean = total / time
        if self._known(part):
            old = _unpack(self._table.table.item(part, self._row))
            usual = old - self._difference(part)
            worse = abs(mean - old) - USEFUL * abs(mean - usual)
            fields[WORSE] += (worse - fields[WORSE]) / COMPARED
            step = STEP if fields[WORSE] < 0.0 else -STEP
            fields[USED] = min(max(fields[USED] + step, 0.0), 1.0)
            moved = old + GAIN * (mean - old)
            mean = mean if _unpack(_pack(moved)) == old else moved
        self._table.table[part, self._row] = _pack(mean)

    def _line(self, part: int, day: OneProportion) -> tuple[float, float]:
        before, here, after = (
            self._difference(n) / day.within(n * WIDTH, WIDTH, self._fields[POWER])
            for n in (part - 1, part, part + 1)
        )
        came, goes = here - before, after - here
        if came * goes <= 0.0:
            return here, here
        half = math.copysign(min(abs(came), abs(goes), 0.25 * abs(came + goes)), goes)
        return here - half, here + half

    def _known(self, part: int) -> bool:
        return self._table.table.item(part, self._row) != 0xFFFF

    def _difference(self, part: int) -> float:
        hours = self._table.table[part % PER_DAY :: PER_DAY, self._row].tolist()
        known = sorted(_unpack(word) for word in hours if word != 0xFFFF)
        if len(known) < 5 or not self._known(part % PARTS):
            return 0.0
        own = _unpack(self._table.table.item(part % PARTS, self._row))
        return own - known[(len(known) - 1) // 2]


def _pack(value: float) -> int:
    word: int = _WORD.unpack(_FLOAT.pack(value))[0]
    return (word + 0x8000) >> 16


def _unpack(word: int) -> float:
    found: float = _FLOAT.unpack(_WORD.pack(word << 16))[0]
    return found
