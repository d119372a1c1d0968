"""Count the lines of one stream by kind in event-time windows, whatever the cut of its blocks.

Everything here is decided line by line in the order of the stream: the same bytes give the same
windows however they are cut into blocks. A window closes when the highest accepted time passes
its end by the allowed lateness; a late line counts into the oldest open window.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiops.decoding.clock import StreamClock
from aiops.decoding.identifiers import Finder
from aiops.decoding.kinds import CONTINUATION, KindCache
from aiops.decoding.lines import SEP, IdHabit, Lines, Shape
from aiops.decoding.open_windows import OpenWindow, OpenWindows
from aiops.decoding.plain import PlainShape
from aiops.decoding.saved import load_stream, save_stream
from aiops.decoding.shapes import find_shape, is_stamped, is_zoneless, shape_from_state
from aiops.decoding.spans import context_in, context_of, names_parent
from aiops.decoding.zones import zone
from aiops.model import Block, LineKind, LogWindow, Stream
from aiops.sessions import SessionRule

__all__ = ["KindCache", "StreamWindows", "WindowSettings"]

PROBE_LINES = 200
PROBE_BYTES = 64 * 1024
FEW_LINES = 24  # of a window, in the mean of a block: kinds are looked up line by line
MOST_NAMED = 100_000  # lines of sessions in one window
MOST_SPANS = 100  # spans of one window: calls that are not rare show in the first of them


@dataclass(frozen=True, slots=True)
class WindowSettings:
    """Width and lateness in seconds, the bound on kinds in one window, what names sessions.

    ``timezone`` is that of stamps which say none.
    """

    width: float = 10.0
    lateness: float = 5.0
    max_kinds: int = 20_000
    sessions: tuple[SessionRule, ...] = ()
    timezone: str = "UTC"


class StreamWindows:
    """Turn the blocks of one stream into closed windows.

    ``facts`` counts what departed from the rule (late, distrusted, unstamped, unreadable, other);
    the caller drains it.
    """

    def __init__(self, stream: Stream, settings: WindowSettings, kinds: KindCache) -> None:
        self.stream = stream
        self.last_arrival = 0.0
        self.facts: Counter[str] = Counter()
        self._settings = settings
        self._kinds = kinds
        self._finder = Finder(stream, settings.sessions)
        self._shape: Shape | None = None
        self._probe = b""
        self._clock = StreamClock(settings.width, settings.lateness, self.facts)
        self._zone = zone(settings.timezone)
        self._open = OpenWindows(stream, settings.width, settings.max_kinds, self.facts)
        self._ids = IdHabit()

    @property
    def watermark(self) -> float | None:
        """Return the time before which this stream's windows are closed, if any is known."""
        return self._clock.watermark

    @property
    def high(self) -> float | None:
        """Return the highest accepted time."""
        return self._clock.high

    @property
    def unsettled(self) -> bool:
        """Return whether lines wait for one that tells their shape."""
        return bool(self._probe)

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
        """Take the shape of the first line that tells it and its time, else of any that tells."""
        size = 0
        likely: Shape | None = None
        lines = self._probe.split(b"\n", PROBE_LINES + 1)
        for line in lines[:PROBE_LINES]:
            size += len(line) + 1
            if size > PROBE_BYTES:
                break
            shape = find_shape(line.rstrip(b"\r"), near)
            if shape is None:
                continue
            if is_stamped(shape, line):
                self._shape = shape
                return True
            likely = likely or shape
        else:
            if len(lines) <= PROBE_LINES and not final:
                return False
        self._shape = likely or PlainShape(None)
        return True

    def _count(self, data: bytes, arrived: float) -> list[LogWindow]:
        shape = self._shape
        if shape is None:
            msg = "the shape is decided before lines are counted"
            raise AssertionError(msg)
        if not data:
            return []
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n")
        if SEP in data:
            # It divides the parts of a key, so no line may bring its own.
            data = data.replace(SEP, b" ")
        if shape.stamps is not None and self._clock.high is not None:
            shape.stamps.near = self._clock.high
        lines = shape.read(data, ids=self._ids.begin())
        if self._zone and is_zoneless(shape):
            lines.seconds[:] = self._zone.to_utc(lines.seconds)
        if lines.unreadable:
            self.facts["unreadable"] += lines.unreadable
        if lines.partial:
            self.facts["partial"] += lines.partial
        self._open.go_on(lines.raw)
        self._tally(lines, self._clock.segments(lines.seconds, arrived, shape.stamps), shape)
        self._ids.end(len(lines.raw))
        return self._open.close(self._clock.floor)

    # --- counting ---------------------------------------------------------------------------

    def _tally(self, lines: Lines, runs: Sequence[tuple[int, int, int]], shape: Shape) -> None:
        """Count every run of lines (window index, first line, line after the last)."""
        known = self._kinds.of(shape)
        keys, named = lines.keys, bool(self._finder)
        if len(runs) * FEW_LINES > len(keys):
            # Few lines a window: what is new is read in one go, and kinds are fewer than keys.
            kinds = self._kinds_of(keys, known, shape)
            for index, start, stop in runs:
                few = kinds[start:stop]
                counts: dict[LineKind, int] = {}
                for kind in few:
                    counts[kind] = counts.get(kind, 0) + 1
                window = self._open.window(index)
                if named:
                    self._name(window, lines, start, few)
                if lines.spans or self._kinds.parents:
                    self._trace(window, lines, start, few)
                tally = zip(counts, counts.values(), counts, strict=True)
                self._open.count(window, lines, start, few, tally)
            return
        for index, start, stop in runs:
            many = keys if stop - start == len(keys) else keys[start:stop]
            times = Counter(many)
            found = self._kinds_of(list(times), known, shape)
            window = self._open.window(index)
            traced = lines.spans or self._kinds.parents
            if named or traced:
                kind_of = dict(zip(times, found, strict=True))
                kinds = [kind_of[key] for key in many]
                if named:
                    self._name(window, lines, start, kinds)
                if traced:
                    self._trace(window, lines, start, kinds)
            self._open.count(
                window, lines, start, many, zip(times, times.values(), found, strict=True)
            )

    def _kinds_of(
        self, keys: list[bytes], known: Mapping[bytes, LineKind], shape: Shape
    ) -> list[LineKind]:
        """Return the kind of every key; those that are not known are read together."""
        kinds = list(map(known.get, keys))
        missing = dict.fromkeys(k for k, kind in zip(keys, kinds, strict=True) if kind is None)
        if not missing:
            return kinds  # type: ignore[return-value]  # no None in it
        found = self._kinds.resolve_many(shape, list(missing), reduced=self._ids.gone)
        self._ids.new += len(missing)
        if len(missing) == len(keys):
            return list(found.values())
        return [kind or found[key] for key, kind in zip(keys, kinds, strict=True)]

    def _name(
        self, window: OpenWindow, lines: Lines, start: int, kinds: Sequence[LineKind]
    ) -> None:
        """Note the lines that belong to sessions; continuations go with their heads."""
        raw, seconds = lines.raw, lines.seconds
        for n, kind in enumerate(kinds, start):
            if kind is CONTINUATION:
                continue
            second = seconds[n]
            at = window.start if second is None else second
            for rule, session in self._finder.find(raw[n]):
                if len(window.named) < MOST_NAMED:
                    window.named.append((rule, session, kind, at))
                else:
                    self.facts["session_lines"] += 1

    def _trace(
        self, window: OpenWindow, lines: Lines, start: int, kinds: Sequence[LineKind]
    ) -> None:
        """Note in whose span lines were written; of many in one window the first."""
        records, spans = lines.spans, window.spans
        every = range(start, start + len(kinds))
        many: Sequence[int] = every
        if len(records) < len(lines.raw):
            text = self._kinds.parents
            pairs = zip(every, kinds, strict=True)
            many = [n for n, k in pairs if n in records or (text and names_parent(k.masked))]
        for taken, n in enumerate(many):
            if len(spans) >= MOST_SPANS:
                self.facts["spans_beyond_bound"] += len(many) - taken
                return
            record = records.get(n)
            context = context_in(lines.raw[n]) if record is None else context_of(record)
            if context is not None:
                spans[kinds[n - start].entity, *context] = None

    # --- closing ----------------------------------------------------------------------------

    def closes(self, to: float) -> bool:
        """Return whether ``advance(to)`` would close a window that holds lines."""
        width = self._settings.width
        return any((index + 1) * width <= to for index in self._open)

    def advance(self, to: float) -> list[LogWindow]:
        """Close every window that ends at or before *to*, as if time had passed."""
        self._clock.advance(to)
        return self._open.close(self._clock.floor)

    def flush(self) -> list[LogWindow]:
        """Close everything: the stream has ended."""
        closed = self.settle()
        if self._open:
            closed += self.advance((max(self._open) + 1) * self._settings.width)
        return closed

    # --- saved at a cut ---------------------------------------------------------------------

    def to_state(self) -> dict[str, Any]:
        """Return all of it as plain values, open windows included, secrets not yet hidden.

        ``saved.without_secrets`` hides them, off the engine's thread.
        """
        tail, windows = self._open.to_state()
        return {
            "stream": save_stream(self.stream),
            "shape": None if self._shape is None else self._shape.to_state(),
            "probe": self._probe,
            "high": self._clock.high,
            "last": self._clock.last,
            "last_arrival": self.last_arrival,
            "jump": self._clock.jump,
            "floor": self._clock.floor,
            "tail": tail,
            "open": windows,
        }

    @classmethod
    def from_state(
        cls, state: dict[str, Any], settings: WindowSettings, kinds: KindCache
    ) -> StreamWindows:
        """Rebuild what ``to_state`` returned; going on is the same as never having stopped."""
        self = cls(load_stream(state["stream"]), settings, kinds)
        self._shape = None if state["shape"] is None else shape_from_state(state["shape"])
        self._probe = state["probe"]
        self.last_arrival = state["last_arrival"]
        clock = self._clock
        clock.high, clock.last, clock.floor = state["high"], state["last"], state["floor"]
        clock.jump = None if state["jump"] is None else (state["jump"][0], state["jump"][1])
        self._open.restore(state["tail"], state["open"])
        return self
