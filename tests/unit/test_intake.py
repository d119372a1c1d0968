"""What a source is handed: its way in, its resume points, its voice."""

from __future__ import annotations

import asyncio

import numpy as np

from aiops.engine import Engine, EngineSettings
from aiops.intake import DaemonIntake
from aiops.model import Block, Points, Series, SeriesSet, Stream, Watched
from aiops.pump import Pump, Result
from aiops.storage import JournalEntry
from aiops.telemetry import Telemetry

AT = 1_700_000_000.0
STREAM = Stream("file:/a.log", "file", "service:a", "service:a")


def block(cursor: str) -> Block:
    return Block(STREAM, f"{int(AT)} INFO hello\n".encode(), cursor, AT)


def make() -> tuple[DaemonIntake, Pump, Telemetry]:
    def deliver(result: Result) -> None:
        if result.wanted_by is not None:
            result.wanted_by.set_result(None)

    telemetry = Telemetry()
    pump = Pump(
        Engine(EngineSettings()),
        loop=asyncio.get_running_loop(),
        deliver=deliver,
        journal=lambda *_: 1,
    )
    return DaemonIntake(pump, telemetry, "file", lambda: AT), pump, telemetry


async def test_a_source_goes_on_after_what_it_put_last() -> None:
    """Started again, a source resumes where it was, not where the last cut was."""
    intake, pump, _ = make()
    pump.cursors = {STREAM.id: "cut", "file:/b.log": "b"}
    assert intake.resume(STREAM.id) == "cut"
    await intake.put(block("put"))
    assert intake.resume(STREAM.id) == "put"
    assert intake.resume("file:/c.log") is None
    assert list(intake.resumable("file:")) == [STREAM.id, "file:/b.log"]
    assert list(intake.resumable("journald:")) == []


async def test_a_source_is_told_where_blocks_must_end() -> None:
    """Cursors of journaled advances are stops until they have passed."""
    intake, pump, _ = make()
    pump.remember([JournalEntry(1, "idle", STREAM.id, "here", AT)], [])
    assert list(intake.stops(STREAM.id)) == ["here"]
    pump.start()
    await intake.put(block("here"))
    await pump.cut()
    assert list(intake.stops(STREAM.id)) == []
    assert await pump.stop(10.0)


async def test_what_a_source_brought_is_known() -> None:
    """Its streams end with it, its series freeze with it."""
    intake, _, _ = make()
    await intake.put(block("one"))
    await intake.put(Watched(STREAM, AT))
    columns = SeriesSet((Series("host:a", "load"),))
    await intake.put(Points("host", AT, columns, np.array([1.0])))
    assert intake.streams == {STREAM.id: STREAM}
    assert intake.measured == {"host"}
    intake.forget(STREAM)
    assert intake.streams == {}
    assert intake.resume(STREAM.id) is None


async def test_a_report_names_its_source() -> None:
    """What a source drops is counted by event and reason."""
    intake, _, telemetry = make()
    intake.report("line_cut", "max_line", 3, path="/a.log")
    assert (
        telemetry.registry.get_sample_value(
            "aiops_events_total", {"event": "line_cut", "reason": "max_line"}
        )
        == 3.0
    )
    assert intake.now() == AT
