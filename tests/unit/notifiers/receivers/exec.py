"""A program that is told of incidents."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from tests.unit.notifiers.receivers.service import ALWAYS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

MOODS = {
    "well": "cat >> told.json",
    "busy": "exit 75",
    "down": "echo '\x1b[31mno route: password=hunter2' >&2; exit 1",
    "silent": "sleep 100",
    "broken": "kill -9 $$",
    "refusing": "exit 65",
}


@dataclass
class Exec:
    """Append what is read to a file, or fail as ``mood`` says."""

    folder: Path
    mood: str = "well"
    at: float = 0.0
    strict: bool = False
    wait: ClassVar[float | None] = None

    def table(self) -> dict[str, Any]:
        return {"command": ["/bin/sh", "-c", f"cd {self.folder}; {MOODS[self.mood]}"]}

    def wrong_table(self) -> dict[str, Any]:
        return {"command": ["/bin/sh", "-c", MOODS["refusing"]]}

    @property
    def told(self) -> list[dict[str, Any]]:
        file = self.folder / "told.json"
        text = file.read_text(encoding="utf-8") if file.exists() else ""
        return [json.loads(line) for line in text.splitlines()]

    def acting(self) -> list[str]:
        return [text for text in self.texts() if ALWAYS.search(text)]

    def texts(self) -> list[str]:
        return [json.dumps(one, ensure_ascii=False) for one in self.told]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        yield
