"""What every shape makes of a block: raw lines, keys and times; and what a key says.

The key of a line is the line with every run of digits collapsed to ``0``, preceded by what digits
alone carried (HTTP status class, PRI, a numeric level) and a separator. ``split`` takes a key
apart; it is a pure function of the key, so keys may be cached and forgotten freely.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Protocol

from aiops.decoding.continuation import is_continuation
from aiops.decoding.formats import Parsed, StampFormat, strip_collapsed
from aiops.decoding.levels import LEVELS, guess_level, named, stated_level
from aiops.decoding.stamps import StampReader
from aiops.model import Severity
from detectors.collapse import collapse_digits

SEP = b"\x1f"
_PIECE = 1 << 16
_TINY = 1 << 11
_DIGITS = re.compile(rb"[0-9]+")
_JUNK = b" \t:-|,"


@dataclass(slots=True)
class Lines:
    """One block read: parallel lists; what broke its shape or came in pieces is counted."""

    raw: list[bytes]
    keys: list[bytes]
    seconds: list[Parsed]
    unreadable: int = 0
    partial: int = 0


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

    def read(self, data: bytes) -> Lines: ...

    def split(self, key: bytes) -> KeyParts: ...

    def to_state(self) -> list[Any]: ...


def collapse(data: bytes) -> bytes:
    """Collapse digit runs piece by piece: small pieces stay clear of malloc's mmap threshold."""
    if len(data) <= _TINY:
        # For a few lines a regular expression is done before numpy has begun.
        return _DIGITS.sub(b"0", data).replace(b"\0", b"")
    if len(data) <= _PIECE:
        return collapse_digits(data)
    out = []
    at = 0
    while at < len(data):
        end = data.rfind(b"\n", at, at + _PIECE) + 1
        if end <= at:
            end = data.find(b"\n", at) + 1 or len(data)
        out.append(collapse_digits(data[at:end]))
        at = end
    return b"".join(out)


def split_lines(data: bytes) -> list[bytes]:
    """Return the lines of a block without their newlines."""
    lines = data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    return lines


def collapse_texts(texts: list[bytes]) -> list[bytes]:
    """Return the collapsed form of every text; none may hold a newline."""
    return split_lines(collapse(b"\n".join(texts) + b"\n")) if texts else []


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


def unstamped(count: int) -> list[Parsed]:
    """Return the times of lines that carry none."""
    return [None] * count
