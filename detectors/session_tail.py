"""Say how far one reading of a session lies beyond the ordinary ones before it.

Calibration from a stream that holds anomalies: only readings of sessions that were let through
are kept, and the tail is read from two of their high quantiles and drawn on as an exponential.
"""

from __future__ import annotations

import bisect
import math
from array import array
from typing import Final

MEMORY: Final = 2000
"""Readings kept; older ones leave. A tail of one in a thousand needs about as many."""

TOP: Final = 0.98
"""The higher quantile; with few readings so many of them stay above it as ``LEAST`` says."""

LEAST: Final = 8.0
SPAN: Final = 5.0
"""The lower quantile has five times as many readings above it."""

FLAGGED: Final = 0.01
"""Share of ordinary readings that are kept out because they look like anomalies."""

YOUNG: Final = 20
_LN10: Final = math.log(10.0)


class Window:
    """Hold the last ``memory`` values, and the same values in order."""

    __slots__ = ("_age", "_next", "memory", "order")

    def __init__(self, memory: int = MEMORY) -> None:
        self.memory = memory
        self.order = array("d")
        self._age = array("d")
        self._next = 0

    def __len__(self) -> int:
        return len(self.order)

    def learn(self, value: float) -> None:
        """Take *value* in; the oldest one leaves when there is no more room."""
        bisect.insort(self.order, value)
        if len(self._age) < self.memory:
            self._age.append(value)
            return
        oldest = self._age[self._next]
        self._age[self._next] = value
        self._next = (self._next + 1) % self.memory
        del self.order[bisect.bisect_left(self.order, oldest)]

    def quantile(self, share: float) -> float:
        """Return the value that *share* of the window lies below; it must hold one."""
        return self.order[min(int(share * len(self.order)), len(self.order) - 1)]

    def to_state(self) -> list[float]:
        """Return the values, oldest first."""
        return [*self._age[self._next :], *self._age[: self._next]]

    @classmethod
    def from_state(cls, values: list[float], memory: int = MEMORY) -> Window:
        """Rebuild the window that ``to_state`` described."""
        self = cls(memory)
        self._age = array("d", values)
        self.order = array("d", sorted(values))
        return self


class Tail:
    """Turn a reading into a surprise, ``-log10`` of the share of ordinary readings above it.

    Parameters
    ----------
    floor
        Smallest believable scale of the tail, in the unit of the reading: a system whose
        sessions are all alike has no tail to read it from.
    """

    __slots__ = ("floor", "window")

    def __init__(self, floor: float) -> None:
        self.floor = floor
        self.window = Window()

    def surprise(self, reading: float) -> float:
        """Return at least 0; 0 while fewer than ``YOUNG`` readings are known."""
        n = len(self.window)
        if n < YOUNG:
            return 0.0
        top = min(TOP, 1.0 - LEAST / n)
        middle = max(1.0 - SPAN * (1.0 - top), 0.5)
        kept = 1.0 / (1.0 - FLAGGED)
        low, high = self.window.quantile(middle * kept), self.window.quantile(top * kept)
        if reading <= low:
            below = bisect.bisect_left(self.window.order, reading) / n
            return -math.log10(max(1.0 - below, 1.0 - middle))
        step = math.log((1.0 - middle) / (1.0 - top))
        if reading <= high:
            return -math.log10(1.0 - middle) + (reading - low) / (high - low) * step / _LN10
        scale = max((high - low) / step, self.floor)
        return -math.log10(1.0 - top) + (reading - high) / scale / _LN10

    def learn(self, reading: float) -> None:
        """Learn the reading of a session that was let through."""
        self.window.learn(reading)


class Gate:
    """Say which readings are too far out to teach anybody, judged by all that came.

    An exponential through the middle and the 70 % point: what lies above those, up to three
    tenths of all sessions, has no say in where the line is.
    """

    __slots__ = ("floor", "window")

    HIGH: Final = 0.7
    LIMIT: Final = 1.0
    """Readings whose share would be under a tenth do not teach."""

    def __init__(self, floor: float) -> None:
        self.floor = floor
        self.window = Window()

    def shuts(self, reading: float) -> bool:
        """Return whether *reading* must not be learned from."""
        if len(self.window) < YOUNG:
            return False
        middle, high = self.window.quantile(0.5), self.window.quantile(self.HIGH)
        scale = max((high - middle) / math.log(0.5 / (1.0 - self.HIGH)), self.floor)
        return math.log10(2.0) + (reading - middle) / scale / _LN10 >= self.LIMIT

    def learn(self, reading: float) -> None:
        """Learn any reading."""
        self.window.learn(reading)
