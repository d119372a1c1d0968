"""Every channel behind the dispatcher: tried with random pauses until a deadline, then shown."""

from __future__ import annotations

import asyncio
import json
import random
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

from aiops.config import build_component
from aiops.delivery import Dispatcher, OutboxPort, Pace, Surroundings
from aiops.notifiers import NOTIFIERS
from aiops.notifiers.stdout import StdoutNotifier
from aiops.storage import Store
from tests.unit.notifiers.receivers.service import ALWAYS, Call, Service
from tests.unit.notifiers.receivers.shelf import RECEIVERS, receiver
from tests.unit.notifiers.receivers.stories import HOSTILE, T, life, offering
from tests.unit.storage.nouns import Reports

if TYPE_CHECKING:
    from pathlib import Path

every = pytest.mark.parametrize("kind", sorted(RECEIVERS))

# Where plain text cannot act there is no mention to be noticed, only what is hidden or hides.
PLAIN = {"alertmanager", "email", "exec", "ntfy", "pagerduty", "teams", "webhook"}


class Clock:
    """A clock that moves only when somebody sleeps on it."""

    def __init__(self) -> None:
        self.at = T
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += seconds
        await asyncio.sleep(0)


async def deliver(kind: str, one: Any, reports: Reports, pace: Pace) -> tuple[Clock, Store]:
    """Tell one message and run until it is settled; the store is left open."""
    module, _, name = NOTIFIERS[kind].partition(":")
    table = one.table() | {"name": "ops"}
    channel: Any = build_component(getattr(import_module(module), name), table, kind)
    clock, store = Clock(), Store.in_memory(reports)
    with ThreadPoolExecutor(1) as writer:
        port = OutboxPort(store.outbox, writer)
        around = Surroundings(port, reports, lambda: clock.at, clock.sleep, random.Random(5))
        dispatcher = Dispatcher([channel], around, pace=pace)
        await port.tell([life()[0]], clock.at)
        task = asyncio.create_task(dispatcher.run())
        async with asyncio.timeout(20):
            while await _waits(writer, store):  # noqa: ASYNC110 - SQLite sets no event
                await asyncio.sleep(0)
        await dispatcher.stop(within=5)
        await task
    await channel.close()
    return clock, store


async def _waits(writer: ThreadPoolExecutor, store: Store) -> bool:
    counts = await asyncio.wrap_future(writer.submit(store.outbox.counts))
    return ("ops", "waiting") in counts


@every
async def test_a_receiver_that_stays_down_ends_in_a_dead_letter(kind: str, tmp_path: Path) -> None:
    """Several tries, random pauses between them, a deadline, and then it is there for people."""
    one, reports = receiver(kind, tmp_path, mood="down"), Reports()
    async with one.running():
        clock, store = await deliver(kind, one, reports, Pace(rate=1000.0, give_up=30.0))

    (letter,) = store.outbox.dead_letters()
    pauses = [seconds for seconds in clock.slept if seconds > 0.1]
    failed = sum(n for (event, _), n in reports.counts.items() if event == "delivery.failed")
    assert (letter.receiver, letter.reason) == ("ops", "gave_up")
    assert letter.attempts == failed >= 3
    # It is given up when its next try would come too late.
    assert 0.0 < letter.at - letter.created_at <= 30.0
    assert len({round(seconds, 6) for seconds in pauses}) >= 2
    store.close()


@every
async def test_what_is_taken_is_no_dead_letter(kind: str, tmp_path: Path) -> None:
    """One try, one yes, nothing left over."""
    one, reports = receiver(kind, tmp_path), Reports()
    async with one.running():
        _, store = await deliver(kind, one, reports, Pace(rate=1000.0))

    assert store.outbox.dead_letters() == []
    assert store.outbox.counts() == {("ops", "sent"): 1}
    store.close()


@pytest.mark.parametrize("kind", sorted(set(RECEIVERS) - {"email", "exec"}))
def test_every_stand_in_notices_hostile_text(kind: str, tmp_path: Path) -> None:
    """A channel that sent a log line as it stands would be found out by its stand-in."""
    one: Service = receiver(kind, tmp_path)
    parts = [HOSTILE, "\x1b[31mred", "\u202egnp.exe", "password=hunter2"]
    parts += [] if kind in PLAIN else ["@everyone", "<!channel>", "[pay](https://evil.example/a)"]
    if kind in ("telegram", "slack", "slack_bot", "googlechat"):
        parts.remove("[pay](https://evil.example/a)")
    for part in parts:
        body = json.dumps({"text": part}).encode()
        one.calls = [Call("POST", "/", {}, {}, body)]

        assert set(one.acting()) == {part}, part


async def test_a_terminal_is_not_obeyed_either(capsys: pytest.CaptureFixture[str]) -> None:
    """Standard output shows the same hostile life as text, and no link that acts."""
    notifier = StdoutNotifier()
    for told in life():
        await notifier.send(offering(told))
    shown = capsys.readouterr().out

    assert "OPENED error" in shown
    assert "RESOLVED error" in shown
    assert not ALWAYS.search(shown)
    assert "token=" not in shown
