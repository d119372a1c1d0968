"""The pump keeps the order, the bounds and its promises, also when the engine dies."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from aiops.decoding.windows import WindowSettings
from aiops.engine import Engine, EngineSettings
from aiops.model import (
    Block,
    ChangeEvent,
    Changes,
    Command,
    Cut,
    Incident,
    Severity,
    State,
    Stream,
    Tick,
    TransitionKind,
    Watched,
)
from aiops.pump import EngineDiedError, Pending, Pump, Result
from aiops.storage import JournalEntry

AT = 1_700_000_000.0
STREAM = Stream("file:/a.log", "file", "service:a", "service:a")
SETTINGS = EngineSettings(window=WindowSettings(width=10.0, lateness=5.0))


def lines(first: float, last: float, *, text: str = "INFO all is well") -> bytes:
    stamps = range(int(first), int(last))
    return b"".join(f"{at} {text}\n".encode() for at in stamps)


def block(first: float, last: float, cursor: str, stream: Stream = STREAM) -> Block:
    return Block(stream, lines(first, last), cursor, arrived=last)


class Rig:
    """A pump over a real engine, whose results and journal rows are remembered."""

    def __init__(self, *, max_bytes: int = 2**20, engine: Engine | None = None) -> None:
        self.results: list[Result] = []
        self.rows: list[tuple[str, str, float]] = []
        self.ended = asyncio.Event()
        self.gate = threading.Event()
        self.pump = Pump(
            engine or Engine(SETTINGS),
            loop=asyncio.get_running_loop(),
            deliver=self._take,
            journal=self._journal,
            max_bytes=max_bytes,
        )

    def _take(self, result: Result) -> None:
        self.results.append(result)
        if result.wanted_by is not None and not result.wanted_by.done():
            result.wanted_by.set_result(None)
        if result == Result():
            self.ended.set()

    def _journal(self, stream: str, cursor: str, at: float) -> int:
        self.rows.append((stream, cursor, at))
        return len(self.rows)

    def hold(self) -> asyncio.Task[bool]:
        """Keep the engine thread busy until the gate opens."""
        return asyncio.create_task(self.pump.ask(lambda _: self.gate.wait(10)))

    @property
    def cuts(self) -> list[Cut]:
        return [r.cut for r in self.results if r.cut is not None]


@asynccontextmanager
async def running(**more: object) -> AsyncIterator[Rig]:
    rig = Rig(**more)  # type: ignore[arg-type]
    rig.pump.start()
    try:
        yield rig
    finally:
        rig.gate.set()
        assert await rig.pump.stop(10.0)


async def test_a_cut_knows_exactly_what_was_put_before_it() -> None:
    """A cut's cursors are those of the blocks before it, not of those behind it."""
    async with running() as rig:
        await rig.pump.put(block(AT, AT + 30, "one"))
        first = rig.pump.cut()
        await rig.pump.put(block(AT + 30, AT + 60, "two"))
        await first
        await rig.pump.cut()
    assert [cut.cursors for cut in rig.cuts] == [{STREAM.id: "one"}, {STREAM.id: "two"}]


async def test_changes_of_a_file_are_fed_with_their_position() -> None:
    """The engine sees each change; the cut knows the position after the last of them."""
    stream = Stream("changes:/a.jsonl", "changes", "service:a", "service:a")
    events = tuple(ChangeEvent(AT + n, "deploy", "service:a", f"v{n}") for n in range(3))
    async with running() as rig:
        await rig.pump.put(Changes(stream, events, "17"))
        await rig.pump.cut()
        assert rig.pump.resume_at(stream.id) == "17"
        assert rig.pump.take_counts() == {("lines", "changes"): 3}
    (cut,) = rig.cuts
    assert cut.cursors == {stream.id: "17"}
    (ledger,) = (s for s in cut.sections if s.name == "ledger")
    assert [change["title"] for change in ledger.header["expected"]["changes"]] == [
        "v0",
        "v1",
        "v2",
    ]


