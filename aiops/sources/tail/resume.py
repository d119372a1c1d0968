"""Find the text a mark was made of: at its path, renamed beside it, or copied beside it."""

from __future__ import annotations

import contextlib
import os
import tempfile
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from aiops.sources.tail.identity import HEAD, TAIL, FileId, Mark, digest, holds
from aiops.sources.tail.inflate import Inflater
from aiops.sources.tail.lines import BLOCK
from aiops.sources.tail.reading import TailedFile, open_file
from aiops.sources.tail.siblings import Sibling, changed_after, newer_than, siblings

if TYPE_CHECKING:
    from collections.abc import Callable


# Inflating happens between two looks: about a second at most.
_UNPACKED: Final = 256 * 2**20


class How(StrEnum):
    """Say where the text of a mark was found."""

    SAME = "same"
    MOVED = "moved"
    COPIED = "copied"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Found:
    """List what to read next, oldest first, and how the first of it was found.

    All but the file at the path itself are ``older``; ``here`` is that file, when it exists.
    """

    how: How
    older: list[TailedFile] = field(default_factory=list)
    here: TailedFile | None = None


def resolve(
    path: str, mark: Mark, *, here: TailedFile | None, skip: Callable[[FileId], bool], max_line: int
) -> Found:
    """Find where reading stopped and everything of the same log that was written after it.

    *here* is the opened file at the path. *skip* tells which files are out of bounds. The order
    of trust: the same file with the same text; its inode elsewhere (renamed); the same text at
    the path (a new file system number, an editor's atomic write); a copy of the text
    (copytruncate). Raises ``OSError`` only for *here*.
    """
    if mark.offset and here and here.id == mark.id and holds(_fd(here), mark):
        here.seek(mark.offset, cutting=mark.cutting)
        return Found(How.SAME, here=here)
    around = [s for s in siblings(path) if not (here and s.id == here.id)]
    if not mark.offset:
        # Nothing was read, so only time tells: an inode without text proves nothing.
        mine = [s for s in around if s.related and s.id == mark.id and s.mtime_ns == mark.mtime_ns]
        later = changed_after(mark.mtime_ns, around)
        return Found(How.SAME, _after([*mine, *later], skip, max_line), here)
    for sibling in around:
        if sibling.id != mark.id:
            continue
        if old := _opened(sibling, mark, max_line):
            newer = newer_than(sibling, around)
            return Found(How.MOVED, [old, *_after(newer, skip, max_line)], here)
    if here and mark.offset >= TAIL and holds(_fd(here), mark):
        here.seek(mark.offset, cutting=mark.cutting)
        return Found(How.SAME, here=here)
    if copied := _copied(mark, around, skip, max_line):
        return Found(How.COPIED, copied, here)
    return Found(How.LOST, _after(changed_after(mark.mtime_ns, around), skip, max_line), here)


def copy_of(
    mark: Mark, path: str, *, skip: Callable[[FileId], bool], max_line: int
) -> list[TailedFile]:
    """Return the rest of a text that was cut from the file at *path*, if a copy is beside it."""
    return _copied(mark, siblings(path), skip, max_line)


def after_file(
    old: TailedFile, path: str, *, skip: Callable[[FileId], bool], max_line: int
) -> list[TailedFile]:
    """Return what lies between a file that left *path* and the one there now, oldest first.

    Several rotations between two looks leave parts nobody has opened yet.
    """
    around = siblings(path)
    for sibling in around:
        if sibling.id == old.id:
            return _after(newer_than(sibling, around), skip, max_line)
    mark = old.mark()
    files = []
    for file in _after(changed_after(mark.mtime_ns, around), skip, max_line):
        if not _same_text(file, old, mark):
            files.append(file)
        elif holds(_fd(old), mark):
            # The old file itself still has all of it (it was compressed or copied, then deleted).
            file.close()
        else:
            file.seek(mark.offset, cutting=mark.cutting)
            files.append(file)
    return files


def _same_text(file: TailedFile, old: TailedFile, mark: Mark) -> bool:
    if mark.offset:
        return holds(_fd(file), mark)
    head = os.pread(_fd(old), HEAD, 0)
    return bool(head) and os.pread(_fd(file), len(head), 0) == head


def _copied(
    mark: Mark, around: list[Sibling], skip: Callable[[FileId], bool], max_line: int
) -> list[TailedFile]:
    # A copy was written after the mark was made; that keeps older parts which begin with the
    # same few bytes out.
    if not mark.offset:
        return []
    late = [s for s in around if s.related and s.mtime_ns >= mark.mtime_ns]
    for sibling in sorted(late, key=lambda s: (s.rank, s.mtime_ns), reverse=True):
        if skip(sibling.id) or (sibling.size < mark.offset and not sibling.compressed):
            continue
        if old := _opened(sibling, mark, max_line):
            return [old, *_after(newer_than(sibling, around), skip, max_line)]
    return []


def _after(found: list[Sibling], skip: Callable[[FileId], bool], max_line: int) -> list[TailedFile]:
    files = []
    for sibling in found:
        if not skip(sibling.id):
            with contextlib.suppress(OSError):
                if file := _open(sibling, None, max_line):
                    files.append(file)
    return files


def _opened(sibling: Sibling, mark: Mark, max_line: int) -> TailedFile | None:
    try:
        file = _open(sibling, mark, max_line)
    except OSError:
        return None
    if file is None:
        return None
    try:
        if holds(_fd(file), mark):
            file.seek(mark.offset, cutting=mark.cutting)
            return file
    except OSError:
        pass
    file.close()
    return None


def _open(sibling: Sibling, mark: Mark | None, max_line: int) -> TailedFile | None:
    if not sibling.compressed:
        return open_file(sibling.path, max_line=max_line)
    if not sibling.path.endswith(".gz"):
        return None
    return _unpacked(sibling, mark, max_line)


def _unpacked(sibling: Sibling, mark: Mark | None, max_line: int) -> TailedFile | None:
    """Inflate a part that was compressed before it was read to its end into a nameless file."""
    inflater = Inflater(sibling.path)
    try:
        with tempfile.TemporaryFile() as room:
            head = b""
            while len(head) < HEAD and (more := inflater.read(HEAD - len(head))):
                head += more
            if mark is not None and digest(head[: mark.head_len]) != mark.head:
                return None
            size, more = 0, head
            while more:
                room.write(more)
                size += len(more)
                if size > _UNPACKED:
                    return None
                more = inflater.read(BLOCK)
            room.flush()
            if inflater.broken:
                return None
            # A mark made while reading this must find the archive again: same time.
            os.utime(room.fileno(), ns=(sibling.mtime_ns, sibling.mtime_ns))
            file = TailedFile(sibling.path, os.dup(room.fileno()), max_line=max_line)
            file.id = sibling.id
            return file
    finally:
        inflater.close()


def _fd(file: TailedFile) -> int:
    assert file.fd is not None
    return file.fd
