"""Follow files of changes: one JSON object a line, written by whoever deploys or configures."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec
from pydantic import Field

from aiops.config import Duration, Size
from aiops.entities import as_entity
from aiops.model import Block, ChangeEvent, Changes
from aiops.moments import read_time
from aiops.redaction import harmless
from aiops.sources.tail.discovery import Scan, absolute, scan
from aiops.sources.tail.stream import Rules
from aiops.sources.tail.tailer import Start, Tailer

if TYPE_CHECKING:
    from aiops.protocols import Intake

LONGEST: Final = 500
"""Characters of a title, a kind or an entity; more is cut."""

_MOST_FILES: Final = 100


@dataclass(kw_only=True)
class ChangesSource:
    """Read what was changed, when and where, from growing files of JSON lines.

    A line is ``{"at", "kind", "entity", "title"}``, such as ``{"at": "2026-01-05T08:00:00Z",
    "kind": "deploy", "entity": "cart", "title": "v42"}``: ``at`` is RFC 3339 or epoch seconds,
    ``kind`` (deploy, config, flag, version ...) and ``entity`` may be left out. Lines that say no
    time or no title are counted (``change_rejected``). Rotation is followed; every line once.
    """

    paths: Annotated[list[str], Field(min_length=1)]
    """Files, globs (``**`` too) or directories (all plain files in it); ``~`` is allowed."""
    start: Literal["history", "beginning", "end"] = "history"
    """Where a file begins that is there at the first start; later ones begin at the beginning."""
    history_size: Size = 2**20
    """With ``history``: at most so much of the end of each file is read."""
    max_line: Annotated[Size, Field(ge=64, le=2**20)] = 64 * 2**10
    """Longer lines lose their end, and are rejected then; counted."""
    interval: Annotated[Duration, Field(ge=0.1)] = 1.0
    """How often is looked for news."""

    async def run(self, intake: Intake) -> None:
        """Follow the files until cancelled; no line can make it raise."""
        tailer = Tailer(
            intake,
            kind="changes",
            patterns=[absolute(path) for path in self.paths],
            rules=Rules(self.max_line, rotate_wait=5.0, partial_timeout=5.0),
            start=Start(self.start, size=self.history_size, age=float("inf")),
            labels={},
            max_files=_MOST_FILES,
            max_open=_MOST_FILES,
        )
        try:
            while True:
                now = intake.now()
                tailer.admit(await asyncio.to_thread(self._scan, tailer.followed), now)
                for item in tailer.poll(now):
                    if isinstance(item, Block):
                        await intake.put(_changes(item, intake))
                if tailer.wait(intake.now()) > 0.0:
                    await intake.sleep(self.interval)
        finally:
            tailer.close()

    def describe(self) -> list[tuple[str, str]]:
        """Return (path, "watched" or why not) for the start screen."""
        found = self._scan()
        return sorted([*((c.path, "watched") for c in found.files), *found.skipped.items()])

    def _scan(self, known: frozenset[str] = frozenset()) -> Scan:
        return scan(self.paths, [], limit=4 * _MOST_FILES, known=known)


def read_change(line: bytes) -> ChangeEvent | str:
    """Return the change that a line tells, or in one word why it tells none."""
    try:
        record = msgspec.json.decode(line, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return "no_json"
    at = record.get("at")
    moment = read_time(str(at)) if isinstance(at, str | int | float) else None
    if moment is None:
        return "no_time"
    title, kind, entity = (_text(record.get(key)) for key in ("title", "kind", "entity"))
    if not title:
        return "no_title"
    return ChangeEvent(moment, kind or "change", as_entity(entity) if entity else "", title)


def _text(value: object) -> str:
    return harmless(str(value))[:LONGEST].strip() if isinstance(value, str | int | float) else ""


def _changes(block: Block, intake: Intake) -> Changes:
    found: list[ChangeEvent] = []
    for line in block.data.splitlines():
        read = read_change(line) if line.strip() else ""
        if isinstance(read, ChangeEvent):
            found.append(read)
        elif read:
            intake.report("change_rejected", read, stream=block.stream.id)
    return Changes(block.stream, tuple(found), block.cursor)