async def test_an_urgent_cut_comes_before_what_is_queued() -> None:
    """When time is short a cut leaves out what its sources can read again."""
    async with running() as rig:
        held = rig.hold()
        await asyncio.sleep(0)
        await rig.pump.put(block(AT, AT + 30, "one"))
        cut = rig.pump.cut(urgent=True)
        rig.gate.set()
        await held
        await cut
        assert rig.cuts[0].cursors == {}


async def test_the_end_does_not_wait_for_what_can_be_read_again() -> None:
    """When the time to stop is over, the item at work is the last one."""
    async with running() as rig:
        held = rig.hold()
        await asyncio.sleep(0)
        for n in range(50):
            await rig.pump.put(block(AT + n, AT + n + 1, str(n)))
        assert not await rig.pump.stop(0.01)
        rig.gate.set()
        await asyncio.wait_for(rig.ended.wait(), 10)
        assert rig.pump.cursors == {}
        await held


async def test_the_queue_is_bounded_in_bytes() -> None:
    """A source waits while the queue is full, and goes on when there is room."""
    async with running(max_bytes=4000) as rig:
        held = rig.hold()
        puts = [
            asyncio.create_task(rig.pump.put(block(AT + n, AT + n + 50, str(n)))) for n in range(20)
        ]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        done = sum(task.done() for task in puts)
        assert 1 <= done < 20
        assert rig.pump.queued < 4000 + 2 * len(lines(0, 50)) + 1000
        rig.gate.set()
        await asyncio.gather(held, *puts)
        await rig.pump.cut()
        assert rig.cuts[-1].cursors == {STREAM.id: "19"}


async def test_a_single_item_larger_than_the_queue_passes() -> None:
    """The bound never stops a source for good."""
    async with running(max_bytes=10) as rig:
        for n in range(50):
            await asyncio.wait_for(rig.pump.put(block(AT + n, AT + n + 3, str(n))), 10)
        await rig.pump.cut()
        assert rig.cuts[-1].cursors == {STREAM.id: "49"}


async def test_ticks_do_not_pile_up() -> None:
    """While a tick waits its turn, time passes without another one."""
    async with running() as rig:
        held = rig.hold()
        await asyncio.sleep(0)
        before = rig.pump.queued
        for n in range(100):
            rig.pump.tick(AT + n)
        assert rig.pump.queued - before <= 500
        assert rig.pump.behind >= 0.0
        rig.gate.set()
        await held
        await rig.pump.cut()
        assert rig.pump.behind == 0.0


async def test_an_answer_comes_from_between_two_inputs() -> None:
    """A question sees everything put before it."""
    async with running() as rig:
        await rig.pump.put(block(AT, AT + 30, "one"))
        assert await rig.pump.ask(lambda engine: engine.high(STREAM.id)) == AT + 29


async def test_an_advance_is_journaled_before_it_is_used() -> None:
    """Only what closes a window by silence alone gets a row, with the cursor it belongs to."""
    async with running() as rig:
        await rig.pump.put(block(AT, AT + 30, "one"))
        await rig.pump.put(Watched(STREAM, AT + 31))
        await rig.pump.put(Watched(STREAM, AT + 300))
        await rig.pump.put(Watched(STREAM, AT + 301))
        await rig.pump.cut()
    assert rig.rows == [(STREAM.id, "one", AT + 300)]
    assert rig.cuts[-1].journal_seq == 1


async def test_a_journaled_advance_happens_again_at_its_cursor() -> None:
    """What was cut before an advance and reads on comes to the same windows."""
    async with running() as rig:
        await rig.pump.put(block(AT, AT + 30, "one"))
        await rig.pump.cut()
        await rig.pump.put(block(AT + 30, AT + 33, "two"))
        await rig.pump.put(Watched(STREAM, AT + 300))
        await rig.pump.put(block(AT + 301, AT + 330, "three"))
        await rig.pump.cut()
    early, late = rig.cuts

    again = Engine(SETTINGS)
    again.restore(early.sections)
    resumed = Rig(engine=again)
    resumed.pump.cursors = dict(early.cursors)
    row = rig.rows[0]
    resumed.pump.remember([JournalEntry(1, "idle", *row)], [])
    assert resumed.pump.journaled.stops(STREAM.id) == ["two"]
    resumed.pump.start()
    await resumed.pump.put(block(AT + 30, AT + 33, "two"))
    await resumed.pump.put(block(AT + 301, AT + 330, "three"))
    await resumed.pump.cut()
    assert await resumed.pump.stop(10.0)
    assert [s.header for s in resumed.cuts[-1].sections] == [s.header for s in late.sections]
    assert resumed.cuts[-1].journal_seq == 1


