"""Cut raw bytes into whole lines: bounded, newline-terminated, ASCII-compatible."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

BLOCK: Final = 64 * 1024  # a larger one is counted in calls that hold the interpreter too long

_BOM8: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Codec:
    """Say how a text is stored: ``name`` is empty for everything that is ASCII-compatible."""

    name: str
    newline: bytes

    @property
    def width(self) -> int:
        return len(self.newline)


PLAIN: Final = Codec("", b"\n")
_UTF16LE: Final = Codec("utf-16-le", b"\n\0")
_UTF16BE: Final = Codec("utf-16-be", b"\0\n")


@dataclass(frozen=True, slots=True)
class Lines:
    """Carry whole lines and how many source bytes they took.

    ``cutting`` says that the last line was longer than allowed: what follows, up to the next
    newline, belongs to it and is dropped. ``cut`` counts the lines that lost their end.
    """

    data: bytes
    used: int
    cutting: bool = False
    cut: int = 0


def codec_of(head: bytes) -> Codec:
    """Tell the codec by the byte order mark at the start of a text."""
    if head.startswith(b"\xff\xfe"):
        return _UTF16LE
    if head.startswith(b"\xfe\xff"):
        return _UTF16BE
    return PLAIN


def cut_lines(
    raw: bytes,
    *,
    max_line: int,
    codec: Codec = PLAIN,
    cutting: bool = False,
    first: bool = False,
    final: bool = False,
) -> Lines:
    """Take as many whole lines from the front of *raw* as there are.

    The lines that come out do not depend on how the text was cut into *raw*. ``first`` says
    that *raw* is the very start (a byte order mark goes), ``final`` that nothing will follow
    (a last line without newline gets one).
    """
    newline, width = codec.newline, codec.width
    if cutting:
        end = _find(raw, newline)
        if end < 0:
            return Lines(b"", len(raw) - len(raw) % width, cutting=True)
        return Lines(b"", end + width)
    end = _rfind(raw, newline) + width
    if end >= width:
        body = raw[:end]
        if len(body) > max_line:
            body, cut = _shorten(body, max_line, newline)
        else:
            cut = 0
        return Lines(_plain(body, codec, first), end, cut=cut)
    limit = max_line - max_line % width
    if len(raw) > limit:
        data = _plain(raw[:limit] + newline, codec, first)
        return Lines(data, limit, cutting=True, cut=1)
    if final and raw:
        whole = raw[: len(raw) - len(raw) % width]
        return Lines(_plain(whole + newline, codec, first), len(raw))
    return Lines(b"", 0)


def _plain(body: bytes, codec: Codec, first: bool) -> bytes:
    if codec.name:
        body = body.decode(codec.name, "replace").encode("utf-8", "replace")
    if first:
        body = body.removeprefix(_BOM8)
    # One byte is found ten times as fast as two.
    return body.replace(b"\r\n", b"\n") if b"\r" in body else body


def _shorten(body: bytes, max_line: int, newline: bytes) -> tuple[bytes, int]:
    limit = max_line - max_line % len(newline)
    out, at, cut = [], 0, 0
    while at < len(body):
        end = _find(body, newline, at)
        if end - at > limit:
            out += [body[at : at + limit], newline]
            cut += 1
        else:
            out.append(body[at : end + len(newline)])
        at = end + len(newline)
    return b"".join(out), cut


def _find(raw: bytes, newline: bytes, start: int = 0) -> int:
    at = raw.find(newline, start)
    # In UTF-16 the two bytes may also be the halves of two neighbours.
    while at >= 0 and at % len(newline):
        at = raw.find(newline, at + 1)
    return at


def _rfind(raw: bytes, newline: bytes) -> int:
    at = raw.rfind(newline)
    while at >= 0 and at % len(newline):
        at = raw.rfind(newline, 0, at + len(newline) - 1)
    return at if at >= 0 else -len(newline)
