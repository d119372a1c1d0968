"""Random things happen to a log file; a plain list knows what must come out.

The rule: no deletion of unread text, no loss; and never a line twice. Truncation without a copy
and deletion may lose what was unread at that moment, which the model knows exactly.
"""

from __future__ import annotations

import gzip
import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from aiops.model import Block
from aiops.sources.tail.discovery import scan
from aiops.sources.tail.stream import Rules
from aiops.sources.tail.tailer import Start, Tailer
from aiops.testing import MemoryIntake

KEEP = 6


class TailerModel(RuleBasedStateMachine):
    """One log, one writer that may hold a renamed file, one tailer that may be restarted."""

    @initialize(max_open=st.sampled_from([1, 1000]), max_line=st.sampled_from([64, 2**20]))
    def begin(self, max_open: int, max_line: int) -> None:
        self.dir = Path(tempfile.mkdtemp())
        self.log = self.dir / "cart.log"
        self.max_open = max_open
        self.max_line = max_line
        self.number = 0
        self.ticks = 10**9
        self.partial = b""
        self.cut = False
        self.expected: list[bytes] = []
        self.got: list[bytes] = []
        self.may_miss: set[bytes] = set()
        self.intake = MemoryIntake()
        self.writer = self.log.open("ab", buffering=0)
        self.stamp(self.log)
        self.renamed = False
        self.renamed_at = 0.0
        self.rotations = 0
        self.current: list[bytes] = []
        self.start()
        self.poll(0.3)

    def start(self) -> None:
        self.intake = MemoryIntake(self.intake.cursors, at=self.intake.clock)
        self.tailer = Tailer(
            self.intake,
            patterns=[str(self.log)],
            rules=Rules(self.max_line, 5.0, 5.0),
            start=Start("beginning", size=2**26, age=1e9),
            labels={},
            max_files=100,
            max_open=self.max_open,
        )

    def stamp(self, path: Path | int) -> None:
        """Give every change its own time: the kernel's ticks are longer than a test."""
        self.ticks += 1
        os.utime(path, ns=(self.ticks * 10**6, self.ticks * 10**6))

    def line(self, size: int) -> bytes:
        self.number += 1
        # Rotated parts begin alike, so that only the text around the position tells them apart.
        return (b"%06d " % self.number) + b"x" * size

    def expect(self, line: bytes) -> None:
        self.expected.append(line[: self.max_line])
        if not self.renamed:
            self.current.append(self.expected[-1])

    def finish(self, rest: bytes) -> None:
        if not self.cut:
            self.expect(self.partial + rest)
        self.partial, self.cut = b"", False

    def unread(self) -> list[bytes]:
        return self.expected[len(self.got) + self.missed() :]

    def missed(self) -> int:
        """Count expected lines before the last one got that never came."""
        if not self.got:
            return 0
        return self.expected.index(self.got[-1]) + 1 - len(self.got)

    @rule(count=st.integers(1, 50), size=st.sampled_from([0, 3, 40, 300]))
    def write(self, count: int, size: int) -> None:
        for _ in range(count):
            line = self.line(size)
            self.writer.write(line + b"\n")
            self.finish(line)
        self.stamp(self.writer.fileno())

    @rule(size=st.integers(1, 100))
    def write_part(self, size: int) -> None:
        part = self.line(size)
        self.writer.write(part)
        self.stamp(self.writer.fileno())
        self.partial += part
        if len(self.partial) > self.max_line and not self.cut:
            # Its beginning is handed over before its end is known.
            self.expect(self.partial)
            self.cut = True

    @precondition(lambda self: not self.renamed and self.rotations < KEEP)
    @rule()
    def rename(self) -> None:
        """The writer keeps the renamed file until it reopens."""
        self.shift()
        self.log.rename(self.dir / "cart.log.1")
        self.renamed = True
        self.renamed_at = self.intake.clock
        self.rotations += 1

    @precondition(lambda self: self.renamed)
    @rule()
    def reopen(self) -> None:
        """The writer ends its line in the old file or never: a rotated part is its own line."""
        if self.partial:
            self.finish(b"")
        self.writer.close()
        self.writer = self.log.open("ab", buffering=0)
        self.stamp(self.log)
        self.renamed = False
        self.current = []

    @precondition(lambda self: not self.renamed and self.rotations < KEEP and not self.partial)
    @rule(copy=st.booleans())
    def truncate(self, copy: bool) -> None:
        """With a copy nothing is lost; without one, what was unread is."""
        if self.log.stat().st_size == 0:
            return
        if copy:
            self.shift()
            shutil.copyfile(self.log, self.dir / "cart.log.1")
            self.stamp(self.dir / "cart.log.1")
            self.rotations += 1
        if not copy or not set(self.current) & set(self.got):
            # A text of which nothing was read yet leaves no mark to know its copy by.
            self.may_miss.update(self.unread())
        os.truncate(self.log, 0)
        self.stamp(self.log)
        self.current = []

    @precondition(lambda self: not self.renamed and (self.dir / "cart.log.1").exists())
    @rule()
    def compress(self) -> None:
        """The last part is compressed at once, read or not, as gzip does it: same time."""
        part = self.dir / "cart.log.1"
        time = part.stat().st_mtime_ns
        packed = self.dir / "cart.log.1.gz"
        packed.write_bytes(gzip.compress(part.read_bytes()))
        os.utime(packed, ns=(time, time))
        part.unlink()

    @precondition(lambda self: not self.renamed and not self.partial)
    @rule()
    def delete(self) -> None:
        """Unread lines of a deleted file come only while its descriptor was open."""
        self.may_miss.update(self.unread())
        self.log.unlink()
        self.writer.close()
        self.writer = self.log.open("ab", buffering=0)
        self.stamp(self.log)
        self.current = []

    @rule(seconds=st.sampled_from([0.3, 2.0, 7.0]))
    def poll(self, seconds: float) -> None:
        if self.renamed and self.intake.clock + seconds - self.renamed_at >= 5.0:
            self.reopen()
        self.intake.clock += seconds
        now = self.intake.clock
        self.tailer.admit(scan([str(self.log)], [], limit=100), now)
        while True:
            for item in self.tailer.poll(now):
                if isinstance(item, Block):
                    self.intake.cursors[item.stream.id] = item.cursor
                    self.got += item.data.split(b"\n")[:-1]
            if not self.tailer.due(now):
                return

    @rule()
    def restart(self) -> None:
        """Nothing is known of a file of which nothing was read before the restart."""
        if not self.got:
            if self.renamed:
                self.reopen()
            self.may_miss.update(self.expected)
        self.tailer.close()
        self.start()
        if not self.got:
            self.poll(0.3)

    def shift(self) -> None:
        for number in range(KEEP + 2, 0, -1):
            for ending in ("", ".gz"):
                older = self.dir / f"cart.log.{number}{ending}"
                if older.exists():
                    older.rename(self.dir / f"cart.log.{number + 1}{ending}")

    @invariant()
    def nothing_twice_and_in_order(self) -> None:
        """Each line comes once, and in order unless it might have been missed altogether."""
        if not hasattr(self, "got"):
            return
        assert len(set(self.got)) == len(self.got), "a line came twice"
        at = iter(self.expected)
        for line in self.got:
            if line not in self.may_miss:
                assert line in at, f"{line[:20]!r} came out of order or never was"
        assert set(self.got) <= set(self.expected), "a line came that never was"

    def teardown(self) -> None:
        if not hasattr(self, "got"):
            return
        try:
            if self.renamed:
                self.reopen()
            for _ in range(4 * KEEP):
                self.poll(7.0)
            self.nothing_twice_and_in_order()
            missing = set(self.expected) - set(self.got) - self.may_miss
            assert not missing, f"lost: {sorted(missing)[:3]!r}"
        finally:
            self.tailer.close()
            self.writer.close()
            shutil.rmtree(self.dir)


TestTailerModel = TailerModel.TestCase
TestTailerModel.settings = settings(
    max_examples=100,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
