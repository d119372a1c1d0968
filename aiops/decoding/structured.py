"""JSON lines, bare or inside a container runtime's frame: decoded once, read by field names."""

from __future__ import annotations

from typing import Any

import msgspec

from aiops.decoding.formats import Parsed
from aiops.decoding.levels import LEVELS, http_level, level_word, named
from aiops.decoding.lines import SEP, KeyParts, Lines, collapse_texts, split_lines, split_text
from aiops.decoding.stamps import StampReader, read_second

_MESSAGE = (
    "message",
    "msg",
    "log",
    "body",
    "event",
    "short_message",
    "text",
    "@message",
    "@m",
    "MESSAGE",
    "Body",
    "textPayload",
)
_LEVEL = (
    "level",
    "severity",
    "lvl",
    "log.level",
    "levelname",
    "loglevel",
    "severity_text",
    "severityText",
    "@l",
    "priority",
    "PRIORITY",
    "SeverityText",
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
    "__REALTIME_TIMESTAMP",
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
_STATUS = ("status", "status_code", "http_status", "http.status_code", "statusCode")
_FIELDS = (_MESSAGE, _LEVEL, _TIME, _SERVICE, _STATUS)
_EVIDENCE = frozenset(_TIME + _LEVEL + _SERVICE)
_MAX_PLANS = 2000

_Plan = tuple[tuple[str, ...], ...]
_BROKEN = (msgspec.MsgspecError, RecursionError, ValueError, OverflowError, TypeError)

decode_record = msgspec.json.Decoder(dict[str, Any]).decode

# Which fields of a record matter, by the names it has: most lines of a stream have the same.
_PLANS: dict[tuple[str, ...], _Plan] = {}


def is_record(line: bytes) -> bool:
    """Return whether *line* is one JSON object."""
    if line[:1] != b"{":
        return False
    try:
        decode_record(line)
    except _BROKEN:
        return False
    return True


def read_record(record: dict[str, Any]) -> tuple[bytes, bytes, Parsed]:
    """Return (entity and level as the head of a key, text, time) of one JSON object."""
    names = tuple(record)
    plan = _PLANS.get(names)
    if plan is None:
        if len(_PLANS) >= _MAX_PLANS:
            _PLANS.clear()
        plan = tuple(tuple(n for n in names_of if n in record) for names_of in _FIELDS)
        if len(names) <= 64:
            _PLANS[names] = plan
    messages, levels, times, services, states = plan
    text = _message(record, messages)
    if text is not None and text[:1] == "{" and "log" in record and len(record) <= 4:
        inner = _inner(text, record)
        if inner is not None:
            return inner
    word = _level(record, levels)
    if text is None:
        evidence = {k: v for k, v in record.items() if k not in _EVIDENCE}
        text = msgspec.json.encode(evidence).decode()
    status = _status(record, states) if states else b""
    service = _service(record, services)
    entity = b"service:" + service.encode("utf-8", "replace") if service else b""
    body = text.rstrip("\n")
    if "\n" in body:
        body = body.replace("\n", " \\n ")
    head = entity.replace(SEP, b" ") + SEP + (word or b"") + SEP + status + SEP
    raw = body.encode("utf-8", "replace")
    return head, raw.replace(SEP, b" ") if SEP in raw else raw, _time(record, times)


def _message(record: dict[str, Any], names: tuple[str, ...]) -> str | None:
    for name in names:
        value = record[name]
        if isinstance(value, str):
            return value
    for name in names:
        value = record[name]
        if isinstance(value, dict):
            for inner in _MESSAGE:
                if isinstance(value.get(inner), str):
                    return str(value[inner])
    return None


def _inner(text: str, record: dict[str, Any]) -> tuple[bytes, bytes, Parsed] | None:
    """Read the JSON line inside a container runtime's record; its own time is the fallback."""
    try:
        head, body, at = read_record(decode_record(text))
    except _BROKEN:
        return None
    return head, body, _time(record, _TIME) if at is None else at


def _level(record: dict[str, Any], names: tuple[str, ...]) -> bytes | None:
    for name in names:
        word = level_word(record[name])
        if word is not None:
            return word
    nested = record.get("log")
    return level_word(nested.get("level")) if isinstance(nested, dict) else None


def _time(record: dict[str, Any], names: tuple[str, ...]) -> Parsed:
    for name in names:
        at = read_second(record.get(name))
        if at is not None:
            return at
    return None


def _service(record: dict[str, Any], names: tuple[str, ...]) -> str:
    for name in names:
        value = record[name]
        if isinstance(value, dict):
            value = value.get("name")
        if isinstance(value, str) and value:
            return value[:200]
    resource = record.get("resource")
    if not isinstance(resource, dict):
        return ""
    for place in (resource, resource.get("attributes")):
        if isinstance(place, dict):
            for name in _SERVICE:
                value = place.get(name)
                if isinstance(value, str) and value:
                    return value[:200]
    return ""


def _status(record: dict[str, Any], names: tuple[str, ...]) -> bytes:
    """Return the class of an HTTP status among the fields ("5xx"), empty when there is none."""
    for name in names:
        value = record[name]
        if isinstance(value, str) and len(value) == 3 and value.isascii() and value.isdigit():
            value = int(value)
        if isinstance(value, int) and 100 <= value < 600:
            return b"%dxx" % (value // 100)
    return b""


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
        heads: list[bytes] = []
        texts: list[bytes] = []
        seconds: list[Parsed] = []
        unreadable = 0
        for line in raw:
            try:
                head, text, at = read_record(decode_record(line))
            except _BROKEN:
                unreadable += line[:1] == b"{"
                head, text, at = b"", line, None
            heads.append(head)
            texts.append(text)
            seconds.append(at)
        keys = [head + key for head, key in zip(heads, collapse_texts(texts), strict=True)]
        return Lines(raw, keys, seconds, unreadable)

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
        heads: list[bytes] = []
        texts: list[bytes] = []
        seconds: list[Parsed] = []
        unreadable = partial = 0
        for line in raw:
            head, text, at = b"", line, None
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
                    try:
                        head, text, _ = read_record(decode_record(text))
                    except _BROKEN:
                        unreadable += 1
            heads.append(head)
            texts.append(text)
            seconds.append(at)
        keys = [head + key for head, key in zip(heads, collapse_texts(texts), strict=True)]
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
