"""JSON lines, bare or inside a container runtime's frame: decoded once, read by field names."""

from __future__ import annotations

from typing import Any

from aiops.decoding.columns import read_lines
from aiops.decoding.formats import Parsed
from aiops.decoding.levels import LEVELS, http_level, named
from aiops.decoding.lines import SEP, KeyParts, Lines, collapse_texts, split_lines, split_text
from aiops.decoding.stamps import StampReader, read_second


def split_record(key: bytes) -> KeyParts:
    """Take a key with the head of ``read_record`` apart; one without it is plain text."""
    entity, sep, rest = key.partition(SEP)
    if not sep:
        return split_text(key)
    word, _, rest = rest.partition(SEP)
    status, _, text = rest.partition(SEP)
    name = entity.decode("utf-8", "replace")
    if word:
        severity, message = LEVELS[word], named(word, text.strip())
    else:
        inner = split_text(text)
        severity, message = inner.severity, inner.message
        if inner.continuation:
            return KeyParts(name, severity, message, continuation=True)
    if status:
        severity, message = max(severity, http_level(status)), status + b" " + message
    return KeyParts(name, severity, message)


class JsonShape:
    """JSON lines (pino, bunyan, zap, logback, Docker), one object a line."""

    name = "json"
    stamps: StampReader | None = None

    def read(self, data: bytes) -> Lines:
        raw = split_lines(data)
        return Lines(raw, *read_lines(raw))

    def split(self, key: bytes) -> KeyParts:
        return split_record(key)

    def to_state(self) -> list[Any]:
        return [self.name, None]


class CriShape:
    """Lines of a Kubernetes node: ``STAMP stdout F message``, where P is a piece of a line.

    Pieces are not joined: the first is the line, the others continue it and are counted.
    """

    name = "cri"
    stamps: StampReader | None = None

    def __init__(self, cut: list[bytes] | None = None) -> None:
        self._cut = set(cut or ())  # the outputs whose last line so far was a piece

    def read(self, data: bytes) -> Lines:
        raw = split_lines(data)
        texts: list[bytes] = []
        seconds: list[Parsed] = []
        records: list[int] = []
        unreadable = partial = 0
        for line in raw:
            text, at = line, None
            frame = cut_frame(line)
            if frame is None:
                unreadable += 1
            else:
                at, output, flag, text = frame
                continued = output in self._cut
                if flag == b"P":
                    partial += 1
                    self._cut.add(output)
                else:
                    self._cut.discard(output)
                if continued:
                    text = b"\t" + text
                elif text[:1] == b"{" and flag != b"P":
                    records.append(len(texts))
            texts.append(text)
            seconds.append(at)
        keys = collapse_texts(texts)
        if records:
            found, _, broken = read_lines([texts[i] for i in records])
            unreadable += broken
            for i, key in zip(records, found, strict=True):
                keys[i] = key
        return Lines(raw, keys, seconds, unreadable, partial)

    def split(self, key: bytes) -> KeyParts:
        return split_record(key)

    def to_state(self) -> list[Any]:
        return [self.name, sorted(self._cut)]


def cut_frame(line: bytes) -> tuple[Parsed, bytes, bytes, bytes] | None:
    """Take a CRI line apart: (time, output, flag, message), ``None`` when it is none."""
    parts = line.split(b" ", 3)
    if len(parts) < 3 or parts[1] not in (b"stdout", b"stderr"):
        return None
    if parts[2][:1] not in (b"F", b"P") or len(parts[0]) < 20:
        return None
    at = read_second(parts[0][:64].decode("ascii", "replace"))
    return None if at is None else (at, parts[1], parts[2][:1], parts[3] if parts[3:] else b"")