async def test_an_advance_at_the_cut_itself_happens_first() -> None:
    """A row whose cursor is the cut's own is applied before anything is read."""
    async with running() as rig:
        await rig.pump.put(block(AT, AT + 30, "one"))
        await rig.pump.cut()
    engine = Engine(SETTINGS)
    engine.restore(rig.cuts[0].sections)
    resumed = Rig(engine=engine)
    resumed.pump.cursors = {STREAM.id: "one"}
    resumed.pump.remember([JournalEntry(7, "idle", STREAM.id, "one", AT + 300)], [])
    resumed.pump.start()
    mark = await resumed.pump.ask(lambda e: e.watermark(STREAM.id))
    assert await resumed.pump.stop(10.0)
    assert mark >= AT + 280


async def test_a_waiting_advance_keeps_its_row() -> None:
    """A cut made before the place of a row was read again lets the row be found once more."""
    rig = Rig()
    rig.pump.remember([JournalEntry(5, "idle", STREAM.id, "later", AT)], [])
    rig.pump.start()
    await rig.pump.cut()
    assert rig.cuts[-1].journal_seq == 4
    await rig.pump.put(Watched(STREAM, AT))
    await rig.pump.cut()
    assert await rig.pump.stop(10.0)
    assert rig.cuts[-1].journal_seq == 5
    assert rig.pump.take_facts()["advances_unmatched"] == 1


def command(seq: int, target: str = "inc", seen: str = "") -> Command:
    return Command(seq, "ack", target, AT, "me", {"seen": seen} if seen else {})


async def test_a_row_is_applied_once() -> None:
    """A command that comes twice, or behind a later one, changes nothing."""
    async with running() as rig:
        for seq in (1, 2, 2, 1, 3):
            rig.pump.command(command(seq))
        await rig.pump.cut()
        facts = await rig.pump.ask(lambda e: e.ledger.facts["command_without_target"])
    assert rig.cuts[-1].command_seq == 3
    assert facts == 3


def burst(stream: Stream) -> list[Block]:
    """Ten calm minutes, then a minute of errors that opens an incident."""
    calm = [
        Block(stream, lines(AT + n, AT + n + 60), f"c{n}", AT + n + 60) for n in range(0, 3600, 60)
    ]
    bad = "".join(
        f"{int(AT) + 3600 + n // 20} CRITICAL database is gone, {n} requests failed\n"
        for n in range(1200)
    )
    last = Block(stream, bad.encode(), "bad", AT + 3660)
    return [*calm, last, Block(stream, lines(AT + 3660, AT + 3900), "after", AT + 3900)]


async def test_a_command_waits_for_the_incident_it_is_about() -> None:
    """An ack given after the cut is applied when its incident has been read again, once."""
    async with running() as first:
        for item in burst(STREAM):
            await first.pump.put(item)
        await first.pump.cut()
    opened = next(
        t for r in first.results for t in r.transitions if t.kind is TransitionKind.OPENED
    )

    rig = Rig()
    rig.pump.remember([], [command(4, opened.incident.id, str(opened.incident.seq)), command(5)])
    rig.pump.start()
    items = burst(STREAM)
    for item in items[:-2]:
        await rig.pump.put(item)
    await rig.pump.cut()
    assert rig.cuts[-1].command_seq == 0
    rig.pump.command(command(6))
    for item in items[-2:]:
        await rig.pump.put(item)
    await rig.pump.cut()
    assert await rig.pump.stop(10.0)
    kinds = [t.kind for r in rig.results for t in r.transitions]
    assert kinds.count(TransitionKind.ACKNOWLEDGED) == 1
    assert kinds.index(TransitionKind.ACKNOWLEDGED) > kinds.index(TransitionKind.OPENED)
    # Row 5 is about nobody: it and those behind it wait, but not for ever.
    assert rig.cuts[-1].command_seq == 4


