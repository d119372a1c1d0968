"""JSON lines, bare or inside a container runtime's frame: decoded once, read by field names."""

from __future__ import annotations

from typing import Any

from aiops.decoding.columns import read_lines
from aiops.decoding.levels import LEVELS, http_level, named
from aiops.decoding.lines import SEP, KeyParts, Lines, collapse_texts, split_lines, split_text
from aiops.decoding.spans import Traced
from aiops.decoding.stamps import StampReader, read_second, read_seconds

_STAMP = 64  # bytes in which a stamp ends
_SHORTEST_STAMP = 20


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

    def __init__(self, *, local: bool = False) -> None:
        self.local = local  # its times say no zone

    def read(self, data: bytes, *, ids: bool = False) -> Lines:
        raw = split_lines(data)
        keys, seconds, unreadable, spans = read_lines(raw, ids=ids)
        return Lines(raw, keys, seconds, unreadable, spans=spans)

    def split(self, key: bytes) -> KeyParts:
        return split_record(key)

    def to_state(self) -> list[Any]:
        return [self.name, self.local]


class CriShape:
    """Lines of a Kubernetes node: ``STAMP stdout F message``, where P is a piece of a line.

    Pieces are not joined: the first is the line, the others continue it and are counted.
    """

    name = "cri"
    stamps: StampReader | None = None

    def __init__(self, cut: list[bytes] | None = None) -> None:
        self._cut = set(cut or ())  # the outputs whose last line so far was a piece

    def read(self, data: bytes, *, ids: bool = False) -> Lines:
        raw = split_lines(data)
        frames = [line.split(b" ", 3) for line in raw]
        seconds = read_seconds([frame[0][:_STAMP].decode("ascii", "replace") for frame in frames])
        texts: list[bytes] = []
        records: dict[int, bytes] = {}
        spans: dict[int, Traced] = {}
        unreadable = partial = 0
        for i, (frame, at) in enumerate(zip(frames, seconds, strict=True)):
            if at is None or not _is_frame(frame):
                unreadable += 1
                seconds[i] = None
                texts.append(raw[i])
                continue
            output, flag, text = frame[1], frame[2][:1], frame[3] if frame[3:] else b""
            if output in self._cut:
                text = b"\t" + text
            elif text[:1] == b"{" and flag != b"P":
                records[i] = text
                text = b""
            if flag == b"P":
                partial += 1
                self._cut.add(output)
            elif self._cut:
                self._cut.discard(output)
            texts.append(text)
        keys = collapse_texts(texts, ids=ids)
        if records:
            found, _, broken, traced = read_lines(list(records.values()), ids=ids)
            numbers = list(records)
            spans = {numbers[n]: values for n, values in traced.items()}
            unreadable += broken
            for i, key in zip(records, found, strict=True):
                keys[i] = key
        return Lines(raw, keys, seconds, unreadable, partial, spans)

    def split(self, key: bytes) -> KeyParts:
        return split_record(key)

    def to_state(self) -> list[Any]:
        return [self.name, sorted(self._cut)]


def is_frame(line: bytes) -> bool:
    """Return whether a container runtime wrote *line*: ``STAMP OUTPUT FLAG MESSAGE``."""
    frame = line.split(b" ", 3)
    if not _is_frame(frame):
        return False
    return read_second(frame[0][:_STAMP].decode("ascii", "replace")) is not None


def _is_frame(frame: list[bytes]) -> bool:
    """Return whether the parts of a line, but for its time, are those of a frame."""
    return (
        len(frame) > 2
        and frame[1] in (b"stdout", b"stderr")
        and frame[2][:1] in (b"F", b"P")
        and len(frame[0]) >= _SHORTEST_STAMP
    )
