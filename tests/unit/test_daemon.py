"""The daemon's own promises, in one process over a real store, engine and files."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from aiops.assembly import NamedSource, Plan, build
from aiops.config import Settings
from aiops.daemon import Daemon
from aiops.delivery import Route
from aiops.engine import Engine, EngineSettings
from aiops.errors import ConfigError, SourceGone, StateError
from aiops.model import (
    Block,
    Incident,
    Notification,
    Severity,
    State,
    Stream,
    Tick,
    TransitionKind,
)
from aiops.protocols import Intake, Source
from aiops.pump import EngineDiedError
from aiops.telemetry import Telemetry

AT = 1_700_000_000.0


@dataclass
class Channel:
    """Remember what was sent; ``adopt`` and ``keep`` only where asked for."""

    name: str = "ops"
    sent: list[Notification] = field(default_factory=list)
    closed: bool = False

    async def send(self, notification: Notification) -> None:
        self.sent.append(notification)

    async def close(self) -> None:
        self.closed = True


@dataclass
class Picture(Channel):
    """A channel that keeps a picture of what is open, as Alertmanager's does."""

    adopted: list[str] = field(default_factory=list)
    kept: int = 0
    report: Callable[..., None] | None = None

    def adopt(self, incidents: list[Incident], describe: Callable[[Incident], str]) -> None:
        self.adopted += [f"{i.id}: {describe(i).splitlines()[0]}" for i in incidents]

    async def keep(self, sleep: Callable[[float], Any]) -> None:
        self.kept += 1
        await sleep(3600)


@dataclass
class Lines:
    """Put some lines, then wait for ever."""

    data: bytes = b""
    name: str = "a"
    started: int = 0

    async def run(self, intake: Intake) -> None:
        self.started += 1
        stream = Stream(f"file:/{self.name}", "file", f"service:{self.name}", self.name)
        for n, line in enumerate(self.data.splitlines(keepends=True)):
            await intake.put(Block(stream, line, str(n), intake.now()))
        await intake.sleep(3600)


@dataclass
class Failing:
    error: BaseException
    started: int = 0

    async def run(self, intake: Intake) -> None:
        self.started += 1
        raise self.error


def plan(*sources: Source, channels: tuple[Any, ...] = (), **tables: Any) -> Plan:
    made = build(Settings(web={"listen": ""}, sources={"stdin": [{}]}, **tables))
    named = tuple(NamedSource(f"s{n}", "file", s) for n, s in enumerate(sources))
    routes = tuple(Route(name=c.name, min_severity=Severity.WARNING) for c in channels)
    return replace(made, sources=named, notifiers=channels, routes=routes, paces={})


@asynccontextmanager
async def living(daemon: Daemon) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(daemon.run())
    await until(lambda: daemon.ready or task.done())
    try:
        yield task
    finally:
        daemon.stop()
        await asyncio.wait({task}, timeout=10)


async def until(true: Callable[[], bool]) -> None:
    """Return once *true* answers yes, looked at whenever the loop has done something."""
    deadline = time.monotonic() + 10
    for _ in iter(lambda: not true() and time.monotonic() < deadline, False):
        await asyncio.sleep(0)
    assert true()


async def test_a_defect_in_one_source_stops_no_other() -> None:
    """One source with a defect, one that is gone: both are reported, the third goes on."""
    broken, gone = Failing(KeyError("oops")), Failing(SourceGone("the journal is away"))
    good = Lines(b"1700000000 INFO hello\n")
    telemetry = Telemetry()
    daemon = Daemon(plan(broken, gone, good), None, telemetry)
    with capture_logs() as said:
        async with living(daemon) as task:
            await until(lambda: "failed" in daemon.source_state["s1"])
            assert daemon.source_state["s0"] == "failed: KeyError: 'oops'"
            assert daemon.source_state["s1"] == "failed: the journal is away"
            assert daemon.source_state["s2"] == "running"
        assert task.exception() is None
    failed = {e["source"]: e["reason"] for e in said if e["event"] == "source_failed"}
    assert failed == {"s0": "defect", "s1": "file"}


async def test_the_death_of_the_engine_ends_the_daemon() -> None:
    """A defect in the engine is one error that names it; nothing hangs, nothing is cut."""
    daemon = Daemon(plan(Lines()), None, Telemetry())

    def defect(_: Engine) -> None:
        raise ZeroDivisionError("one over nothing")

    with capture_logs() as said:
        async with living(daemon) as task:
            with pytest.raises(EngineDiedError):
                await daemon._pump.ask(defect)
            assert not daemon.alive
        with pytest.raises(EngineDiedError, match="one over nothing"):
            task.result()
    assert [e["reason"] for e in said if e["event"] == "engine_died"] == ["ZeroDivisionError"]


async def test_the_greeting_is_told_once(tmp_path: Path) -> None:
    """A cold start says that it learns, to people and only once; a warm one says nothing."""
    people, machine = Channel(), Picture("machine")
    for _ in range(2):
        daemon = Daemon(plan(Lines(), channels=(people, machine)), tmp_path / "s", Telemetry())
        async with living(daemon):
            await until(lambda: len(people.sent) == 1)
            await daemon._pump.cut()
    assert [n.transition.incident.id for n in people.sent] == ["learning"]
    assert "learning what is normal" in people.sent[0].body
    assert machine.sent == []
    assert people.closed
    assert machine.report is not None
    assert machine.kept == 2


