"""Hold the windows of one stream that are still open: counts by kind, and first lines as samples.

A sample may end a block while its continuations stand in the next one: such a *tail* grows until
another line comes or its window closes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiops.decoding.continuation import is_continuation
from aiops.decoding.kinds import CONTINUATION
from aiops.decoding.lines import Lines
from aiops.decoding.samples import Samples
from aiops.decoding.saved import load_counts, load_named, save_counts, save_named
from aiops.model import LineKind, LogWindow, Stream

SAMPLE_BYTES = 2048
SAMPLE_LINES = 6
FULL_SAMPLES = 1000  # kinds of one window whose samples are kept at full length
SHORT_SAMPLE = 200

Token = bytes | LineKind


@dataclass(slots=True)
class OpenWindow:
    """What a window holds so far; ``samples`` has time and lines of the first of each kind."""

    start: float
    counts: dict[LineKind, int]
    samples: dict[LineKind, tuple[float, list[bytes]]]
    named: list[tuple[str, str, LineKind, float]]
    lines: int = 0
    continuations: int = 0
    other: int = 0
    spans: dict[tuple[str, str, str, str], None] = field(default_factory=dict)


class OpenWindows:
    """Own the open windows of one stream by their index: start = index * *width*.

    Kinds beyond *max_kinds* in one window are counted together, here and in *facts*.
    """

    def __init__(self, stream: Stream, width: float, max_kinds: int, facts: Counter[str]) -> None:
        self._stream = stream
        self._width = width
        self._max_kinds = max_kinds
        self._facts = facts
        self._open: dict[int, OpenWindow] = {}
        self._tail: list[bytes] | None = None  # a sample whose continuations may still come

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[int]:
        return iter(self._open)

    def window(self, index: int) -> OpenWindow:
        """Return the window of this index, opened where it was not."""
        window = self._open.get(index)
        if window is None:
            window = self._open[index] = OpenWindow(index * self._width, {}, {}, [])
        return window

    # --- lines in ---------------------------------------------------------------------------

    def count(
        self,
        window: OpenWindow,
        lines: Lines,
        start: int,
        tokens: Sequence[Token],
        tally: Iterable[tuple[Token, int, LineKind]],
    ) -> None:
        """Count a run of lines that begins at *start*: what stands for each of them in *tokens*.

        *tally* holds each token once, in order, with its number and its kind.
        """
        window.lines += len(tokens)
        counts, samples = window.counts, window.samples
        raw, seconds, most = lines.raw, lines.seconds, self._max_kinds
        last = len(raw) - 1
        place = 0  # what comes first further on in the tally does so in the run
        for token, count, kind in tally:
            if kind is CONTINUATION:
                window.continuations += count
                continue
            seen = counts.get(kind)
            if seen is not None:
                counts[kind] = seen + count
                continue
            if len(counts) >= most:
                window.other += count
                self._facts["other"] += count
                continue
            counts[kind] = count
            place = tokens.index(token, place)
            at = start + place
            place += 1
            if len(samples) >= FULL_SAMPLES:
                text = [raw[at][:SHORT_SAMPLE]]
            elif at < last and not is_continuation(raw[at + 1]):
                text = [raw[at][:SAMPLE_BYTES]]
            else:
                text = self._sample(raw, at)
            samples[kind] = seconds[at] or 0.0, text

    def _sample(self, raw: Sequence[bytes], at: int) -> list[bytes]:
        """Return a line and its continuations; where the block ends, more of them may come."""
        text = [raw[at][:SAMPLE_BYTES]]
        for line in raw[at + 1 : at + SAMPLE_LINES]:
            if not is_continuation(line):
                return text
            text.append(line[:SAMPLE_BYTES])
        if len(text) < SAMPLE_LINES:
            self._tail = text
        return text

    def go_on(self, raw: Sequence[bytes]) -> None:
        """Give the last sample the continuations with which a later block begins."""
        if self._tail is None:
            return
        for line in raw:
            if not is_continuation(line):
                self._tail = None
                return
            self._tail.append(line[:SAMPLE_BYTES])
            if len(self._tail) >= SAMPLE_LINES:
                self._tail = None
                return

    # --- closing ----------------------------------------------------------------------------

    def close(self, floor: int | None) -> list[LogWindow]:
        """Close every window before index *floor*, the oldest first."""
        if floor is None or not self._open or min(self._open) >= floor:
            return []
        done = sorted(index for index in self._open if index < floor)
        return [self._closed(index, self._open.pop(index)) for index in done]

    def _closed(self, index: int, window: OpenWindow) -> LogWindow:
        width = self._width
        if self._tail is not None and any(t is self._tail for _, t in window.samples.values()):
            self._tail = None  # what is closed does not change any more
        return LogWindow(
            self._stream,
            index * width,
            (index + 1) * width,
            window.counts,
            Samples(self._stream.id, window.samples),
            window.lines,
            window.continuations,
            window.other,
            window.named,
            [*window.spans],
        )

    # --- saved at a cut ---------------------------------------------------------------------

    def to_state(self) -> tuple[tuple[int, int] | None, list[list[Any]]]:
        """Return where the tail is and all windows, as plain values."""
        tail = self._tail_at()
        windows = [
            [
                index,
                save_counts(w.counts),
                _saved_samples(w, tail[1] if tail and tail[0] == index else None),
                w.lines,
                w.continuations,
                w.other,
                save_named(w.named),
                [list(span) for span in w.spans],
            ]
            for index, w in sorted(self._open.items())
        ]
        return tail, windows

    def _tail_at(self) -> tuple[int, int] | None:
        if self._tail is None:
            return None
        for index, window in self._open.items():
            # It is the newest, or nearly.
            for back, (_, text) in enumerate(reversed(window.samples.values()), 1):
                if text is self._tail:
                    return index, len(window.samples) - back
        return None

    def restore(self, tail: Sequence[int] | None, windows: Iterable[list[Any]]) -> None:
        """Take back what ``to_state`` returned."""
        for index, counts, samples, lines, continuations, other, named, spans in windows:
            found = load_counts(counts)
            self._open[index] = OpenWindow(
                start=index * self._width,
                counts=found,
                samples={k: (at, list(t)) for k, at, t in zip(found, *samples, strict=True)},
                lines=lines,
                continuations=continuations,
                other=other,
                named=load_named(named),
                spans=dict.fromkeys((*span,) for span in spans),
            )
        if tail is not None:
            index, position = tail
            self._tail = list(self._open[index].samples.values())[position][1]


def _saved_samples(window: OpenWindow, grows: int | None) -> list[list[Any]]:
    """Return times and texts; the one text that still *grows* is copied."""
    times, texts = zip(*window.samples.values(), strict=True) if window.samples else ((), ())
    shown = list(texts)
    if grows is not None:
        shown[grows] = list(shown[grows])
    return [list(times), shown]
