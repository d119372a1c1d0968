"""The way from the loop to the engine thread and back, bounded in bytes, ordered in results.

The engine thread takes one input at a time from a deque; what it finds goes back to the loop in
the order in which it arose, cuts among it. So when a cut is saved, everything that led to it has
been committed before.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from aiops.engine import Engine
from aiops.model import Block, Changes, Command, Cut, Input, Item, Points, Tick, Transition, Watched
from aiops.pump.again import Journaled, Pending
from aiops.pump.heap import Heap
from aiops.pump.results import ITEM_BYTES, EngineDiedError, Figures, Result, resolve, weight_of
from aiops.storage import JournalEntry

T = TypeVar("T")

_PUBLISH_EVERY = 1.0


@dataclass(frozen=True, slots=True)
class _Request:
    """Something to do on the engine thread; without a question it is a cut."""

    question: Callable[[Engine], Any] | None
    done: asyncio.Future[Any] | None


class Pump:
    """Feed one engine from many tasks; results arrive on the loop in order.

    ``journal`` is called on the engine thread with (stream, cursor, at); it returns the number of
    the row once that is committed, ``None`` when it could not be. ``failure`` is what ended the
    engine thread: then every question fails with ``EngineDiedError`` and inputs are let go.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        loop: asyncio.AbstractEventLoop,
        deliver: Callable[[Result], None],
        journal: Callable[[str, str, float], int | None],
        max_bytes: int = 4 * 2**20,
    ) -> None:
        self.engine = engine
        self.max_bytes = max_bytes
        self.queued = 0
        self.cursors: dict[str, str] = {}
        self.command_seq = 0
        self.journal_seq = 0
        self.journaled = Journaled()
        self.pending = Pending()
        self.figures = Figures()
        self.lags: dict[str, float] = {}
        self.busy = 0.0
        self.failure: BaseException | None = None
        self._loop = loop
        self._deliver = deliver
        self._journal = journal
        self._items: deque[tuple[Input | Item | _Request, int]] = deque()
        self._ready = threading.Condition()
        self._room = asyncio.Event()
        self._room.set()
        self._stopping = False
        self._ticked: float | None = None
        self._published = 0.0
        self._put_cursors: dict[str, str] = {}
        self._asked: set[asyncio.Future[Any]] = set()
        self._counting = threading.Lock()
        self._taken: Counter[tuple[str, str]] = Counter()
        self._facts: Counter[str] = Counter()
        self._heap = Heap()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="engine")
        self._life: Future[None] | None = None
        self._over = asyncio.Event()

    # --- on the loop ------------------------------------------------------------------------

    def start(self) -> None:
        """Start the engine thread."""
        self._life = self._thread.submit(self._run)
        self._life.add_done_callback(lambda _: self._loop.call_soon_threadsafe(self._end))

    async def put(self, item: Input | Item) -> None:
        """Queue one input; waits while the queue holds its fill of bytes."""
        while self._is_full():
            await self._room.wait()
        if isinstance(item, Block | Changes):
            self._put_cursors[item.stream.id] = item.cursor
        self._push(item, weight_of(item))

    def tick(self, at: float) -> None:
        """Let time pass; nothing while the last tick still waits its turn."""
        if self._ticked is None:
            self._ticked = time.monotonic()
            self._push(Tick(at), ITEM_BYTES)

    @property
    def behind(self) -> float:
        """Return for how long the engine has not come to the last tick, in seconds."""
        ticked = self._ticked
        return 0.0 if ticked is None else time.monotonic() - ticked

    def command(self, command: Command) -> None:
        """Queue a committed command without waiting: rows stay in order."""
        self._push(command, ITEM_BYTES)

    def cut(self, *, urgent: bool = False) -> asyncio.Future[None]:
        """Ask for a cut after everything queued so far; the future ends when it is saved.

        An *urgent* one is made before what is queued, which its sources can read again.
        """
        saved: asyncio.Future[None] = self._ask(None, urgent=urgent)
        return saved

    async def ask(self, question: Callable[[Engine], T]) -> T:
        """Run *question* on the engine thread, between two inputs.

        Transitions that it returns as a list are told like any others.
        """
        answer: T = await self._ask(question)
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
        self._push(_Request(partial(self._drop, stream=stream), None), ITEM_BYTES)

    def remember(self, entries: Sequence[JournalEntry], commands: Sequence[Command]) -> None:
        """Keep what came after the cut until its place is read again; call it before ``start``."""
        for entry in entries:
            self.journaled.add(entry)
            self.journal_seq = max(self.journal_seq, entry.seq)
        for stream, cursor in self.cursors.items():
            for entry in self.journaled.at(stream, cursor):
                again = partial(_again, stream=stream, at=entry.at)
                self._push(_Request(again, None), ITEM_BYTES)
        self.pending.remember(commands)
        if commands:
            self._push(_Request(lambda _: self._catch_up(), None), ITEM_BYTES)

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

    async def stop(self, within: float) -> bool:
        """Let the engine take what is queued and end its thread; return whether it has.

        What is left when the time is over is let go: its sources read it again.
        """
        with self._ready:
            self._stopping = True
            self._ready.notify()
        self._room.set()
        if self._life is None:
            return True
        try:
            await asyncio.wait_for(self._over.wait(), within)
        except TimeoutError:
            with self._ready:
                self._items.clear()
            return False
        return True

    def _is_full(self) -> bool:
        # Under the lock: room that is made just now would otherwise wake nobody.
        with self._ready:
            full = self.queued >= self.max_bytes and not self._stopping and self.failure is None
            if full:
                self._room.clear()
            return full

    def _ask(self, question: Callable[[Engine], Any] | None, *, urgent: bool = False) -> Any:
        done: asyncio.Future[Any] = self._loop.create_future()
        if self.failure is not None or self._over.is_set():
            done.set_exception(EngineDiedError("the engine has ended"))
            return done
        self._asked.add(done)
        done.add_done_callback(self._asked.discard)
        self._push(_Request(question, done), ITEM_BYTES, first=urgent)
        return done

    def _push(self, item: Input | Item | _Request, weight: int, *, first: bool = False) -> None:
        with self._ready:
            if self._over.is_set():
                return
            if first:
                self._items.appendleft((item, weight))
            else:
                self._items.append((item, weight))
            self.queued += weight
            self._ready.notify()

    def _end(self) -> None:
        """Take notice on the loop that the engine thread is over, and why."""
        self.failure = None if self._life is None else self._life.exception()
        with self._ready:
            self._over.set()
            self._items.clear()
            self.queued = 0
        self._room.set()
        for done in list(self._asked):
            if not done.done():
                done.set_exception(EngineDiedError("the engine has ended"))
                done.exception()  # whoever asked may be gone: it counts as seen
        self._deliver(Result())
        self._thread.shutdown(wait=False)

    # --- on the engine thread ---------------------------------------------------------------

    def _run(self) -> None:
        while (taken := self._next()) is not None:
            item, weight = taken
            began = time.thread_time()
            if isinstance(item, _Request):
                self._answer(item)
            else:
                self._feed(item)
            self.busy += time.thread_time() - began
            self._release(weight)

    def _next(self) -> tuple[Input | Item | _Request, int] | None:
        with self._ready:
            while not self._items:
                if self._stopping:
                    return None
                self._ready.wait()
            return self._items.popleft()

    def _release(self, weight: int) -> None:
        with self._ready:
            self.queued -= weight
            wake = self.queued < self.max_bytes and not self._room.is_set()
        if wake:
            self._loop.call_soon_threadsafe(self._room.set)

    def _answer(self, request: _Request) -> None:
        if request.question is None:
            self._cut(request.done)
            return
        answer = request.question(self.engine)
        if isinstance(answer, list) and answer and isinstance(answer[0], Transition):
            self._found(answer)
        if request.done is not None:
            self._loop.call_soon_threadsafe(resolve, request.done, answer)

    def _drop(self, engine: Engine, stream: str) -> None:
        if stream not in self._put_cursors:
            self.cursors.pop(stream, None)
            self._unmatched(stream)
            engine.forget(stream)

    def _feed(self, item: Input | Item) -> None:
        if isinstance(item, Command):
            # A row is applied once, and none before those that still wait.
            if item.seq > self.command_seq:
                self.pending.add(item)
                self._found(self._catch_up())
            return
        if isinstance(item, Watched):
            self._unmatched(item.stream.id)
            self._note(item)
        if isinstance(item, Changes):
            self._found([t for event in item.events for t in self.engine.feed(event)])
            self.cursors[item.stream.id] = item.cursor
            with self._counting:
                self._taken["lines", item.stream.source] += len(item.events)
            return
        found = self.engine.feed(item)
        if isinstance(item, Block):
            found += self._after_block(item)
        elif isinstance(item, Tick):
            self._ticked = None
            if self.pending.overdue(item.at):
                found += self._apply(self.pending.take())
        elif isinstance(item, Points):
            with self._counting:
                self._taken["points", item.source] += len(item.values)
        if self.pending.commands and (found or isinstance(item, Tick)):
            found += self._catch_up()
        self._found(found)
        if time.monotonic() - self._published >= _PUBLISH_EVERY:
            self._publish()

    def _note(self, item: Watched) -> None:
        """Journal an advance that the stream's bytes do not show, before it is used."""
        stream = item.stream
        if stream.resumable and stream.id in self.cursors and self.engine.would_close(item):
            seq = self._journal(stream.id, self.cursors[stream.id], item.at)
            self.journal_seq = self.journal_seq if seq is None else seq

    def _catch_up(self) -> list[Transition]:
        found: list[Transition] = []
        while (command := self.pending.due(self.engine.incidents)) is not None:
            found += self._apply(command)
        return found

    def _apply(self, command: Command) -> list[Transition]:
        self.command_seq = command.seq
        return self.engine.feed(command)

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
        for entry in self.journaled.at(stream.id, block.cursor):
            found += self.engine.feed(Watched(stream, entry.at))
        return found

    def _unmatched(self, stream: str) -> None:
        """Let go of advances whose place in the stream did not come by again."""
        if lost := self.journaled.give_up(stream):
            with self._counting:
                self._facts["advances_unmatched"] += lost

    def _found(self, transitions: list[Transition]) -> None:
        if transitions:
            self._hand_over(Result(tuple(transitions)))
            self._publish()

    def _publish(self) -> None:
        engine = self.engine
        self._published = time.monotonic()
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
            calls=engine.placement.spans.told(engine.clock),
        )

    def _cut(self, wanted_by: asyncio.Future[None] | None) -> None:
        began = time.perf_counter()
        oldest = self.journaled.oldest()
        with self._heap.still():
            cut = Cut(
                cursors=dict(self.cursors),
                command_seq=self.command_seq,
                journal_seq=self.journal_seq if oldest is None else oldest - 1,
                sections=self.engine.to_sections(),
            )
        pause = time.perf_counter() - began
        self._hand_over(Result(cut=cut, pause=pause, wanted_by=wanted_by))

    def _hand_over(self, result: Result) -> None:
        self._loop.call_soon_threadsafe(self._deliver, result)


def _again(engine: Engine, *, stream: str, at: float) -> list[Transition]:
    return engine.idle_again(stream, at)
