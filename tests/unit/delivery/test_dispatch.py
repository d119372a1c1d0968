"""The dispatcher against a real outbox and receivers that misbehave, on a manual clock."""

from __future__ import annotations

import asyncio
import itertools
import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from aiops.delivery import Dispatcher, OutboxPort, Pace, Route, Surroundings, announce
from aiops.errors import Rejected, Transient
from aiops.model import Notification, Transition, TransitionKind
from aiops.storage import StateDirectory, Store, StoreError, Waiting
from tests.unit.storage.nouns import AT, Reports, notification, transition

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
    from pathlib import Path

K = TransitionKind


class Clock:
    """A clock that moves only when somebody sleeps on it."""

    def __init__(self) -> None:
        self.at = AT
        self.slept: list[float] = []

    def now(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += seconds
        await asyncio.sleep(0)


@dataclass
class Receiver:
    """Take messages, after failing as often and in whatever way it is told to."""

    name: str = "ops"
    clock: Clock | None = None
    fails: Callable[[Notification, int], Awaitable[None]] | None = None
    calls: int = 0
    taken: list[str] = field(default_factory=list)
    tried: list[tuple[str, float]] = field(default_factory=list)

    async def send(self, notification: Notification) -> None:
        self.calls += 1
        self.tried.append((notification.key, self.clock.at if self.clock else 0.0))
        if self.fails is not None:
            await self.fails(notification, self.calls)
        self.taken.append(notification.key)


class Rig:
    """A real store on its own thread, and a dispatcher over it."""

    def __init__(self, store: Store, reports: Reports, writer: ThreadPoolExecutor) -> None:
        self.store = store
        self.reports = reports
        self.clock = Clock()
        self.port = OutboxPort(store.outbox, writer)
        self.around = Surroundings(
            self.port, reports, self.clock.now, self.clock.sleep, random.Random(7)
        )

    @asynccontextmanager
    async def running(
        self, *receivers: Receiver, pace: Pace | None = None, dry_run: bool = False
    ) -> AsyncIterator[Dispatcher]:
        for receiver in receivers:
            receiver.clock = self.clock
        dispatcher = Dispatcher(
            receivers, self.around, pace=pace or Pace(rate=1000.0), dry_run=dry_run
        )
        task = asyncio.create_task(dispatcher.run())
        try:
            yield dispatcher
        finally:
            await dispatcher.stop(within=5)
            await task

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not holds():  # noqa: ASYNC110 - what holds is in SQLite, which sets no event
                await asyncio.sleep(0)

    def counts(self) -> dict[tuple[str, str], int]:
        # One connection, one thread at a time: ask on the thread that owns it.
        return self.port.writer.submit(self.store.outbox.counts).result()

    async def settled(self, count: int, receiver: str = "ops", state: str = "sent") -> None:
        await self.until(lambda: self.counts().get((receiver, state), 0) == count)

    async def tell(self, *told: Notification) -> None:
        await self.port.tell(told, self.clock.at)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    directory = StateDirectory.open(tmp_path)
    reports = Reports()
    store = Store.open(directory, reports)
    with ThreadPoolExecutor(1) as writer:
        yield Rig(store, reports, writer)
    store.close()
    directory.close()


def several(count: int, receiver: str = "ops") -> list[Notification]:
    return [notification(incident_id=f"inc_{n}", receiver=receiver) for n in range(count)]


async def test_what_waits_is_sent_in_order(rig: Rig) -> None:
    """Messages from before the start and after it reach the receiver in the order told."""
    told = several(6)
    await rig.tell(*told[:3])
    ops = Receiver()
    async with rig.running(ops) as dispatcher:
        await rig.settled(3)
        await rig.tell(*told[3:])
        dispatcher.wake()
        await rig.settled(6)

    assert ops.taken == [n.key for n in told]
    assert rig.reports.counts["delivery.sent", "taken"] == 6


async def test_a_transient_failure_is_tried_again_with_the_same_key(rig: Rig) -> None:
    """A failed message is repeated, under its key, before the next one goes."""

    async def twice(_: Notification, call: int) -> None:
        if call <= 2:
            raise Transient("503", reason="server_error")

    ops, told = Receiver(fails=twice), several(2)
    await rig.tell(*told)
    async with rig.running(ops):
        await rig.settled(2)

    assert [key for key, _ in ops.tried] == [told[0].key] * 3 + [told[1].key]
    assert rig.reports.counts["delivery.failed", "server_error"] == 2


async def test_retry_after_is_honoured(rig: Rig) -> None:
    """A receiver that names a time is left alone until then, with every message."""

    async def once(_: Notification, call: int) -> None:
        if call == 1:
            raise Transient("429", after=120.0, reason="rate_limited")

    ops = Receiver(fails=once)
    await rig.tell(*several(2))
    async with rig.running(ops):
        await rig.settled(2)

    assert ops.tried[1][1] >= AT + 120


async def test_an_absurd_retry_after_is_bounded(rig: Rig) -> None:
    """Nobody can silence us for a year."""

    async def once(_: Notification, call: int) -> None:
        if call == 1:
            raise Transient("429", after=3e7)

    ops = Receiver(fails=once)
    await rig.tell(*several(1))
    async with rig.running(ops):
        await rig.settled(1)

    assert AT + 3600 <= ops.tried[1][1] < AT + 3700


async def test_pauses_grow_at_random_up_to_a_bound(rig: Rig) -> None:
    """Back-off doubles its range, jitters over all of it, and ends at the longest delay."""

    async def often(_: Notification, call: int) -> None:
        if call <= 14:
            raise Transient("down")

    ops = Receiver(fails=often)
    await rig.tell(*several(1))
    pace = Pace(rate=1000.0, first_delay=1.0, longest_delay=60.0)
    async with rig.running(ops, pace=pace):
        await rig.settled(1)
    times = [at for _, at in ops.tried]
    pauses = [b - a for a, b in itertools.pairwise(times)]

    assert all(0 <= pause <= min(60, 2**n) + 0.01 for n, pause in enumerate(pauses))
    assert max(pauses) > 10
    assert len({round(pause, 3) for pause in pauses}) == len(pauses)


async def test_a_clock_that_goes_back_holds_nothing_up(rig: Rig) -> None:
    """After the clock went back by a day, new messages go at once and retries within the hour."""

    async def once(_: Notification, call: int) -> None:
        if call == 1:
            rig.clock.at -= 86400.0
            raise Transient("429", after=60.0)
        if call == 2:
            rig.clock.at -= 86400.0
            raise Transient("503")

    ops = Receiver(fails=once)
    await rig.tell(*several(3))
    async with rig.running(ops):
        await rig.settled(3)

    assert ops.taken == [n.key for n in several(3)]
    assert sum(rig.clock.slept) < 3600


async def test_a_rejected_message_is_a_dead_letter_at_once(rig: Rig) -> None:
    """A refusal is final, visible and counted, and does not stop the next message."""

    async def first(_: Notification, call: int) -> None:
        if call == 1:
            raise Rejected("404: no such channel", reason="not_found")

    ops, told = Receiver(fails=first), several(2)
    await rig.tell(*told)
    async with rig.running(ops):
        await rig.settled(1)

    assert ops.taken == [told[1].key]
    (letter,) = rig.store.outbox.dead_letters()
    assert (letter.key, letter.reason, letter.attempts) == (told[0].key, "not_found", 1)
    assert rig.reports.counts["outbox.dead_letter", "not_found"] == 1


async def test_a_message_is_given_up_after_a_day(rig: Rig) -> None:
    """What fails for longer than the limit becomes a dead letter."""

    async def always(_: Notification, _call: int) -> None:
        raise Transient("down")

    ops = Receiver(fails=always)
    await rig.tell(*several(1))
    async with rig.running(ops, pace=Pace(rate=1000.0, longest_delay=7200.0)):
        await rig.settled(1, state="dead")

    assert AT + 86400 - 7200 < ops.tried[-1][1] < AT + 86400
    assert rig.reports.counts["outbox.dead_letter", "gave_up"] == 1


async def test_a_receiver_that_hangs_delays_no_other(rig: Rig) -> None:
    """While one receiver does not answer, the others get everything; it is tried again later."""
    freed = asyncio.Event()

    async def hang(_: Notification, call: int) -> None:
        if call <= 2:
            await freed.wait()

    slow, ops = Receiver("slow", fails=hang), Receiver("ops")
    await rig.tell(*several(5, "slow"), *several(5, "ops"))
    async with rig.running(slow, ops, pace=Pace(rate=1000.0, deadline=0.02)):
        await rig.settled(5)
        assert not slow.taken
        await rig.settled(5, "slow")

    assert len(slow.taken) == 5
    assert rig.reports.counts["delivery.failed", "timeout"] == 2


async def test_a_rate_is_kept(rig: Rig) -> None:
    """No receiver gets more messages a second than it is said to take."""
    ops = Receiver()
    await rig.tell(*several(5))
    async with rig.running(ops, pace=Pace(rate=2.0)):
        await rig.settled(5)

    assert [round(at - AT, 6) for _, at in ops.tried] == [0.0, 0.5, 1.0, 1.5, 2.0]


async def test_a_superseded_update_is_not_sent(rig: Rig) -> None:
    """Only the newest of waiting updates goes; opening and end always do."""
    await rig.tell(
        notification(K.OPENED, seq=1),
        notification(K.UPDATED, seq=2),
        notification(K.UPDATED, seq=3),
        notification(K.RESOLVED, seq=4),
    )
    ops = Receiver()
    async with rig.running(ops):
        await rig.settled(2)

    assert ops.taken == ["ntf_inc_1_1_ops", "ntf_inc_1_4_ops"]
    assert rig.reports.counts["outbox.skipped", "superseded"] == 2


async def test_one_bad_message_does_not_silence_the_rest(rig: Rig) -> None:
    """A message that keeps failing while others pass steps aside, with its incident."""

    async def bad_incident(told: Notification, _: int) -> None:
        if told.transition.incident.id == "inc_0":
            raise Transient("500", reason="server_error")

    ops, told = Receiver(fails=bad_incident), several(4)
    await rig.tell(*told)
    async with rig.running(ops, pace=Pace(rate=1000.0, give_up=1800.0)):
        await rig.settled(3)
        await rig.settled(1, state="dead")

    assert ops.taken == [n.key for n in told[1:]]
    assert ops.tried[5][0] == told[1].key
    assert ops.tried[5][1] < AT + 60
    assert rig.reports.counts["delivery.stepped_aside", "keeps_failing"] >= 1


async def test_a_long_outage_keeps_the_order(rig: Rig) -> None:
    """After an hour without an answer all arrives, nothing twice, each incident in order."""

    async def down(_: Notification, _call: int) -> None:
        assert ops.clock is not None
        if ops.clock.at < AT + 3600:
            raise Transient("connection refused", reason="network")

    ops = Receiver(fails=down)
    told = [notification(incident_id=f"inc_{n % 4}", seq=n) for n in range(12)]
    await rig.tell(*told)
    async with rig.running(ops):
        await rig.settled(12)

    assert sorted(ops.taken) == sorted(n.key for n in told)
    for incident in range(4):
        mine = [n.key for n in told if n.transition.incident.id == f"inc_{incident}"]
        assert [key for key in ops.taken if key in mine] == mine


async def test_a_defect_in_a_channel_costs_one_message(rig: Rig) -> None:
    """An error that no channel may raise is reported, and the next message goes out."""

    async def broken(_: Notification, call: int) -> None:
        if call == 1:
            raise KeyError("title")

    ops, told = Receiver(fails=broken), several(2)
    await rig.tell(*told)
    async with rig.running(ops):
        await rig.settled(1)

    assert ops.taken == [told[1].key]
    assert rig.reports.counts["delivery.defect", "KeyError"] == 1
    assert rig.reports.counts["outbox.dead_letter", "defect"] == 1


async def test_a_lost_connection_is_tried_again(rig: Rig) -> None:
    """Errors of the operating system are the network's, not the message's."""

    async def refused(_: Notification, call: int) -> None:
        if call == 1:
            raise ConnectionRefusedError

    ops = Receiver(fails=refused)
    await rig.tell(*several(1))
    async with rig.running(ops):
        await rig.settled(1)

    assert rig.reports.counts["delivery.failed", "network"] == 1


async def test_a_dry_run_records_and_sends_nothing(rig: Rig) -> None:
    """Everything is decided and settled, and nobody is called."""
    ops = Receiver()
    await rig.tell(*several(3))
    async with rig.running(ops, dry_run=True):
        await rig.settled(3)

    assert not ops.tried
    assert rig.reports.counts["delivery.sent", "dry_run"] == 3


async def test_stopping_lets_an_attempt_end(rig: Rig) -> None:
    """A message that is on its way when we stop is finished and settled; the next is kept."""
    begun, go = asyncio.Event(), asyncio.Event()

    async def slowly(_: Notification, _call: int) -> None:
        begun.set()
        await go.wait()

    ops, told = Receiver(fails=slowly), several(2)
    await rig.tell(*told)
    async with rig.running(ops) as dispatcher:
        await begun.wait()
        stopping = asyncio.create_task(dispatcher.stop(within=5))
        await asyncio.sleep(0)
        go.set()
        await stopping

    assert ops.taken == [told[0].key]
    assert rig.counts() == {("ops", "sent"): 1, ("ops", "waiting"): 1}
    assert not rig.reports.counts["delivery.abandoned", "stopped"]


async def test_stopping_abandons_what_does_not_end(rig: Rig) -> None:
    """A message that does not end in time stays in the outbox and is counted."""
    begun, never = asyncio.Event(), asyncio.Event()

    async def hang(_: Notification, _call: int) -> None:
        begun.set()
        await never.wait()

    ops = Receiver(fails=hang)
    await rig.tell(*several(1))
    async with rig.running(ops) as dispatcher:
        await begun.wait()
        await dispatcher.stop(within=0.01)

    assert rig.counts() == {("ops", "waiting"): 1}
    assert rig.reports.counts["delivery.abandoned", "stopped"] == 1


async def test_stopping_comes_before_starting(rig: Rig) -> None:
    """A dispatcher that is stopped while it starts sends nothing and ends."""
    ops = Receiver()
    await rig.tell(*several(1))
    dispatcher = Dispatcher([ops], rig.around)
    task = asyncio.create_task(dispatcher.run())
    await asyncio.sleep(0)
    await dispatcher.stop(within=1)
    async with asyncio.timeout(5):
        await task

    assert not ops.tried


async def test_a_restart_goes_on_where_it_stopped(rig: Rig) -> None:
    """A new dispatcher sends what the old one did not, with the attempts made so far."""

    async def always(_: Notification, call: int) -> None:
        if call == 3:
            tried.set()
        raise Transient("down")

    tried = asyncio.Event()
    await rig.tell(*several(2))
    async with rig.running(Receiver(fails=always)):
        await tried.wait()
    ops = Receiver()
    async with rig.running(ops):
        await rig.settled(2)

    assert ops.taken == [n.key for n in several(2)]


async def test_cancelling_passes(rig: Rig) -> None:
    """A dispatcher that is cancelled ends, with the attempt that was under way."""
    begun, ended = asyncio.Event(), asyncio.Event()

    async def hang(_: Notification, _call: int) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    await rig.tell(*several(1))
    task = asyncio.create_task(Dispatcher([Receiver(fails=hang)], rig.around).run())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert ended.is_set()


async def test_a_channel_that_ignores_cancellation_is_left_behind(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A send that will not end is named, and the receiver's other messages go on."""
    monkeypatch.setattr("aiops.delivery.dispatch._GRACE", 0.01)
    release = asyncio.Event()

    async def deaf(_: Notification, call: int) -> None:
        while call == 1 and not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    ops = Receiver(fails=deaf)
    await rig.tell(*several(1))
    async with rig.running(ops, pace=Pace(rate=1000.0, deadline=0.01)):
        await rig.settled(1)
        release.set()

    assert rig.reports.counts["delivery.stuck", "ignores_cancel"] == 1


class FullDisk(OutboxPort):
    """An outbox whose thread cannot write for a while."""

    full = True

    async def settle(self, key: str, outcome: object) -> None:
        if FullDisk.full:
            raise StoreError("disk full", reason="disk_full")
        await super().settle(key, outcome)  # type: ignore[arg-type]


async def test_a_full_disk_sends_nothing_twice(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was sent is remembered until the disk takes it; later messages go out meanwhile."""
    monkeypatch.setattr(FullDisk, "full", True)
    rig.around = Surroundings(
        FullDisk(rig.store.outbox, rig.port.writer),
        rig.reports,
        rig.clock.now,
        rig.clock.sleep,
        random.Random(7),
    )

    async def second(_: Notification, call: int) -> None:
        if call == 2:
            raise Transient("503")

    ops, told = Receiver(fails=second), several(3)
    await rig.tell(*told)
    async with rig.running(ops):
        await rig.until(lambda: len(ops.taken) == 3)
        assert rig.counts() == {("ops", "waiting"): 3}
        monkeypatch.setattr(FullDisk, "full", False)
        await rig.settled(3)

    assert ops.taken == [n.key for n in told]
    assert rig.reports.counts["delivery.store_failed", "disk_full"] >= 3


class Unreadable(OutboxPort):
    """An outbox that fails the first times it is asked."""

    left = 3

    async def waiting(self, receiver: str, limit: int, now: float) -> list[Waiting]:
        if Unreadable.left:
            Unreadable.left -= 1
            raise StoreError("disk I/O error", reason="io_error")
        return await super().waiting(receiver, limit, now)

    async def abandon_strangers(self, known: Iterable[str], before: float, at: float) -> int:
        raise StoreError("disk I/O error", reason="io_error")


async def test_an_outbox_that_cannot_be_read_is_asked_again(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the disk fails delivery waits and says so; then it goes on."""
    monkeypatch.setattr(Unreadable, "left", 3)
    port = Unreadable(rig.store.outbox, rig.port.writer)
    rig.around = Surroundings(port, rig.reports, rig.clock.now, rig.clock.sleep, random.Random(7))
    await rig.tell(*several(1))
    async with rig.running(Receiver()):
        await rig.settled(1)

    assert rig.reports.counts["delivery.store_failed", "io_error"] == 4
    assert rig.clock.slept[:3] == [5.0, 5.0, 5.0]


async def test_announcing_plans_and_commits(rig: Rig) -> None:
    """Transitions become committed messages; announcing them again adds nothing."""

    def words(told: Transition) -> str:
        return told.kind.value

    routes = [Route(name="ops")]
    happened = [transition(seq=1), transition(K.RESOLVED, seq=2)]
    first = await announce(rig.port, happened, routes, AT, title=words, body=words)
    again = await announce(rig.port, happened, routes, AT, title=words, body=words)
    later = await announce(
        rig.port, [transition(K.REOPENED, seq=3)], routes, AT, title=words, body=words
    )

    assert (len(first), again, len(later)) == (2, [], 1)
    assert rig.counts() == {("ops", "waiting"): 3}


async def test_old_messages_of_a_removed_receiver_are_given_up(rig: Rig) -> None:
    """A start gives up what waits too long for receivers that no longer exist."""
    await rig.tell(*several(1, "gone"))
    rig.clock.at += 86401
    async with rig.running(Receiver()):
        await rig.settled(1, "gone", "dead")

    assert rig.reports.counts["outbox.dead_letter", "receiver_gone"] == 1
