"""Commit what the engine found, in its order: a cut never precedes what led to it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from typing import TypeVar

from aiops.assembly import Plan
from aiops.daemon.outcomes import measure
from aiops.decoding.saved import without_secrets
from aiops.delivery import notification_key, offered, plan_batch
from aiops.incidents.story import story, title
from aiops.links import Links
from aiops.model import Incident, Notification, Severity, State, Transition, TransitionKind
from aiops.pump import Result
from aiops.storage import Store, StoreError
from aiops.telemetry import Telemetry

T = TypeVar("T")

_STORE_PAUSE = 1.0
_GREETING = "learning"


class Telling:
    """Turn results into rows: history and outbox first, then whoever waits is woken."""

    def __init__(
        self,
        plan: Plan,
        store: Store,
        *,
        writer: Executor,
        telemetry: Telemetry,
        clock: Callable[[], float],
        wake: Callable[[], None],
        links: Links | None = None,
    ) -> None:
        self.plan = plan
        self.cut_cost = 0.0
        self._store = store
        self._writer = writer
        self._telemetry = telemetry
        self._clock = clock
        self._wake = wake
        self._links = links

    async def consume(self, results: asyncio.Queue[Result]) -> None:
        """Take results until the engine ends."""
        while True:
            result = await results.get()
            if result.transitions:
                await self._tell(result.transitions)
            elif result.cut is not None:
                await self._save(result)
            else:
                return

    async def greet(self) -> None:
        """Say once, to people, that a new engine is learning and when it will be ready."""
        now = self._clock()
        text = learning(self.plan.settings.detection.window)
        incident = Incident(
            id=_GREETING,
            seq=0,
            state=State.CLOSED,
            severity=Severity.INFO,
            title=text,
            opened_at=now,
            updated_at=now,
            resolved_at=now,
        )
        transition = Transition(TransitionKind.UPDATED, incident, now)
        greetings = [
            Notification(notification_key(_GREETING, 0, n.name), n.name, transition, text, text)
            for n in self.plan.notifiers
            # What keeps a picture of open alerts is no place for words.
            if not hasattr(n, "adopt")
        ]
        try:
            await self._on_writer(lambda: self._store.outbox.tell(greetings, now))
        except StoreError as e:
            self._telemetry.report("delivery.store_failed", e.reason, problem=str(e))
        self._wake()

    async def _tell(self, transitions: Sequence[Transition]) -> None:
        while True:
            try:
                new = await self._on_writer(lambda: self._commit(transitions))
            except StoreError as e:
                self._telemetry.report("delivery.store_failed", e.reason, problem=str(e))
                # Some of it may be committed already: that can be sent meanwhile.
                self._wake()
                await asyncio.sleep(_STORE_PAUSE)
                continue
            break
        for t in transitions:
            self._telemetry.events.labels("incident", t.kind.value).inc()
            if t.kind is TransitionKind.OPENED and t.tell:
                self._telemetry.opened.labels(t.incident.severity.label).inc()
        measure(self._telemetry, transitions)
        for n in new:
            self._telemetry.notifications.labels(n.receiver, n.transition.kind.value).inc()
        self._wake()

    def _commit(self, transitions: Sequence[Transition]) -> list[Notification]:
        """Write outbox and history (on the writer thread); return the messages that are new."""
        told = {t.incident.id: self._store.outbox.told(t.incident.id) for t in transitions}
        calls = self.plan.settings.topology.calls
        planned = plan_batch(
            transitions,
            self.plan.routes,
            told=told,
            title=lambda t: t.incident.title or title(t.incident),
            body=lambda t: story(t, calls=calls),
            external_url=self.plan.settings.web.external_url,
        )
        words, report = self.plan.rendering, self._telemetry.report
        planned = [words.reworded(n, report) for n in planned]
        now, base = self._clock(), self.plan.settings.web.external_url
        if self._links is not None and base:
            planned = [offered(n, self._links, base, now) for n in planned]
        new = set(self._store.outbox.tell(planned, now))
        self._store.history.record(transitions)
        return [n for n in planned if n.key in new]

    async def _save(self, result: Result) -> None:
        cut = result.cut
        if cut is None:
            return
        began = time.monotonic()
        number = await self._on_writer(
            lambda: self._store.cuts.save(without_secrets(cut), self._clock())
        )
        self.cut_cost = time.monotonic() - began
        self._telemetry.cut_pause.observe(result.pause)
        self._telemetry.cut_seconds.observe(self.cut_cost)
        if number is not None:
            self._telemetry.cut_at.set(self._clock())
        if result.wanted_by is not None and not result.wanted_by.done():
            result.wanted_by.set_result(None)

    def _on_writer(self, work: Callable[[], T]) -> Awaitable[T]:
        return asyncio.get_running_loop().run_in_executor(self._writer, work)


def learning(window: float) -> str:
    """Say what comes when on a new engine."""
    return (
        "aiops is learning what is normal: new log lines are weighed after"
        f" {30 * window / 60:.0f} min of each service, metrics after 12 samples"
        " (fully after 1 h), daily rhythm after 2 days"
    )
