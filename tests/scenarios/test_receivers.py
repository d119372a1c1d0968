"""A receiver that is down for an hour loses nothing, repeats nothing and delays nobody else."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiops.delivery import Dispatcher, OutboxPort, Pace, Route, Surroundings, announce
from aiops.errors import Transient
from aiops.model import Notification, Transition
from aiops.storage import StateDirectory, Store
from tests.scenarios.world import T, World

ROUTES = (Route(name="chat"), Route(name="pager"))
HOUR = 3600.0


@dataclass
class Clock:
    """Move only when somebody sleeps."""

    at: float = T

    async def sleep(self, seconds: float) -> None:
        self.at += seconds
        await asyncio.sleep(0)


@dataclass
class Receiver:
    """Take messages but for the time in which it is down."""

    name: str
    clock: Clock
    down_until: float = 0.0
    taken: list[tuple[float, str]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    tried: int = 0

    async def send(self, notification: Notification) -> None:
        self.tried += 1
        if self.clock.at < self.down_until:
            raise Transient("connection refused", reason="network")
        self.taken.append((self.clock.at - T, notification.transition.kind.value))
        self.keys.append(notification.key)


@contextmanager
def opened(path: Path) -> Iterator[Store]:
    directory = StateDirectory.open(path)
    store = Store.open(directory, lambda *_, **__: None)
    try:
        yield store
    finally:
        store.close()
        directory.close()


async def deliver(
    store: Store,
    clock: Clock,
    receivers: list[Receiver],
    told: list[Transition],
    done: Callable[[], bool],
) -> None:
    """Commit what is told and send until *done*, as the daemon does."""
    with ThreadPoolExecutor(1) as writer:
        port = OutboxPort(store.outbox, writer)
        around = Surroundings(
            port, lambda *_, **__: None, lambda: clock.at, clock.sleep, random.Random(7)
        )
        await announce(port, told, ROUTES, clock.at, title=lambda _: "t", body=lambda _: "b")
        dispatcher = Dispatcher(receivers, around, pace=Pace(rate=1000.0, first_delay=1.0))
        task = asyncio.create_task(dispatcher.run())
        async with asyncio.timeout(10):
            while not done():  # noqa: ASYNC110 - what holds is in SQLite, which sets no event
                await asyncio.sleep(0)
        await dispatcher.stop(within=5)
        await task


def fault() -> list[Transition]:
    """Return what is told of a fault that spreads and ends."""
    world = World(calls={"web": ["cart"], "cart": ["db"]})
    world.fire("db")
    world.until(40)
    world.fire("cart", "Latency", "warning")
    world.fire("web", "Latency", "warning")
    world.until(600)
    for name, what in (("db", "Errors"), ("cart", "Latency"), ("web", "Latency")):
        world.end(name, what)
    world.until(1800)
    return [t for t in world.said if t.tell]


async def test_an_hour_without_a_receiver(tmp_path: Path) -> None:
    """It hears the beginning and the end once, in order; the update between is out of date."""
    clock = Clock()
    chat, pager = Receiver("chat", clock, down_until=T + HOUR), Receiver("pager", clock)
    with opened(tmp_path) as store:
        told = fault()
        assert [t.kind.value for t in told] == ["opened", "updated", "resolved"]
        await deliver(store, clock, [chat, pager], told, lambda: len(chat.taken) == 2)

    assert [kind for _, kind in pager.taken] == ["opened", "resolved"]
    assert max(at for at, _ in pager.taken) < 60.0
    assert [kind for _, kind in chat.taken] == ["opened", "resolved"]
    # Tried with a doubled pause of at most five minutes, so not a minute is lost for nothing.
    assert all(HOUR <= at <= HOUR + 300.0 for at, _ in chat.taken)
    assert chat.tried < 60


async def test_a_restart_while_it_is_down_repeats_nothing(tmp_path: Path) -> None:
    """Another process goes on with what was not taken: the keys are the same, each taken once."""
    clock = Clock()
    chat, pager = Receiver("chat", clock, down_until=T + HOUR), Receiver("pager", clock)
    with opened(tmp_path) as store:
        await deliver(store, clock, [chat, pager], fault(), lambda: chat.tried > 3)
    with opened(tmp_path) as store:
        await deliver(store, clock, [chat, pager], fault(), lambda: len(chat.taken) == 2)

    assert [kind for _, kind in chat.taken] == ["opened", "resolved"]
    assert [kind for _, kind in pager.taken] == ["opened", "resolved"]
    assert len(set(chat.keys + pager.keys)) == 4
