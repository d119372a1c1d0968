"""Keep every source running; what one of them does is nobody else's trouble."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable

from aiops.assembly import NamedSource
from aiops.errors import AiopsError
from aiops.intake import DaemonIntake
from aiops.model import Ended, Gap
from aiops.pump import Pump
from aiops.telemetry import Telemetry

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0
# These speak of this very moment: whoever speaks of the past must be heard first.
_PRESENT = frozenset({"host", "prometheus"})
_ANNOUNCED_WITHIN = 3.0
_GRACE = 1.5  # how long a source that was cancelled may take to end


class Supervision:
    """Run sources, each in its own task, and start them again after a pause when they fail."""

    def __init__(self, pump: Pump, telemetry: Telemetry, clock: Callable[[], float]) -> None:
        self.state: dict[str, str] = {}
        self.exhausted = asyncio.Event()
        self._pump = pump
        self._telemetry = telemetry
        self._clock = clock
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, sources: Iterable[NamedSource]) -> None:
        """Start every source: those of now when those that know the past have announced it."""
        present: list[NamedSource] = []
        past: list[NamedSource] = []
        for named in sources:
            (present if named.kind in _PRESENT else past).append(named)
        begun = [asyncio.create_task(self._start(named).wait()) for named in past]
        if begun:
            await asyncio.wait(begun, timeout=_ANNOUNCED_WITHIN)
        for wait in begun:
            wait.cancel()
        for named in present:
            self._start(named)

    def _start(self, named: NamedSource) -> asyncio.Event:
        """Start one source; return what is set once it has announced its streams."""
        self.state[named.name] = "running"
        intake = DaemonIntake(self._pump, self._telemetry, named.name, self._clock)
        name = f"source:{named.name}"
        self._tasks.append(asyncio.create_task(self._keep(named, intake), name=name))
        return intake.begun

    async def stop(self) -> None:
        """End every source; what it put is in the queue, the rest it reads again."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=2 * _GRACE)
        self._tasks.clear()
        self.state.clear()

    async def _keep(self, named: NamedSource, intake: DaemonIntake) -> None:
        up = self._telemetry.source_up.labels(named.name)
        pause = _FIRST_PAUSE
        while True:
            self.state[named.name] = "running"
            up.set(1)
            began = time.monotonic()
            error = await _run(named, intake)
            up.set(0)
            intake.begun.set()
            if error is None:
                self.state[named.name] = "ended"
                await self._ended(intake)
                return
            since = self._clock()
            self._failed(named, error)
            if time.monotonic() - began > _LONGEST_PAUSE:
                pause = _FIRST_PAUSE
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
            # Silence while nobody watched proves nothing.
            for source in intake.measured:
                await self._pump.put(Gap(source, since, self._clock(), "source_failed"))

    async def _ended(self, intake: DaemonIntake) -> None:
        for stream in intake.streams.values():
            await self._pump.put(Ended(stream))
        if all(state == "ended" for state in self.state.values()):
            self.exhausted.set()

    def _failed(self, named: NamedSource, error: BaseException) -> None:
        expected = isinstance(error, AiopsError | OSError)
        problem = str(error) if expected else f"{type(error).__name__}: {error}"
        self.state[named.name] = f"failed: {problem}"
        reason = named.kind if expected else "defect"
        self._telemetry.report("source_failed", reason, source=named.name, problem=problem)


async def _run(named: NamedSource, intake: DaemonIntake) -> BaseException | None:
    """Run a source once, in a task of its own: its end, of any kind, is a value here."""
    task = asyncio.create_task(named.source.run(intake), name=f"run:{named.name}")
    try:
        await asyncio.wait({task})
    finally:
        if not task.done():
            task.cancel()
            # Whatever it still raises is looked at, or asyncio would call it forgotten.
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
            await asyncio.wait({task}, timeout=_GRACE)
    if task.cancelled():
        return asyncio.CancelledError("it cancelled itself")
    return task.exception()
