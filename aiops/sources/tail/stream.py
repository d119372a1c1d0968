"""Follow one path: the file it leads to, the ones it led to before, and every switch between.

All files of a path are one stream, read strictly one after the other, so that one cursor says
how far the stream has come. A file that was rotated away keeps its descriptor until it has been
at its end for ``rotate_wait`` (its writer may not have reopened yet); the next one waits.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aiops.model import Block, Stream, Watched
from aiops.sources.tail.identity import FileId, Mark
from aiops.sources.tail.lines import Lines
from aiops.sources.tail.reading import Stop, TailedFile, open_file
from aiops.sources.tail.resume import Found, How, after_file, copy_of, resolve

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aiops.protocols import Intake
    from aiops.sources.tail.readers import Readers

TURN: Final = 1024 * 1024
_STRAGGLERS: Final = 12


@dataclass(frozen=True, slots=True)
class Rules:
    """Hold what every followed path obeys; see ``FileSource`` for the meaning."""

    max_line: int
    rotate_wait: float
    partial_timeout: float


class Tail:
    """Turn what is written under one path into blocks, a bounded turn at a time."""

    def __init__(
        self,
        stream: Stream,
        path: str,
        *,
        rules: Rules,
        intake: Intake,
        readers: Readers,
        stops: Sequence[Mark] = (),
    ) -> None:
        self.stream = stream
        self.path = path
        self._where = Path(path)
        self.more = False
        self.gone_at: float | None = None
        self.active_at = float("-inf")
        self._rules = rules
        self._intake = intake
        self._readers = readers
        self._stops = stops
        self._files: list[TailedFile] = []
        self._status: os.stat_result | None = None
        self._watched_at = float("-inf")
        self._partial = (0, float("-inf"))
        self._trouble = ""

    @property
    def closable(self) -> bool:
        """Tell whether the descriptor may be given up: read to the end, nothing waiting."""
        last = self._files[-1] if self._files else None
        return (
            len(self._files) == 1
            and last is not None
            and last.fd is not None
            and last.left_at is None
            and last.seen is not None
            # A first line in the making leaves no mark to find it by.
            and not (last.partial and not last.offset)
        )

    @property
    def descriptors(self) -> int:
        return sum(1 for file in self._files if file.fd is not None)

    def begin(self, here: TailedFile) -> None:
        """Start with an opened, positioned file that has never been read before."""
        self._append(here)

    def resume(self, mark: Mark, now: float) -> None:
        """Start where *mark* says, wherever that text is now."""
        self._adopt(mark, self._resolve(mark, self._open_here()), now)

    def turn(self, now: float) -> Iterator[Block | Watched]:
        """Hand over what is there, at most about 1 MiB; *now* is before any of it is read."""
        self.more = False
        sure = self._look(now)
        if sure and self._idle():
            yield from self._watch(now)
            return
        try:
            yield from self._read(now)
        except OSError as e:
            self._report_trouble(e)
            self._drop_unreadable()
            return
        if sure:
            self._trouble = ""
            yield from self._watch(now)

    def close_idle(self) -> None:
        """Give the descriptor up until the file changes."""
        self._files[-1].close()

    def close(self) -> None:
        """Give all descriptors up for good."""
        for file in self._files:
            self._readers.give_back(file, finished=False)
        self._files = []

    # --- reading --------------------------------------------------------------------------

    def _read(self, now: float) -> Iterator[Block]:
        budget = TURN
        while self._files:
            file = self._files[0]
            current = file.left_at is None
            if file.fd is None or (current and self._status and not file.changed(self._status)):
                return
            if budget <= 0:
                self.more = True
                return
            over = self._over(file, now)
            status = self._status if current and self._status else os.fstat(file.fd)
            got = file.read(final=over)
            if got is Stop.REWRITTEN:
                self._rewritten(file, now)
                self._status = None
                continue
            ended_before = file.seen is not None
            file.confirm(status, ended=got is Stop.END)
            if isinstance(got, Lines):
                budget -= got.used
                self.active_at = now
                if ended_before:
                    file.grown_at = now
                if got.cut:
                    self._report("line_cut", "max_line", got.cut, max_line=self._rules.max_line)
                if got.data:
                    yield Block(self.stream, got.data, file.mark().encode(), now)
            elif over:
                self._files.pop(0)
                if not file.settled and now - file.grown_at < self._rules.rotate_wait:
                    self._report("file_lost", "still_written", offset=file.offset)
                self._readers.give_back(file, finished=True)
            else:
                return

    def _over(self, file: TailedFile, now: float) -> bool:
        if file.left_at is None:
            return False
        if file.settled:
            return True
        # The wall clock may go back.
        file.left_at = min(file.left_at, now)
        file.grown_at = min(file.grown_at, now)
        wait = self._rules.rotate_wait
        if file.partial:
            wait = max(wait, self._rules.partial_timeout)
        if now - max(file.left_at, file.grown_at) >= wait:
            return True
        # Somebody goes on writing to a file that was rotated away: the new one must not starve.
        late = now - file.left_at >= _STRAGGLERS * wait and len(self._files) > 1
        return late and any(other.size for other in self._files[1:])

    def _watch(self, now: float) -> Iterator[Watched]:
        if len(self._files) != 1 or self._files[0].left_at is not None or self.more:
            return
        file = self._files[0]
        if file.partial != self._partial[0]:
            self._partial = (file.partial, now)
        settled = not file.partial or abs(now - self._partial[1]) >= self._rules.partial_timeout
        if settled and file.seen is not None and abs(now - self._watched_at) >= 1.0:
            self._watched_at = now
            yield Watched(self.stream, now)

    # --- where the path leads -------------------------------------------------------------

    def _look(self, now: float) -> bool:
        """Find out where the path leads; tell whether its file is open or known."""
        current = self._current()
        self._status = None
        try:
            status = self._where.stat()
            if current is None or current.id != (status.st_dev, status.st_ino):
                self._switch(current, now)
            elif current.fd is None and current.changed(status):
                self._reopen(current, self._open_here(), now)
        except (FileNotFoundError, NotADirectoryError):
            self._vanished(current, now)
            return False
        except OSError as e:
            # Not being able to look is not a deletion.
            self._report_trouble(e)
            return False
        self._status = status
        self.gone_at = None
        return self._current() is not None

    def _idle(self) -> bool:
        if len(self._files) != 1 or self._status is None:
            return False
        return self._files[0].left_at is None and not self._files[0].changed(self._status)

    def _reopen(self, closed: TailedFile, here: TailedFile | None, now: float) -> None:
        mark = closed.mark()
        # Its inode may belong to a newer part by now.
        self._files.remove(closed)
        self._readers.give_back(closed, finished=False)
        self._adopt(mark, self._resolve(mark, here), now)

    def _drop_unreadable(self) -> None:
        if not self._files:
            return
        file = self._files[0]
        if file.left_at is None:
            # A stale handle is opened anew by its path at the next look.
            file.close()
            file.seen = None
            return
        self._report("file_lost", "unreadable", offset=file.offset)
        self._files.remove(file)
        self._readers.give_back(file, finished=True)

    def _switch(self, current: TailedFile | None, now: float) -> None:
        here = self._open_here()
        if here is None:
            return
        if current is not None and current.fd is None:
            self._reopen(current, here, now)
            return
        known = next((file for file in self._files if file.id == here.id), None)
        if known is not None:
            # A link was pointed back before the file was done with.
            here.close()
            self._leave(current, now)
            self._files.remove(known)
            self._files.append(known)
            known.left_at = None
            return
        if not self._readers.free(here.id, self.path):
            here.close()
            self._leave(current, now)
            self._say_once("same_file")
            return
        if self._files:
            last = self._files[-1]
            skip, max_line = self._taken(here), self._rules.max_line
            for file in after_file(last, self.path, skip=skip, max_line=max_line):
                self._append(file, left_at=now)
        self._leave(current, now)
        self._append(here)

    def _vanished(self, current: TailedFile | None, now: float) -> None:
        self.gone_at = now if self.gone_at is None else min(self.gone_at, now)
        if current is None:
            return
        if current.fd is None:
            self._reopen(current, None, now)
        else:
            self._leave(current, now)

    def _rewritten(self, file: TailedFile, now: float) -> None:
        assert file.fd is not None
        mark = file.mark()
        reason = "truncated" if os.fstat(file.fd).st_size < mark.offset else "rewritten"
        copies = copy_of(mark, self.path, skip=self._taken(file), max_line=self._rules.max_line)
        self._report("source_truncated", reason, offset=mark.offset, recovered=bool(copies))
        file.restart()
        after, self._files = self._files, []
        for at, copy in enumerate(copies):
            copy.settled = at == 0
            self._append(copy, left_at=now)
        self._files += after

    def _resolve(self, mark: Mark, here: TailedFile | None) -> Found:
        if here is not None and not self._readers.free(here.id, self.path):
            here.close()
            here = None
            self._say_once("same_file")
        skip = self._taken(here)
        return resolve(self.path, mark, here=here, skip=skip, max_line=self._rules.max_line)

    def _adopt(self, mark: Mark, found: Found, now: float) -> None:
        for at, file in enumerate(found.older):
            file.settled = at == 0 and found.how is How.COPIED
            self._append(file, left_at=now)
        if found.here is not None:
            self._append(found.here)
        if not mark.offset or found.how in {How.SAME, How.MOVED}:
            return
        recovered = found.how is How.COPIED
        if recovered or (found.here is not None and found.here.id == mark.id):
            self._report("source_truncated", "away", offset=mark.offset, recovered=recovered)
        else:
            self._report("file_lost", "not_found", offset=mark.offset)

    # --- small parts ----------------------------------------------------------------------

    def _current(self) -> TailedFile | None:
        if self._files and self._files[-1].left_at is None:
            return self._files[-1]
        return None

    def _append(self, file: TailedFile, *, left_at: float | None = None) -> None:
        if not self._readers.take(file, self.path):
            file.close()
            return
        if not file.offset:
            self._readers.known(file)
        file.left_at = left_at
        file.stop_at(self._stops)
        self._files.append(file)

    def _leave(self, file: TailedFile | None, now: float) -> None:
        if file is not None and file.left_at is None:
            file.left_at = now

    def _taken(self, here: TailedFile | None) -> _Taken:
        mine = {file.id for file in self._files}
        return _Taken(self._readers, self.path, mine | ({here.id} if here else set()))

    def _open_here(self) -> TailedFile | None:
        try:
            return open_file(self.path, max_line=self._rules.max_line)
        except FileNotFoundError:
            return None

    def _report(self, event: str, reason: str, count: int = 1, **facts: object) -> None:
        self._intake.report(event, reason, count, path=self.path, stream=self.stream.id, **facts)

    def _report_trouble(self, e: OSError) -> None:
        names = {errno.EACCES: "permission_denied", errno.EPERM: "permission_denied"}
        names |= {errno.EMFILE: "no_descriptors", errno.ENFILE: "no_descriptors"}
        self._say_once(names.get(e.errno or 0, "unreadable"))

    def _say_once(self, reason: str) -> None:
        if self._trouble != reason:
            self._trouble = reason
            self._report("source_skipped", reason)


@dataclass(frozen=True, slots=True)
class _Taken:
    """Tell which files must not be opened: read by others, or by this path already."""

    readers: Readers
    owner: str
    mine: set[FileId]

    def __call__(self, file_id: FileId) -> bool:
        return file_id in self.mine or not self.readers.free(file_id, self.owner)
