"""Follow log files: globs, rotation, truncation, archives; every line once."""

from __future__ import annotations

import asyncio
import resource
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import Field

from aiops.config import Duration, Size
from aiops.model import Block, Opened
from aiops.sources.tail.discovery import Scan, absolute, binary, scan
from aiops.sources.tail.stream import Rules
from aiops.sources.tail.tailer import Start, Tailer
from aiops.sources.tail.whole import read_file_blocks

if TYPE_CHECKING:
    from aiops.protocols import Intake

__all__ = ["FileSource", "read_file_blocks"]

_SPARE: Final = 128
# A look at a file without news takes microseconds; giving the loop back costs as much.
_QUIET_TURNS: Final = 64


@dataclass(kw_only=True)
class FileSource:
    """Read growing files for ever; plain files and, when named so, gzip files once.

    Each path is one stream, ``file:/path``, over all its rotations. A last line without newline
    waits until its writer ends it or the file is rotated away; then it is handed over as it is.
    """

    paths: Annotated[list[str], Field(min_length=1)]
    """Files, globs (``**`` too) or directories (all plain files in it); ``~`` is allowed."""
    exclude: list[str] = field(default_factory=list)
    """Globs of whole paths or of bare names that are left alone."""
    labels: dict[str, str] = field(default_factory=dict)
    """``service`` or ``host`` say what the lines are about; else the path does."""
    start: Literal["history", "beginning", "end"] = "history"
    """Where a file begins that is there at the first start; later ones begin at the beginning."""
    history_size: Size = 64 * 2**20
    """With ``history``: at most so much of the end of each file is read to learn from."""
    history_age: Duration = 7 * 86400.0
    """With ``history``: files last written before that are not learned from."""
    max_line: Annotated[Size, Field(ge=64, le=16 * 2**20)] = 2**20
    """Longer lines lose their end; counted."""
    rotate_wait: Duration = 5.0
    """How long a rotated file must be at its end before the next one is read."""
    partial_timeout: Duration = 5.0
    """How long a rotated file's last line may stay without newline."""
    discovery_interval: Annotated[Duration, Field(ge=0.1)] = 2.0
    """How often the globs are looked through."""
    max_files: Annotated[int, Field(ge=1)] = 10_000
    """More are not followed; the most recently written ones are, and the rest is counted."""

    async def run(self, intake: Intake) -> None:
        """Follow the files until cancelled; no file can make it raise."""
        patterns = [absolute(path) for path in self.paths]
        tailer = Tailer(
            intake,
            patterns=patterns,
            rules=Rules(self.max_line, self.rotate_wait, self.partial_timeout),
            start=Start(self.start, size=self.history_size, age=self.history_age),
            labels=self.labels,
            max_files=self.max_files,
            max_open=_descriptor_budget(self.max_files),
        )
        try:
            await self._follow(tailer, intake)
        finally:
            tailer.close()

    async def _follow(self, tailer: Tailer, intake: Intake) -> None:
        scan_at = intake.now()
        while True:
            now = intake.now()
            if now >= scan_at or scan_at - now > self.discovery_interval:
                found = await asyncio.to_thread(self._scan, tailer.followed)
                tailer.admit(found, now)
                for stream in tailer.newcomers():
                    await intake.put(Opened(stream))
                scan_at = now + self.discovery_interval
            for turn, tail in enumerate(tailer.due(now)):
                busy = turn % _QUIET_TURNS == 0
                for item in tail.turn(intake.now()):
                    busy = busy or isinstance(item, Block)
                    await intake.put(item)
                tailer.after(tail, intake.now())
                if busy:
                    await asyncio.sleep(0)
            now = intake.now()
            if (pause := min(tailer.wait(now), scan_at - now)) > 0:
                await intake.sleep(pause)

    def describe(self) -> list[tuple[str, str]]:
        """Return (path, "watched" or why not) for the start screen."""
        found = self._scan()
        told = dict(found.skipped)
        seen: dict[tuple[int, int], str] = {}
        for candidate in sorted(found.files, key=lambda c: c.path):
            told[candidate.path] = _verdict(candidate.path, seen, archive=candidate.archive)
        return sorted(told.items())

    def _scan(self, known: frozenset[str] = frozenset()) -> Scan:
        return scan(self.paths, self.exclude, limit=4 * self.max_files, known=known)


def _verdict(path: str, seen: dict[tuple[int, int], str], *, archive: bool) -> str:
    where = Path(path)
    try:
        status = where.stat()
        with where.open("rb") as file:
            head = file.read(4096)
    except OSError as e:
        return "permission_denied" if isinstance(e, PermissionError) else "unreadable"
    if archive:
        return "read once"
    if seen.setdefault((status.st_dev, status.st_ino), path) != path:
        return "same_file"
    return "binary" if binary(head, where.name) else "watched"


def _descriptor_budget(wanted: int) -> int:
    """Ask for as many descriptors as allowed; return how many files may be open at once."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = wanted + 4 * _SPARE
    target = limit if hard == resource.RLIM_INFINITY else min(hard, limit)
    if soft != resource.RLIM_INFINITY and soft < target:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
            soft = target
        except (OSError, ValueError):
            pass
    if soft == resource.RLIM_INFINITY:
        return wanted
    try:
        used = sum(1 for _ in Path("/proc/self/fd").iterdir())
    except OSError:
        used = _SPARE
    return max(8, min(wanted, soft - used - min(_SPARE, soft // 4)))
