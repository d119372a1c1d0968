"""The loop's way to the outbox, which belongs to the writer thread."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from aiops.delivery.plan import plan_batch
from aiops.storage import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from concurrent.futures import Executor

    from aiops.delivery.plan import Route
    from aiops.model import Notification, Transition
    from aiops.storage import Outbox, Waiting


class Fate(StrEnum):
    """What became of a message after an attempt."""

    SENT = "sent"
    DEAD = "dead"
    RETRY = "retry"


@dataclass(frozen=True, slots=True)
class Outcome:
    """State the fate of one attempt; ``at`` is when it was settled or may be tried again.

    ``receipt`` is what the receiver calls the message it took, empty when it did not say.
    """

    fate: Fate
    at: float
    attempts: int
    reason: str = ""
    receipt: str = ""


@dataclass(frozen=True, slots=True)
class OutboxPort:
    """Run every call on the one thread that owns the database; each may raise ``StoreError``.

    A call that was begun is finished even when its caller is cancelled.
    """

    outbox: Outbox
    writer: Executor

    async def tell(self, notifications: Sequence[Notification], at: float) -> list[str]:
        """Commit *notifications*; see ``Outbox.tell``."""
        return await self._loop().run_in_executor(self.writer, self.outbox.tell, notifications, at)

    async def told(self, incidents: Iterable[str]) -> dict[str, set[str]]:
        """Return for each incident the receivers that know of it."""
        return await self._loop().run_in_executor(self.writer, self._told, sorted(set(incidents)))

    async def waiting(self, receiver: str, limit: int, now: float) -> list[Waiting]:
        """Skip superseded updates, then return the oldest unsettled messages in order."""
        return await self._loop().run_in_executor(self.writer, self._waiting, receiver, limit, now)

    async def settle(self, key: str, outcome: Outcome) -> None:
        """Write down what became of one attempt."""
        await self._loop().run_in_executor(self.writer, self._settle, key, outcome)

    async def abandon_strangers(self, known: Iterable[str], before: float, at: float) -> int:
        """Give up what waits since *before* for receivers that are not *known*."""
        return await self._loop().run_in_executor(
            self.writer, self.outbox.abandon_strangers, sorted(known), before, at
        )

    def _told(self, incidents: Sequence[str]) -> dict[str, set[str]]:
        return {incident: self.outbox.told(incident) for incident in incidents}

    def _waiting(self, receiver: str, limit: int, now: float) -> list[Waiting]:
        found = self.outbox.waiting(receiver, limit)
        if len(found) > 1:
            # What cannot be marked is sent: an old update is better than none on a full disk.
            with contextlib.suppress(StoreError):
                if self.outbox.skip_superseded(receiver, now):
                    found = self.outbox.waiting(receiver, limit)
        return found

    def _settle(self, key: str, outcome: Outcome) -> None:
        if outcome.fate is Fate.SENT:
            self.outbox.sent(key, outcome.at, outcome.reason, outcome.receipt)
        elif outcome.fate is Fate.DEAD:
            self.outbox.dead(key, outcome.at, outcome.reason)
        else:
            self.outbox.retry(key, outcome.attempts, outcome.at, outcome.reason)

    @staticmethod
    def _loop() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()


async def announce(
    port: OutboxPort,
    transitions: Sequence[Transition],
    routes: Sequence[Route],
    at: float,
    *,
    title: Callable[[Transition], str],
    body: Callable[[Transition], str],
) -> list[str]:
    """Plan *transitions* and commit what must be sent; return the keys that are new.

    Raises ``StoreError``; then nothing of it is committed and all of it may be announced again.
    """
    told = await port.told(transition.incident.id for transition in transitions)
    planned = plan_batch(transitions, routes, told=told, title=title, body=body)
    return await port.tell(planned, at)
