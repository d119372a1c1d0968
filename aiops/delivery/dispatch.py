"""Send what the outbox holds: one task a receiver, in order, until taken or given up."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from aiops.delivery.order import Choice, Order
from aiops.delivery.port import Fate, OutboxPort, Outcome
from aiops.errors import Rejected, Transient
from aiops.storage import StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiops.protocols import Notifier
    from aiops.storage import Report, Waiting

RECEIPT = 500
"""Longest receipt that is kept, in characters; a longer one is reported and forgotten."""

# How many messages of one receiver are looked at together.
_BATCH = 100
# How long a send that was cancelled may take to notice.
_GRACE = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Say how fast and how long one receiver is tried.

    ``rate`` is messages a second (chat services allow about one). ``deadline`` bounds one
    attempt. Between attempts a random time up to ``first_delay``, doubled each time up to
    ``longest_delay``, passes; a receiver's own ``Retry-After`` counts up to ``longest_after``.
    After ``give_up`` a message becomes a dead letter. ``patience`` failures of one message
    allow a message of another incident to be tried in between.
    """

    rate: float = 1.0
    deadline: float = 15.0
    first_delay: float = 1.0
    longest_delay: float = 300.0
    longest_after: float = 3600.0
    give_up: float = 86400.0
    patience: int = 5
    store_pause: float = 5.0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every receiver's task is given: time, chance, the outbox and somebody to tell."""

    port: OutboxPort
    report: Report
    now: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    chance: random.Random


class Dispatcher:
    """Deliver for a fixed set of receivers; a new configuration makes a new dispatcher.

    ``run`` ends only through ``stop`` or cancellation. No receiver waits for another.
    """

    def __init__(
        self,
        notifiers: Sequence[Notifier],
        surroundings: Surroundings,
        *,
        pace: Pace | None = None,
        paces: dict[str, Pace] | None = None,
        dry_run: bool = False,
    ) -> None:
        self._around = surroundings
        self._pace = pace or Pace()
        given = paces or {}
        self._lanes = {
            n.name: Lane(n, surroundings, given.get(n.name, self._pace), dry_run=dry_run)
            for n in notifiers
        }
        self._tasks: list[tuple[Lane, asyncio.Task[None]]] = []
        self._stopped = False

    async def run(self) -> None:
        """Send until stopped; what waited before the start is sent first."""
        await self._abandon_strangers()
        # Stopped before it began, or while it looked for strangers.
        if self._stopped:
            return
        async with asyncio.TaskGroup() as group:
            self._tasks = [
                (lane, group.create_task(lane.run(), name=f"deliver:{name}"))
                for name, lane in self._lanes.items()
            ]

    def wake(self) -> None:
        """Say that new messages were told; call it on the loop after ``OutboxPort.tell``."""
        for lane in self._lanes.values():
            lane.wake()

    async def stop(self, within: float) -> None:
        """Let attempts that are under way end, at most *within* seconds; then abandon them.

        An abandoned message stays in the outbox and is sent again with the same key.
        """
        self._stopped = True
        for lane, task in self._tasks:
            lane.stop()
            if not lane.busy:
                task.cancel()
        tasks = {task for _, task in self._tasks}
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=within)
        for task in late:
            task.cancel()
        if late:
            self._around.report("delivery.abandoned", "stopped", len(late))
            await asyncio.wait(late, timeout=_GRACE)

    async def _abandon_strangers(self) -> None:
        now = self._around.now()
        try:
            await self._around.port.abandon_strangers(self._lanes, now - self._pace.give_up, now)
        except StoreError as e:
            self._around.report("delivery.store_failed", e.reason, problem=str(e))


