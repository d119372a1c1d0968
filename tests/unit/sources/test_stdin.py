"""Lines that are piped in."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from aiops.config import build_component
from aiops.errors import ConfigError
from aiops.model import Block, ChangeEvent, Gap, Points, Watched
from aiops.sources.stdin import StdinSource
from aiops.testing import MemoryIntake


class AnnouncingIntake(MemoryIntake):
    """Tell a waiting test that the source has said it watches."""

    def __init__(self, *, asleep_limit: int) -> None:
        super().__init__(asleep_limit=asleep_limit)
        self.watched = asyncio.Event()

    async def put(self, item: Block | Points | Watched | Gap | ChangeEvent) -> None:
        await super().put(item)
        if isinstance(item, Watched):
            self.watched.set()


def source_on(fd: int, **fields: object) -> StdinSource:
    source = StdinSource(**fields)
    source._fd = fd
    return source


async def test_piped_lines_end_with_the_input() -> None:
    """All lines arrive, the last one without newline too, and the source returns."""
    reader, writer = os.pipe()
    os.write(writer, b"one\r\ntwo\nthree")
    os.close(writer)
    intake = MemoryIntake()
    await source_on(reader).run(intake)
    os.close(reader)
    assert intake.lines("stdin:-") == [b"one", b"two", b"three"]
    assert not intake.blocks[0].stream.resumable


async def test_idle_input_is_watched_and_a_held_line_is_not_lost() -> None:
    """While nothing comes the stream proves that it watches; a line in two parts stays one."""
    reader, writer = os.pipe()
    intake = AnnouncingIntake(asleep_limit=10**9)
    task = asyncio.ensure_future(source_on(reader).run(intake))
    await intake.watched.wait()
    os.write(writer, b"ha")
    for _ in range(20):
        await asyncio.sleep(0)
    os.write(writer, b"lf\n")
    os.close(writer)
    await task
    os.close(reader)
    assert intake.lines() == [b"half"]


async def test_plain_file_as_input_is_read_to_its_end(tmp_path: Path) -> None:
    """A redirected file, which the kernel cannot watch, is read like a pipe."""
    path = tmp_path / "in.log"
    lines = [b"line %d" % n for n in range(100_000)]
    path.write_bytes(b"\n".join(lines) + b"\n")
    intake = MemoryIntake()
    fd = os.open(path, os.O_RDONLY)
    await source_on(fd).run(intake)
    os.close(fd)
    assert intake.lines() == lines
    assert all(len(block.data) <= 256 * 1024 + 32 for block in intake.blocks)


async def test_line_without_end_is_cut_and_counted(tmp_path: Path) -> None:
    """A line longer than allowed is one shorter line, and the next one is whole."""
    path = tmp_path / "in.log"
    path.write_bytes(b"x" * 5000 + b"\nnext\n")
    intake = MemoryIntake()
    fd = os.open(path, os.O_RDONLY)
    await source_on(fd, max_line=100).run(intake)
    os.close(fd)
    assert intake.lines() == [b"x" * 100, b"next"]
    assert intake.reports["line_cut", "max_line"] == 1


def test_fields_are_the_configuration() -> None:
    """Labels and the line limit can be configured, and nothing else."""
    table = {"labels": {"service": "cart"}, "max_line": "64KiB"}
    assert build_component(StdinSource, table, "sources.stdin[0]").max_line == 65536
    with pytest.raises(ConfigError):
        build_component(StdinSource, {"_fd": 3}, "sources.stdin[0]")


async def test_cancellation_passes() -> None:
    """A source that waits for input ends when it is cancelled."""
    reader, writer = os.pipe()
    task = asyncio.ensure_future(source_on(reader).run(MemoryIntake(asleep_limit=10**9)))
    for _ in range(5):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    os.close(reader)
    os.close(writer)
