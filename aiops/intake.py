"""What the daemon hands every source: clock, resume points, the way in and a voice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from aiops.model import Block, Item, Opened, Points, Stream
from aiops.pump import Pump
from aiops.telemetry import Telemetry


class DaemonIntake:
    """Deliver one source's items into the pump (see ``protocols.Intake``).

    ``streams`` and ``measured`` (sources of points) say what it has brought; ``begun`` is set once
    it has announced its streams: with the first item that it reads, or when it has to wait.
    """

    def __init__(
        self, pump: Pump, telemetry: Telemetry, name: str, clock: Callable[[], float]
    ) -> None:
        self.streams: dict[str, Stream] = {}
        self.measured: set[str] = set()
        self.begun = asyncio.Event()
        self._pump = pump
        self._telemetry = telemetry
        self._name = name
        self._clock = clock

    def now(self) -> float:
        return self._clock()

    async def sleep(self, seconds: float) -> None:
        self.begun.set()
        await asyncio.sleep(seconds)

    def resume(self, stream_id: str) -> str | None:
        return self._pump.resume_at(stream_id)

    def resumable(self, prefix: str) -> Sequence[str]:
        return self._pump.resumable(prefix)

    def stops(self, stream_id: str) -> Sequence[str]:
        return self._pump.journaled.stops(stream_id)

    async def put(self, item: Item) -> None:
        if isinstance(item, Block):
            self.streams[item.stream.id] = item.stream
        elif isinstance(item, Points):
            self.measured.add(item.source)
        if not isinstance(item, Opened):
            self.begun.set()
        await self._pump.put(item)

    def forget(self, stream: Stream) -> None:
        self.streams.pop(stream.id, None)
        self._pump.forget(stream.id)

    def report(self, event: str, reason: str, count: int = 1, **facts: object) -> None:
        self._telemetry.report(event, reason, count, source=self._name, **facts)
