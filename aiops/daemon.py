"""The one composition root: parts, tasks, a graceful stop and a reload that validates first."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import random
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from aiops import __version__, systemd
from aiops.assembly import NamedSource, Plan, engine_settings
from aiops.delivery import Dispatcher, OutboxPort, Surroundings, plan_batch
from aiops.engine import Engine
from aiops.errors import AiopsError, ConfigError, SourceGone, StateError
from aiops.incidents.story import story, title
from aiops.intake import DaemonIntake
from aiops.model import ChangeEvent, Command, Ended, Incident, State, Stream, Tick, Transition
from aiops.pump import Figures, Pump, Result
from aiops.storage import StateDirectory, Store, StoreError
from aiops.telemetry import Telemetry

STOP_WITHIN = 10.0
DOWNTIME = 900.0  # after a pause this long the backlog is learned first, then told
_RESTART_MAX = 60.0
RETENTION = 90 * 86400.0


class Daemon:
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
        self.source_state: dict[str, str] = {}
        self.last_seen: dict[str, float] = {}
        self._path = directory
        self._reload = reload
        self._news_from = news_from
        self._clock = clock
        self._stopping = asyncio.Event()
        self._results: asyncio.Queue[Result] = asyncio.Queue()
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self._source_tasks: dict[str, asyncio.Task[None]] = {}
        self._exhausted: asyncio.Event = asyncio.Event()
        self._last_cost = 0.0
        self._cut_at = 0.0
        self._state: StateDirectory | None = None

    # --- life -------------------------------------------------------------------------------

    async def run(self, serve: Callable[[Daemon], Awaitable[Any]] | None = None) -> None:
        """Start everything, run until ``stop``, end within ten seconds.

        *serve* starts the web server on this daemon and returns something with ``close``.
        """
        self.started = self._clock()
        await self._open()
        server: Any = None
        try:
            if serve is not None:
                server = await serve(self)
            self._start_dispatch()
            self._pump.start()
            await self._replay_inputs()
            gc.collect()
            gc.freeze()
            sys.setswitchinterval(0.001)
            background = [
                asyncio.create_task(self._consume(), name="results"),
                asyncio.create_task(self._tick(), name="tick"),
                asyncio.create_task(self._cuts(), name="cuts"),
            ]
            for source in self.plan.sources:
                self._start_source(source)
            self.ready = True
            systemd.notify(f"READY=1\nSTATUS=watching {len(self.plan.sources)} sources")
            await self._stopping.wait()
            systemd.notify("STOPPING=1")
            await self._shut_down(background)
        finally:
            self.ready = False
            if server is not None:
                await server.close()
            self._writer.shutdown(wait=True)
            if self._state is not None:
                self._state.close()
        if self._pump.failure is not None:
            raise self._pump.failure

    def stop(self) -> None:
        """Ask for the end; safe to call from a signal handler."""
        self._stopping.set()

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        report = self.telemetry.report

        def open_store() -> Store:
            if self._path is None:
                return Store.in_memory(report)
            self._state = StateDirectory.open(self._path, or_memory=True)
            return Store.open(self._state, report, or_memory=True)

        self.store = await loop.run_in_executor(self._writer, open_store)
        engine = Engine(self.plan.engine)
        self._pump = Pump(
            engine,
            loop=loop,
            deliver=self._results.put_nowait,
            journal=lambda stream, cursor, at: self._writer.submit(
                self._journal, stream, cursor, at
            ).result(),
        )
        cut = await loop.run_in_executor(self._writer, self.store.cuts.load)
        now = self._clock()
        first_news = now if self._news_from == "start" else float("-inf")
        if cut is None:
            if first_news > 0:
                engine.late_news(first_news)
            self.cold = ["everything"]
        else:
            self.cold = engine.restore(cut.sections)
            self._pump.cursors = dict(cut.cursors)
            self._pump.command_seq, self._pump.journal_seq = cut.command_seq, cut.journal_seq
            for part in self.cold:
                report("state_cold", part)
            saved = await loop.run_in_executor(self._writer, self._last_cut_at)
            if now - saved > DOWNTIME and self._news_from == "start":
                engine.late_news(now)
        told = await loop.run_in_executor(self._writer, self._told_and_open)
        engine.expect(told)
        self._capacity()

    def _last_cut_at(self) -> float:
        return self.store.cuts.saved_at() or 0.0

    def _told_and_open(self) -> list[Incident]:
        states = (State.OPEN, State.ACKNOWLEDGED)
        return [i for i in self.store.history.incidents(states=states, limit=1000) if i.told]

    def _journal(self, stream: str, cursor: str, at: float) -> int:
        try:
            return self.store.inputs.journal(stream, cursor, at)
        except StoreError as e:
            self.telemetry.report("journal_failed", e.reason)
            return self._pump.journal_seq

    async def _replay_inputs(self) -> None:
        """Give the engine the commands and idle advances that came after the cut."""
        loop = asyncio.get_running_loop()
        entries = await loop.run_in_executor(
            self._writer, self.store.inputs.journal_after, self._pump.journal_seq
        )
        self._pump.remember(entries)
        commands = await loop.run_in_executor(
            self._writer, self.store.inputs.commands_after, self._pump.command_seq
        )
        for command in commands:
            await self._pump.put(command)

    async def _shut_down(self, background: Sequence[asyncio.Task[None]]) -> None:
        for task in self._source_tasks.values():
            task.cancel()
        await asyncio.gather(*self._source_tasks.values(), return_exceptions=True)
        for task in background[1:]:
            task.cancel()
        await asyncio.gather(*background[1:], return_exceptions=True)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._pump.cut(), STOP_WITHIN * 0.5)
        await self._pump.stop()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(background[0]), STOP_WITHIN * 0.2)
        background[0].cancel()
        await self._stop_dispatch(STOP_WITHIN * 0.2)
        await asyncio.get_running_loop().run_in_executor(self._writer, self.store.close)

    # --- sources ----------------------------------------------------------------------------

    def _start_source(self, named: NamedSource) -> None:
        self._source_tasks[named.name] = asyncio.create_task(
            self._supervise(named), name=f"source:{named.name}"
        )

    async def _supervise(self, named: NamedSource) -> None:
        pause = 1.0
        intake = DaemonIntake(self._pump, self.telemetry, named.name, self._clock)
        while True:
            self.source_state[named.name] = "running"
            self.telemetry.source_up.labels(named.name).set(1)
            try:
                await named.source.run(intake)
            except (SourceGone, OSError) as e:
                self.telemetry.report("source_failed", named.kind, problem=str(e))
                self.source_state[named.name] = f"failed: {e}"
            except Exception as e:  # the one supervisor: a defect in one source stops no other
                self.telemetry.report("source_failed", "defect", source=named.name, problem=repr(e))
                self.source_state[named.name] = f"failed: {e!r}"
            else:
                self.source_state[named.name] = "ended"
                self.telemetry.source_up.labels(named.name).set(0)
                for stream in intake.streams.values():
                    await self._pump.put(Ended(stream))
                self._check_exhausted()
                return
            self.telemetry.source_up.labels(named.name).set(0)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _RESTART_MAX)

    def _check_exhausted(self) -> None:
        if all(state == "ended" for state in self.source_state.values()):
            self._exhausted.set()

    async def wait_exhausted(self) -> None:
        """Wait until every source has ended by itself (stdin at its end)."""
        await self._exhausted.wait()

    async def drain(self) -> None:
        """Wait until the engine has taken everything and what it found is sent or waiting."""
        found = await self._pump.ask(lambda engine: engine.finish())
        del found
        await self._pump.cut()
        await self._dispatcher_idle()

    async def _dispatcher_idle(self) -> None:
        """Give receivers a moment to take the last messages."""
        loop = asyncio.get_running_loop()
        deadline = time.monotonic() + 3.0
        while time.monotonic() < deadline:
            counts = await loop.run_in_executor(self._writer, self.store.outbox.counts)
            if not any(n for (_, state), n in counts.items() if state == "waiting"):
                return
            await asyncio.sleep(0.05)

    # --- results ----------------------------------------------------------------------------

    async def _consume(self) -> None:
        """Commit what the engine found, in its order: a cut never precedes what led to it."""
        while True:
            result = await self._results.get()
            if result.transitions:
                await self._tell(result.transitions)
            elif result.cut is not None:
                await self._save(result)
            else:
                if self._pump.failure is not None:
                    self.telemetry.log.error("engine_failed", problem=repr(self._pump.failure))
                    self.stop()
                return

    async def _tell(self, transitions: Sequence[Transition]) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                fresh = await loop.run_in_executor(self._writer, self._commit, transitions)
            except StoreError as e:
                self.telemetry.report("delivery.store_failed", e.reason, problem=str(e))
                await asyncio.sleep(1.0)
                continue
            break
        for t in transitions:
            self.telemetry.events.labels("incident", t.kind.value).inc()
            if t.kind.value == "opened" and t.tell:
                self.telemetry.opened.labels(t.incident.severity.label).inc()
        if fresh:
            self._dispatcher.wake()

    def _commit(self, transitions: Sequence[Transition]) -> int:
        """Write history and outbox (on the writer thread); returns how many messages are new."""
        told = {t.incident.id: self.store.outbox.told(t.incident.id) for t in transitions}
        calls = self.plan.settings.topology.calls
        planned = plan_batch(
            transitions,
            self.plan.routes,
            told=told,
            title=lambda t: title(t.incident),
            body=lambda t: story(t, calls=calls),
        )
        new = self.store.outbox.tell(planned, self._clock()) if planned else []
        self.store.history.record(transitions)
        for n in planned:
            if n.key in new:
                self.telemetry.notifications.labels(n.receiver, n.transition.kind.value).inc()
        return len(new)

    async def _save(self, result: Result) -> None:
        loop = asyncio.get_running_loop()
        began = time.monotonic()
        cut = result.cut
        if cut is None:
            return
        number = await loop.run_in_executor(self._writer, self.store.cuts.save, cut, self._clock())
        self._last_cost = time.monotonic() - began
        self.telemetry.cut_pause.observe(result.pause)
        self.telemetry.cut_seconds.observe(self._last_cost)
        if number is not None:
            self.telemetry.cut_at.set(self._clock())
        if result.wanted_by is not None and not result.wanted_by.done():
            result.wanted_by.set_result(None)

    # --- timers -----------------------------------------------------------------------------

    async def _tick(self) -> None:
        interval = 0.1
        beat = systemd.watchdog_interval()
        last_tick = last_beat = time.monotonic()
        while True:
            before = time.monotonic()
            await asyncio.sleep(interval)
            now = time.monotonic()
            self.telemetry.loop_late(max(now - before - interval, 0.0))
            if now - last_tick >= 1.0:
                last_tick = now
                await self._pump.put(Tick(self._clock()))
                self._count()
            if beat is not None and now - last_beat >= beat and self._pump.failure is None:
                last_beat = now
                systemd.notify("WATCHDOG=1")

    async def _cuts(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(max(self.plan.settings.state.interval, 20 * self._last_cost))
            await self._pump.cut()
            await loop.run_in_executor(self._writer, self._prune)

    def _prune(self) -> None:
        with contextlib.suppress(StoreError):
            self.store.prune(self._clock() - RETENTION)

    def _count(self) -> None:
        """Move what the engine thread counted into the metrics."""
        t, pump = self.telemetry, self._pump
        kinds = {"lines": t.lines, "bytes": t.bytes, "blocks": t.blocks, "points": t.points}
        for (what, source), n in pump.take_counts().items():
            if what in kinds:
                kinds[what].labels(source).inc(n)
                self.last_seen[source] = self._clock()
        facts = {"late": t.late, "distrusted": t.distrusted, "unstamped": t.unstamped}
        facts |= {"idle_advances": t.idle, "hold_timeouts": t.holds, "evicted": t.evictions}
        for name, n in pump.take_facts().items():
            if name in facts:
                facts[name].inc(n)
            elif name.startswith("anomaly:"):
                t.anomalies.labels(name.partition(":")[2]).inc(n)
            else:
                t.dropped.labels("engine", name).inc(n)
        figures = pump.figures
        t.templates.set(figures.templates)
        t.series.set(figures.series)
        t.streams.set(figures.streams)
        t.windows_open.set(figures.open_windows)
        t.windows_waiting.set(figures.waiting)
        t.queue.set(pump.queued)
        t.busy.inc(max(pump.busy - t.busy_seen, 0.0))
        t.busy_seen = pump.busy
        for source, lag in pump.lags.items():
            t.lag.labels(source).set(lag)
        live = [i for i in figures.incidents if i.state in (State.OPEN, State.ACKNOWLEDGED)]
        for label in ("info", "warning", "error", "critical"):
            t.active.labels(label).set(sum(i.severity.label == label for i in live))
        t.candidates.set(sum(i.state is State.CANDIDATE for i in figures.incidents))
        t.warming.set(1.0 if self.warming_up else 0.0)

    def _capacity(self) -> None:
        t = self.telemetry
        t.capacity.set(self._pump.max_bytes)
        t.budget.set(self.plan.settings.alerting.budget * 604800.0)
        t.reload_ok.set(1)
        t.build.labels(__version__).set(1)

    # --- what others ask --------------------------------------------------------------------

    @property
    def alive(self) -> bool:
        """Return whether the engine thread has not died."""
        return self._pump.failure is None

    @property
    def figures(self) -> Figures:
        """Return the latest picture of the engine."""
        return self._pump.figures

    @property
    def warming_up(self) -> bool:
        """Return whether the first hour of learning still runs."""
        return "everything" in self.cold and self._clock() - self.started < 3600.0

    async def templates(self) -> list[dict[str, Any]]:
        """Return all templates; made on the engine thread's data between two inputs."""
        return await self._pump.ask(lambda engine: engine.logs.templates())

    async def find(self, incident: str) -> Incident | None:
        """Return an incident by id (or a unique beginning of it), living ones first."""
        for known in self.figures.incidents:
            if known.id == incident:
                return known
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._writer, self.store.history.incident, incident)

    async def history(self, limit: int) -> list[Incident]:
        """Return told and untold incidents of the past, newest first."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._writer, lambda: self.store.history.incidents(limit=limit)
        )

    async def command(self, kind: str, target: str, by: str, args: dict[str, str]) -> Command:
        """Commit a command, hand it to the engine, return it."""
        loop = asyncio.get_running_loop()
        at = self._clock()
        command = await loop.run_in_executor(
            self._writer, lambda: self.store.inputs.command(kind, target, at, by, args)
        )
        await self._pump.put(command)
        return command

    async def change(self, event: ChangeEvent) -> None:
        """Take a change from outside: a committed command first, then an input."""
        await self.command(
            "change",
            event.entity,
            "api",
            {"kind": event.kind, "title": event.title, "at": repr(event.at)},
        )

    def streams(self) -> dict[str, Stream]:
        """Return the streams seen, by id."""
        return dict(self._pump.streams)

    # --- delivery ---------------------------------------------------------------------------

    def _start_dispatch(self) -> None:
        around = Surroundings(
            port=OutboxPort(self.store.outbox, self._writer),
            report=self._delivery_report,
            now=self._clock,
            sleep=asyncio.sleep,
            chance=random.Random(),  # noqa: S311 - jitter, not secrets
        )
        self._dispatcher = Dispatcher(
            self.plan.notifiers, around, dry_run=self.plan.settings.alerting.dry_run
        )
        self._dispatch = [asyncio.create_task(self._dispatcher.run(), name="dispatch")]
        for notifier in self.plan.notifiers:
            keep = getattr(notifier, "keep", None)
            adopt = getattr(notifier, "adopt", None)
            if adopt is not None:
                adopt([i for i in self._told_and_open() if i.told])
            if keep is not None:
                self._dispatch.append(asyncio.create_task(keep(asyncio.sleep), name="keeper"))

    def _delivery_report(self, event: str, reason: str, count: int = 1, **facts: object) -> None:
        receiver = str(facts.get("receiver", ""))
        if receiver and event in ("delivery.failed", "delivery.retry"):
            self.telemetry.failed.labels(receiver, reason).inc(count)
        if receiver and event == "delivery.dead":
            self.telemetry.dead.labels(receiver).inc(count)
        self.telemetry.report(event, reason, count, **facts)

    async def _stop_dispatch(self, within: float) -> None:
        await self._dispatcher.stop(within)
        for task in self._dispatch:
            task.cancel()
        await asyncio.gather(*self._dispatch, return_exceptions=True)
        for notifier in self.plan.notifiers:
            close = getattr(notifier, "close", None)
            if close is not None:
                await close()

    # --- reload -----------------------------------------------------------------------------

    async def reload(self) -> None:
        """Read the configuration again; a wrong one changes nothing, what was learned stays."""
        if self._reload is None:
            return
        try:
            plan = self._reload()
        except (ConfigError, StateError) as e:
            self.telemetry.reload_ok.set(0)
            self.telemetry.report("reload_refused", "configuration", problem=str(e))
            return
        old = self.plan
        for task in self._source_tasks.values():
            task.cancel()
        await asyncio.gather(*self._source_tasks.values(), return_exceptions=True)
        self._source_tasks.clear()
        self.source_state.clear()
        await self._pump.cut()
        await self._stop_dispatch(2.0)
        self.plan = plan
        await self._pump.ask(lambda engine: engine.reconfigure(engine_settings(plan.settings)))
        self._start_dispatch()
        for source in plan.sources:
            self._start_source(source)
        if old.settings.web != plan.settings.web or old.settings.state != plan.settings.state:
            self.telemetry.report("reload_partial", "web and state need a restart")
        self._capacity()
        self.telemetry.report("settings_reloaded", "signal")


__all__ = ["AiopsError", "Daemon"]
