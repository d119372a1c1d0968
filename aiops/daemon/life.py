"""Everything of one process: opened in order, ended within ten seconds, reloaded as a whole."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol, TypeVar

from aiops import __version__, systemd
from aiops.assembly import Plan, engine_settings
from aiops.daemon.answers import Answers
from aiops.daemon.gauges import Gauges
from aiops.daemon.linking import links_of
from aiops.daemon.resuming import resume, told_and_open
from aiops.daemon.sending import Sending
from aiops.daemon.supervision import Supervision
from aiops.daemon.telling import Telling
from aiops.engine import Engine
from aiops.errors import ConfigError, StateError
from aiops.pump import EngineDiedError, Pump, Result
from aiops.storage import StateDirectory, Store, StoreError
from aiops.telemetry import Telemetry

T = TypeVar("T")

RETENTION = 90 * 86400.0
_STUCK = 60.0  # an engine this far behind its ticks is not alive for the watchdog
_FIRST_CUT = 2.0


class Face(Protocol):
    """What ``serve`` returns: something that listens until it is closed."""

    async def close(self) -> None: ...


class Daemon(Answers):
    """Run a plan until told to stop; owns every task, thread and file of the process."""

    def __init__(
        self,
        plan: Plan,
        directory: Path | None,
        telemetry: Telemetry,
        *,
        reload: Callable[[], Plan] | None = None,
        news_from: str = "start",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.plan = plan
        self.telemetry = telemetry
        self.ready = False
        self.started = 0.0
        self.cold: list[str] = []
        self.links = None
        self._path = directory
        self._reload = reload
        self._news_from = news_from
        self._clock = clock
        self._begun = asyncio.Event()
        self._stopping = asyncio.Event()
        self._reloading = asyncio.Lock()
        self._results: asyncio.Queue[Result] = asyncio.Queue()
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self._state: StateDirectory | None = None
        self._store: Store | None = None
        self._broken: BaseException | None = None

    # --- life -------------------------------------------------------------------------------

    async def run(self, serve: Callable[[Daemon], Awaitable[Face]] | None = None) -> None:
        """Start everything, run until ``stop``, end within ten seconds.

        *serve* starts the web server on this daemon. Raises ``ConfigError`` and ``StateError``
        when it cannot start, ``EngineDiedError`` when a defect ended it.
        """
        self.started = self._clock()
        face: Face | None = None
        try:
            store = await self._open()
            if serve is not None:
                face = await serve(self)
            await self._live(store)
        finally:
            self.ready = False
            if face is not None:
                await face.close()
            await self._close()
        if self._broken is not None:
            raise EngineDiedError(_in_one_line(self._broken)) from self._broken

    def stop(self) -> None:
        """Ask for the end; safe to call from a signal handler."""
        self._stopping.set()

    async def _open(self) -> Store:
        store = self._store = await self._on_writer(self._open_store)
        engine = Engine(self.plan.engine)
        self._pump = Pump(
            engine,
            loop=asyncio.get_running_loop(),
            deliver=self._results.put_nowait,
            journal=lambda *row: self._writer.submit(self._journal, *row).result(),
        )
        self._gauges = Gauges(self.telemetry, self._pump)
        self._sources = Supervision(self._pump, self.telemetry, self._clock)
        self._sending = self._new_sending(store)
        web = self.plan.settings.web
        self.links = await self._on_writer(
            lambda: links_of(web, store.directory, self.telemetry.report)
        )
        self._telling = Telling(
            self.plan,
            store,
            writer=self._writer,
            telemetry=self.telemetry,
            clock=self._clock,
            wake=self._wake,
            links=self.links,
        )
        self.cold = await self._on_writer(
            lambda: resume(
                engine,
                self._pump,
                store,
                now=self._clock(),
                news_from=self._news_from,
                report=self.telemetry.report,
            )
        )
        self._capacity()
        return store

    def _open_store(self) -> Store:
        report = self.telemetry.report
        if self._path is None:
            return Store.in_memory(report)
        self._state = StateDirectory.open(self._path, or_memory=True)
        return Store.open(self._state, report, or_memory=True)

    def _journal(self, stream: str, cursor: str, at: float) -> int | None:
        assert self._store is not None
        try:
            return self._store.inputs.journal(stream, cursor, at)
        except StoreError as e:
            self.telemetry.report("state.journal_failed", e.reason, problem=str(e))
            return None

    async def _live(self, store: Store) -> None:
        self._sending.start(await self._on_writer(lambda: told_and_open(store)))
        if self.cold == ["everything"] and self._path is not None:
            await self._telling.greet()
        gc.collect()
        gc.freeze()
        sys.setswitchinterval(0.001)
        telling = self._background(self._telling.consume(self._results), "results")
        telling.add_done_callback(lambda _: self.stop())
        self._pump.start()
        await self._sources.start(self.plan.sources)
        timers = [
            self._background(self._tick(store), "tick"),
            self._background(self._cuts(store), "cuts"),
        ]
        self.ready = True
        self._begun.set()
        systemd.notify(f"READY=1\nSTATUS=watching {len(self.plan.sources)} sources")
        await self._stopping.wait()
        self.ready = False
        systemd.notify("STOPPING=1")
        await self._shut_down(telling, timers)

    def _background(self, work: Awaitable[None], name: str) -> asyncio.Task[None]:
        async def run() -> None:
            await work

        task = asyncio.create_task(run(), name=name)
        task.add_done_callback(self._noticed)
        return task

    def _noticed(self, task: asyncio.Task[None]) -> None:
        """End the process when one of its own tasks has a defect: half a daemon is none."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self._break(error)

    def _break(self, error: BaseException) -> None:
        if self._broken is None:
            self._broken = error
            self.telemetry.report(
                "engine_died", type(error).__name__, problem=str(error), where=_where(error)
            )
        self.stop()

    async def _shut_down(
        self, telling: asyncio.Task[None], timers: Sequence[asyncio.Task[None]]
    ) -> None:
        """End in the order of the data; what takes too long is read again at the next start."""
        for timer in timers:
            timer.cancel()
        await self._sources.stop()
        if self._pump.failure is not None:
            self._break(self._pump.failure)
        if self._broken is None:
            await self._last_cut()
        if await self._pump.stop(0.5):
            await asyncio.wait({telling}, timeout=1.0)
        telling.cancel()
        await asyncio.wait({telling, *timers}, timeout=0.5)
        await self._sending.stop(1.0)

    async def _last_cut(self) -> None:
        # The last thing that was found may be a defect: it ends the wait like a cut does.
        with contextlib.suppress(EngineDiedError):
            try:
                await asyncio.wait_for(self._pump.cut(), 2.5)
            except TimeoutError:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._pump.cut(urgent=True), 1.5)
            return
        if self._pump.failure is not None:
            self._break(self._pump.failure)

    async def _close(self) -> None:
        if self._store is not None:
            await self._on_writer(self._store.close)
        self._writer.shutdown(wait=True)
        if self._state is not None:
            self._state.close()

    # --- timers -----------------------------------------------------------------------------

    async def _tick(self, store: Store) -> None:
        interval = 0.1
        beat = systemd.watchdog_interval()
        last_tick = last_beat = time.monotonic()
        counting: asyncio.Future[Any] | None = None
        while True:
            before = time.monotonic()
            await asyncio.sleep(interval)
            now = time.monotonic()
            self.telemetry.loop_late(max(now - before - interval, 0.0))
            if now - last_tick >= 1.0:
                last_tick = now
                self._pump.tick(self._clock())
                self._gauges.renew(self._clock(), warming_up=self.warming_up)
                if counting is None or counting.done():
                    counting = asyncio.ensure_future(self._count_waiting(store))
            if beat is not None and now - last_beat >= beat and self._pump.behind < _STUCK:
                last_beat = now
                systemd.notify("WATCHDOG=1")

    async def _count_waiting(self, store: Store) -> None:
        # A state that cannot be read says so where it matters more.
        with contextlib.suppress(StoreError):
            self._sending.waiting(await self._on_writer(store.outbox.counts))

    async def _cuts(self, store: Store) -> None:
        # The first one comes soon: before it there is nothing to resume from, and who is killed
        # again and again must still get on.
        interval = self.plan.settings.state.interval
        if self._pump.cursors:
            await asyncio.sleep(min(interval, _FIRST_CUT))
        for _ in range(100):
            if self._pump.cursors:
                break
            await asyncio.sleep(min(interval, _FIRST_CUT) / 50)
        while True:
            with contextlib.suppress(EngineDiedError):
                await self._pump.cut()
            with contextlib.suppress(StoreError):
                while await self._on_writer(lambda: store.prune(self._oldest_kept())):
                    pass
            pause = max(self.plan.settings.state.interval, 20 * self._telling.cut_cost)
            await asyncio.sleep(pause)

    def _oldest_kept(self) -> float:
        # What old logs told just now is not old.
        clock = self.figures.clock
        return (min(self._clock(), clock) if clock > 0 else self._clock()) - RETENTION

    # --- the end of input -------------------------------------------------------------------

    async def wait_exhausted(self) -> None:
        """Wait until every source has ended by itself (stdin at its end)."""
        await self._begun.wait()
        await self._sources.exhausted.wait()

    async def drain(self, patience: float = 10.0) -> None:
        """Take the end of all input; wait until what it brought is sent, while anybody takes it."""
        with contextlib.suppress(EngineDiedError, StoreError):
            await self._pump.ask(lambda engine: engine.finish())
            await self._pump.cut()
            least, since = None, time.monotonic()
            while (left := await self._left()) and time.monotonic() - since < patience:
                if least is None or left < least:
                    least, since = left, time.monotonic()
                await asyncio.sleep(0.02)

    async def _left(self) -> int:
        assert self._store is not None
        counts = await self._on_writer(self._store.outbox.counts)
        return sum(n for (_, state), n in counts.items() if state == "waiting")

    # --- reload -----------------------------------------------------------------------------

    async def reload(self) -> None:
        """Read the configuration again; a wrong one changes nothing, what was learned stays."""
        if self._reload is None or not self.ready:
            return
        async with self._reloading:
            began = time.monotonic_ns() // 1000
            systemd.notify(f"RELOADING=1\nMONOTONIC_USEC={began}")
            try:
                plan = await asyncio.get_running_loop().run_in_executor(None, self._reload)
            except (ConfigError, StateError) as e:
                self.telemetry.reload_ok.set(0)
                self.telemetry.report("reload_refused", "configuration", problem=str(e))
            else:
                await self._swap(plan)
            systemd.notify(f"READY=1\nSTATUS=watching {len(self.plan.sources)} sources")

    async def _swap(self, plan: Plan) -> None:
        old, store = self.plan.settings, self._rows()
        await self._sources.stop()
        await self._sending.stop(2.0)
        self.plan = self._telling.plan = plan
        with contextlib.suppress(EngineDiedError):
            settings = engine_settings(plan.settings)
            await self._pump.ask(lambda engine: engine.reconfigure(settings))
        self._sending = self._new_sending(store)
        self._sending.start(await self._on_writer(lambda: told_and_open(store)))
        await self._sources.start(plan.sources)
        new = plan.settings
        fixed = ("web", "state", "logging", "sessions")
        if any(getattr(old, name) != getattr(new, name) for name in fixed):
            problem = "web, state, logging and sessions change at the next start"
            self.telemetry.report("reload_partial", "needs_restart", problem=problem)
        self._capacity()
        self.telemetry.report("settings_reloaded", "signal")

    def _wake(self) -> None:
        self._sending.wake()

    def _new_sending(self, store: Store) -> Sending:
        return Sending(self.plan, store, self._writer, self.telemetry, self._clock)

    def _capacity(self) -> None:
        t = self.telemetry
        t.capacity.set(self._pump.max_bytes)
        t.budget.set(self.plan.settings.alerting.budget * 604800.0)
        t.reload_ok.set(1)
        t.build.labels(__version__).set(1)
        t.expect(
            sources=[s.name for s in self.plan.sources],
            receivers=[n.name for n in self.plan.notifiers],
        )


def _where(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    return " < ".join(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in reversed(frames))


def _in_one_line(error: BaseException) -> str:
    words = " ".join(str(error).split())
    return (
        f"a defect ended the daemon ({type(error).__name__}: {words}, at {_where(error)});"
        " start it again: it goes on from its last cut"
    )
