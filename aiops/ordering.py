"""One order for everything: closed windows, points and changes wait until nothing older can come.

Items leave in the order (time, rank, name), whatever the order in which they came, once the
lowest watermark of the streams that may still bring something older has passed them.
"""

from __future__ import annotations

import heapq
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiops.decoding.saved import (
    load_counts,
    load_named,
    load_stream,
    save_counts,
    save_named,
    save_stream,
)
from aiops.model import (
    Alert,
    ChangeEvent,
    LogWindow,
    Points,
    SampleLine,
    Section,
    Series,
    SeriesSet,
    Severity,
)

Item = ChangeEvent | Points | LogWindow | Alert

CHANGE, POINTS, WINDOW, ALERT = range(4)
_VERSION = 4


class Waiting:
    """Hold items back until the low watermark passes them; bounded by *limit*."""

    name = "waiting"  # of its section

    def __init__(self, limit: int = 50_000) -> None:
        self.limit = limit
        self._heap: list[tuple[float, int, str, int, Item]] = []
        self._pushed = 0

    def __len__(self) -> int:
        return len(self._heap)

    @property
    def overfull(self) -> bool:
        return len(self._heap) > self.limit

    @property
    def first(self) -> float:
        """Return the time of the next item, infinity when none waits."""
        return self._heap[0][0] if self._heap else math.inf

    def push(self, item: Item) -> None:
        at, rank, name = _place(item)
        self._pushed += 1
        heapq.heappush(self._heap, (at, rank, name, self._pushed, item))

    def take(self, low: float) -> tuple[float, Item] | None:
        """Return the next item and its time if it is due at *low* or too many wait."""
        heap = self._heap
        if not heap or (heap[0][0] > low and len(heap) <= self.limit):
            return None
        at, _, _, _, item = heapq.heappop(heap)
        return at, item

    # --- saved at a cut ---------------------------------------------------------------------

    def to_section(self) -> Section:
        """Return every waiting item, oldest first."""
        plain: list[list[Any]] = []
        arrays: dict[str, NDArray[Any]] = {}
        numbers: dict[int, int] = {}  # by identity, since hashing thousands of series takes time
        sets: dict[tuple[Series, ...], int] = {}
        for _, _, _, _, item in sorted(self._heap, key=lambda entry: entry[:4]):
            if isinstance(item, LogWindow):
                plain.append(["window", _window_state(item)])
            elif isinstance(item, Points):
                columns = item.columns
                number = numbers.get(id(columns))
                if number is None:
                    number = numbers[id(columns)] = sets.setdefault(columns.series, len(sets))
                plain.append(["points", [item.source, item.at, number, item.interval]])
                arrays[str(len(plain) - 1)] = item.values
            elif isinstance(item, Alert):
                told = [item.at, item.entity, item.name, item.firing, item.severity, item.title]
                plain.append(["alert", told])
            else:
                plain.append(["change", [item.at, item.kind, item.entity, item.title]])
        named = [[[s.entity, s.name, s.kind, s.unit] for s in columns] for columns in sets]
        header = {"items": plain, "sets": named}
        return Section(self.name, _VERSION, header, arrays)

    def restore(self, section: Section) -> None:
        """Take back what ``to_section`` returned."""
        if section.version != _VERSION:
            return
        sets = [SeriesSet(tuple(Series(*s) for s in one)) for one in section.header["sets"]]
        for n, (kind, state) in enumerate(section.header["items"]):
            if kind == "window":
                self.push(_window(state))
            elif kind == "points":
                source, at, number, interval = state
                values = section.arrays[str(n)].astype(np.float64)
                self.push(Points(source, at, sets[number], values, interval))
            elif kind == "alert":
                at, entity, name, firing, severity, title = state
                self.push(Alert(at, entity, name, firing, Severity(severity), title))
            else:
                self.push(ChangeEvent(*state))


def _place(item: Item) -> tuple[float, int, str]:
    if isinstance(item, LogWindow):
        return item.end, WINDOW, item.stream.id
    if isinstance(item, Points):
        return item.at, POINTS, item.source
    return item.at, ALERT if isinstance(item, Alert) else CHANGE, item.id


def _window_state(w: LogWindow) -> list[Any]:
    return [
        save_stream(w.stream),
        w.start,
        w.end,
        save_counts(w.counts),
        [[s.at, s.stream, s.text] for s in w.samples.values()],
        w.lines,
        w.continuations,
        w.other,
        save_named(w.named),
        [list(span) for span in w.spans],
    ]


def _window(state: list[Any]) -> LogWindow:
    stream, start, end, counts, samples, lines, continuations, other, named, spans = state
    kinds = load_counts(counts)
    return LogWindow(
        stream=load_stream(stream),
        start=start,
        end=end,
        counts=kinds,
        samples={k: SampleLine(*s) for k, s in zip(kinds, samples, strict=True)},
        lines=lines,
        continuations=continuations,
        other=other,
        named=load_named(named),
        spans=[(*span,) for span in spans],
    )
