"""Plain text, and text that only numbers give a severity: syslog PRI, logfmt, access logs."""

from __future__ import annotations

import re
from typing import Any

from aiops.decoding.levels import LEVELS, http_level, level_word, named
from aiops.decoding.lines import (
    SEP,
    KeyParts,
    Lines,
    collapse_lines,
    collapse_texts,
    split_lines,
    split_text,
    unstamped,
)
from aiops.decoding.stamps import StampReader


class _Stamped:
    """What shapes with a stamp in the text share: where it stands, and how that is saved."""

    name = ""

    def __init__(self, stamps: StampReader | None) -> None:
        self.stamps = stamps

    def _seconds(self, lines: list[bytes]) -> list[float | None]:
        return unstamped(len(lines)) if self.stamps is None else self.stamps.seconds(lines)

    def _text(self, key: bytes) -> KeyParts:
        return split_text(key, None if self.stamps is None else self.stamps.format)

    def to_state(self) -> list[Any]:
        return [self.name, None if self.stamps is None else self.stamps.to_state()]


class PlainShape(_Stamped):
    """Any text: severity words stay in the key; klog is read here too."""

    name = "plain"

    def read(self, data: bytes, *, ids: bool = False) -> Lines:
        raw = split_lines(data)
        return Lines(raw, collapse_lines(data, ids=ids), self._seconds(raw))

    def split(self, key: bytes) -> KeyParts:
        return self._text(key)


class SyslogShape(_Stamped):
    """Syslog with PRI: its severity goes before the key; one stated in the text wins."""

    name = "syslog"

    def read(self, data: bytes, *, ids: bool = False) -> Lines:
        raw = split_lines(data)
        words, texts = [], []
        for line in raw:
            word, text = cut_pri(line)
            words.append(word)
            texts.append(text)
        keys = [
            word + SEP + key if word else key
            for word, key in zip(words, collapse_texts(texts, ids=ids), strict=True)
        ]
        return Lines(raw, keys, self._seconds(texts))

    def split(self, key: bytes) -> KeyParts:
        word, sep, text = key.partition(SEP)
        return _under(word, self._text(text)) if sep else self._text(key)


def cut_pri(line: bytes) -> tuple[bytes, bytes]:
    """Take ``<PRI>`` and a version off a line: (severity word, rest); no word without a PRI."""
    end = line.find(b">", 1, 5)
    if end < 0 or line[:1] != b"<" or not line[1:end].isdigit():
        return b"", line
    rest = line[end + 1 :]
    if rest[:2] == b"1 ":
        rest = rest[2:]
    return level_word(int(line[1:end]) & 7) or b"", rest


_LOGFMT_NUMBER = re.compile(rb"\b(?:level|lvl|severity)=\"?(\d{1,9})\b\"?")
_LOGFMT_STATUS = re.compile(rb"\b(?:status|status_code|code)=\"?([1-5])\d\d\b")


class LogfmtShape(_Stamped):
    """``key=value`` text: a numeric level and the class of a status go before the key."""

    name = "logfmt"

    def read(self, data: bytes, *, ids: bool = False) -> Lines:
        raw = split_lines(data)
        keys = collapse_lines(data, ids=ids)
        if _LOGFMT_NUMBER.search(data):
            for i, line in enumerate(raw):
                match = _LOGFMT_NUMBER.search(line)
                if match is not None and (word := level_word(int(match[1]))) is not None:
                    keys[i] = word + SEP + keys[i]
        if _LOGFMT_STATUS.search(data):
            for i, line in enumerate(raw):
                match = _LOGFMT_STATUS.search(line)
                if match is not None:
                    keys[i] = match[1] + b"xx" + SEP + keys[i]
        return Lines(raw, keys, self._seconds(raw))

    def split(self, key: bytes) -> KeyParts:
        status, sep, rest = key.partition(SEP)
        if not sep:
            return self._text(key)
        if status in LEVELS:
            return _under(status, self._text(rest))
        parts = self.split(rest)
        if parts.continuation:
            return parts
        severity = max(parts.severity, http_level(status))
        return KeyParts("", severity, status + b" " + parts.message)


def _under(word: bytes, parts: KeyParts) -> KeyParts:
    """Put a text under the severity that stood before it; a stated one in it may be worse."""
    if parts.continuation:
        return parts
    severity = max(LEVELS[word], parts.severity) if parts.stated else LEVELS[word]
    # Once the text decides, the plain name is needed too: PRI alone may tell two lines apart.
    shown = named(word, b"") or (word.upper() + b" " if severity is not LEVELS[word] else b"")
    return KeyParts("", severity, shown + parts.message, stated=True)


_REQUEST = re.compile(rb'"((?:[^"\\]|\\.)*)" (\d{3})\b')
_NO_QUERY = re.compile(rb"\?[^ ]*")
_LONGEST_REQUEST = 4096


class AccessShape(_Stamped):
    """Access logs (common, combined): the status class goes first, the query string goes."""

    name = "access"

    def read(self, data: bytes, *, ids: bool = False) -> Lines:
        raw = split_lines(data)
        classes, texts = [], []
        for line in raw:
            a = line.find(b'"') + 1
            b = line.find(b'" ', a)
            status = line[b + 2 : b + 5]
            if a and b > 0 and status.isdigit() and line[b - 1 : b] != b"\\":
                request = line[a:b]
            else:
                match = _REQUEST.search(line, 0, _LONGEST_REQUEST)
                if match is None:
                    classes.append(b"")
                    texts.append(line)
                    continue
                request, status = match[1], match[2]
            if b"?" in request:
                request = _NO_QUERY.sub(b"", request)
            classes.append((status[:1] if b"1" <= status < b"6" else b"x") + b"xx" + SEP)
            texts.append(request)
        keys = [c + key for c, key in zip(classes, collapse_texts(texts, ids=ids), strict=True)]
        return Lines(raw, keys, self._seconds(raw))

    def split(self, key: bytes) -> KeyParts:
        status, sep, request = key.partition(SEP)
        if not sep:
            return self._text(key)
        return KeyParts("", http_level(status), status + b" " + request)
