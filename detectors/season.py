"""Remember the usual day of many series in slots of equal length."""

from __future__ import annotations

import struct
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.calibrate import ONE, ZERO, Floats, Selector, fixed

TRUSTED: Final = 2
"""Passes of a slot before it is believed: at least a whole period apart by construction."""

PASSES_KEPT: Final = 2.5
"""After its first pass a slot forgets over this many passes (periods)."""

EARLY: Final = 0.1
"""Within its first pass a sample weighs at least this much: the slot is still a guess."""

GROWING: Final = 4.0
"""Days of life for each pass that is kept beyond that: a weekend is gone from a young slot by the
middle of the week, …"""

MOST_KEPT: Final = 7.0
"""… an old slot, which the week spares it, forgets over seven passes."""

_BITS: Final = np.uint32(3)
_NEVER: Final = np.uint32(0)
_ONCE: Final = np.uint32(1)
_FLOAT: Final = struct.Struct("<f")
_WORD: Final = struct.Struct("<I")
_EARLY: Final = fixed(EARLY)
_PASSES_KEPT: Final = fixed(PASSES_KEPT)
_MOST_KEPT: Final = fixed(MOST_KEPT)
_GROWING: Final = fixed(1.0 / (GROWING * 86400.0))


class SeasonTable:
    """Hold ``slots`` float32 values a row: the usual value at each part of ``period`` seconds.

    The two lowest bits of each float hold the number of passes (0 to 3), so a slot costs 4
    bytes; the value keeps 22 bits. The table is slot-major: one tick touches one stripe.
    """

    def __init__(self, slots: int, period: float = 86400.0) -> None:
        if slots < 1 or not period > 0.0:
            raise ValueError(f"slots = {slots!r}, period = {period!r}: give positive numbers")
        self.slots = slots
        self.period = period
        self.width = period / slots
        self._width = fixed(self.width)
        self.table: NDArray[np.uint32] = np.zeros((slots, 0), np.uint32)

    def grow(self, capacity: int) -> None:
        """Make room for *capacity* rows; untouched slots cost no memory until first written."""
        old = self.table
        if capacity > old.shape[1]:
            self.table = np.zeros((self.slots, capacity), np.uint32)
            self.table[:, : old.shape[1]] = old

    def reset(self, rows: NDArray[np.int64]) -> None:
        """Forget *rows*."""
        self.table[:, rows] = 0

    def slot(self, at: float) -> int:
        """Return the slot of a time; whole periods do not change it."""
        return min(int((at % self.period) / self.width), self.slots - 1)

    def read(self, slot: int, sel: Selector) -> tuple[Floats, NDArray[np.uint32]]:
        """Return value and passes of *slot* for the chosen rows."""
        packed = self.table[slot, sel]
        passes = packed & _BITS
        values: Floats = (packed & ~_BITS).view(np.float32)
        return values, passes

    def learn(
        self,
        slot: int,
        sel: Selector,
        values: Floats,
        gap: Floats,
        *,
        fresh: NDArray[np.bool_],
        kept: NDArray[np.int64],
        age: Floats = ZERO,
    ) -> Floats:
        """Move *slot* towards *values* and return by how much; *fresh* rows begin a new pass.

        *gap* is the time in seconds each value stands for. *kept* are the places (in the
        selection) that learn nothing. *age* is for how many seconds each row was watched. *gap*
        and *fresh* may be one for all.
        """
        packed = self.table[slot, sel]
        passes = packed & _BITS
        share = np.minimum(gap, self._width) / self._width
        late = share / (age * _GROWING).clip(_PASSES_KEPT, _MOST_KEPT)
        early = np.maximum(share, _EARLY)
        if np.count_nonzero(fresh):
            passes += fresh
            passes.clip(_NEVER, _BITS, out=passes)
            early = np.where(fresh, ONE, early)
        gain, first = late, passes <= _ONCE
        if np.count_nonzero(first):
            gain = first * (early - late)
            gain += late
        moved = (packed & ~_BITS).view(np.float32)
        step: Floats = values - moved
        step *= gain
        moved += step
        learned = moved.view(np.uint32)
        learned &= ~_BITS
        learned |= passes
        if len(kept):
            learned[kept] = packed[kept]
            step[kept] = ZERO
        self.table[slot, sel] = learned
        return step

    def read_one(self, slot: int, row: int) -> tuple[float, int]:
        """Return what ``read`` does, for one row in plain numbers."""
        packed: int = self.table.item(slot, row)
        value: float = _FLOAT.unpack(_WORD.pack(packed & ~3))[0]
        return value, packed & 3

    def learn_one(
        self, slot: int, row: int, value: float, gap: float, *, fresh: bool, age: float = 0.0
    ) -> float:
        """Do what ``learn`` does, for one row in plain numbers."""
        old, passes = self.read_one(slot, row)
        share = min(gap, self.width) / self.width
        late = share / min(max(age / (GROWING * 86400.0), PASSES_KEPT), MOST_KEPT)
        early = max(share, EARLY)
        if fresh:
            passes, early = min(passes + 1, 3), 1.0
        step = (early if passes <= 1 else late) * (value - old)
        self.table[slot, row] = _WORD.unpack(_FLOAT.pack(old + step))[0] & ~3 | passes
        return step


def ramp(weight: Floats, useful: NDArray[np.bool_], dt: Floats, seconds: float) -> Floats:
    """Move *weight* towards 1 where the season is useful and towards 0 elsewhere, smoothly.

    A jump of the weight would look like a jump of the series.
    """
    moved: Floats = weight + (useful.astype(np.float32) - weight) * (dt / (dt + seconds))
    return moved
