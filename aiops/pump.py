"""The thread that owns the engine, and the bounded queue in front of it."""

from __future__ import annotations

import asyncio
import gc
import math
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from aiops.engine import Engine
from aiops.model import (
    Block,
    Command,
    Cut,
    Incident,
    Input,
    Points,
    Stream,
    Transition,
    Watched,
)
from aiops.storage import JournalEntry

T = TypeVar("T")

_ITEM_BYTES = 200  # what anything but a block or points weighs in the queue
_PUBLISH_EVERY = 1.0


@dataclass(frozen=True, slots=True)
class Result:
    """What the engine thread hands back: transitions, or a cut, in the order they arose."""

    transitions: tuple[Transition, ...] = ()
    cut: Cut | None = None
    pause: float = 0.0
    wanted_by: asyncio.Future[None] | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """A picture of the engine for those who ask, renewed about once a second."""

    incidents: tuple[Incident, ...] = ()
    templates: int = 0
    series: int = 0
    streams: int = 0
    open_windows: int = 0
    waiting: int = 0
    clock: float = -math.inf
    threshold: float = 0.0
    tests_per_second: float = 0.0


@dataclass(frozen=True, slots=True)
class _Request:
    """Something to do on the engine thread; without a question it is a cut."""

    question: Callable[[Engine], Any] | None
    done: asyncio.Future[Any] | None


@dataclass(slots=True)
class Journaled:
    """Idle advances that were applied after the cut: applied again at the same cursors."""

    entries: dict[str, deque[tuple[int, str, float]]] = field(default_factory=dict)

    def at(self, stream: str, cursor: str) -> list[tuple[int, float]]:
        """Take the entries that belong right after *cursor*."""
        waiting = self.entries.get(stream)
        taken = []
        while waiting and waiting[0][1] == cursor:
            seq, _, at = waiting.popleft()
            taken.append((seq, at))
        if waiting is not None and not waiting:
            del self.entries[stream]
        return taken

    def stops(self, stream: str) -> list[str]:
        return [cursor for _, cursor, _ in self.entries.get(stream, ())]

    def oldest(self) -> int | None:
        return min((e[0][0] for e in self.entries.values() if e), default=None)


