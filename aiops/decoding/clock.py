"""Decide at what time each line of a stream counts, whatever the cut of its blocks.

A line without a stamp takes the time of the one before it. A stamp far ahead (of its arrival, or
in history of the stream) is not believed and moves nothing, unless in history the next lines
agree. Every departure is counted.
"""

from __future__ import annotations

from collections import Counter
from itertools import groupby

from aiops.decoding.formats import Parsed
from aiops.decoding.stamps import StampReader

AHEAD = 300.0  # live: a stamp this far ahead of its arrival is not believed
JUMP = 3600.0  # replay: a jump this far forward needs AGREE lines before it is believed
AGREE = 3


class StreamClock:
    """Know how far one stream has come: ``high`` is its highest accepted time.

    ``floor`` is the index of the oldest window that is still open, ``last`` the time of the last
    line, ``jump`` the last stamp that was not believed and how many agreed with it.
    """

    def __init__(self, width: float, lateness: float, facts: Counter[str]) -> None:
        self.width = width
        self.lateness = lateness
        self.facts = facts
        self.high: float | None = None
        self.last: float | None = None
        self.jump: tuple[float, int] | None = None
        self.floor: int | None = None

    @property
    def watermark(self) -> float | None:
        """Return the time before which windows are closed, if any is known."""
        return None if self.floor is None else self.floor * self.width

    def advance(self, to: float) -> None:
        """Let time reach *to* without a line."""
        floor = int(to // self.width)
        if self.floor is None or floor > self.floor:
            self.floor = floor

    def segments(
        self, seconds: list[Parsed], arrived: float, stamps: StampReader | None
    ) -> list[tuple[int, int, int]]:
        """Cut a block into runs (window index, first line, line after the last).

        Afterwards *seconds* holds the time at which each line counts.
        """
        high, floor = self.high, self.floor
        distinct = set(seconds)
        if high is None or floor is None or None in distinct:
            return self._runs(seconds, arrived, stamps)
        first: float = min(distinct)  # type: ignore[type-var, assignment]  # no None in it
        last: float = max(distinct)  # type: ignore[type-var, assignment]  # no None in it
        width = self.width
        begin, end = int(first // width), int(last // width)
        if begin < floor or not self._believed(last, arrived):
            return self._runs(seconds, arrived, stamps)
        alone = begin == end == int(high // width)
        if not alone and stamps is not None and stamps.format.partial:
            return self._runs(seconds, arrived, stamps)
        found = [(begin, 0, len(seconds))]
        if begin < end:
            index = {second: int(second // width) for second in distinct}  # type: ignore[operator]  # no None in it
            found.clear()
            start = 0
            for at, same in groupby(map(index.__getitem__, seconds)):
                if at < begin:
                    return self._runs(seconds, arrived, stamps)  # the line may be late
                begin, stop = at, start + len(list(same))
                found.append((at, start, stop))
                start = stop
        self.jump = None
        self.last = seconds[-1]
        if last > high:
            self._raise(last)
        return found

    def _runs(
        self, seconds: list[Parsed], arrived: float, stamps: StampReader | None
    ) -> list[tuple[int, int, int]]:
        width = self.width
        found: list[tuple[int, int, int]] = []
        current: int | None = None
        start = i = 0
        if self.last is None and seconds[0] is None:
            self.last = self._first_believed(seconds, arrived, stamps)
        partial = stamps is not None and stamps.format.partial > 0
        for second, same in groupby(list(seconds)):
            j = i + len(list(same))
            while i < j:
                meant = self._completed(second, arrived, stamps) if partial else second
                at, count = self._accept(meant, j - i, arrived)
                if at != second:
                    seconds[i : i + count] = [at] * count
                index = int(at // width)
                if self.high is None or at > self.high:
                    self._raise(at)
                if self.floor is not None and index < self.floor:
                    self.facts["late"] += count
                    index = self.floor
                if index != current:
                    if current is not None:
                        found.append((current, start, i))
                    current, start = index, i
                i += count
        if current is not None:
            found.append((current, start, len(seconds)))
        return found

    def _first_believed(
        self, seconds: list[Parsed], arrived: float, stamps: StampReader | None
    ) -> float | None:
        """Return the time of the first stamped line: what stands before it has no other."""
        for second in seconds:
            meant = self._completed(second, arrived, stamps)
            if meant is not None and self._believed(meant, arrived):
                return meant
        return None

    def _raise(self, high: float) -> None:
        self.high = high
        floor = int((high - self.lateness) // self.width)
        if self.floor is None or floor > self.floor:
            self.floor = floor

    def _believed(self, second: float, arrived: float) -> bool:
        if arrived > 0:
            return second <= arrived + AHEAD
        return self.high is None or second <= self.high + JUMP

    def _completed(self, second: Parsed, arrived: float, stamps: StampReader | None) -> Parsed:
        """Return the repetition of an incomplete stamp that is meant at this place."""
        if stamps is None or not stamps.format.partial:
            return second
        if self.high is None:
            return stamps.complete(second, abs(arrived), first=True)
        if second is not None and abs(second - self.high) < stamps.format.partial / 4:
            return second  # the nearest already
        return stamps.complete(second, self.high)

    def _accept(self, second: Parsed, count: int, arrived: float) -> tuple[float, int]:
        """Return at what time the next of *count* lines of one stamp count, and how many do."""
        if second is None:
            if self.last is not None:
                return self.last, count
            self.facts["unstamped"] += count
            return abs(arrived), count
        if not self._believed(second, arrived):
            doubted = count
            if arrived <= 0:
                agreed = 0
                if self.jump is not None and abs(self.jump[0] - second) <= JUMP:
                    agreed = self.jump[1]
                doubted = min(count, AGREE - 1 - agreed)
                self.jump = (second, agreed + doubted)
            if doubted:
                self.facts["distrusted"] += doubted
                return self.last if self.last is not None else abs(arrived), doubted
        self.jump = None
        self.last = second
        return second, count
