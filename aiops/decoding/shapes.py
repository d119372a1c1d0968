"""The shapes of log lines: how to cut time, severity and message out of each.

A shape reads a whole block into ``Lines``: the raw lines, one *key* per line and one time per
line. The key is the line with every run of digits collapsed to ``0``, preceded by what digits
alone carried (HTTP status class, PRI, a numeric level) and a separator. ``split`` takes a key
apart; it is a pure function of the key, so keys may be cached and forgotten freely.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from aiops.decoding.continuation import is_continuation
from aiops.decoding.levels import (
    LEVELS,
    PLAIN_WORDS,
    guess_level,
    http_level,
    level_and_text,
    level_in_head,
    level_word,
)
from aiops.decoding.stamps import Parsed, StampReader, find_stamp, read_moment, strip_collapsed
from aiops.model import Severity
from detectors.masking import collapse_digits

_SEP = b"\x1f"
_PIECE = 1 << 16


@dataclass(slots=True)
class Lines:
    """One block read: parallel lists; ``unreadable`` counts lines that broke their shape."""

    raw: list[bytes]
    keys: list[bytes]
    seconds: list[Parsed]
    unreadable: int = 0


@dataclass(frozen=True, slots=True)
class KeyParts:
    """What a key says: entity ("" means the stream's own), severity, message."""

    entity: str
    severity: Severity
    message: bytes
    continuation: bool = False


class Shape(Protocol):
    """Read blocks of one stream and take its keys apart."""

    @property
    def name(self) -> str: ...

    @property
    def stamps(self) -> StampReader | None: ...

    def read(self, data: bytes) -> Lines: ...

    def split(self, key: bytes) -> KeyParts: ...


def collapse(data: bytes) -> bytes:
    """Collapse digit runs piece by piece: small pieces stay clear of malloc's mmap threshold."""
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


def _lines(data: bytes) -> list[bytes]:
    lines = data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    return lines


class PlainShape:
    """Any text: severity words stay in the key; logfmt and klog are read here too."""

    name = "plain"

    def __init__(self, stamps: StampReader | None) -> None:
        self.stamps = stamps

    def read(self, data: bytes) -> Lines:
        raw = _lines(data)
        seconds: list[Parsed] = (
            [None] * len(raw) if self.stamps is None else self.stamps.seconds(raw)
        )
        return Lines(raw, _lines(collapse(data)), seconds)

    def split(self, key: bytes) -> KeyParts:
        return split_text(key, self.stamps)


_KLOG = re.compile(rb"([IWEF])0 0:0:0(?:\.0)?\s")
_KLOG_LEVEL = {b"F": Severity.CRITICAL, b"E": Severity.ERROR, b"W": Severity.WARNING}
_JUNK = b" \t:-|,"


def split_text(key: bytes, stamps: StampReader | None = None) -> KeyParts:
    """Take a plain line's key apart: strip stamp and level word, keep the rest as message."""
    if is_continuation(key):
        return KeyParts("", Severity.INFO, key, continuation=True)
    klog = _KLOG.match(key)
    if klog is not None:
        level = _KLOG_LEVEL.get(klog[1], Severity.INFO)
        return KeyParts("", level, key[klog.end() :].strip())
    text = strip_collapsed(key, None if stamps is None else stamps.format)
    stated = level_in_head(text)
    if stated is None:
        return KeyParts("", guess_level(text), text.strip(_JUNK))
    severity, span = stated
    word = text[slice(*span)].lower()
    if word in PLAIN_WORDS and not text[: span[0]].strip(b" []|-:"):
        # Only a leading level is cut out; inside the line it stays where readers expect it.
        text = text[span[1] :].lstrip(b"]").strip(_JUNK)
    return KeyParts("", severity, text.strip(_JUNK))


class NumericLevelShape:
    """A shape whose severity is a number at a known place: syslog PRI, logfmt ``level=50``."""

    def __init__(self, name: str, stamps: StampReader | None) -> None:
        self.name = name
        self.stamps = stamps

    def read(self, data: bytes) -> Lines:
        raw = _lines(data)
        cut = _cut_pri if self.name == "syslog" else _cut_level
        words, rest = [], []
        for line in raw:
            word, text = cut(line)
            words.append(word)
            rest.append(text)
        keys = _lines(collapse(b"\n".join(rest) + b"\n")) if rest else []
        seconds: list[Parsed] = (
            [None] * len(raw) if self.stamps is None else self.stamps.seconds(rest)
        )
        return Lines(
            raw, [w + _SEP + k if w else k for w, k in zip(words, keys, strict=True)], seconds
        )

    def split(self, key: bytes) -> KeyParts:
        word, sep, text = key.partition(_SEP)
        if not sep:
            return split_text(key, self.stamps)
        parts = split_text(text, self.stamps)
        severity, message = level_and_text(word, parts.message)
        return KeyParts("", severity, message, parts.continuation)


def _cut_pri(line: bytes) -> tuple[bytes, bytes]:
    end = line.find(b">", 1, 5)
    if end < 0 or line[:1] != b"<" or not line[1:end].isdigit():
        return b"", line
    rest = line[end + 1 :]
    if rest[:2] == b"1 ":
        rest = rest[2:]
    return level_word(int(line[1:end]) & 7) or b"", rest


_LOGFMT_NUMBER = re.compile(rb"\b(?:level|lvl|severity)=\"?(\d+)\"?")


def _cut_level(line: bytes) -> tuple[bytes, bytes]:
    match = _LOGFMT_NUMBER.search(line)
    word = None if match is None else level_word(int(match[1]))
    return word or b"", line


_REQUEST = re.compile(rb'"((?:[^"\\]|\\.)*)" (\d{3})\b')
_NO_QUERY = re.compile(rb"\?[^ ]*")


class AccessShape:
    """Access logs (common, combined): the status class goes first, the query string goes."""

    name = "access"

    def __init__(self, stamps: StampReader | None) -> None:
        self.stamps = stamps

    def read(self, data: bytes) -> Lines:
        raw = _lines(data)
        classes, texts = [], []
        for line in raw:
            a = line.find(b'"') + 1
            b = line.find(b'" ', a)
            status = line[b + 2 : b + 5]
            if a and b > 0 and status.isdigit() and line[b - 1 : b] != b"\\":
                request = line[a:b]
            else:
                match = _REQUEST.search(line)
                if match is None:
                    classes.append(b"")
                    texts.append(line)
                    continue
                request, status = match[1], match[2]
            if b"?" in request:
                request = _NO_QUERY.sub(b"", request)
            classes.append(status[:1] + b"xx")
            texts.append(request)
        keys = _lines(collapse(b"\n".join(texts) + b"\n")) if texts else []
        seconds: list[Parsed] = (
            [None] * len(raw) if self.stamps is None else self.stamps.seconds(raw)
        )
        return Lines(
            raw, [c + _SEP + k if c else k for c, k in zip(classes, keys, strict=True)], seconds
        )

    def split(self, key: bytes) -> KeyParts:
        status, sep, request = key.partition(_SEP)
        if not sep:
            return split_text(key)
        return KeyParts("", http_level(status), status + b" " + request)


_MESSAGE = ("message", "msg", "log", "body", "event", "short_message", "text", "@message", "@m")
_LEVEL = (
    "level",
    "severity",
    "lvl",
    "log.level",
    "levelname",
    "loglevel",
    "severity_text",
    "@l",
    "priority",
)
_TIME = (
    "timestamp",
    "time",
    "ts",
    "@timestamp",
    "t",
    "datetime",
    "date",
    "asctime",
    "@t",
    "eventTime",
    "ts_ns",
    "time_unix_nano",
    "timeUnixNano",
)
_SERVICE = (
    "service",
    "service.name",
    "service_name",
    "app",
    "application",
    "container",
    "container_name",
)
_STATUS = ("status", "status_code", "http_status", "http.status_code")


class JsonShape:
    """JSON lines (pino, bunyan, zap, logback, Docker): decoded once, by field names."""

    name = "json"
    stamps: StampReader | None = None

    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder(dict[str, Any]).decode
        self._moments: dict[str, Parsed] = {}

    def read(self, data: bytes) -> Lines:
        raw = _lines(data)
        heads: list[bytes] = []
        texts: list[bytes] = []
        seconds: list[Parsed] = []
        unreadable = 0
        decode = self._decode
        for line in raw:
            try:
                record = decode(line)
            except (msgspec.DecodeError, RecursionError, ValueError):
                unreadable += line[:1] == b"{"
                heads.append(b"")
                texts.append(line)
                seconds.append(None)
                continue
            head, text, at = self._fields(record)
            heads.append(head)
            texts.append(text)
            seconds.append(at)
        keys = _lines(collapse(b"\n".join(texts) + b"\n")) if texts else []
        joined = [h + k if h else k for h, k in zip(heads, keys, strict=True)]
        return Lines(raw, joined, seconds, unreadable)

    def _fields(self, record: dict[str, Any]) -> tuple[bytes, bytes, Parsed]:
        message = _first(record, _MESSAGE)
        if isinstance(message, dict):
            message = _first(message, _MESSAGE) or message
        text = (
            message if isinstance(message, str) else msgspec.json.encode(_evidence(record)).decode()
        )
        word = level_word(_first(record, _LEVEL))
        if word is None and (status := _first(record, _STATUS)) is not None:
            digits = str(status)
            if len(digits) == 3 and digits.isdigit():
                word = http_level(digits[:1].encode()).label.encode()
                text = f"{digits[0]}xx {text}"
        service = _first(record, _SERVICE)
        if service is None and isinstance(resource := record.get("resource"), dict):
            service = _first(resource, _SERVICE)
        if isinstance(service, dict):
            service = service.get("name")
        entity = f"service:{service}".encode() if isinstance(service, str) and service else b""
        body = text.rstrip("\n").replace("\n", " \\n ").encode("utf-8", "replace")
        return entity + _SEP + (word or b"") + _SEP, body, self._moment(_first(record, _TIME))

    def _moment(self, value: object) -> Parsed:
        if not isinstance(value, str):
            at = read_moment(value)
            return None if at is None else float(int(at))
        zone = value[19:].lstrip(".,0123456789")
        key = value[:19] + zone
        if key in self._moments:
            return self._moments[key]
        if len(self._moments) > 20_000:
            self._moments.clear()
        at = read_moment(value)
        self._moments[key] = at = None if at is None else float(int(at))
        return at

    def split(self, key: bytes) -> KeyParts:
        entity, sep, rest = key.partition(_SEP)
        if not sep:
            return split_text(key)
        word, _, text = rest.partition(_SEP)
        if not word:
            inner = split_text(text)
            return KeyParts(entity.decode(), inner.severity, inner.message)
        severity, message = level_and_text(word, text.strip())
        return KeyParts(entity.decode(), severity, message)


def _first(record: dict[str, Any], names: tuple[str, ...]) -> Any:
    for name in names:
        value = record.get(name)
        if value is not None:
            return value
    return None


def _evidence(record: dict[str, Any]) -> dict[str, Any]:
    skip = set(_TIME) | set(_LEVEL) | set(_SERVICE)
    return {k: v for k, v in record.items() if k not in skip}


_ACCESS = re.compile(rb'^\S+ \S+ .{0,200}?\[\d\d/\w{3}/\d{4}:[^\]]*\] "(?:[^"\\]|\\.)*" \d{3}\b')
_LOGFMT = re.compile(rb"(?:^|\s)[\w.\-]+=(?:\"|\S)")


def find_shape(line: bytes, near: float) -> Shape | None:
    """Decide the shape of a stream from one of its lines, ``None`` when the line does not tell."""
    if not line.strip() or is_continuation(line):
        return None
    if line[:1] == b"{":
        try:
            msgspec.json.decode(line, type=dict[str, Any])
        except (msgspec.DecodeError, RecursionError, ValueError):
            return None
        return JsonShape()
    stamps = find_stamp(line, near)
    if _ACCESS.match(line):
        return AccessShape(stamps)
    if re.match(rb"<\d{1,3}>", line):
        word, rest = _cut_pri(line)
        return NumericLevelShape("syslog", find_stamp(rest, near)) if word else None
    if len(_LOGFMT.findall(line[:300])) >= 2 and _LOGFMT_NUMBER.search(line):
        return NumericLevelShape("logfmt", stamps)
    return None if stamps is None else PlainShape(stamps)


def key_space(shape: Shape) -> str:
    """Name the space in which a key alone decides what ``split`` returns."""
    return shape.name if shape.stamps is None else f"{shape.name}/{shape.stamps.format.name}"


def shape_to_state(shape: Shape) -> list[Any]:
    """Return plain values from which ``shape_from_state`` builds the same shape."""
    return [shape.name, None if shape.stamps is None else shape.stamps.to_state()]


def shape_from_state(state: list[Any]) -> Shape:
    """Rebuild a shape saved at a cut."""
    name, saved = state
    stamps = None if saved is None else StampReader.from_state(saved)
    if name == "json":
        return JsonShape()
    if name == "access":
        return AccessShape(stamps)
    return PlainShape(stamps) if name == "plain" else NumericLevelShape(name, stamps)
