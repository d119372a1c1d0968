"""A simulated web shop: logs, metrics and changes, the same bytes for the same seed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from aiops.model import Block, ChangeEvent, Points, Stream, Tick, Watched
from aiops.shop.chance import HOUR, cells, generator
from aiops.shop.faults import Effect, Fault, Restart, restarts, story
from aiops.shop.figures import Figures
from aiops.shop.files import write
from aiops.shop.pages import Page, Writer
from aiops.shop.roster import CALLS, SERVICES
from aiops.shop.weather import Climate

_VERSION = re.compile(r"v?(\d+\.\d+\.\d+)")
_SOURCE = "shop"


class Shop:
    """Simulate the shop from *start* to *end*; a pure function of its arguments.

    ``rate`` multiplies the volume of logs, not of trouble. ``step`` is how often streams are
    read, in seconds; it cuts the bytes of a stream and never changes them. What a stream says in
    an hour depends on the seed, on the faults and on that hour alone, so shops of one seed agree
    wherever their times overlap. Changes that name a service as a ``deploy`` or ``rollback``
    restart it. Raises ``KeyError`` for a fault whose kind or service does not exist and
    ``ValueError`` for times or rates that make no sense.
    """

    def __init__(
        self,
        seed: int,
        start: float,
        end: float,
        *,
        faults: Sequence[Fault] = (),
        changes: Sequence[ChangeEvent] = (),
        rate: float = 1.0,
        step: float = 10.0,
        metric_interval: float = 15.0,
    ) -> None:
        if end <= start or rate <= 0 or step <= 0 or metric_interval <= 0:
            raise ValueError(
                f"shop from {start} to {end}, rate {rate}, step {step}, metric_interval "
                f"{metric_interval}: give an end after the start and positive numbers"
            )
        self.seed = seed
        self.start = start
        self.end = end
        self.rate = rate
        self.step = step
        self.metric_interval = metric_interval
        self.truth: tuple[Fault, ...] = tuple(sorted(faults, key=lambda f: (f.start, f.service)))
        told = {*changes, *(f.change for f in faults if f.change is not None)}
        self.changes: tuple[ChangeEvent, ...] = tuple(sorted(told, key=lambda c: (c.at, c.id)))
        self.effects: tuple[Effect, ...] = story(self.truth, seed)
        self._restarts = self._all_restarts()
        self._climate = Climate(seed, self.effects)
        self._figures = Figures(seed, metric_interval, self._climate)
        self._writers = [
            Writer(
                seed,
                service,
                log,
                number,
                rate=rate,
                effects=[e for e in self.effects if e.service == service.name],
                restarts=[r for r in self._restarts if r.service == service.name],
            )
            for service in SERVICES
            for log in service.logs
            for number in range(service.instances)
        ]

    @property
    def streams(self) -> tuple[Stream, ...]:
        """Return every log stream of the shop, edge first."""
        return tuple(writer.stream for writer in self._writers)

    @property
    def calls(self) -> Mapping[str, Sequence[str]]:
        """Return who calls whom: caller → callees."""
        return MappingProxyType(CALLS)

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the ids of all metric series in the order of the values of ``Points``."""
        return tuple(series.id for series in self._figures.columns.series)

    def touched(self, fault: Fault) -> tuple[Effect, ...]:
        """Return everything *fault* does, in order of time: ``hop`` 0 is its root."""
        return story([fault], self.seed)

    def write(self, directory: Path) -> None:
        """Write the same bytes as files that replay reads; see ``aiops.shop.files``."""
        write(self, directory)

    def inputs(self) -> Iterator[Block | Points | Watched | ChangeEvent | Tick]:
        """Yield everything a watcher of the shop sees, in order of time.

        Each step yields the changes and points since the last one, then per stream a ``Block``
        if it wrote anything and a ``Watched``, then a ``Tick`` at the end of the step.
        """
        pending = [_Reader(writer.stream) for writer in self._writers]
        streams = self.streams
        points: list[Points] = []
        changes = [c for c in self.changes if self.start <= c.at < self.end]
        done, steps = 0, int(np.ceil((self.end - self.start) / self.step))
        for hour in range(int(self.start // HOUR) * HOUR, int(np.ceil(self.end)), HOUR):
            traffic = self._climate.traffic(hour, cells(hour))
            points += self._points(hour)
            for reader, page in zip(pending, self._pages(hour, traffic), strict=True):
                reader.append(page, self.start, self.end)
            until = min(float(hour + HOUR), self.end)
            last = int((until - self.start) // self.step)
            last = steps if until >= self.end else last
            ends = [min(self.start + (i + 1) * self.step, self.end) for i in range(done, last)]
            rows = zip(*(reader.read(ends) for reader in pending), strict=True)
            for end, row in zip(ends, rows, strict=True):
                news: list[Points | ChangeEvent] = []
                while changes and changes[0].at < end:
                    news.append(changes.pop(0))
                while points and points[0].at < end:
                    news.append(points.pop(0))
                yield from sorted(news, key=lambda item: item.at)
                for stream, block in zip(streams, row, strict=True):
                    if block is not None:
                        yield block
                    yield Watched(stream, end)
                yield Tick(end)
            done = last

    def _all_restarts(self) -> list[Restart]:
        found = [r for fault in self.truth for r in restarts(fault)]
        for change in self.changes:
            kind, _, service = change.entity.partition(":")
            if kind == "service" and change.kind in {"deploy", "rollback"}:
                version = _VERSION.search(change.title)
                found.append(Restart(service, change.at, version[1] if version else "1.0.0"))
        return sorted(found, key=lambda r: (r.at, r.service))

    def _pages(self, hour: int, traffic: NDArray[np.float64]) -> Iterator[Page]:
        count = max(int(2000 * self.rate), 64)
        text = generator(self.seed, "traces", hour).bytes(16 * count).hex()
        traces = [text[i : i + 32] for i in range(0, 32 * count, 32)]
        at = cells(hour)
        weathers = {s.name: self._climate.weather(s, at, traffic) for s in SERVICES}
        for writer in self._writers:
            name = writer.service.name
            effects = self._climate.active(name, hour, hour + HOUR)
            near = [r for r in self._restarts if r.service == name and -60 < r.at - hour < HOUR]
            yield writer.page(hour, weathers[name], effects, near, traces)

    def _points(self, hour: int) -> list[Points]:
        # Whole multiples of the interval: every shop of this seed scrapes at the same times.
        first, last = np.ceil(np.array([hour, hour + HOUR]) / self.metric_interval).tolist()
        at: NDArray[np.float64] = np.arange(first, last) * self.metric_interval
        if not len(at):
            return []
        table = self._figures.hour(hour, self._climate.traffic(hour, at), at)
        columns, pace = self._figures.columns, self.metric_interval
        return [
            Points(_SOURCE, t, columns, row, pace)
            for t, row in zip(at.tolist(), table, strict=True)
            if self.start <= t < self.end
        ]


class _Reader:
    """Cut the pages of one stream at the ends of steps; holds what no step has taken yet."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self._at: NDArray[np.float64] = np.empty(0)
        self._entries: list[str] = []
        self._taken = 0
        self._offset = 0

    def append(self, page: Page, start: float, end: float) -> None:
        low, high = np.searchsorted(page.at, [start, end]).tolist()
        self._at = np.concatenate([self._at[self._taken :], page.at[low:high]])
        self._entries = self._entries[self._taken :] + page.entries[low:high]
        self._taken = 0

    def read(self, ends: Sequence[float]) -> list[Block | None]:
        """Return what each step brings, ``None`` where the stream said nothing."""
        blocks: list[Block | None] = []
        taken, offset, stream, entries = self._taken, self._offset, self.stream, self._entries
        for cut, end in zip(np.searchsorted(self._at, ends).tolist(), ends, strict=True):
            if cut == taken:
                blocks.append(None)
                continue
            data = "".join(entries[taken:cut]).encode()
            taken = cut
            offset += len(data)
            blocks.append(Block(stream, data, str(offset), end))
        self._taken, self._offset = taken, offset
        return blocks
