"""Count the lines of one stream by kind in event-time windows, whatever the cut of its blocks.

Everything here is decided line by line in the order of the stream: the same bytes give the same
windows however they are cut into blocks. A window closes when the highest accepted time passes
its end by the allowed lateness; a late line counts into the oldest open window.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from aiops.decoding.continuation import is_continuation
from aiops.decoding.shapes import (
    Lines,
    PlainShape,
    Shape,
    find_shape,
    key_space,
    shape_from_state,
    shape_to_state,
)
from aiops.decoding.stamps import Parsed
from aiops.model import Block, LineKind, LogWindow, SampleLine, Severity, Stream
from detectors.masking import Masker

AHEAD = 300.0  # live: a stamp this far ahead of its arrival is not believed
JUMP = 3600.0  # replay: a jump this far forward needs AGREE lines before it is believed
AGREE = 3
PROBE_LINES = 200
PROBE_BYTES = 64 * 1024
SAMPLE_BYTES = 2048
SAMPLE_LINES = 6
_CACHE_LIMIT = 200_000

_CONTINUATION = LineKind("", Severity.INFO, b"\x00continuation")


@dataclass(frozen=True, slots=True)
class WindowSettings:
    """Width and lateness in seconds, and the bound on kinds in one window."""

    width: float = 10.0
    lateness: float = 5.0
    max_kinds: int = 20_000


class KindCache:
    """Take keys apart and mask them once; a pure cache, shared by all streams."""

    def __init__(self) -> None:
        self.masker = Masker()
        self._kinds: dict[str, dict[bytes, LineKind]] = {}

    def of(self, shape: Shape) -> dict[bytes, LineKind]:
        kinds = self._kinds.setdefault(key_space(shape), {})
        if len(kinds) > _CACHE_LIMIT:
            kinds.clear()
        return kinds

    def resolve(self, shape: Shape, key: bytes) -> LineKind:
        parts = shape.split(key)
        if parts.continuation:
            return _CONTINUATION
        return LineKind(parts.entity, parts.severity, self.masker.mask(parts.message))

    def clear(self) -> None:
        self._kinds.clear()


@dataclass(slots=True)
class _Open:
    counts: dict[LineKind, int] = field(default_factory=dict)
    samples: dict[LineKind, tuple[float, list[bytes]]] = field(default_factory=dict)
    lines: int = 0
    continuations: int = 0
    other: int = 0


class StreamWindows:
    """Turn the blocks of one stream into closed windows.

    ``facts`` counts what departed from the rule (late, distrusted, unstamped, unreadable, other);
    the caller drains it.
    """

    def __init__(self, stream: Stream, settings: WindowSettings, kinds: KindCache) -> None:
        self.stream = stream
        self.high: float | None = None
        self.last_arrival = 0.0
        self.facts: Counter[str] = Counter()
        self._settings = settings
        self._kinds = kinds
        self._shape: Shape | None = None
        self._probe = b""
        self._last: float | None = None
        self._jump: tuple[float, int] | None = None
        self._floor: int | None = None  # index of the oldest window still open
        self._open: dict[int, _Open] = {}
        self._tail: list[bytes] | None = None  # a sample whose continuations may still come

    @property
    def watermark(self) -> float | None:
        """Return the time before which this stream's windows are closed, if any is known."""
        return None if self._floor is None else self._floor * self._settings.width

    @property
    def open_windows(self) -> int:
        return len(self._open)

    # --- lines in ---------------------------------------------------------------------------

    def add(self, block: Block) -> list[LogWindow]:
        """Count a block and return the windows that it closed, oldest first."""
        self.last_arrival = block.arrived
        data = block.data
        if self._shape is None:
            self._probe += data
            if not self._decide(abs(block.arrived), final=False):
                return []
            data, self._probe = self._probe, b""
        return self._count(data, block.arrived)

    def settle(self) -> list[LogWindow]:
        """Stop waiting for more first lines: decide the shape from what there is."""
        if self._shape is not None or not self._probe:
            return []
        self._decide(abs(self.last_arrival), final=True)
        data, self._probe = self._probe, b""
        return self._count(data, self.last_arrival)

    def _decide(self, near: float, *, final: bool) -> bool:
        size = 0
        lines = self._probe.split(b"\n", PROBE_LINES + 1)
        for line in lines[:PROBE_LINES]:
            size += len(line) + 1
            if size > PROBE_BYTES:
                break
            self._shape = find_shape(line, near)
            if self._shape is not None:
                return True
        else:
            if len(lines) <= PROBE_LINES and not final:
                return False
        self._shape = PlainShape(None)
        return True

    def _count(self, data: bytes, arrived: float) -> list[LogWindow]:
        shape = self._shape
        if shape is None:
            msg = "the shape is decided before lines are counted"
            raise AssertionError(msg)
        if shape.stamps is not None and shape.stamps.format.partial:
            shape.stamps.near = self.high if self.high is not None else shape.stamps.near
        lines = shape.read(data)
        if not lines.raw:
            return []
        if lines.unreadable:
            self.facts["unreadable"] += lines.unreadable
        self._finish_tail(lines.raw)
        for index, start, stop in self._segments(lines.seconds, arrived):
            self._tally(index, lines, start, stop)
        return self._close()

    # --- which line belongs to which window -------------------------------------------------

    def _segments(self, seconds: list[Parsed], arrived: float) -> list[tuple[int, int, int]]:
        """Cut a block into runs (window index, first line, line after the last)."""
        width = self._settings.width
        distinct = set(seconds)
        if self.high is not None and None not in distinct:
            known = [s for s in distinct if s is not None]
            low, high = min(known), max(known)
            current = int(self.high // width)
            if int(low // width) == current == int(high // width) and self._believed(high, arrived):
                self._jump = None
                self._last = seconds[-1]
                self._raise(high)
                return [(current, 0, len(seconds))]
        return self._runs(seconds, arrived)

    def _runs(self, seconds: list[Parsed], arrived: float) -> list[tuple[int, int, int]]:
        width = self._settings.width
        found: list[tuple[int, int, int]] = []
        current: int | None = None
        start = i = 0
        total = len(seconds)
        if self._last is None and seconds[0] is None:
            self._last = next((s for s in seconds if s is not None), None)
        while i < total:
            second = seconds[i]
            j = i + 1
            while j < total and seconds[j] == second:
                j += 1
            at = self._accept(second, j - i, arrived)
            index = int(at // width)
            self._raise(at)
            if self._floor is not None and index < self._floor:
                self.facts["late"] += j - i
                index = self._floor
            if index != current:
                if current is not None:
                    found.append((current, start, i))
                current, start = index, i
            i = j
        if current is not None:
            found.append((current, start, total))
        return found

    def _raise(self, at: float) -> None:
        if self.high is None or at > self.high:
            self.high = at
            floor = int((at - self._settings.lateness) // self._settings.width)
            if self._floor is None or floor > self._floor:
                self._floor = floor

    def _believed(self, second: float, arrived: float) -> bool:
        if arrived > 0:
            return second <= arrived + AHEAD
        return self.high is None or second <= self.high + JUMP

    def _accept(self, second: Parsed, count: int, arrived: float) -> float:
        if second is None:
            if self._last is not None:
                return self._last
            self.facts["unstamped"] += count
            return abs(arrived)
        if not self._believed(second, arrived):
            agreed = 0
            if arrived <= 0:
                near = self._jump is not None and abs(self._jump[0] - second) <= JUMP
                agreed = count + (self._jump[1] if near and self._jump is not None else 0)
                self._jump = (second, agreed)
            if agreed < AGREE:
                self.facts["distrusted"] += count
                return self._last if self._last is not None else abs(arrived)
        self._jump = None
        self._last = second
        return second

    # --- counting ---------------------------------------------------------------------------

    def _tally(self, index: int, lines: Lines, start: int, stop: int) -> None:
        window = self._open.get(index)
        if window is None:
            window = self._open[index] = _Open()
        shape = self._shape
        if shape is None:
            return
        kinds = self._kinds.of(shape)
        keys = lines.keys if stop - start == len(lines.keys) else lines.keys[start:stop]
        window.lines += stop - start
        counts, samples = window.counts, window.samples
        first: dict[bytes, int] | None = None
        tally = Counter(keys)
        for key, count in tally.items():
            kind = kinds.get(key)
            if kind is None:
                kind = kinds[key] = self._kinds.resolve(shape, key)
            if kind is _CONTINUATION:
                window.continuations += count
                continue
            seen = counts.get(kind)
            if seen is not None:
                counts[kind] = seen + count
                continue
            if len(counts) >= self._settings.max_kinds:
                window.other += count
                self.facts["other"] += count
                continue
            counts[kind] = count
            if first is None and len(tally) > 64:
                first = dict(zip(reversed(keys), range(len(keys) - 1, -1, -1), strict=True))
            at = start + (keys.index(key) if first is None else first[key])
            samples[kind] = self._sample(lines, at)

    def _sample(self, lines: Lines, at: int) -> tuple[float, list[bytes]]:
        second = lines.seconds[at]
        text = [lines.raw[at][:SAMPLE_BYTES]]
        stop = at + 1
        while stop < len(lines.raw) and len(text) < SAMPLE_LINES:
            if not is_continuation(lines.raw[stop]):
                break
            text.append(lines.raw[stop][:SAMPLE_BYTES])
            stop += 1
        if stop == len(lines.raw):
            self._tail = text
        return (second if second is not None else self._last or 0.0, text)

    def _finish_tail(self, raw: list[bytes]) -> None:
        if self._tail is None:
            return
        for line in raw:
            if len(self._tail) >= SAMPLE_LINES or not is_continuation(line):
                self._tail = None
                return
            self._tail.append(line[:SAMPLE_BYTES])

    # --- closing ----------------------------------------------------------------------------

    def closes(self, to: float) -> bool:
        """Return whether ``advance(to)`` would close a window that holds lines."""
        floor = int(to // self._settings.width)
        return any(index < floor for index in self._open)

    def advance(self, to: float) -> list[LogWindow]:
        """Close every window that ends at or before *to*, as if time had passed."""
        floor = int(to // self._settings.width)
        if self._floor is None or floor > self._floor:
            self._floor = floor
        return self._close()

    def flush(self) -> list[LogWindow]:
        """Close everything: the stream has ended."""
        closed = self.settle()
        if self._open:
            closed += self.advance((max(self._open) + 1) * self._settings.width)
        return closed

    def _close(self) -> list[LogWindow]:
        if self._floor is None:
            return []
        done = sorted(index for index in self._open if index < self._floor)
        return [self._window(index, self._open.pop(index)) for index in done]

    def _window(self, index: int, window: _Open) -> LogWindow:
        width = self._settings.width
        return LogWindow(
            stream=self.stream,
            start=index * width,
            end=(index + 1) * width,
            counts=window.counts,
            samples={
                kind: SampleLine(at, self.stream.id, b"\n".join(text).decode("utf-8", "replace"))
                for kind, (at, text) in window.samples.items()
            },
            lines=window.lines,
            continuations=window.continuations,
            other=window.other,
        )

    # --- saved at a cut ---------------------------------------------------------------------

    def to_state(self) -> dict[str, Any]:
        """Return all of it as plain values; open windows included."""
        return {
            "stream": [getattr(self.stream, name) for name in _STREAM_FIELDS],
            "shape": None if self._shape is None else shape_to_state(self._shape),
            "probe": self._probe,
            "high": self.high,
            "last": self._last,
            "last_arrival": self.last_arrival,
            "jump": self._jump,
            "floor": self._floor,
            "tail": None if self._tail is None else self._tail_at(),
            "open": [
                [
                    index,
                    [[k.entity, int(k.severity), k.masked, n] for k, n in w.counts.items()],
                    [[at, list(text)] for at, text in w.samples.values()],
                    w.lines,
                    w.continuations,
                    w.other,
                ]
                for index, w in sorted(self._open.items())
            ],
        }

    def _tail_at(self) -> list[int] | None:
        for index, window in self._open.items():
            for position, (_, text) in enumerate(window.samples.values()):
                if text is self._tail:
                    return [index, position]
        return None

    @classmethod
    def from_state(
        cls, state: dict[str, Any], settings: WindowSettings, kinds: KindCache
    ) -> StreamWindows:
        """Rebuild what ``to_state`` returned; going on is the same as never having stopped."""
        self = cls(Stream(*state["stream"]), settings, kinds)
        self._shape = None if state["shape"] is None else shape_from_state(state["shape"])
        self._probe = state["probe"]
        self.high, self._last = state["high"], state["last"]
        self.last_arrival = state["last_arrival"]
        self._jump = None if state["jump"] is None else (state["jump"][0], state["jump"][1])
        self._floor = state["floor"]
        for index, counts, samples, lines, continuations, other in state["open"]:
            found = [(LineKind(e, Severity(s), m), n) for e, s, m, n in counts]
            self._open[index] = _Open(
                counts=dict(found),
                samples={k: (at, list(t)) for (k, _), (at, t) in zip(found, samples, strict=True)},
                lines=lines,
                continuations=continuations,
                other=other,
            )
        if state["tail"] is not None:
            index, position = state["tail"]
            self._tail = list(self._open[index].samples.values())[position][1]
        return self


_STREAM_FIELDS = ("id", "source", "entity", "workload", "instance", "resumable")