async def test_commands_are_refused_before_the_start_and_after_the_end(tmp_path: Path) -> None:
    """Nothing is promised that might not be kept."""
    daemon = Daemon(plan(Lines()), tmp_path / "s", Telemetry())
    with pytest.raises(StateError):
        await daemon.command("ack", "inc", "me", {})
    async with living(daemon):
        first, second = await asyncio.gather(
            daemon.command("ack", "x", "me", {}), daemon.command("ack", "y", "me", {})
        )
        assert (first.seq, second.seq) == (1, 2)
        await daemon._pump.cut()
        assert daemon._pump.command_seq == 2
    with pytest.raises(StateError):
        await daemon.command("ack", "inc", "me", {})


async def test_a_wrong_reload_changes_nothing() -> None:
    """Parts go on, the gauge says 0, and the next right one is taken."""
    old, new = Lines(), Lines(name="b")
    answers: list[Any] = [ConfigError(["web.x: unknown key"]), plan(new)]

    def reload() -> Plan:
        answer = answers.pop(0)
        if isinstance(answer, ConfigError):
            raise answer
        return answer

    telemetry = Telemetry()
    gauge = "aiops_config_last_reload_successful"
    daemon = Daemon(plan(old), None, telemetry, reload=reload)
    with capture_logs() as said:
        async with living(daemon):
            await daemon.reload()
            assert telemetry.registry.get_sample_value(gauge) == 0.0
            assert (old.started, new.started) == (1, 0)
            await asyncio.gather(daemon.reload())
            assert telemetry.registry.get_sample_value(gauge) == 1.0
            await until(lambda: new.started == 1)
            assert old.started == 1
    assert any("web.x" in str(e.get("problem")) for e in said)


async def test_the_state_directory_is_ours_alone(tmp_path: Path) -> None:
    """A second daemon on the same state fails at once and leaves the first alone."""
    first = Daemon(plan(Lines()), tmp_path / "s", Telemetry())
    async with living(first):
        second = Daemon(plan(Lines()), tmp_path / "s", Telemetry())
        began = time.monotonic()
        with pytest.raises(StateError, match="pid"):
            await second.run()
        assert time.monotonic() - began < 5.0
        assert first.alive


def told(seq: int = 1, updated: float = AT) -> Incident:
    return Incident(
        id="inc_gone",
        seq=seq,
        state=State.OPEN,
        severity=Severity.ERROR,
        title="it was told",
        opened_at=updated,
        updated_at=updated,
        told=True,
    )


def test_a_told_incident_that_is_not_found_again_is_resolved() -> None:
    """Nobody waits for the end of a story that the engine no longer knows."""
    engine = Engine(EngineSettings())
    engine.expect([told()])
    found = []
    for at in range(0, 700, 50):
        found += engine.feed(Tick(AT + at))
    assert [(t.kind, t.incident.id, t.incident.seq, t.tell) for t in found] == [
        (TransitionKind.RESOLVED, "inc_gone", 2, True)
    ]
    assert found[0].incident.resolved_at is not None


async def test_adopted_incidents_reach_the_channels(tmp_path: Path) -> None:
    """What was told before the start is kept alive by the channel that shows it."""
    for start in range(2):
        machine = Picture("machine")
        daemon = Daemon(plan(Lines(), channels=(machine,)), tmp_path / "s", Telemetry())
        async with living(daemon):
            if start == 0:
                store = daemon._store
                assert store is not None
                await daemon._on_writer(lambda s=store: s.history.save_incident(told()))
        expected = ["inc_gone: UPDATED error: it was told"] if start else []
        assert machine.adopted == expected


def story(*, bad: int, after: int) -> bytes:
    """Return a calm hour, *bad* seconds of errors and *after* calm seconds."""
    stamps = [(n, "INFO all is well") for n in range(3600)]
    stamps += [(3600 + n // 20, "CRITICAL database is gone") for n in range(20 * bad)]
    stamps += [(3600 + bad + n, "INFO all is well") for n in range(after)]
    return "".join(f"{int(AT) + at} {text}\n" for at, text in stamps).encode()


def test_what_ends_in_the_backlog_is_told_only_to_those_who_knew() -> None:
    """After a long downtime the end of a told story is told, and an untold story is history."""
    stream = Stream("file:/a", "file", "service:a", "a")
    whole = story(bad=60, after=1200)
    first = story(bad=60, after=100)
    knew, new = Engine(EngineSettings()), Engine(EngineSettings())
    opened = knew.feed(Block(stream, first, "1", AT + 3760))
    assert [(t.kind, t.tell) for t in opened] == [(TransitionKind.OPENED, True)]
    new.late_news(AT + 10_000)
    new.feed(Block(stream, first, "1", AT + 3760))
    knew.late_news(AT + 10_000)
    rest = Block(stream, whole[len(first) :], "2", AT + 10_000)
    for engine, told_of in ((knew, True), (new, False)):
        found = engine.feed(rest)
        assert [(t.kind, t.tell) for t in found] == [(TransitionKind.RESOLVED, told_of)]
