"""Follow many paths fairly: who is due, who may keep a descriptor, who is new, who is gone."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aiops.model import Block, Stream, Watched
from aiops.sources.entity import entity_of
from aiops.sources.tail.archive import Archive, fingerprint
from aiops.sources.tail.discovery import Candidate, Scan, binary, means
from aiops.sources.tail.identity import decode_mark
from aiops.sources.tail.readers import Readers
from aiops.sources.tail.reading import TailedFile, open_file
from aiops.sources.tail.siblings import base_of
from aiops.sources.tail.stream import Rules, Tail

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from aiops.protocols import Intake

HOT: Final = 0.05
NORMAL: Final = 0.25
COLD: Final = 1.0
_HOT_FOR: Final = 2.0
_WARM_FOR: Final = 60.0
# With many busy files the hot pace slows down, so that looking never costs over ~5 % of a core.
_LOOK_COST: Final = 0.0002
_FORGET_AFTER: Final = 600.0
_REMEMBERED: Final = 40_000
_STABLE: Final = 10.0


class Start:
    """Say where a file that has never been read begins."""

    def __init__(self, where: str, *, size: int, age: float) -> None:
        self.where = where
        self.size = size
        self.age = age

    def place(self, file: TailedFile, now: float) -> int:
        """Move *file* to its first line to be read; return the bytes left out."""
        assert file.fd is not None
        status = os.fstat(file.fd)
        skip = 0
        if self.where == "end" or (self.where == "history" and status.st_mtime < now - self.age):
            skip = status.st_size
        elif self.where == "history" and status.st_size > self.size:
            skip = status.st_size - self.size
        if skip:
            file.seek_end(skip)
        return file.offset


class Tailer:
    """Turn the files of many paths into blocks, one bounded turn of one path at a time.

    Pure of clocks and loops: time is an argument, everything read comes out of ``poll``. *kind*
    begins the ids of its streams.
    """

    def __init__(
        self,
        intake: Intake,
        *,
        patterns: Sequence[str],
        rules: Rules,
        start: Start,
        labels: Mapping[str, str],
        max_files: int,
        max_open: int,
        kind: str = "file",
    ) -> None:
        self._intake = intake
        self._kind = kind
        self._patterns = patterns
        self._rules = rules
        self._start = start
        self._labels = labels
        self._max_files = max_files
        self._max_open = max_open
        self._readers = Readers()
        self._tails: dict[str, Tail] = {}
        self._archives: dict[str, Archive] = {}
        self._prints: dict[str, tuple[tuple[int, int, int], str | None]] = {}
        self._next_at: dict[str, float] = {}
        self._skipped: dict[str, str] = {}
        self._announced: set[str] = set()
        self._scanned = False
        self._overflow = False

    @property
    def followed(self) -> frozenset[str]:
        """Return the paths that need no new judgement."""
        return frozenset(self._tails)

    def newcomers(self) -> list[Stream]:
        """Return the streams followed since the last call: the engine waits for their past."""
        new = [tail.stream for path, tail in self._tails.items() if path not in self._announced]
        self._announced = set(self._tails)
        return new

    # --- who is there ---------------------------------------------------------------------

    def admit(self, found: Scan, now: float) -> None:
        """Begin to follow what a scan found; on the first one, also what was followed before.

        A path that is missing from a scan is not given up: only looking at the path itself
        says that it is gone.
        """
        skipped = dict(found.skipped)
        if not self._scanned:
            self._return_to_vanished({c.path for c in found.files}, now)
        fresh = [c for c in found.files if c.path not in self._tails]
        plain = sorted((c for c in fresh if not c.archive), key=lambda c: (-c.mtime, c.path))
        room = max(0, self._max_files - len(self._tails) - len(self._archives))
        over = len(plain) - room + found.overflow
        if over > 0 and not self._overflow:
            self._intake.report("source_skipped", "too_many", over, max_files=self._max_files)
        self._overflow = over > 0
        for candidate in sorted(plain[:room], key=lambda c: c.path):
            if reason := self._follow(candidate.path, now):
                skipped[candidate.path] = reason
        self._archive([c for c in found.files if c.archive], skipped, now)
        for path, reason in skipped.items():
            if self._skipped.get(path) != reason and reason != "excluded":
                self._intake.report("source_skipped", reason, path=path)
        self._skipped = skipped
        self._scanned = True

    def _follow(self, path: str, now: float) -> str | None:
        stream = self._stream(path, path)
        cursor = self._intake.resume(stream.id)
        mark = decode_mark(cursor) if cursor is not None else None
        if cursor is not None and mark is None:
            self._intake.report("cursor_rejected", "unreadable", stream=stream.id)
        self._make_room()
        tail = self._new_tail(stream, path)
        try:
            if mark is not None:
                tail.resume(mark, now)
            elif reason := self._begin(tail, now):
                return reason
        except OSError as e:
            tail.close()
            return _reason(e)
        self._tails[path] = tail
        self._next_at[path] = now
        return None

    def _begin(self, tail: Tail, now: float) -> str | None:
        here = open_file(tail.path, max_line=self._rules.max_line)
        assert here.fd is not None
        status = os.fstat(here.fd)
        if not self._readers.free(here.id, tail.path):
            here.close()
            return "same_file"
        if self._readers.read_before(status):
            here.close()
            return "already_read"
        if binary(os.pread(here.fd, 4096, 0), Path(tail.path).name):
            here.close()
            return "binary"
        if not self._readers.known(here) and not self._scanned:
            left_out = self._start.place(here, now)
            if left_out:
                reason = "history" if self._start.where == "history" else "start_at_end"
                self._intake.report("source_skipped", reason, path=tail.path, bytes=left_out)
        tail.begin(here)
        return None

    def _return_to_vanished(self, present: set[str], now: float) -> None:
        # A log that was rotated away while nobody looked may have no file at its path yet.
        for stream_id in self._intake.resumable(f"{self._kind}:"):
            path = stream_id.removeprefix(f"{self._kind}:")
            cursor = self._intake.resume(stream_id)
            if path in present or cursor is None or os.path.lexists(path):
                continue
            mark = decode_mark(cursor)
            if mark is None or not any(means(pattern, path) for pattern in self._patterns):
                continue
            tail = self._new_tail(self._stream(path, path), path)
            tail.resume(mark, now)
            self._tails[path] = tail
            self._next_at[path] = now

    def _archive(self, candidates: list[Candidate], skipped: dict[str, str], now: float) -> None:
        present = set()
        for candidate in candidates:
            try:
                mark = self._fingerprint(candidate, now)
            except OSError as e:
                skipped[candidate.path] = _reason(e)
                continue
            if not mark:
                if mark is not None:
                    skipped[candidate.path] = "empty"
                continue
            stream = self._stream(candidate.path, f"{base_of(candidate.path)}#{mark}")
            present.add(stream.id)
            if stream.id in self._archives:
                if self._archives[stream.id].path != candidate.path:
                    skipped[candidate.path] = "already_read"
                continue
            if len(self._tails) + len(self._archives) >= self._max_files:
                skipped[candidate.path] = "too_many"
                continue
            self._archives[stream.id] = Archive(
                stream,
                candidate.path,
                max_line=self._rules.max_line,
                intake=self._intake,
                stops=self._intake.stops(stream.id),
            )
        for stream_id in [s for s, a in self._archives.items() if a.done and s not in present]:
            self._intake.forget(self._archives.pop(stream_id).stream)

    def _fingerprint(self, candidate: Candidate, now: float) -> str | None:
        """Return what an archive is known by, empty for nothing in it, ``None`` for not yet."""
        status = Path(candidate.path).stat()
        key = (status.st_ino, status.st_size, status.st_mtime_ns)
        known = self._prints.get(candidate.path)
        if known is not None and known[0] == key and known[1] is not None:
            return known[1]
        if len(self._prints) >= _REMEMBERED:
            self._prints.clear()
        # Compression may still be going on: a file is read once it has stopped changing.
        stable = (known is not None and known[0] == key) or now - status.st_mtime > _STABLE
        value = (fingerprint(candidate.path) or "") if stable else None
        self._prints[candidate.path] = (key, value)
        return value

    # --- reading --------------------------------------------------------------------------

    def poll(self, now: float) -> Iterator[Block | Watched]:
        """Give every path that is due one turn."""
        for tail in self.due(now):
            yield from tail.turn(now)
            self.after(tail, now)

    def due(self, now: float) -> list[Tail | Archive]:
        """Return whose turn it is."""
        ready: list[Tail | Archive] = [
            tail
            for path, tail in self._tails.items()
            # A time far ahead was set before the clock went back.
            if not now < self._next_at[path] <= now + 2 * COLD
        ]
        return ready + [archive for archive in self._archives.values() if not archive.done]

    def after(self, tail: Tail | Archive, now: float) -> None:
        """Decide when a path is looked at again, and give up what is gone or idle."""
        if isinstance(tail, Archive):
            return
        self._next_at[tail.path] = now + self._pace(tail, now)
        if tail.gone_at is not None and now - tail.gone_at >= _FORGET_AFTER:
            tail.close()
            del self._tails[tail.path], self._next_at[tail.path]
            self._intake.forget(tail.stream)
        self._make_room()

    def wait(self, now: float) -> float:
        """Return how long nothing is due."""
        if any(not archive.done for archive in self._archives.values()):
            return 0.0
        return max(0.0, min(self._next_at.values(), default=now + NORMAL) - now)

    def close(self) -> None:
        """Give every descriptor back."""
        for tail in self._tails.values():
            tail.close()
        for archive in self._archives.values():
            archive.close()

    def _pace(self, tail: Tail, now: float) -> float:
        if tail.more:
            return 0.0
        quiet = now - tail.active_at
        if quiet < _HOT_FOR:
            return max(HOT, min(NORMAL, len(self._tails) * _LOOK_COST))
        return NORMAL if quiet < _WARM_FOR else COLD

    def _make_room(self) -> None:
        # Counted anew only when there are more paths than descriptors.
        if len(self._tails) < self._max_open:
            return
        held = sum(tail.descriptors for tail in self._tails.values())
        if held < self._max_open:
            return
        idle = [tail for tail in self._tails.values() if tail.closable]
        idle.sort(key=lambda tail: (tail.active_at, tail.path))
        for tail in idle[: max(held - self._max_open + 1, self._max_open // 8)]:
            tail.close_idle()

    def _new_tail(self, stream: Stream, path: str) -> Tail:
        stops = [mark for c in self._intake.stops(stream.id) if (mark := decode_mark(c))]
        return Tail(
            stream,
            path,
            rules=self._rules,
            intake=self._intake,
            readers=self._readers,
            stops=stops,
        )

    def _stream(self, path: str, name: str) -> Stream:
        entity, workload, instance = entity_of(path, self._labels)
        # A path may hold bytes that are no text; an id must be storable.
        readable = name.encode("utf-8", "backslashreplace").decode()
        return Stream(f"{self._kind}:{readable}", self._kind, entity, workload, instance)


def _reason(e: OSError) -> str:
    if isinstance(e, PermissionError):
        return "permission_denied"
    if isinstance(e, FileNotFoundError):
        return "missing"
    if e.errno in {errno.EMFILE, errno.ENFILE}:
        return "no_descriptors"
    return "unreadable"
