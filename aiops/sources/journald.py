"""Follow systemd's journal through a ``journalctl`` child; no C library is needed."""

from __future__ import annotations

import asyncio
import os
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from aiops.config import Duration, Size
from aiops.errors import SourceGone
from aiops.model import Block, Gap, Stream, Watched
from aiops.sources.journal_record import (
    FIELDS,
    JournalRecord,
    Position,
    as_line,
    decode_record,
    stream_name,
)

if TYPE_CHECKING:
    from asyncio.subprocess import Process

    from aiops.protocols import Intake

_CHUNK = 256 * 1024
_RECORD = 8 * 2**20  # a message of bytes is written as numbers, four characters each
_IDLE = 0.2
_BEAT = 1.0
_TELL = 60.0
_LAST = 2.0
_TOGETHER = 3600 * 1_000_000
_PLACES = ("/var/log/journal", "/run/log/journal")


@dataclass(slots=True, eq=False)
class _Pending:
    """Gather the lines of one stream for its next block."""

    stream: Stream
    stops: frozenset[str]
    lines: list[bytes] = field(default_factory=list)
    position: Position | None = None


@dataclass(kw_only=True)
class JournaldSource:
    """Read the journal of this host, a stream ``journald:UNIT`` for every unit.

    The first start reads at most ``history`` and ``history_records`` back, later ones go on at the
    saved cursors. Our own records are left out. A child that dies is started again; without
    journalctl or the right to read, ``SourceGone`` names the remedy.
    """

    directory: str = ""
    """A folder of journal files; empty is this host's journal."""
    history: Duration = 86400.0
    """How far back the first start reads to learn."""
    history_records: int = 200_000
    """At most so many records are read at the first start."""
    max_streams: int = 1000
    """Units with a stream of their own; further ones share `journald:other`, counted."""
    max_line: Size = 2**20
    """Longer messages lose their end; counted."""
    journalctl: str = "journalctl"
    """The program to call."""
    hostname: str = ""
    """What the kernel's messages are about; empty is this host's name."""

    # What was handed over outlives a failed run: the cut's cursors may be behind it.
    _at: dict[str, Position] = field(default_factory=dict, init=False, repr=False)
    _resumed: dict[str, Position] = field(default_factory=dict, init=False, repr=False)
    _last: Position | None = field(default=None, init=False, repr=False)
    _pending: dict[str, _Pending] = field(default_factory=dict, init=False, repr=False)
    _counts: Counter[tuple[str, str]] = field(default_factory=Counter, init=False, repr=False)
    _began: float = field(default=0.0, init=False, repr=False)
    _size: int = field(default=0, init=False, repr=False)
    _flushed: float = field(default=0.0, init=False, repr=False)
    _beat: float = field(default=0.0, init=False, repr=False)
    _full_until: float = field(default=0.0, init=False, repr=False)
    _told: float = field(default=0.0, init=False, repr=False)

    async def run(self, intake: Intake) -> None:
        self._check()
        self._began = intake.now()
        self._load(intake)
        pause = 1.0
        while True:
            began = intake.now()
            start = self._last or self._start()
            oldest = 0 if start else int((began - self.history) * 1e6)
            where = ["--cursor", start.cursor] if start else ["--lines", str(self.history_records)]
            # First everything there is: only the end of that proves that we caught up.
            code, said, _ = await self._read(intake, where, start, oldest, follow=False)
            if code != 0:
                remedy = "check the rights on the journal (group systemd-journal)"
                raise SourceGone(f"journalctl failed ({code}): {said or 'no reason'}; {remedy}")
            last = self._last or start
            where = ["--cursor", last.cursor] if last else ["--since", f"@{int(began)}"]
            code, said, count = await self._read(
                intake, ["--follow", "--no-tail", *where], last, 0, follow=True
            )
            intake.report("child_restarted", "journalctl", code=code, message=said)
            pause = 1.0 if count else min(60.0, pause * 2)
            await intake.sleep(pause)

    def describe(self) -> list[tuple[str, str]]:
        """Return what is watched, or why not, for the start screen."""
        what = f"journal in {self.directory}" if self.directory else "journal of this host"
        try:
            self._check()
        except SourceGone as e:
            return [(what, str(e))]
        return [(what, "watched")]

    def _check(self) -> None:
        places = [Path(p) for p in ([self.directory] if self.directory else _PLACES)]
        try:
            files = [f for place in places for f in place.glob("**/*.journal")]
        except OSError as e:
            raise SourceGone(f"{e.filename}: {e.strerror}; check the rights") from e
        there = " or ".join(map(str, places))
        if not files:
            if any(place.is_dir() and not os.access(place, os.R_OK | os.X_OK) for place in places):
                raise SourceGone(f"{there}: may not be read; join the group systemd-journal")
            raise SourceGone(f"no journal in {there}; is systemd-journald running?")
        if not any(os.access(file, os.R_OK) for file in files):
            raise SourceGone(f"{there}: may not be read; join the group systemd-journal")

    def _load(self, intake: Intake) -> None:
        for stream_id in intake.resumable("journald:"):
            saved = intake.resume(stream_id)
            position = Position.parse(saved) if saved is not None else None
            if position is None:
                intake.report("cursor_lost", "unreadable", stream=stream_id)
            else:
                self._at.setdefault(stream_id, position)
                self._stream(intake, stream_id.removeprefix("journald:"))

    def _start(self) -> Position | None:
        """Return where to go on: the oldest saved position that can still have company.

        The intake keeps the order of blocks and all streams are handed over together, so a
        stream that stands long before the newest has nothing left to read there: it is quiet.
        """
        newest: Position | None = None
        for position in self._at.values():
            if newest is None or position.after(newest):
                newest = position
        oldest = newest
        for position in self._at.values():
            assert newest is not None
            assert oldest is not None
            if newest.realtime - position.realtime <= _TOGETHER and oldest.after(position):
                oldest = position
        return oldest

    def _stream(self, intake: Intake, name: str) -> _Pending:
        known = self._pending.get(name)
        if known is not None:
            return known
        if len(self._pending) >= self.max_streams and not self._make_room(intake):
            self._counts["record_regrouped", "max_streams"] += 1
            name = "other"
            if name in self._pending:
                return self._pending[name]
        host = f"host:{self.hostname or socket.gethostname()}"
        if name in {"kernel", "other"}:
            stream = Stream(f"journald:{name}", "journald", host, host)
        else:
            unit = name.removesuffix(".service")
            template, _, instance = unit.partition("@")
            entity, workload = f"service:{unit}", f"service:{template or unit}"
            stream = Stream(f"journald:{name}", "journald", entity, workload, instance)
        pending = _Pending(stream, frozenset(intake.stops(stream.id)))
        self._pending[name] = pending
        return pending

    def _make_room(self, intake: Intake) -> bool:
        """Forget the stream that has been quiet for longest, if for more than a day."""
        now = intake.now()
        if now < self._full_until:
            return False
        self._full_until = now + _TELL
        quiet = [
            (self._at[p.stream.id].realtime, name)
            for name, p in self._pending.items()
            if not p.lines and p.stream.id in self._at
        ]
        since, name = min(quiet, default=(0, ""))
        if not name or now - since / 1e6 < 86400:
            return False
        self._full_until = 0.0
        stream = self._pending.pop(name).stream
        del self._at[stream.id]
        self._resumed.pop(stream.id, None)
        intake.forget(stream)
        return True

    async def _read(
        self, intake: Intake, where: list[str], start: Position | None, oldest: int, *, follow: bool
    ) -> tuple[int, str, int]:
        """Read one child to its end; return its exit code, last words and count of records."""
        count, carry, too_long = 0, b"", False
        # A child whose cursor is gone may begin before it.
        self._resumed = dict(self._at)
        async with self._child(where) as (process, words):
            assert process.stdout is not None
            while True:
                try:
                    async with asyncio.timeout(_IDLE):
                        data = await process.stdout.read(_CHUNK)
                except TimeoutError:
                    await self._flush(intake)
                    if follow:
                        await self._prove(intake, intake.now() - _BEAT)
                    continue
                if not data:
                    break
                *lines, carry = (carry + data).split(b"\n")
                if too_long and lines:
                    del lines[0]
                    too_long = False
                if len(carry) > _RECORD:
                    self._counts["record_skipped", "too_long"] += not too_long
                    carry, too_long = b"", True
                for line in lines:
                    await self._take(intake, line, start, oldest, first=count == 0)
                    count += 1
                if self._size >= _CHUNK or abs(intake.now() - self._flushed) >= _IDLE:
                    await self._flush(intake)
                    if follow and self._last is not None:
                        await self._prove(intake, self._last.realtime / 1e6)
            await self._flush(intake)
            self._tell(intake, force=True)
            code = await process.wait()
            await words
            said = words.result()
        return code, said, count

    @asynccontextmanager
    async def _child(self, where: list[str]) -> AsyncIterator[tuple[Process, asyncio.Task[str]]]:
        args = ["--output=json", "--all", "--no-pager", f"--output-fields={FIELDS}", *where]
        if self.directory:
            args += ["--directory", self.directory]
        try:
            process = await asyncio.create_subprocess_exec(
                self.journalctl,
                *args,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                limit=_CHUNK,
                env={**os.environ, "LC_ALL": "C"},
            )
        except OSError as e:
            raise SourceGone(
                f"{self.journalctl}: cannot be started ({e.strerror}); install systemd "
                "or remove [[sources.journald]]"
            ) from e
        assert process.stderr is not None
        words = asyncio.create_task(_last_words(process.stderr))
        try:
            yield process, words
        finally:
            if process.returncode is None:
                # It only reads: there is nothing for it to finish.
                process.kill()
            words.cancel()
            await asyncio.wait([words])
            try:
                async with asyncio.timeout(_LAST):
                    await process.communicate()
            except TimeoutError:
                await process.wait()

    async def _take(
        self, intake: Intake, line: bytes, start: Position | None, oldest: int, *, first: bool
    ) -> None:
        try:
            record = decode_record(line)
            position = Position(record.cursor, int(record.realtime))
            text = as_line(record, position.realtime, self.max_line)
        except (ValueError, OverflowError, OSError):
            self._counts["record_skipped", "malformed"] += 1
            return
        if start is not None and position.cursor == start.cursor and start == self._last:
            return
        if first and start is not None and position.after(start):
            self._counts["records_lost", "vacuumed"] += 1
            await intake.put(
                Gap("journald", start.realtime / 1e6, position.realtime / 1e6, "vacuumed")
            )
        self._last = position
        if position.realtime < oldest:
            self._counts["record_skipped", "before_history"] += 1
            return
        if _own(record, now_running=position.realtime >= self._began * 1e6):
            self._counts["record_skipped", "own"] += 1
            return
        pending = self._stream(intake, stream_name(record))
        had = self._resumed.get(pending.stream.id) if self._resumed else None
        if had is not None:
            if not position.after(had):
                return
            # Past its cursor all is new, whatever the clock did then.
            del self._resumed[pending.stream.id]
        if text is None:
            self._counts["record_skipped", "no_message"] += 1
            return
        if text[1]:
            self._counts["line_cut", "max_line"] += 1
        pending.lines.append(text[0])
        pending.position = position
        # Blocks leave in the order of their last records.
        name = pending.stream.id.removeprefix("journald:")
        self._pending[name] = self._pending.pop(name)
        self._size += len(text[0])
        if self._size >= _CHUNK or (pending.stops and position.text in pending.stops):
            await self._flush(intake)

    async def _flush(self, intake: Intake) -> None:
        now = intake.now()
        self._flushed, self._size = now, 0
        for pending in [p for p in self._pending.values() if p.lines]:
            assert pending.position is not None
            block = Block(pending.stream, b"".join(pending.lines), pending.position.text, now)
            pending.lines = []
            self._at[pending.stream.id] = pending.position
            await intake.put(block)
        self._tell(intake)

    async def _prove(self, intake: Intake, at: float) -> None:
        now = intake.now()
        if abs(now - self._beat) < _BEAT:
            return
        self._beat = now
        for pending in list(self._pending.values()):
            await intake.put(Watched(pending.stream, min(at, now)))

    def _tell(self, intake: Intake, *, force: bool = False) -> None:
        # Not for every block: telling may itself write to the journal we read.
        now = intake.now()
        if not self._counts or not (force or abs(now - self._told) >= _TELL):
            return
        self._told = now
        for (event, reason), count in self._counts.items():
            intake.report(event, reason, count)
        self._counts.clear()


def _own(record: JournalRecord, *, now_running: bool) -> bool:
    # A number is ours only since we run: processes of the past had it before.
    pid = now_running and record.pid == str(os.getpid())
    return bool(pid or record.identifier == "aiops" or record.unit == "aiops.service")


async def _last_words(stream: asyncio.StreamReader) -> str:
    kept = b""
    while data := await stream.read(4096):
        kept = (kept + data)[-4096:]
    lines = [line for line in kept.decode(errors="replace").split("\n") if line.strip()]
    return lines[-1][:300] if lines else ""
