"""The real logrotate turns a log over under us."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from aiops.sources.file import FileSource
from aiops.testing import MemoryIntake

LOGROTATE = shutil.which("logrotate", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(LOGROTATE is None, reason="needs the Debian package logrotate"),
]

WRITER = """
import os, sys, time
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
end, n = time.monotonic() + float(sys.argv[2]), 0
while time.monotonic() < end:
    for _ in range(100):
        os.write(fd, b"%09d something happened\\n" % n)
        n += 1
    time.sleep(0.001)
print(n)
"""


class LiveIntake(MemoryIntake):
    """Use the real clock; everything else is remembered as ever."""

    def now(self) -> float:
        return time.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Rotation:
    """Hold one log, its logrotate configuration and a source that follows it."""

    def __init__(self, directory: Path, *directives: str) -> None:
        self.log = directory / "cart.log"
        self.log.touch(mode=0o600)
        self.config = directory / "rotate.conf"
        self.state = directory / "rotate.state"
        rules = [*directives, "rotate 40", "missingok"]
        if os.geteuid() == 0:
            rules.append("su root root")
        self.config.write_text(f"{self.log} {{\n" + "\n".join(rules) + "\n}\n")
        self.config.chmod(0o600)
        self.intake = LiveIntake()
        self.source = FileSource(paths=[str(self.log)], start="beginning", rotate_wait=0.5)

    def rotate(self) -> None:
        assert LOGROTATE is not None
        subprocess.run(
            [LOGROTATE, "-f", "-s", str(self.state), str(self.config)],
            check=True,
            capture_output=True,
            timeout=30,
        )

    def copies(self) -> list[bytes]:
        """Return what logrotate has put aside."""
        return [copy.read_bytes() for copy in self.log.parent.glob("cart.log.*")]

    async def until(self, count: int, seconds: float = 20.0) -> list[bytes]:
        """Wait for so many lines; return what came by the deadline."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while sum(b.data.count(b"\n") for b in self.intake.blocks) < count:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        return self.intake.lines()


@pytest.mark.parametrize(
    "directives", [("create",), ("create", "compress", "delaycompress"), ("copytruncate",)]
)
async def test_paused_writer_loses_and_repeats_nothing(
    tmp_path: Path, directives: tuple[str, ...]
) -> None:
    """Over ten rotations in every mode each line arrives once, in order."""
    r = Rotation(tmp_path, *directives)
    task = asyncio.ensure_future(r.source.run(r.intake))
    expected = []
    for turn in range(10):
        fresh = [b"%d-%05d in the log" % (turn, n) for n in range(2000)]
        with r.log.open("ab") as file:
            file.write(b"\n".join(fresh) + b"\n")
        expected += fresh
        assert await r.until(len(expected)) == expected
        await asyncio.to_thread(r.rotate)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_rotation_while_stopped_is_caught_up(tmp_path: Path) -> None:
    """What was written around rotations that nobody saw is read after the next start."""
    r = Rotation(tmp_path, "create")
    task = asyncio.ensure_future(r.source.run(r.intake))
    r.log.write_bytes(b"before\n")
    await r.until(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    for number in range(3):
        with r.log.open("ab") as file:
            file.write(b"away %d\n" % number)
        await asyncio.to_thread(r.rotate)
    r.intake = LiveIntake(r.intake.cursors)
    task = asyncio.ensure_future(r.source.run(r.intake))
    assert await r.until(3) == [b"away 0", b"away 1", b"away 2"]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_copytruncate_under_load_is_bounded_and_counted(tmp_path: Path) -> None:
    """copytruncate itself loses lines; we repeat none, tear none, and count every truncation.

    It may copy the first half of a line that is being written, and truncate the other half.
    """
    r = Rotation(tmp_path, "copytruncate")
    task = asyncio.ensure_future(r.source.run(r.intake))
    writer = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITER, str(r.log), "5", stdout=subprocess.PIPE
    )
    for _ in range(8):
        await asyncio.sleep(0.5)
        await asyncio.to_thread(r.rotate)
    out, _ = await writer.communicate()
    written = int(out)
    lines = await r.until(written, 3.0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    whole = [line for line in lines if line.endswith(b" something happened")]
    numbers = [int(line.split(b" ", 1)[0]) for line in whole]
    copies = r.copies()
    torn = [line for line in lines if not line.endswith(b" something happened")]
    assert all(any(copy.endswith(b"\n" + line) for copy in copies) for line in torn)
    assert numbers == sorted(set(numbers))
    assert len(numbers) > 0.8 * written
    counted = [n for (event, _), n in r.intake.reports.items() if event == "source_truncated"]
    assert 1 <= sum(counted) <= 8