class Pump:
    """Feed one engine from many tasks; results arrive on the loop in order.

    ``journal`` is called on the engine thread and returns after the row is committed.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        loop: asyncio.AbstractEventLoop,
        deliver: Callable[[Result], None],
        journal: Callable[[str, str, float], int],
        max_bytes: int = 4 * 2**20,
    ) -> None:
        self.engine = engine
        self.max_bytes = max_bytes
        self.queued = 0
        self.cursors: dict[str, str] = {}
        self.command_seq = 0
        self.journal_seq = 0
        self.journaled = Journaled()
        self.figures = Figures()
        self.streams: dict[str, Stream] = {}
        self.lags: dict[str, float] = {}
        self.busy = 0.0
        self.failure: BaseException | None = None
        self._loop = loop
        self._deliver = deliver
        self._journal = journal
        self._items: deque[tuple[Input | _Request, int]] = deque()
        self._ready = threading.Condition()
        self._room = asyncio.Event()
        self._room.set()
        self._stopping = False
        self._published = 0.0
        self._put_cursors: dict[str, str] = {}
        self._counting = threading.Lock()
        self._taken: Counter[tuple[str, str]] = Counter()
        self._facts: Counter[str] = Counter()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    # --- on the loop ------------------------------------------------------------------------

    def start(self) -> None:
        self._thread.start()

    async def put(self, item: Input) -> None:
        """Queue one input; waits while the queue holds its fill of bytes."""
        while self.queued >= self.max_bytes and not self._stopping:
            self._room.clear()
            await self._room.wait()
        if isinstance(item, Block):
            self._put_cursors[item.stream.id] = item.cursor
        self._push(item, _weight(item))

    def cut(self) -> asyncio.Future[None]:
        """Ask for a cut after everything queued so far; the future ends when it is saved."""
        done: asyncio.Future[None] = self._loop.create_future()
        self._push(_Request(None, done), _ITEM_BYTES)
        return done

    async def ask(self, question: Callable[[Engine], T]) -> T:
        """Run *question* on the engine thread, between two inputs."""
        done: asyncio.Future[Any] = self._loop.create_future()
        self._push(_Request(question, done), _ITEM_BYTES)
        answer: T = await done
        return answer

    def resume_at(self, stream: str) -> str | None:
        """Return where a source goes on: after what it last put, else where the cut was."""
        return self._put_cursors.get(stream, self.cursors.get(stream))

    def resumable(self, prefix: str) -> list[str]:
        """Return the ids of streams with a known position."""
        known = self._put_cursors.keys() | self.cursors.keys()
        return sorted(s for s in known if s.startswith(prefix))

    def forget(self, stream: str) -> None:
        """Let a stream's position go at the next cut."""
        self._put_cursors.pop(stream, None)
        self._push(_Request(lambda engine: self._drop(engine, stream), None), _ITEM_BYTES)

    def remember(self, entries: Sequence[JournalEntry]) -> None:
        """Keep journaled idle advances until their streams come by again; those at the cut first."""
        for entry in entries:
            if entry.stream in self.cursors:
                waiting = self.journaled.entries.setdefault(entry.stream, deque())
                waiting.append((entry.seq, entry.cursor, entry.at))
            self.journal_seq = max(self.journal_seq, entry.seq)
        for stream, cursor in self.cursors.items():
            for _, at in self.journaled.at(stream, cursor):
                self._push(_Request(partial(_again, stream=stream, at=at), None), _ITEM_BYTES)

    def take_counts(self) -> Counter[tuple[str, str]]:
        """Return and clear what was taken in since the last call."""
        with self._counting:
            taken, self._taken = self._taken, Counter()
        return taken

    def take_facts(self) -> Counter[str]:
        """Return and clear what departed from the rules since the last call."""
        with self._counting:
            facts, self._facts = self._facts, Counter()
        return facts

    async def stop(self) -> None:
        """Let the engine take what is queued and end its thread."""
        with self._ready:
            self._stopping = True
            self._ready.notify()
        self._room.set()
        await self._loop.run_in_executor(None, self._thread.join)

    def _push(self, item: Input | _Request, weight: int) -> None:
        with self._ready:
            self._items.append((item, weight))
            self.queued += weight
            self._ready.notify()

    # --- on the engine thread ---------------------------------------------------------------

    def _run(self) -> None:
        try:
            while (taken := self._next()) is not None:
                item, weight = taken
                began = time.thread_time()
                if isinstance(item, _Request):
                    self._answer(item)
                else:
                    self._feed(item)
                self.busy += time.thread_time() - began
                self._release(weight)
        except BaseException as e:  # noqa: BLE001 - the loop must learn of any death of this thread
            self.failure = e
        self._loop.call_soon_threadsafe(self._deliver, Result())

    def _next(self) -> tuple[Input | _Request, int] | None:
        with self._ready:
            while not self._items:
                if self._stopping:
                    return None
                self._ready.wait()
            return self._items.popleft()

    def _release(self, weight: int) -> None:
        with self._ready:
            self.queued -= weight
            low = self.queued < self.max_bytes
        if low and not self._room.is_set():
            self._loop.call_soon_threadsafe(self._room.set)

    def _answer(self, request: _Request) -> None:
        if request.question is None:
            if request.done is not None:
                self._cut(request.done)
            return
        answer = request.question(self.engine)
        if isinstance(answer, list) and answer and isinstance(answer[0], Transition):
            self._hand_over(Result(tuple(answer)))
        if request.done is not None:
            self._loop.call_soon_threadsafe(_resolve, request.done, answer)

    def _drop(self, engine: Engine, stream: str) -> None:
        if stream not in self._put_cursors:
            self.cursors.pop(stream, None)
            engine.forget(stream)

    def _feed(self, item: Input) -> None:
        if isinstance(item, Watched) and self.engine.would_close(item):
            stream = item.stream
            if stream.resumable and stream.id in self.cursors:
                self.journal_seq = self._journal(stream.id, self.cursors[stream.id], item.at)
        found = self.engine.feed(item)
        if isinstance(item, Block):
            found += self._after_block(item)
        elif isinstance(item, Command):
            self.command_seq = item.seq
        elif isinstance(item, Points):
            with self._counting:
                self._taken["points", item.source] += len(item.values)
        if found:
            self._hand_over(Result(tuple(found)))
        now = time.monotonic()
        if now - self._published >= _PUBLISH_EVERY or found:
            self._published = now
            self._publish()

    def _after_block(self, block: Block) -> list[Transition]:
        stream = block.stream
        source = stream.source
        with self._counting:
            self._taken["blocks", source] += 1
            self._taken["bytes", source] += len(block.data)
            self._taken["lines", source] += block.data.count(b"\n")
        high = self.engine.high(stream.id)
        if high is not None:
            self.lags[source] = max(0.0, block.arrived - high)
        if stream.resumable:
            self.cursors[stream.id] = block.cursor
        found: list[Transition] = []
        for _, at in self.journaled.at(stream.id, block.cursor):
            found += self.engine.feed(Watched(stream, at))
        return found

    def _publish(self) -> None:
        engine = self.engine
        with self._counting:
            self._facts.update(engine.take_facts())
        self.figures = Figures(
            incidents=tuple(engine.incidents()),
            templates=engine.logs.template_count,
            series=engine.metrics.series_count,
            streams=engine.stream_count,
            open_windows=engine.open_windows,
            waiting=engine.waiting,
            clock=engine.clock,
            threshold=engine.threshold(),
            tests_per_second=engine.tests_per_second(),
        )

    def _cut(self, wanted_by: asyncio.Future[None]) -> None:
        began = time.perf_counter()
        oldest = self.journaled.oldest()
        cut = Cut(
            cursors=dict(self.cursors),
            command_seq=self.command_seq,
            journal_seq=self.journal_seq if oldest is None else oldest - 1,
            sections=self.engine.to_sections(),
        )
        pause = time.perf_counter() - began
        self._hand_over(Result(cut=cut, pause=pause, wanted_by=wanted_by))
        gc.collect()

    def _hand_over(self, result: Result) -> None:
        self._loop.call_soon_threadsafe(self._deliver, result)


def _again(engine: Engine, *, stream: str, at: float) -> list[Transition]:
    return engine.idle_again(stream, at)


def _resolve(done: asyncio.Future[Any], answer: object) -> None:
    if not done.done():
        done.set_result(answer)


def _weight(item: Any) -> int:
    if isinstance(item, Block):
        return len(item.data) + _ITEM_BYTES
    if isinstance(item, Points):
        return item.values.nbytes + _ITEM_BYTES
    return _ITEM_BYTES
