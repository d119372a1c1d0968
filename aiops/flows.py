"""The streams as the order of time sees them: how far each has come, and who holds the rest back.

Every stream closes its windows by its own watermark. What waits is released behind the lowest
watermark of those streams that may still bring something older.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from aiops.decoding.kinds import KindCache
from aiops.decoding.windows import StreamWindows, WindowSettings
from aiops.model import Block, LogWindow, Stream, Watched

LIVE = 300.0  # a stream whose last stamp is this near its arrival follows the wall clock


@dataclass(slots=True)
class Flowing:
    """A stream as the order sees it: its windows, and whether more may come.

    ``bound`` is the time before which it can bring nothing any more; ``touched`` the wall-clock
    time of the last sign of its source; ``judged`` says that a window of it was.
    """

    windows: StreamWindows
    unread: bool = True
    ended: bool = False
    excluded: bool = False
    judged: bool = False
    touched: float | None = None
    bound: float = -math.inf

    def reach(self) -> float:
        """Return what ``bound`` has to be now."""
        if self.ended or self.excluded:
            return math.inf
        mark = self.windows.watermark
        if mark is None:
            return -math.inf if self.unread else math.inf
        return mark

    @property
    def follows_clock(self) -> bool:
        high = self.windows.high
        return high is not None and abs(self.windows.last_arrival - high) <= LIVE


class Flows:
    """Own all streams; closed windows go to *push*, departures from the rules into *facts*."""

    def __init__(
        self,
        window: WindowSettings,
        *,
        hold: float,
        max_streams: int,
        push: Callable[[LogWindow], None],
        facts: Counter[str],
    ) -> None:
        self.window = window
        self.hold = hold
        self.max_streams = max_streams
        self.kinds = KindCache()
        self.judged = 0
        self._push = push
        self._facts = facts
        self._streams: dict[str, Flowing] = {}
        # How many streams stand at each bound: their bounds are few, however many they are.
        self._bounds: Counter[float] = Counter()
        self._low: float | None = None
        self._first_tick = math.inf

    def __len__(self) -> int:
        return len(self._streams)

    def __iter__(self) -> Iterator[Flowing]:
        return iter(self._streams.values())

    def get(self, stream_id: str) -> Flowing | None:
        """Return what is known of a stream."""
        return self._streams.get(stream_id)

    @property
    def low(self) -> float:
        """Return the time before which no stream can bring anything any more."""
        if self._low is None:
            self._low = min(self._bounds, default=math.inf)
        return self._low

    def would_close(self, item: Watched) -> bool:
        """Return whether *item* would close a window."""
        flow = self.get(item.stream.id)
        if flow is None:
            return False
        if flow.windows.unsettled:
            return True
        to = self.idle_mark(flow, item.at)
        return to is not None and flow.windows.closes(to)

    def high(self, stream_id: str) -> float | None:
        """Return the highest accepted time of a stream."""
        flow = self.get(stream_id)
        return None if flow is None else flow.windows.high

    def watermark(self, stream_id: str) -> float | None:
        """Return the time before which a stream's windows are closed, ``None`` before any."""
        flow = self.get(stream_id)
        return None if flow is None else flow.windows.watermark

    def is_live(self, at: float, points_at: float) -> bool:
        """Return whether event time follows the wall clock: else its ticks mean nothing here."""
        if points_at > at - LIVE:
            return True
        if not len(self):
            # The first files are still being looked for: they may tell of another time.
            self._first_tick = min(self._first_tick, at)
            return at - self._first_tick > self.hold
        return self.any_live

    @property
    def any_live(self) -> bool:
        """Return whether some stream follows the wall clock."""
        return any(flow.follows_clock for flow in self if not flow.ended)

    # --- what happens to streams ------------------------------------------------------------

    def opened(self, stream: Stream) -> Flowing | None:
        """Return the flow of a stream; a new one holds the order back until it is read."""
        flow = self._streams.get(stream.id)
        if flow is None:
            if len(self._streams) >= self.max_streams:
                self._facts["streams_refused"] += 1
                return None
            flow = Flowing(StreamWindows(stream, self.window, self.kinds))
            self._add(flow)
        return flow

    def block(self, block: Block) -> Flowing | None:
        """Count a block of lines."""
        flow = self._streams.get(block.stream.id) or self.opened(block.stream)
        if flow is None:
            self._facts["lines_refused"] += block.data.count(b"\n")
            return None
        if not math.isfinite(block.arrived):
            self._facts["not_finite"] += 1
            block = replace(block, arrived=0.0)
        flow.unread, flow.excluded, flow.ended = True, False, False
        flow.touched = block.arrived if block.arrived > 0 else None
        self._closed(flow, flow.windows.add(block))
        return flow

    def watched(self, item: Watched) -> Flowing | None:
        """Let a stream's time pass as far as watching it proves."""
        flow = self._streams.get(item.stream.id)
        if flow is None or not math.isfinite(item.at):
            return None
        flow.unread = False
        flow.touched = item.at
        early = flow.windows.unsettled
        closed = flow.windows.settle()
        to = self.idle_mark(flow, item.at)
        if early or (to is not None and flow.windows.closes(to)):
            self._facts["idle_advances"] += 1
        if to is not None:
            if to == math.inf:
                flow.excluded = True
                closed += flow.windows.flush()
            else:
                closed += flow.windows.advance(to)
        self._closed(flow, closed)
        return flow

    def idle_mark(self, flow: Flowing, at: float) -> float | None:
        """Return the event time that watching until *at* proves, ``None`` when it proves none."""
        if flow.follows_clock:
            return at - self.window.lateness
        quiet = at - flow.windows.last_arrival
        return math.inf if quiet > self.hold and flow.windows.high is not None else None

    def ended(self, stream_id: str) -> None:
        """Close all windows of a stream that brings nothing more."""
        flow = self._streams.get(stream_id)
        if flow is not None and not flow.ended:
            flow.ended = True
            self._closed(flow, flow.windows.flush())

    def forget(self, stream_id: str) -> None:
        """Drop a stream that is gone for good; its windows are closed first."""
        self.ended(stream_id)
        flow = self._streams.pop(stream_id, None)
        if flow is not None:
            self._leave(flow.bound)
            self.judged -= flow.judged

    def stop_waiting(self, at: float) -> None:
        """Exclude streams whose source gave no sign for longer than the hold allows."""
        for flow in self:
            if flow.ended or flow.excluded:
                continue
            if flow.touched is None or flow.touched > at:
                flow.touched = at
            elif at - flow.touched > self.hold:
                flow.excluded = True
                self._facts["hold_timeouts"] += 1
                self._closed(flow, [])

    def note_judged(self, stream_id: str) -> None:
        """Count a stream among those that are judged."""
        flow = self._streams.get(stream_id)
        if flow is not None and not flow.judged:
            flow.judged = True
            self.judged += 1

    # --- keeping the low watermark ----------------------------------------------------------

    def _closed(self, flow: Flowing, windows: list[LogWindow]) -> None:
        for window in windows:
            self._push(window)
        facts = flow.windows.facts
        if facts:
            self._facts.update(facts)
            facts.clear()
        bound = flow.reach()
        if bound != flow.bound:
            self._leave(flow.bound)
            self._enter(bound)
            flow.bound = bound

    def _add(self, flow: Flowing) -> None:
        self._streams[flow.windows.stream.id] = flow
        flow.bound = flow.reach()
        self._enter(flow.bound)

    def _enter(self, bound: float) -> None:
        self._bounds[bound] += 1
        if self._low is not None and bound < self._low:
            self._low = bound

    def _leave(self, bound: float) -> None:
        self._bounds[bound] -= 1
        if not self._bounds[bound]:
            del self._bounds[bound]
            if self._low == bound:
                self._low = None

    # --- saved at a cut ---------------------------------------------------------------------

    def to_state(self) -> list[list[Any]]:
        """Return every stream as plain values, in the order of their ids."""
        return [
            [f.windows.to_state(), f.unread, f.ended, f.excluded, f.judged, f.touched]
            for _, f in sorted(self._streams.items())
        ]

    def restore(self, state: list[list[Any]]) -> None:
        """Take back what ``to_state`` returned."""
        for saved, unread, ended, excluded, judged, touched in state:
            windows = StreamWindows.from_state(saved, self.window, self.kinds)
            self._add(Flowing(windows, unread, ended, excluded, judged, touched))
            self.judged += judged
