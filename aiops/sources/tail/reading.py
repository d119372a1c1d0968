"""Read one open file forward in whole lines, and notice when it is no longer the same text."""

from __future__ import annotations

import contextlib
import errno
import os
from enum import Enum
from typing import TYPE_CHECKING, Final

from aiops.sources.tail.identity import HEAD, TAIL, VERSION, FileId, Mark, digest, holds
from aiops.sources.tail.lines import BLOCK, PLAIN, Codec, Lines, codec_of, cut_lines

if TYPE_CHECKING:
    from collections.abc import Iterable

_HOLE: Final = 512


class Stop(Enum):
    """Say why there is nothing to hand over."""

    END = "end"
    REWRITTEN = "rewritten"


class TailedFile:
    """Hold one file and the position up to which its lines have been handed over.

    The bytes before the position are read again with every read and compared: a file that was
    cut and has grown past the position again is noticed without an extra system call.
    ``left_at`` is when its path began to lead elsewhere, ``None`` while it is the current file;
    ``settled`` says that nobody writes to it any more (a copy).
    """

    def __init__(self, path: str, fd: int, *, max_line: int) -> None:
        self.path = path
        self.fd: int | None = fd
        status = os.fstat(fd)
        self.id: FileId = (status.st_dev, status.st_ino)
        self.offset = 0
        self.partial = 0
        self.left_at: float | None = None
        self.grown_at = float("-inf")
        self.settled = False
        self.seen: tuple[int, int] | None = None
        self._mtime_ns = status.st_mtime_ns
        self._max_line = max_line
        self._head = b""
        self._head_digest = digest(b"")
        self._tail = b""
        self._cutting = False
        self._codec: Codec = PLAIN
        self._stops: dict[int, Mark] = {}
        self._stopped: Mark | None = None

    @property
    def size(self) -> int:
        return os.fstat(self.fd).st_size if self.fd is not None else 0

    def seek(self, offset: int, *, cutting: bool = False) -> None:
        """Start at *offset*, which must be the start of a line unless *cutting*."""
        fd = self._open_fd()
        self.offset = offset
        self._cutting = cutting
        self._remember_head(os.pread(fd, min(HEAD, offset), 0))
        length = min(TAIL, offset)
        self._tail = os.pread(fd, length, offset - length)
        self._codec = codec_of(self._head) if offset else PLAIN
        self.seen = None
        self.partial = 0

    def seek_end(self, skip: int) -> None:
        """Start at the first line that begins at least *skip* bytes into the file."""
        fd = self._open_fd()
        codec = codec_of(os.pread(fd, 2, 0))
        at = max(0, skip - codec.width)
        at -= at % codec.width
        while raw := os.pread(fd, BLOCK, at):
            line = cut_lines(raw, max_line=self._max_line, codec=codec, cutting=True)
            at += line.used
            if not line.cutting or not line.used:
                break
        self.seek(at)

    def stop_at(self, marks: Iterable[Mark]) -> None:
        """End a read at every position of *marks* that belongs to this text."""
        fd = self._open_fd()
        self._stops = {
            mark.offset: mark for mark in marks if mark.offset > self.offset and holds(fd, mark)
        }

    def mark(self) -> Mark:
        """Return the position reached, for :func:`~aiops.sources.tail.identity.holds`."""
        if self._stopped is not None and self._stopped.offset == self.offset:
            return self._stopped
        return Mark(
            version=VERSION,
            dev=self.id[0],
            ino=self.id[1],
            head_len=len(self._head),
            head=self._head_digest,
            tail=digest(self._tail),
            offset=self.offset,
            mtime_ns=self._mtime_ns,
            cutting=self._cutting,
        )

    def changed(self, status: os.stat_result) -> bool:
        """Tell whether size or time moved since the last read that reached the end."""
        return self.seen != (status.st_size, status.st_mtime_ns)

    def confirm(self, status: os.stat_result, *, ended: bool) -> None:
        """Note the status taken just before a read that found the expected text."""
        self._mtime_ns = status.st_mtime_ns
        if ended:
            self.seen = (status.st_size, status.st_mtime_ns)

    def read(self, *, final: bool = False) -> Lines | Stop:
        """Return the next whole lines, at most 256 KiB unless one line is longer.

        ``Lines.data`` may be empty while the rest of a line that was too long goes by. With
        *final*, a last line without newline is handed over as it is. Raises ``OSError``.
        """
        fd = self._open_fd()
        keep = len(self._tail)
        codec = self._codec
        want = BLOCK // codec.width
        raw = os.pread(fd, keep + want, self.offset - keep)
        if raw[:keep] != self._tail:
            return Stop.REWRITTEN
        body = raw[keep:]
        if self.offset == 0:
            if body.startswith(b"\0") and not body.startswith(b"\0\n"):
                body = self._skip_hole(fd, body, want)
            self._codec = codec = codec_of(body)
            want = BLOCK // codec.width
            body = body[:want]
        if len(body) == want and self._endless(body):
            room = max(0, self._max_line + codec.width - len(body))
            body += os.pread(fd, room, self.offset + len(body))
        return self._take(body, final=final)

    def _take(self, body: bytes, *, final: bool) -> Lines | Stop:
        stop = min(
            (at for at in self._stops if self.offset < at <= self.offset + len(body)), default=0
        )
        if stop:
            body = body[: stop - self.offset]
        got = cut_lines(
            body,
            max_line=self._max_line,
            codec=self._codec,
            cutting=self._cutting,
            first=self.offset == 0,
            final=final or bool(stop),
        )
        if stop and self.offset + got.used == stop:
            # The block ended here before; if that was inside a long line, it still is.
            mark = self._stops.pop(stop)
            got = Lines(got.data, got.used, cutting=mark.cutting, cut=got.cut)
            self._stopped = mark if mark.id == self.id else None
        if not got.used:
            self.partial = len(body)
            return Stop.END
        self._advance(body[: got.used], cutting=got.cutting)
        return got

    def restart(self) -> None:
        """Read the same file from its start: its text was replaced."""
        self.seek(0)
        self._stops = {}
        self._stopped = None

    def close(self) -> None:
        """Give the descriptor back; the position stays."""
        if self.fd is not None:
            with contextlib.suppress(OSError):
                os.close(self.fd)
            self.fd = None

    def _open_fd(self) -> int:
        assert self.fd is not None, f"{self.path} is closed"
        return self.fd

    def _endless(self, body: bytes) -> bool:
        return not self._cutting and self._codec.newline not in body

    def _advance(self, consumed: bytes, *, cutting: bool) -> None:
        if len(self._head) < HEAD:
            self._remember_head((self._head + consumed)[:HEAD])
        self._tail = (self._tail + consumed)[-TAIL:] if len(consumed) < TAIL else consumed[-TAIL:]
        self.offset += len(consumed)
        self._cutting = cutting
        self.partial = 0

    def _remember_head(self, head: bytes) -> None:
        self._head = head
        self._head_digest = digest(head)

    def _skip_hole(self, fd: int, body: bytes, want: int) -> bytes:
        # A writer without O_APPEND leaves a hole of NULs as long as its old file after a
        # copytruncate; as a "line" it would swallow the first real one.
        try:
            start = os.lseek(fd, 0, os.SEEK_DATA)
        except OSError as e:
            if e.errno == errno.ENXIO:
                return b""
            start = 0
        if start:
            body = os.pread(fd, want, start)
        text = body.lstrip(b"\0")
        start += len(body) - len(text)
        if not text or start < _HOLE:
            return body if text else b""
        self.seek(start)
        return os.pread(fd, want, start)


def open_file(path: str, *, max_line: int) -> TailedFile:
    """Open a regular file for reading; raises ``OSError``, never waits on a pipe."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        return TailedFile(path, fd, max_line=max_line)
    except OSError:
        os.close(fd)
        raise
