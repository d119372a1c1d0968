"""What others may ask of a running daemon: the web, the doctor, the page."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from aiops.cases import Case
from aiops.daemon.gauges import Gauges
from aiops.daemon.supervision import Supervision
from aiops.errors import StateError
from aiops.incidents.muting import Silence
from aiops.links import Links
from aiops.model import ChangeEvent, Command, Incident
from aiops.pump import Figures, Pump
from aiops.storage import DeadLetter, Once, Store

T = TypeVar("T")

Moments = list[tuple[float, str]]

WARM_UP = 3600.0


class Answers:
    """Answer from the latest picture, the writer's rows or the engine, never from its innards."""

    ready: bool
    started: float
    cold: list[str]
    links: Links | None
    _clock: Callable[[], float]
    _pump: Pump
    _sources: Supervision
    _gauges: Gauges
    _store: Store | None
    _broken: BaseException | None
    _writer: ThreadPoolExecutor

    @property
    def alive(self) -> bool:
        """Return whether the engine thread has not died."""
        return self._pump.failure is None and self._broken is None

    @property
    def figures(self) -> Figures:
        """Return the latest picture of the engine."""
        return self._pump.figures

    @property
    def source_state(self) -> Mapping[str, str]:
        """Return what every source does, by name."""
        return self._sources.state

    @property
    def last_seen(self) -> Mapping[str, float]:
        """Return when each source last brought something."""
        return self._gauges.last_seen

    @property
    def warming_up(self) -> bool:
        """Return whether the first hour of learning still runs."""
        return "everything" in self.cold and self._clock() - self.started < WARM_UP

    async def templates(self) -> list[dict[str, Any]]:
        """Return all templates; made on the engine thread's data between two inputs."""
        return await self._pump.ask(lambda engine: engine.logs.templates())

    async def find(self, incident: str) -> Incident | None:
        """Return an incident by its id, living ones first."""
        for known in self.figures.incidents:
            if known.id == incident:
                return known
        return await self._on_writer(lambda: self._rows().history.incident(incident))

    async def history(self, limit: int) -> list[Incident]:
        """Return told and untold incidents of the past, newest first."""
        return await self._on_writer(lambda: self._rows().history.incidents(limit=limit))

    async def silences(self, at: float) -> list[Silence]:
        """Return every silence that is known, and the maintenance that is on at *at*."""
        return await self._pump.ask(lambda engine: engine.news.silences(at))

    async def dead_letters(self, limit: int) -> list[DeadLetter]:
        """Return messages that were given up, newest first."""
        return await self._on_writer(lambda: self._rows().outbox.dead_letters(limit))

    async def cases(self) -> list[Case]:
        """Return what is remembered of ended incidents, oldest first."""
        return await self._pump.ask(lambda engine: engine.ledger.lessons.memory.cases)

    async def record_of(self, incident: str) -> tuple[Moments, Moments]:
        """Return what happened to an incident, and who was told of it when."""

        def read() -> tuple[Moments, Moments]:
            return self._rows().history.told_of(incident), self._rows().outbox.about(incident)

        return await self._on_writer(read)

    async def is_spent(self, nonce: str) -> bool:
        """Return whether a link was used."""
        return await self._on_writer(lambda: self._rows().inputs.is_spent(nonce))

    async def command(
        self, kind: str, target: str, by: str, args: dict[str, str], *, once: Once | None = None
    ) -> Command:
        """Commit a command, hand it to the engine, return it; raises ``StateError``.

        A command with *once* is committed with its permission: ``SpentError`` when that is used.
        """
        if not self.ready:
            raise StateError("the daemon is starting or ending; try again in a moment")
        seen = [i.seq for i in self.figures.incidents if i.id == target]
        given = args | {"seen": str(seen[0])} if seen else args
        loop = asyncio.get_running_loop()

        def commit() -> Command:
            command = self._rows().inputs.command(kind, target, self._clock(), by, given, once=once)
            # From here, so that rows reach the engine in their order whoever waits for an answer.
            loop.call_soon_threadsafe(self._pump.command, command)
            return command

        return await self._on_writer(commit)

    async def change(self, event: ChangeEvent) -> None:
        """Take a change from outside: it is a command like any other."""
        told = {"kind": event.kind, "title": event.title, "at": repr(event.at)}
        await self.command("change", event.entity, "api", told)

    def _rows(self) -> Store:
        assert self._store is not None
        return self._store

    async def _on_writer(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._writer, work)
