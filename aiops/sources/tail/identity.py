"""Say which file a position belongs to, so that a position is never used on another file.

An inode alone lies (it is reused at once after a delete), a header alone lies (many files start
alike), a size alone lies (a file cut and grown again). A mark holds all of them and the bytes
just before the position, which only the same text has.
"""

from __future__ import annotations

import os
from hashlib import blake2b
from typing import Final

import msgspec

HEAD: Final = 1024
TAIL: Final = 256

FileId = tuple[int, int]


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """Say how far a file has been read and how to know it again; the cursor of the source.

    ``head`` covers the first ``head_len`` bytes (it grows with the file), ``tail`` the up to 256
    bytes before ``offset``. ``mtime_ns`` is the file's when it was last looked at. ``cutting``
    says that ``offset`` lies inside a line that was too long.
    """

    version: int
    dev: int
    ino: int
    head_len: int
    head: str
    tail: str
    offset: int
    mtime_ns: int
    cutting: bool = False

    @property
    def id(self) -> FileId:
        return self.dev, self.ino

    def encode(self) -> str:
        return msgspec.json.encode(self).decode()


VERSION: Final = 1


def decode_mark(cursor: str) -> Mark | None:
    """Read a cursor; ``None`` when it is rubbish or of an unknown version."""
    try:
        mark = msgspec.json.decode(cursor, type=Mark)
    except msgspec.MsgspecError:
        return None
    sane = mark.version == VERSION and 0 <= mark.head_len <= min(HEAD, mark.offset)
    return mark if sane else None


def digest(data: bytes) -> str:
    """Return the short hash used in marks."""
    return blake2b(data, digest_size=8).hexdigest()


def holds(fd: int, mark: Mark) -> bool:
    """Tell whether an open file has the text *mark* was made of, whatever its inode."""
    head = os.pread(fd, mark.head_len, 0)
    if len(head) != mark.head_len or digest(head) != mark.head:
        return False
    length = min(TAIL, mark.offset)
    tail = os.pread(fd, length, mark.offset - length)
    return len(tail) == length and digest(tail) == mark.tail
