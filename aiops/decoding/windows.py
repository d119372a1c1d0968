"""Count the lines of one stream by kind in event-time windows, whatever the cut of its blocks.

Everything here is decided line by line in the order of the stream: the same bytes give the same
windows however they are cut into blocks. A window closes when the highest accepted time passes
its end by the allowed lateness; a late line counts into the oldest open window.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiops.decoding.clock import StreamClock
from aiops.decoding.continuation import is_continuation
from aiops.decoding.identifiers import Finder
from aiops.decoding.kinds import CONTINUATION, KindCache
from aiops.decoding.lines import SEP, IdHabit, Lines, Shape
from aiops.decoding.plain import PlainShape
from aiops.decoding.samples import Samples
from aiops.decoding.saved import (
    load_counts,
    load_named,
    load_stream,
    save_counts,
    save_named,
    save_stream,
)
from aiops.decoding.shapes import find_shape, is_stamped, shape_from_state
from aiops.decoding.zones import zone
from aiops.model import Block, LineKind, LogWindow, Stream
from aiops.sessions import SessionRule

__all__ = ["KindCache", "StreamWindows", "WindowSettings"]

PROBE_LINES = 200
PROBE_BYTES = 64 * 1024
SAMPLE_BYTES = 2048
SAMPLE_LINES = 6
FULL_SAMPLES = 1000  # kinds of one window whose samples are kept at full length
SHORT_SAMPLE = 200
FEW_LINES = 24  # counted before a Counter is made
MOST_NAMED = 100_000  # lines of sessions in one window


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


@dataclass(slots=True)
class _Open:
    start: float
    counts: dict[LineKind, int] = field(default_factory=dict)
    samples: dict[LineKind, tuple[float, list[bytes]]] = field(default_factory=dict)
    lines: int = 0
    continuations: int = 0
    other: int = 0
    named: list[tuple[str, str, LineKind, float]] = field(default_factory=list)


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
        self._open: dict[int, _Open] = {}
        self._tail: list[bytes] | None = None  # a sample whose continuations may still come
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
        if self._zone and shape.stamps is not None and shape.stamps.naive:
            lines.seconds[:] = self._zone.to_utc(lines.seconds)
        if lines.unreadable:
            self.facts["unreadable"] += lines.unreadable
        if lines.partial:
            self.facts["partial"] += lines.partial
        if self._tail is not None:
            self._finish_tail(lines.raw)
        known = self._kinds.of(shape)
        for run in self._clock.segments(lines.seconds, arrived, shape.stamps):
            self._tally(run, lines, shape, known)
        self._ids.end(len(lines.raw))
        return self._close()

    # --- counting ---------------------------------------------------------------------------

    def _tally(
        self, run: tuple[int, int, int], lines: Lines, shape: Shape, kinds: dict[bytes, LineKind]
    ) -> None:
        index, start, stop = run
        window = self._open.get(index)
        if window is None:
            window = self._open[index] = _Open(index * self._settings.width)
        keys = lines.keys if stop - start == len(lines.keys) else lines.keys[start:stop]
        window.lines += stop - start
        counts, samples = window.counts, window.samples
        first: dict[bytes, int] | None = None
        tally: dict[bytes, int] = {}
        if len(keys) > FEW_LINES:
            tally = Counter(keys)
        else:
            for key in keys:
                tally[key] = tally.get(key, 0) + 1
        known = list(map(kinds.get, tally))
        found: dict[bytes, LineKind] = {}
        if None in known:
            missing = [key for key, kind in zip(tally, known, strict=True) if kind is None]
            found = self._kinds.resolve_many(shape, missing, reduced=self._ids.gone)
            self._ids.new += len(missing)
        if self._finder:
            all_kinds = dict(zip(tally, known, strict=True)) | found
            self._name(window, lines, range(start, stop), all_kinds)
        for (key, count), kind in zip(tally.items(), known, strict=True):
            if kind is None:
                kind = found[key]  # noqa: PLW2901 - the gap in what was known
            if kind is CONTINUATION:
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
            samples[kind] = self._sample(lines, at, short=len(samples) >= FULL_SAMPLES)

    def _name(
        self, window: _Open, lines: Lines, places: range, kinds: Mapping[bytes, LineKind | None]
    ) -> None:
        """Note the lines that belong to sessions; continuations go with their heads."""
        raw, keys, seconds = lines.raw, lines.keys, lines.seconds
        for n in places:
            kind = kinds.get(keys[n])
            if kind is None or kind is CONTINUATION:
                continue
            second = seconds[n]
            at = window.start if second is None else second
            for rule, session in self._finder.find(raw[n]):
                if len(window.named) < MOST_NAMED:
                    window.named.append((rule, session, kind, at))
                else:
                    self.facts["session_lines"] += 1

    def _sample(self, lines: Lines, at: int, *, short: bool) -> tuple[float, list[bytes]]:
        second = lines.seconds[at] or 0.0
        raw = lines.raw
        if short:
            return second, [raw[at][:SHORT_SAMPLE]]
        text = [raw[at][:SAMPLE_BYTES]]
        for line in raw[at + 1 : at + SAMPLE_LINES]:
            if not is_continuation(line):
                return second, text
            text.append(line[:SAMPLE_BYTES])
        if len(text) < SAMPLE_LINES:
            self._tail = text
        return second, text

    def _finish_tail(self, raw: list[bytes]) -> None:
        """Give the last sample the continuations that came in a later block."""
        for line in raw:
            if self._tail is None:
                return
            if not is_continuation(line):
                self._tail = None
                return
            self._tail.append(line[:SAMPLE_BYTES])
            if len(self._tail) >= SAMPLE_LINES:
                self._tail = None

    # --- closing ----------------------------------------------------------------------------

    def closes(self, to: float) -> bool:
        """Return whether ``advance(to)`` would close a window that holds lines."""
        width = self._settings.width
        return any((index + 1) * width <= to for index in self._open)

    def advance(self, to: float) -> list[LogWindow]:
        """Close every window that ends at or before *to*, as if time had passed."""
        self._clock.advance(to)
        return self._close()

    def flush(self) -> list[LogWindow]:
        """Close everything: the stream has ended."""
        closed = self.settle()
        if self._open:
            closed += self.advance((max(self._open) + 1) * self._settings.width)
        return closed

    def _close(self) -> list[LogWindow]:
        floor = self._clock.floor
        if floor is None or not self._open or min(self._open) >= floor:
            return []
        done = sorted(index for index in self._open if index < floor)
        return [self._window(index, self._open.pop(index)) for index in done]

    def _window(self, index: int, window: _Open) -> LogWindow:
        width = self._settings.width
        if self._tail is not None and any(t is self._tail for _, t in window.samples.values()):
            self._tail = None  # what is closed does not change any more
        return LogWindow(
            stream=self.stream,
            start=index * width,
            end=(index + 1) * width,
            counts=window.counts,
            samples=Samples(self.stream.id, window.samples),
            lines=window.lines,
            continuations=window.continuations,
            other=window.other,
            named=window.named,
        )

    # --- saved at a cut ---------------------------------------------------------------------

    def to_state(self) -> dict[str, Any]:
        """Return all of it as plain values, open windows included, secrets not yet hidden.

        ``saved.without_secrets`` hides them, off the engine's thread.
        """
        tail = None if self._tail is None else self._tail_at()
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
            "open": [
                [
                    index,
                    save_counts(w.counts),
                    _saved_samples(w, tail[1] if tail and tail[0] == index else None),
                    w.lines,
                    w.continuations,
                    w.other,
                    save_named(w.named),
                ]
                for index, w in sorted(self._open.items())
            ],
        }

    def _tail_at(self) -> tuple[int, int] | None:
        for index, window in self._open.items():
            # It is the newest, or nearly.
            for back, (_, text) in enumerate(reversed(window.samples.values()), 1):
                if text is self._tail:
                    return index, len(window.samples) - back
        return None

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
        for index, counts, samples, lines, continuations, other, named in state["open"]:
            found = load_counts(counts)
            self._open[index] = _Open(
                start=index * settings.width,
                counts=found,
                samples={k: (at, list(t)) for k, at, t in zip(found, *samples, strict=True)},
                lines=lines,
                continuations=continuations,
                other=other,
                named=load_named(named),
            )
        if state["tail"] is not None:
            index, position = state["tail"]
            self._tail = list(self._open[index].samples.values())[position][1]
        return self


def _saved_samples(window: _Open, grows: int | None) -> list[list[Any]]:
    """Return times and texts; the one text that still *grows* is copied."""
    times, texts = zip(*window.samples.values(), strict=True) if window.samples else ((), ())
    shown = list(texts)
    if grows is not None:
        shown[grows] = list(shown[grows])
    return [list(times), shown]
