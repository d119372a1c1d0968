"""Fakes for tests, ours and outsiders': a manual clock and an intake that remembers."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

from aiops.model import Block, Changes, Item

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiops.model import Stream


class MemoryIntake:
    """Collect what a source delivers; its clock moves only when the source sleeps.

    ``asleep_limit`` ends the source by cancellation after so many sleeps, which makes "poll
    until nothing is left" a bounded, clock-free test.
    """

    def __init__(
        self,
        cursors: dict[str, str] | None = None,
        *,
        at: float = 1_700_000_000.0,
        asleep_limit: int = 1000,
    ) -> None:
        self.clock = at
        self.items: list[Item] = []
        self.reports: Counter[tuple[str, str]] = Counter()
        self.cursors = dict(cursors or {})
        self.forgotten: list[str] = []
        self.stop_at: dict[str, list[str]] = {}
        self._sleeps = asleep_limit

    def now(self) -> float:
        return self.clock

    async def sleep(self, seconds: float) -> None:
        self._sleeps -= 1
        if self._sleeps < 0:
            raise asyncio.CancelledError
        self.clock += seconds
        await asyncio.sleep(0)

    def resume(self, stream_id: str) -> str | None:
        return self.cursors.get(stream_id)

    def resumable(self, prefix: str) -> Sequence[str]:
        return sorted(k for k in self.cursors if k.startswith(prefix))

    def stops(self, stream_id: str) -> Sequence[str]:
        return self.stop_at.get(stream_id, [])

    async def put(self, item: Item) -> None:
        self.items.append(item)
        if isinstance(item, Block | Changes):
            self.cursors[item.stream.id] = item.cursor
        await asyncio.sleep(0)

    def forget(self, stream: Stream) -> None:
        self.forgotten.append(stream.id)
        self.cursors.pop(stream.id, None)

    def report(self, event: str, reason: str, count: int = 1, **facts: object) -> None:
        self.reports[event, reason] += count

    @property
    def blocks(self) -> list[Block]:
        return [item for item in self.items if isinstance(item, Block)]

    def lines(self, stream_id: str | None = None) -> list[bytes]:
        """Return every line delivered so far, in order, without newlines."""
        return [
            line
            for block in self.blocks
            if stream_id is None or block.stream.id == stream_id
            for line in block.data.split(b"\n")[:-1]
        ]
