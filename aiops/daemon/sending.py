"""The dispatcher's life: start it with its channels, feed its metrics, stop it in time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from functools import partial

from aiops.assembly import Plan
from aiops.delivery import Dispatcher, OutboxPort, Surroundings
from aiops.incidents.story import story
from aiops.model import Incident, Notification, Transition, TransitionKind
from aiops.storage import Store
from aiops.telemetry import Telemetry

_FAILED = frozenset({"delivery.failed", "delivery.rejected", "delivery.defect"})


class Sending:
    """Deliver for the channels of one plan, until ``stop``."""

    def __init__(
        self,
        plan: Plan,
        store: Store,
        writer: Executor,
        telemetry: Telemetry,
        clock: Callable[[], float],
    ) -> None:
        self._plan = plan
        self._telemetry = telemetry
        around = Surroundings(
            port=OutboxPort(store.outbox, writer),
            report=self.report,
            now=clock,
            sleep=asyncio.sleep,
            chance=random.Random(),  # noqa: S311 - jitter, no secret
        )
        self._dispatcher = Dispatcher(
            plan.notifiers, around, paces=plan.paces, dry_run=plan.settings.alerting.dry_run
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._dead: dict[str, int] = {}

    def start(self, open_incidents: Sequence[Incident]) -> None:
        """Send what waits; *open_incidents* are those that people were told of."""
        self._tasks = [asyncio.create_task(self._dispatcher.run(), name="dispatch")]
        for notifier in self._plan.notifiers:
            if hasattr(notifier, "report"):
                notifier.report = self.report
            adopt = getattr(notifier, "adopt", None)
            if adopt is not None:
                describe = partial(self._describe, notifier.name)
                adopt(self._wanted(notifier.name, open_incidents), describe)
            keep = getattr(notifier, "keep", None)
            if keep is not None and not self._plan.settings.alerting.dry_run:
                self._tasks.append(asyncio.create_task(keep(asyncio.sleep), name="keeper"))
        for task in self._tasks:
            task.add_done_callback(self._ended)

    def wake(self) -> None:
        """Say that something new is in the outbox."""
        self._dispatcher.wake()

    async def stop(self, within: float) -> None:
        """Let attempts under way end, and close the channels."""
        await self._dispatcher.stop(within)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=1.0)
        for notifier in self._plan.notifiers:
            close = getattr(notifier, "close", None)
            if close is not None:
                await close()

    def report(self, event: str, reason: str, count: int = 1, **facts: object) -> None:
        """Take what happened in delivery: attempts that failed have a metric of their own."""
        receiver = str(facts.get("receiver", ""))
        if receiver and event in _FAILED:
            self._telemetry.failed.labels(receiver, reason).inc(count)
        self._telemetry.report(event, reason, count, **facts)

    def waiting(self, counts: Mapping[tuple[str, str], int]) -> None:
        """Show what waits and what was given up, from the outbox's own counts."""
        for notifier in self._plan.notifiers:
            waiting = counts.get((notifier.name, "waiting"), 0)
            self._telemetry.outbox.labels(notifier.name).set(waiting)
            dead = counts.get((notifier.name, "dead"), 0)
            # The first look only says where counting begins; pruning makes the number fall.
            new = dead - self._dead.get(notifier.name, dead)
            self._telemetry.dead.labels(notifier.name).inc(max(new, 0))
            self._dead[notifier.name] = dead

    def _wanted(self, receiver: str, incidents: Sequence[Incident]) -> list[Incident]:
        route = next(r for r in self._plan.routes if r.name == receiver)
        known = [i for i in incidents if i.severity >= route.min_severity]
        return [i for i in known if i.escalated or not route.second]

    def _describe(self, receiver: str, incident: Incident) -> str:
        calls = self._plan.settings.topology.calls
        now = Transition(TransitionKind.UPDATED, incident, incident.updated_at)
        told = Notification("", receiver, now, incident.title, story(now, calls=calls))
        return self._plan.rendering.reworded(told, self.report).body

    def _ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            problem = f"{type(error).__name__}: {error}"
            self._telemetry.report("delivery.defect", task.get_name(), problem=problem)
