"""Following one path through everything that happens to log files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from aiops.model import Block
from aiops.sources.tail.discovery import scan
from aiops.sources.tail.stream import Rules
from aiops.sources.tail.tailer import Start, Tailer
from aiops.testing import MemoryIntake


class Follower:
    """Drive a tailer by hand: write, poll, look."""

    def __init__(
        self, *patterns: str, intake: MemoryIntake | None = None, **changes: object
    ) -> None:
        self.intake = intake or MemoryIntake()
        self.patterns = list(patterns)
        options: dict[str, object] = {
            "max_line": 2**20,
            "start": "beginning",
            "size": 2**26,
            "age": 604800.0,
            "max_files": 1000,
            "max_open": 1000,
            "exclude": [],
        } | changes
        self.exclude = options["exclude"]
        self.tailer = Tailer(
            self.intake,
            patterns=self.patterns,
            rules=Rules(options["max_line"], 5.0, 5.0),
            start=Start(options["start"], size=options["size"], age=options["age"]),
            labels={},
            max_files=options["max_files"],
            max_open=options["max_open"],
        )

    def poll(self, seconds: float = 2.0) -> list[bytes]:
        """Scan, then give every path its turns until nothing more comes; return the new lines."""
        self.intake.clock += seconds
        now = self.intake.clock
        self.tailer.admit(scan(self.patterns, self.exclude, limit=10_000), now)
        fresh: list[bytes] = []
        while True:
            items = list(self.tailer.poll(now))
            for item in items:
                self.intake.items.append(item)
                if isinstance(item, Block):
                    self.intake.cursors[item.stream.id] = item.cursor
                    assert item.data.endswith(b"\n")
                    fresh += item.data.split(b"\n")[:-1]
            if not self.tailer.due(now):
                return fresh

    def settle(self) -> list[bytes]:
        """Poll until every rotated file is done with."""
        return [line for _ in range(5) for line in self.poll(6.0)]

    def restart(self, **changes: object) -> Follower:
        """Start again from the cursors handed over so far."""
        self.tailer.close()
        intake = MemoryIntake(self.intake.cursors, at=self.intake.clock)
        return Follower(*self.patterns, intake=intake, **changes)

    @property
    def reports(self) -> dict[tuple[str, str], int]:
        return dict(self.intake.reports)


def append(path: Path, data: str | bytes) -> None:
    with path.open("ab") as file:
        file.write(data.encode() if isinstance(data, str) else data)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "cart.log"


def test_appended_lines_arrive_once_and_in_order(log: Path) -> None:
    """What is appended is handed over once, in order, whole lines only."""
    append(log, "one\ntwo\nthr")
    f = Follower(str(log))
    assert f.poll() == [b"one", b"two"]
    append(log, "ee\nfour\n")
    assert f.poll() == [b"three", b"four"]
    assert f.poll() == []


def test_renamed_file_is_drained_before_the_new_one(log: Path) -> None:
    """A writer that still holds the renamed file loses nothing, and order is kept."""
    append(log, "a1\n")
    f = Follower(str(log))
    assert f.poll() == [b"a1"]
    with log.open("ab") as old:
        log.rename(log.with_name("cart.log.1"))
        append(log, "b1\n")
        old.write(b"a2\n")
        old.flush()
        assert f.poll() == [b"a2"]
        old.write(b"a3\n")
        old.flush()
        assert f.poll() == [b"a3"]
    assert f.settle() == [b"b1"]
    assert not any(event == "file_lost" for event, _ in f.reports)


def test_truncated_file_is_read_from_its_start(log: Path) -> None:
    """After copytruncate with a paused writer every line arrives once, and it is counted."""
    append(log, "a1\na2\n")
    f = Follower(str(log))
    f.poll()
    os.truncate(log, 0)
    append(log, "b1\n")
    assert f.poll() == [b"b1"]
    assert f.reports["source_truncated", "truncated"] == 1
