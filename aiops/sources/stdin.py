"""Read lines from standard input until it ends."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from aiops.config import Size
from aiops.model import Block, Stream, Watched
from aiops.sources.entity import entity_of
from aiops.sources.tail.lines import BLOCK, codec_of, cut_lines

if TYPE_CHECKING:
    from aiops.protocols import Intake


@dataclass(kw_only=True)
class StdinSource:
    """Read what is piped in; it cannot be read again, so its cursor is never used."""

    labels: dict[str, str] = field(default_factory=dict)
    """``service`` or ``host`` say what the lines are about; else it is ``service:stdin``."""
    max_line: Annotated[Size, Field(ge=64, le=16 * 2**20)] = 2**20
    """Longer lines lose their end; counted."""

    _fd: int = field(default=0, init=False, repr=False)

    async def run(self, intake: Intake) -> None:
        """Hand lines over until the end of input; a last line without newline gets one."""
        entity, workload, instance = entity_of("stdin", self.labels)
        stream = Stream("stdin:-", "stdin", entity, workload, instance, resumable=False)
        waiter = _Waiter(self._fd, intake)
        raw, offset, cutting = b"", 0, False
        codec = codec_of(b"")
        watched_at = float("-inf")
        while True:
            asked_at = intake.now()
            if not await waiter.ready():
                if abs(asked_at - watched_at) >= 1.0 and not raw:
                    watched_at = asked_at
                    await intake.put(Watched(stream, asked_at))
                continue
            more = os.read(self._fd, BLOCK - min(len(raw), BLOCK // 2))
            raw += more
            if not offset:
                codec = codec_of(raw)
            while raw:
                got = cut_lines(
                    raw,
                    max_line=self.max_line,
                    codec=codec,
                    cutting=cutting,
                    first=not offset,
                    final=not more,
                )
                if not got.used:
                    break
                raw, cutting = raw[got.used :], got.cutting
                offset += got.used
                if got.cut:
                    intake.report("line_cut", "max_line", got.cut, stream=stream.id)
                if got.data:
                    await intake.put(Block(stream, got.data, str(offset), intake.now()))
            if not more:
                return


class _Waiter:
    """Wait until a descriptor has something, without a thread; files always have."""

    def __init__(self, fd: int, intake: Intake) -> None:
        self._fd = fd
        self._intake = intake

    async def ready(self) -> bool:
        """Return ``True`` when a read will not block, ``False`` after a second without input."""
        loop = asyncio.get_running_loop()
        arrived = asyncio.Event()
        try:
            loop.add_reader(self._fd, arrived.set)
        except PermissionError:
            # The kernel refuses to watch plain files: they never block.
            await asyncio.sleep(0)
            return True
        nap = asyncio.ensure_future(self._intake.sleep(1.0))
        wake = asyncio.ensure_future(arrived.wait())
        try:
            await asyncio.wait({nap, wake}, return_when=asyncio.FIRST_COMPLETED)
            if arrived.is_set():
                return True
            if nap.done():
                nap.result()
            return False
        finally:
            loop.remove_reader(self._fd)
            for task in (nap, wake):
                task.cancel()
            await asyncio.gather(nap, wake, return_exceptions=True)