class Lane:
    """Deliver for one receiver."""

    def __init__(
        self, notifier: Notifier, surroundings: Surroundings, pace: Pace, *, dry_run: bool
    ) -> None:
        self._notifier = notifier
        self._around = surroundings
        self._pace = pace
        self._dry_run = dry_run
        self._order = Order(pace.patience)
        self._news = asyncio.Event()
        # Outcomes that the disk would not take yet: known here, so nothing is sent twice.
        self._unsettled: dict[str, Outcome] = {}
        # The same for receipts, by incident.
        self._receipts: dict[str, str] = {}
        self._not_before = 0.0
        self._last_sent: float | None = None
        self._stopping = False
        self.busy = False

    def wake(self) -> None:
        self._news.set()

    def stop(self) -> None:
        self._stopping = True

    async def run(self) -> None:
        """Send one message after the other."""
        while not self._stopping:
            self._news.clear()
            now = self._around.now()
            items = await self._waiting(now)
            if items is None:
                await self._around.sleep(self._pace.store_pause)
                continue
            self._order.forget_others(items)
            if self._not_before > now + self._longest_wait():
                self._not_before = now
            choice = self._order.pick(items, now) if now >= self._not_before else Choice(None)
            if choice.item is None:
                await self._idle(choice, items, now)
                continue
            await self._keep_pace()
            self.busy = True
            await self._attempt(choice, choice.item)
            self.busy = False

    async def _waiting(self, now: float) -> list[Waiting] | None:
        """Return what waits, ``None`` when the outbox cannot be read."""
        port, report = self._around.port, self._around.report
        try:
            for key, outcome in list(self._unsettled.items()):
                await port.settle(key, outcome)
                del self._unsettled[key]
            self._receipts.clear()
        except StoreError as e:
            report("delivery.store_failed", e.reason, receiver=self._notifier.name)
        try:
            limit = _BATCH + len(self._unsettled)
            found = await port.waiting(self._notifier.name, limit, now)
        except StoreError as e:
            report("delivery.store_failed", e.reason, receiver=self._notifier.name)
            return None
        known = (self._as_known(item, now) for item in found)
        return [item for item in known if item is not None]

    def _as_known(self, item: Waiting, now: float) -> Waiting | None:
        outcome = self._unsettled.get(item.notification.key)
        if outcome is not None and outcome.fate is not Fate.RETRY:
            return None
        if outcome is not None:
            item = replace(item, attempts=outcome.attempts, next_at=outcome.at)
        receipt = self._receipts.get(item.notification.transition.incident.id)
        if receipt is not None:
            item = replace(item, notification=replace(item.notification, receipt=receipt))
        # A clock that went back must make nobody wait for the time that comes twice.
        if item.attempts == 0 or item.next_at > now + self._longest_wait():
            return replace(item, next_at=min(item.next_at, now))
        return item

    async def _idle(self, choice: Choice, items: Sequence[Waiting], now: float) -> None:
        """Wait for news, or for the time at which something may be tried again."""
        seconds: float | None = None
        if items:
            until = max(self._not_before, choice.until if choice.until is not None else 0.0)
            seconds = min(max(until - now, 0.0), self._longest_wait())
        if self._unsettled:
            pause = self._pace.store_pause
            seconds = pause if seconds is None else min(seconds, pause)
        waits: set[asyncio.Future[Any]] = {asyncio.ensure_future(self._news.wait())}
        if seconds is not None:
            waits.add(asyncio.ensure_future(self._around.sleep(seconds)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def _keep_pace(self) -> None:
        gap = 1.0 / self._pace.rate
        if self._last_sent is not None:
            left = self._last_sent + gap - self._around.now()
            if left > 0:
                await self._around.sleep(min(left, gap))
        self._last_sent = self._around.now()

    async def _attempt(self, choice: Choice, item: Waiting) -> None:
        answer = "" if self._dry_run else await self._send(item)
        error, receipt = (None, answer) if isinstance(answer, str) else (answer, "")
        now = self._around.now()
        attempts = item.attempts + 1
        name, report = self._notifier.name, self._around.report
        if isinstance(error, Transient):
            self._order.failed(choice)
            outcome = self._failed(error, choice, item, now)
            report("delivery.failed", error.reason, receiver=name, problem=str(error))
        else:
            # A refusal is an answer too: the receiver is alive.
            if self._order.passed(choice):
                report("delivery.stepped_aside", "keeps_failing", receiver=name)
            if error is None:
                reason = "dry_run" if self._dry_run else ""
                outcome = Outcome(Fate.SENT, now, attempts, reason, receipt)
                report("delivery.sent", reason or "taken", receiver=name)
            else:
                outcome = Outcome(Fate.DEAD, now, attempts, error.reason)
                report("delivery.rejected", error.reason, receiver=name, problem=str(error))
        await self._settle(item, outcome)

    def _failed(self, error: Transient, choice: Choice, item: Waiting, now: float) -> Outcome:
        pace, attempts = self._pace, item.attempts + 1
        longest = min(pace.longest_delay, pace.first_delay * 2.0 ** min(item.attempts, 60))
        # A probe is paced by the message it overtakes; it must not be late once that passes.
        delay = self._around.chance.uniform(0.0, longest) if choice.around is None else 0.0
        if error.after is not None:
            after = min(max(error.after, 0.0), pace.longest_after)
            self._not_before = now + after
            delay = max(delay, after)
        if now + delay - item.created_at >= pace.give_up:
            return Outcome(Fate.DEAD, now, attempts, "gave_up")
        return Outcome(Fate.RETRY, now + delay, attempts, error.reason)

    async def _settle(self, item: Waiting, outcome: Outcome) -> None:
        key = item.notification.key
        try:
            await self._around.port.settle(key, outcome)
        except StoreError as e:
            self._unsettled[key] = outcome
            if outcome.receipt:
                self._receipts[item.notification.transition.incident.id] = outcome.receipt
            self._around.report("delivery.store_failed", e.reason, receiver=self._notifier.name)

    async def _send(self, item: Waiting) -> Transient | Rejected | str:
        """Make one attempt in a task of its own: its failure, of any kind, is a value here.

        A string is the receipt of a message that was taken.
        """
        task = asyncio.create_task(self._notifier.send(item.notification))
        try:
            await asyncio.wait({task}, timeout=self._pace.deadline)
        finally:
            # Late, or we are being stopped: either way it gets a moment to close what it holds.
            if not task.done():
                await self._end(task)
        if not task.done():
            self._around.report("delivery.stuck", "ignores_cancel", receiver=self._notifier.name)
        if not task.done() or task.cancelled():
            return Transient(f"no answer in {self._pace.deadline:g} s", reason="timeout")
        error = task.exception()
        if error is None:
            return self._receipt(task.result())
        if isinstance(error, Transient | Rejected):
            return error
        if isinstance(error, OSError):
            return Transient(str(error), reason="network")
        # A defect in a channel costs its message, visibly, and not the house.
        self._around.report(
            "delivery.defect", type(error).__name__, receiver=self._notifier.name, error=error
        )
        return Rejected(f"{type(error).__name__}: {error}", reason="defect")

    def _receipt(self, given: str | None) -> str:
        if given is None or len(given) <= RECEIPT:
            return given or ""
        self._around.report("delivery.receipt_lost", "too_long", receiver=self._notifier.name)
        return ""

    @staticmethod
    async def _end(task: asyncio.Task[str | None]) -> None:
        task.cancel()
        # Whatever it still raises is looked at, or asyncio would call it forgotten.
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        await asyncio.wait({task}, timeout=_GRACE)

    def _longest_wait(self) -> float:
        return max(self._pace.longest_delay, self._pace.longest_after)