async def test_a_command_waits_in_vain_only_so_long() -> None:
    """A command about what never comes again is applied after two minutes, in order."""
    rig = Rig()
    rig.pump.remember([], [command(4)])
    rig.pump.start()
    await rig.pump.put(Tick(AT))
    await rig.pump.put(Tick(AT + 119))
    await rig.pump.cut()
    await rig.pump.put(Tick(AT + 121))
    await rig.pump.cut()
    assert await rig.pump.stop(10.0)
    assert [cut.command_seq for cut in rig.cuts] == [0, 4]


def test_a_change_waits_for_nothing() -> None:
    """A change is about no incident: it is due at once, but not before those ahead of it."""
    pending = Pending()
    change = replace(command(2), kind="change")
    pending.remember([change])
    assert pending.due(list) == change
    pending.remember([command(3), replace(change, seq=4)])
    assert pending.due(list) is None


def test_a_silence_waits_for_nothing() -> None:
    """It has times of its own, so it means the same however early it is applied."""
    pending = Pending()
    given = [replace(command(2), kind="silence"), replace(command(3), kind="silence-edit")]
    pending.remember(given)
    assert [pending.due(list), pending.due(list)] == given


def test_a_merge_waits_for_both_incidents() -> None:
    """Applied before the other one was read again it would be lost."""
    pending = Pending()
    merge = replace(command(2, "inc_a", "1"), kind="merge")
    merge = replace(merge, args={**merge.args, "into": "inc_b"})
    one, two = (
        Incident(name, 1, State.OPEN, Severity.ERROR, "slow", AT, AT) for name in ("inc_a", "inc_b")
    )
    pending.remember([merge])
    assert pending.due(lambda: [one]) is None
    assert pending.due(lambda: [one, two]) == merge


async def test_the_death_of_the_engine_is_told_and_hangs_nobody() -> None:
    """A defect on the engine thread ends every wait with an error and lets sources go on."""
    async with running(max_bytes=1000) as rig:
        held = rig.hold()
        await asyncio.sleep(0)

        def defect(_: Engine) -> None:
            raise ZeroDivisionError("one over nothing")

        asked = asyncio.create_task(rig.pump.ask(defect))
        await asyncio.sleep(0)
        cut = rig.pump.cut()
        puts = [asyncio.create_task(rig.pump.put(block(AT, AT + 60, "x"))) for _ in range(5)]
        rig.gate.set()
        await held
        await asyncio.wait_for(rig.ended.wait(), 10)
        await asyncio.wait_for(asyncio.gather(*puts), 10)
        for waiting in (asked, cut):
            with pytest.raises(EngineDiedError):
                await waiting
        with pytest.raises(EngineDiedError):
            await rig.pump.ask(lambda _: None)
        await rig.pump.put(block(AT, AT + 60, "y"))
        assert isinstance(rig.pump.failure, ZeroDivisionError)
    assert rig.cuts == []


async def test_results_come_in_the_order_they_arose() -> None:
    """A cut behind an incident is delivered behind that incident's transitions."""
    async with running() as rig:
        for item in burst(STREAM):
            await rig.pump.put(item)
        await rig.pump.cut()
    kinds = ["cut" if r.cut else "told" for r in rig.results if r != Result()]
    assert kinds[-1] == "cut"
    assert "told" in kinds
    assert [next(g) for _, g in itertools.groupby(kinds)] == ["told", "cut"]


async def test_a_forgotten_stream_leaves_the_cut() -> None:
    """A stream that is gone for good has no cursor any more, one that came back keeps it."""
    other = Stream("file:/b.log", "file", "service:b", "service:b")
    async with running() as rig:
        await rig.pump.put(block(AT, AT + 30, "one"))
        await rig.pump.put(block(AT, AT + 30, "two", other))
        rig.pump.forget(STREAM.id)
        rig.pump.forget(other.id)
        await rig.pump.put(block(AT + 30, AT + 60, "three", other))
        await rig.pump.cut()
    assert rig.cuts[-1].cursors == {other.id: "three"}
    assert rig.pump.resumable("file:") == [other.id]
    assert (rig.pump.resume_at(other.id), rig.pump.resume_at(STREAM.id)) == ("three", None)
