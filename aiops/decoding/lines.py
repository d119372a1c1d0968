"""What every shape makes of a block: raw lines, keys and times; and what a key says.

The key of a line is the line with every run of digits collapsed to ``0``, preceded by what digits
alone carried (HTTP status class, PRI, a numeric level) and a separator. ``split`` takes a key
apart; it is a pure function of the key, so keys may be cached and forgotten freely.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from aiops.decoding.continuation import is_continuation
from aiops.decoding.formats import Parsed, StampFormat, collapsed_stamp, strip_collapsed
from aiops.decoding.levels import LEVELS, guess_level, named, stated_level, states_none
from aiops.decoding.spans import Traced
from aiops.decoding.stamps import StampReader
from aiops.model import Severity
from detectors.collapse import collapse_digits, collapse_ids

Text = TypeVar("Text", bytes, str)

SEP = b"\x1f"
_PIECE = 1 << 16
_TINY = 1 << 11
_ASK_AGAIN = 32  # blocks
_LONG = 1 << 12
_LONGEST_READ = 1 << 14  # what comes later in a line no template shows
_WORDS_READ = 288  # those that a mask shows, and what stands before the message
_DIGITS = re.compile(rb"[0-9]+")
_JUNK = b" \t:-|,"
_GOES_ON = frozenset((b"Z", b"U", b"G", b"+", b"-", b"]", b"0", b""))  # so does no stamp's rest


@dataclass(slots=True)
class Lines:
    """One block read: parallel lists; what broke its shape or came in pieces is counted.

    ``spans`` has the records that name their span, by the number of the line.
    """

    raw: list[bytes]
    keys: list[bytes]
    seconds: list[Parsed]
    unreadable: int = 0
    partial: int = 0
    spans: dict[int, Traced] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KeyParts:
    """What a key says: entity ("" means the stream's own), severity and message.

    ``stated`` says that the line names its level; else it is a guess from its words.
    """

    entity: str
    severity: Severity
    message: bytes
    continuation: bool = False
    stated: bool = False


class Shape(Protocol):
    """Read blocks of one stream and take its keys apart."""

    @property
    def name(self) -> str: ...

    @property
    def stamps(self) -> StampReader | None: ...

    def read(self, data: bytes, *, ids: bool = False) -> Lines:
        """Read a block; *ids* shrinks encoded ids too: fewer keys, of the same kinds."""
        ...

    def split(self, key: bytes) -> KeyParts: ...

    def to_state(self) -> list[Any]: ...


def collapse(data: bytes) -> bytes:
    """Collapse digit runs piece by piece: small pieces stay clear of malloc's mmap threshold."""
    if len(data) <= _TINY:
        # For a few lines a regular expression is done before numpy has begun.
        return _DIGITS.sub(b"0", data).replace(b"\0", b"")
    if len(data) <= _PIECE:
        return collapse_digits(data)
    return b"".join(map(collapse_digits, _cut(data)))


def reduce(block: bytes, *, ids: bool) -> bytes:
    """Return the collapsed lines of a block as far as they are read; *ids* go too."""
    block = collapse(readable(block))
    return collapse_ids(block) if ids else block


def readable(block: bytes) -> bytes:
    """Return a block with its lines as far as they are read: no template shows what follows."""
    at, size = -1, len(block)
    while size - at > _LONG:
        at = block.rfind(b"\n", at + 1, at + 1 + _LONG)
        if at < 0:
            return b"\n".join(
                [_shortened(line) if len(line) >= _LONG else line for line in block.split(b"\n")]
            )
    return block


def _shortened(line: bytes) -> bytes:
    line = line[:_LONGEST_READ]
    words = line.split(None, _WORDS_READ)
    return line[: -len(words[-1])] if len(words) > _WORDS_READ else line


def collapse_lines(data: bytes, *, ids: bool = False) -> list[bytes]:
    """Return the collapsed form of every line of a block."""
    return split_lines(reduce(data, ids=ids))


def _cut(data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        end = data.rfind(b"\n", at, at + _PIECE) + 1
        if end <= at:
            end = data.find(b"\n", at) + 1 or len(data)
        yield data[at:end]
        at = end


def split_lines(data: bytes) -> list[bytes]:
    """Return the lines of a block without their newlines."""
    lines = data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    return lines


def pieces(texts: Sequence[Text]) -> Iterator[Sequence[Text]]:
    """Divide texts into parts of a size that the allocator keeps, as far as their mean tells."""
    each = max(len(texts) * _PIECE // (sum(map(len, texts)) + 1), 1)
    for start in range(0, len(texts), each):
        yield texts[start : start + each]


def collapse_texts(texts: list[bytes], *, ids: bool = False) -> list[bytes]:
    """Return the collapsed form of every text; none may hold a newline."""
    keys: list[bytes] = []
    for some in pieces(texts):
        keys += reduce(b"\n".join(some), ids=ids).split(b"\n")
    return keys


def without_ids(texts: Sequence[bytes]) -> list[bytes]:
    """Return every collapsed text with its encoded ids as ``0``."""
    found: list[bytes] = []
    for some in pieces(texts):
        found += collapse_ids(b"\n".join(some)).split(b"\n")
    return found


class IdHabit:
    """Know of one stream whether ids make most of its keys new: then they are read away at once.

    That is faster and never different. ``gone`` says so of the present block, ``new`` counts
    its keys that were not known.
    """

    __slots__ = ("_blocks", "_many", "gone", "new")

    def __init__(self) -> None:
        self.gone = self._many = False
        self.new = self._blocks = 0

    def begin(self) -> bool:
        """Begin a block and return whether its ids are read away; some show the habit again."""
        self._blocks += 1
        self.gone = self._many and self._blocks % _ASK_AGAIN > 0
        self.new = 0
        return self.gone

    def end(self, lines: int) -> None:
        """End a block of so many lines."""
        if not self.gone:
            self._many = self.new * 2 > lines


_KLOG = re.compile(rb"([IWEF])0 0:0:0(?:\.0)?\s")
_KLOG_LEVEL = {b"F": Severity.CRITICAL, b"E": Severity.ERROR, b"W": Severity.WARNING}


def split_text(key: bytes, fmt: StampFormat | None = None) -> KeyParts:
    """Take a plain line's key apart: strip stamp and level word, keep the rest as message."""
    parts = split_plain(key, fmt)
    if parts is None:
        return KeyParts("", Severity.INFO, key, continuation=True)
    level, message = parts
    if level is None:
        return KeyParts("", guess_level(message), message)
    return KeyParts("", level, message, stated=True)


def split_plain(key: bytes, fmt: StampFormat | None) -> tuple[Severity | None, bytes] | None:
    """Return (stated level, message) of a plain line's key, ``None`` for a continuation.

    A line that states no level has none here: its words have to be asked.
    """
    if is_continuation(key):
        return None
    if (klog := _KLOG.match(key)) is not None:
        return _KLOG_LEVEL.get(klog[1], Severity.INFO), key[klog.end() :].strip()
    text = strip_collapsed(key, fmt)
    stated = stated_level(text)
    if stated is None:
        return None, text.strip(_JUNK)
    word, rest = stated
    if rest is not text:
        rest = named(word, rest.strip(_JUNK))
    return LEVELS[word], rest.strip(_JUNK)


def split_plain_many(
    keys: Sequence[bytes], fmt: StampFormat | None
) -> Iterator[tuple[Severity | None, bytes] | None]:
    """Yield ``split_plain`` of every key: most begin with the same stamp and state no level."""
    stamp = collapsed_stamp(keys[0], fmt) if keys else b""
    head = stamp + b" "
    end = len(head)
    for key in keys:
        if stamp and key.startswith(head):
            text = key[end:].strip()
            if text[:1] not in _GOES_ON and states_none(text):
                yield None, text.strip(_JUNK)
                continue
        yield split_plain(key, fmt)


def unstamped(count: int) -> list[Parsed]:
    """Return the times of lines that carry none."""
    return [None] * count
