"""What a receiver calls a message comes back with the next one of its incident."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from aiops.delivery import Dispatcher, OutboxPort, Outcome, Pace, Surroundings
from aiops.delivery.dispatch import RECEIPT
from aiops.delivery.port import Fate
from aiops.model import Notification, TransitionKind
from aiops.storage import StateDirectory, Store, StoreError
from aiops.storage.pictures import encode_notification
from aiops.storage.schema import APPLICATION_ID, migrations
from tests.unit.storage.nouns import AT, Reports, notification

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OPENED, UPDATED, RESOLVED = (
    TransitionKind.OPENED,
    TransitionKind.UPDATED,
    TransitionKind.RESOLVED,
)


@dataclass
class Chat:
    """Take messages and name each one, or say nothing."""

    name: str = "ops"
    names: dict[str, str | None] = field(default_factory=dict)
    got: list[tuple[str, str]] = field(default_factory=list)

    async def send(self, notification: Notification) -> str | None:
        self.got.append((notification.key, notification.receipt))
        return self.names.get(notification.key, f"msg-{len(self.got)}")


class Rig:
    """A store that can be closed and opened again, and a dispatcher over it."""

    def __init__(self, directory: StateDirectory) -> None:
        self.directory = directory
        self.reports = Reports()
        self.port_class = OutboxPort
        self.store = Store.open(directory, self.reports)

    def restart(self) -> None:
        self.store.close()
        self.store = Store.open(self.directory, self.reports)

    async def deliver(self, chat: Chat, *told: Notification) -> None:
        """Tell and deliver *told*, one after the other, until each was taken."""
        with ThreadPoolExecutor(1) as writer:
            port = self.port_class(self.store.outbox, writer)
            around = Surroundings(port, self.reports, lambda: AT, self._sleep, random.Random(1))
            dispatcher = Dispatcher([chat], around, pace=Pace(rate=1000.0))
            task = asyncio.create_task(dispatcher.run())
            for wanted, one in enumerate(told, len(chat.got) + 1):
                await port.tell([one], AT)
                dispatcher.wake()
                async with asyncio.timeout(5):
                    while len(chat.got) < wanted:  # noqa: ASYNC110 - SQLite sets no event
                        await asyncio.sleep(0)
            await dispatcher.stop(within=5)
            await task

    @staticmethod
    async def _sleep(_: float) -> None:
        await asyncio.sleep(0)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    directory = StateDirectory.open(tmp_path)
    one = Rig(directory)
    yield one
    one.store.close()
    directory.close()


async def test_the_next_message_brings_the_receipt_of_the_last(rig: Rig) -> None:
    """The first message of an incident has none; each later one has what the last was called."""
    chat = Chat()
    await rig.deliver(
        chat, notification(OPENED), notification(UPDATED, seq=2), notification(RESOLVED, seq=3)
    )

    assert [receipt for _, receipt in chat.got] == ["", "msg-1", "msg-2"]


async def test_receipts_outlive_the_process(rig: Rig) -> None:
    """After a restart the next message still knows what the last one was called."""
    chat = Chat()
    await rig.deliver(chat, notification(OPENED))
    rig.restart()
    await rig.deliver(chat, notification(RESOLVED, seq=2))

    assert [receipt for _, receipt in chat.got] == ["", "msg-1"]


async def test_receipts_belong_to_one_incident_and_receiver(rig: Rig) -> None:
    """Neither another incident nor another receiver sees them."""
    ops, dev = Chat(), Chat("dev")
    await rig.deliver(ops, notification(OPENED), notification(OPENED, "inc_2"))
    await rig.deliver(dev, notification(UPDATED, seq=2, receiver="dev"))

    assert [receipt for _, receipt in ops.got + dev.got] == ["", "", ""]


async def test_a_receiver_that_names_nothing_keeps_the_earlier_name(rig: Rig) -> None:
    """A message without a receipt does not hide the receipt before it."""
    second = notification(UPDATED, seq=2)
    chat = Chat(names={second.key: None})
    await rig.deliver(chat, notification(OPENED), second, notification(RESOLVED, seq=3))

    assert chat.got[-1][1] == "msg-1"


async def test_a_receipt_without_bounds_is_not_kept(rig: Rig) -> None:
    """A name longer than the bound is counted and forgotten; the message counts as sent."""
    first = notification(OPENED)
    chat = Chat(names={first.key: "x" * (RECEIPT + 1)})
    await rig.deliver(chat, first, notification(RESOLVED, seq=2))

    assert chat.got[-1][1] == ""
    assert rig.reports.counts["delivery.receipt_lost", "too_long"] == 1
    assert rig.store.outbox.counts() == {("ops", "sent"): 2}


class FullDisk(OutboxPort):
    """An outbox that never takes what was sent."""

    async def settle(self, key: str, outcome: Outcome) -> None:
        if outcome.fate is Fate.SENT:
            raise StoreError("disk full", reason="disk_full")


async def test_a_full_disk_does_not_lose_the_receipt(rig: Rig) -> None:
    """What the disk did not take yet is known to the next message all the same."""
    rig.port_class = FullDisk
    chat = Chat()
    await rig.deliver(chat, notification(OPENED), notification(RESOLVED, seq=2))

    assert [receipt for _, receipt in chat.got] == ["", "msg-1"]


def test_an_outbox_of_the_version_before_is_read_on(tmp_path: Path) -> None:
    """What waited and what was sent before receipts were kept is there, without receipts."""
    sent, waits = notification(OPENED), notification(UPDATED, seq=2)
    directory = StateDirectory.open(tmp_path)
    old = sqlite3.connect(tmp_path / "aiops.db", isolation_level=None)
    old.executescript(migrations()[1])
    old.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    old.execute("PRAGMA user_version = 1")
    for one, state in ((sent, "sent"), (waits, "waiting")):
        old.execute(
            "INSERT INTO outbox (key, receiver, incident, seq, kind, created_at, next_at, state,"
            " payload) VALUES (?, 'ops', 'inc_1', 1, 'opened', 0, 0, ?, ?)",
            (one.key, state, encode_notification(one)),
        )
    old.close()
    store = Store.open(directory, Reports())
    (found,) = store.outbox.waiting("ops")
    store.close()
    directory.close()

    assert found.notification == waits
