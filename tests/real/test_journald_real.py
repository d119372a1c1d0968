"""Following journals that systemd's own tools wrote."""

from __future__ import annotations

import asyncio
import shutil
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aiops.model import Block, ChangeEvent, Gap, Points, Watched
from aiops.sources.journald import JournaldSource
from aiops.testing import MemoryIntake

WRITER = "/lib/systemd/systemd-journal-remote"
T = 1_700_000_000

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("journalctl") is None or not Path(WRITER).exists(),
        reason="journalctl or systemd-journal-remote is not installed "
        "(apt install systemd systemd-journal-remote)",
    ),
]


class Journal:
    """A journal that grows record by record."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._count = 0
        self._open()

    def _open(self) -> None:
        self._writer = subprocess.Popen(
            [WRITER, f"--output={self.folder}/remote.journal", "-"],
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def write(self, message: str | bytes, unit: str = "cart.service", priority: int = 6) -> None:
        self._count += 1
        text = message.encode() if isinstance(message, str) else message
        fields = (
            f"__REALTIME_TIMESTAMP={(T + self._count) * 1_000_000}\n"
            f"__MONOTONIC_TIMESTAMP={self._count * 1_000_000}\n_BOOT_ID={'1' * 32}\n"
            f"PRIORITY={priority}\nSYSLOG_IDENTIFIER=x\n_SYSTEMD_UNIT={unit}\n_PID=1\n"
        )
        long = b"MESSAGE\n" + struct.pack("<Q", len(text)) + text + b"\n\n"
        assert self._writer.stdin is not None
        self._writer.stdin.write(fields.encode() + long)
        self._writer.stdin.flush()

    def settle(self) -> None:
        """Wait until all that was written is in the journal."""
        self.close()
        self._open()

    def close(self) -> None:
        assert self._writer.stdin is not None
        self._writer.stdin.close()
        assert self._writer.wait(20) == 0


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path)
    try:
        yield journal
    finally:
        journal.close()


class Following(MemoryIntake):
    """Do the next step each time the source proves that it is idle; end after the last."""

    def __init__(self, cursors: dict[str, str], *steps: Callable[[], object]) -> None:
        super().__init__(cursors, at=T + 10_000.0)
        self.steps = list(steps)
        self.seen = 0

    async def put(self, item: Block | Points | Watched | Gap | ChangeEvent) -> None:
        await super().put(item)
        if isinstance(item, Block):
            self.clock += 10
            self.seen += 1
        # A step is over when what it wrote has arrived and the source is quiet again.
        if isinstance(item, Watched) and self.seen:
            self.seen = 0
            if not self.steps:
                raise asyncio.CancelledError
            self.steps.pop(0)()


async def follow(
    journal: Journal, cursors: dict[str, str], *steps: Callable[[], object]
) -> Following:
    intake = Following(cursors, *steps)
    async with asyncio.timeout(60):
        with pytest.raises(asyncio.CancelledError):
            await JournaldSource(directory=str(journal.folder), history=1e6).run(intake)
    return intake


def told(intake: MemoryIntake, unit: str) -> list[bytes]:
    """Return the lines of a unit without their stamps."""
    return [
        line if line.startswith(b"\t") else line.split(b" ", 1)[1]
        for line in intake.lines(f"journald:{unit}")
    ]


async def test_a_journal_is_followed(journal: Journal) -> None:
    """What is there is read, what comes is followed, and every form of a message is whole."""
    journal.write("old")
    journal.write("boom\nat one\nat two", priority=3)
    journal.write(b"bin\x00\xff", unit="pay.service", priority=2)
    journal.settle()
    intake = await follow(
        journal, {}, lambda: journal.write("live one"), lambda: journal.write("live two")
    )
    assert told(intake, "cart.service") == [
        b"INFO old", b"ERROR boom", b"\tat one", b"\tat two", b"INFO live one", b"INFO live two",
    ]  # fmt: skip
    assert told(intake, "pay.service") == [b"CRITICAL bin\x00\xff"]
    assert not intake.reports


async def test_a_restart_goes_on_at_the_cursors(journal: Journal) -> None:
    """Nothing is lost and nothing comes twice over restarts, whichever unit spoke last."""
    journal.write("a1", unit="a.service")
    journal.write("b1", unit="b.service")
    journal.settle()
    first = await follow(journal, {})
    journal.write("a2", unit="a.service")
    journal.write("a3", unit="a.service")
    journal.settle()
    behind = dict(first.cursors)
    second = await follow(journal, first.cursors, lambda: journal.write("b2", unit="b.service"))
    assert told(second, "a.service") == [b"INFO a2", b"INFO a3"]
    assert told(second, "b.service") == [b"INFO b2"]
    # A crash whose last cut knew only what b had: a's records come again, b's do not.
    cut = {**second.cursors, "journald:a.service": behind["journald:a.service"]}
    third = await follow(journal, cut)
    assert told(third, "a.service") == [b"INFO a2", b"INFO a3"]
    assert told(third, "b.service") == []


async def test_many_records_keep_their_order(journal: Journal) -> None:
    """Thousands of records of several units arrive whole and in the order of each unit."""
    for i in range(5000):
        journal.write(f"n {i}", unit=f"u{i % 5}.service")
    journal.settle()
    intake = await follow(journal, {})
    for unit in range(5):
        expected = [f"INFO n {i}".encode() for i in range(unit, 5000, 5)]
        assert told(intake, f"u{unit}.service") == expected


async def test_a_long_message_is_cut_and_counted(journal: Journal) -> None:
    """A message over 1 MiB is cut there, counted, and the next record is intact."""
    journal.write("x" * (2**20 + 500))
    journal.write("next")
    journal.settle()
    intake = await follow(journal, {})
    long, after = told(intake, "cart.service")
    assert len(long) == 2**20 + len("INFO ")
    assert after == b"INFO next"
    assert intake.reports["line_cut", "max_line"] == 1
