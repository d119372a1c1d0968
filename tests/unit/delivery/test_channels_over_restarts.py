"""From the outbox to a chat that edits: limits are waited for, restarts change no message."""

from __future__ import annotations

import asyncio
import random
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

from aiops.config import build_component
from aiops.delivery import Dispatcher, OutboxPort, Pace, Surroundings
from aiops.notifiers import NOTIFIERS
from aiops.storage import StateDirectory, Store
from tests.unit.notifiers.receivers.shelf import receiver
from tests.unit.notifiers.receivers.stories import T, life
from tests.unit.storage.nouns import Reports

if TYPE_CHECKING:
    from pathlib import Path

    from aiops.model import Notification


class House:
    """A state directory over which several processes live, one after the other."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.folder = folder / "state"
        self.one = receiver(kind, folder)
        self.kind = kind
        self.reports = Reports()
        self.at = T
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += seconds
        # The receiver's bad mood passes with time.
        if self.at >= T + 30:
            self.one.mood = "well"
        await asyncio.sleep(0)

    async def live(self, told: Notification) -> None:
        """Start, tell and deliver one message, end."""
        module, _, name = NOTIFIERS[self.kind].partition(":")
        table = self.one.table() | {"name": "ops"}
        channel: Any = build_component(getattr(import_module(module), name), table, "x")
        directory = StateDirectory.open(self.folder)
        store = Store.open(directory, self.reports)
        with ThreadPoolExecutor(1) as writer:
            port = OutboxPort(store.outbox, writer)
            around = Surroundings(port, self.reports, lambda: self.at, self.sleep, random.Random(1))
            dispatcher = Dispatcher([channel], around, pace=Pace(rate=1000.0))
            task = asyncio.create_task(dispatcher.run())
            before = self.reports.counts["delivery.sent", "taken"]
            await port.tell([told], self.at)
            dispatcher.wake()
            async with asyncio.timeout(5):
                while self.reports.counts["delivery.sent", "taken"] == before:  # noqa: ASYNC110 - SQLite sets no event
                    await asyncio.sleep(0)
            await dispatcher.stop(within=5)
            await task
        await channel.close()
        store.close()
        directory.close()


@pytest.mark.parametrize("kind", ["slack_bot", "discord", "telegram"])
async def test_restarts_go_on_with_the_same_message(kind: str, tmp_path: Path) -> None:
    """Opened, updated and resolved by three processes is one message in the chat."""
    house = House(kind, tmp_path)
    async with house.one.running():
        for told in life():
            await house.live(told)
        first = next(iter(house.one.messages.values()))

    assert "RESOLVED" in str(first)
    assert [m for m in house.one.messages.values() if "UPDATED" in str(m)] == []


@pytest.mark.parametrize("kind", ["slack_bot", "telegram", "rocketchat"])
async def test_a_limit_is_waited_for(kind: str, tmp_path: Path) -> None:
    """A busy receiver is left alone for as long as it asked, wherever it said so."""
    house = House(kind, tmp_path)
    house.one.mood = "busy"
    wait = house.one.wait
    async with house.one.running():
        house.at = T + 30 - wait
        await house.live(life()[0])

    assert house.reports.counts["delivery.failed", "rate_limited"] == 1
    assert max(house.slept) == pytest.approx(wait)
