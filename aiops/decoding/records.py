"""Read one JSON record by the names of its fields: what a line says, who says it, when."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, NamedTuple

import msgspec

from aiops.decoding.formats import Parsed
from aiops.decoding.levels import level_word
from aiops.decoding.lines import SEP
from aiops.decoding.spans import Fields, Traced, fields_of
from aiops.decoding.stamps import read_second

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
# How a time ends that says its zone; digits alone are an epoch.
_ZONED = re.compile(r"(?:[Zz]|UTC|GMT|[+-]\d\d:?\d\d)\s*$|^\s*\d+(?:\.\d+)?\s*$")
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

BROKEN = (msgspec.MsgspecError, RecursionError, ValueError, OverflowError, TypeError)

# Without a type: it then remembers the names of fields, which takes half the time.
decode_value = msgspec.json.Decoder().decode


def decode_record(line: bytes | str) -> dict[str, Any]:
    """Return the JSON object on a line; ``TypeError`` when it is another value."""
    value = decode_value(line)
    if type(value) is not dict:
        msg = "a record is one JSON object"
        raise TypeError(msg)
    return value


class Plan(NamedTuple):
    """Say which fields of a record matter for what, the best first."""

    span: Fields | None
    messages: tuple[str, ...]
    levels: tuple[str, ...]
    times: tuple[str, ...]
    services: tuple[str, ...]
    states: tuple[str, ...]


# Which fields matter, by the names a record has: most lines of a stream have the same.
_PLANS: dict[tuple[str, ...], Plan] = {}


def is_record(line: bytes) -> bool:
    """Return whether *line* is one JSON object."""
    if line[:1] != b"{":
        return False
    try:
        decode_record(line)
    except BROKEN:
        return False
    return True


def plan_of(names: tuple[str, ...]) -> Plan:
    """Return which fields matter of a record that has these, in this order."""
    plan = _PLANS.get(names)
    if plan is None:
        there = set(names)
        chosen = (tuple(n for n in names_of if n in there) for names_of in _FIELDS)
        plan = Plan(fields_of(names), *chosen)
        if len(names) <= 64:
            if len(_PLANS) >= _MAX_PLANS:
                _PLANS.clear()
            _PLANS[names] = plan
    return plan


def read_record(record: dict[str, Any]) -> tuple[bytes, bytes, Parsed]:
    """Return (entity, level and status as the head of a key, text, time) of one JSON object."""
    return read_whole(record)[:3]


def read_whole(record: dict[str, Any]) -> tuple[bytes, bytes, Parsed, Traced | None]:
    """Return what ``read_record`` does, and the record that names its span, if it does."""
    plan = plan_of(tuple(record))
    text = find_message(record, plan.messages)
    if text is not None and text[:1] == "{" and may_wrap(record):
        inner = _inner(text, record)
        if inner is not None:
            return inner
    word = find_level(record, plan.levels)
    if text is None:
        text = evidence(record)
    status = find_status(record, plan.states) if plan.states else b""
    head = key_head((find_service(record, plan.services), word or b"", status))
    body = flat(text).encode("utf-8", "replace").replace(SEP, b" ")
    traced = (record, plan.span) if plan.span else None
    return head, body, find_time(record, plan.times), traced


def may_wrap(names: Collection[str]) -> bool:
    """Return whether a record of these fields may be a container runtime's, around another."""
    return len(names) <= 4 and "log" in names


def key_head(parts: tuple[str, bytes, bytes]) -> bytes:
    """Return what stands before the text in a key: service, level word, class of status."""
    service, word, status = parts
    entity = b"service:" + service.encode("utf-8", "replace") if service else b""
    return entity.replace(SEP, b" ") + SEP + word + SEP + status + SEP


def flat(text: str) -> str:
    """Return *text* on one line."""
    body = text.rstrip("\n")
    return body.replace("\n", " \\n ") if "\n" in body else body


def evidence(record: dict[str, Any]) -> str:
    """Return what a record without a message says."""
    return msgspec.json.encode({k: v for k, v in record.items() if k not in _EVIDENCE}).decode()


def find_message(record: dict[str, Any], names: tuple[str, ...]) -> str | None:
    """Return the text of the first field that is one, else one inside such a field."""
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


def _inner(text: str, record: dict[str, Any]) -> tuple[bytes, bytes, Parsed, Traced | None] | None:
    """Read the JSON line inside a container runtime's record; its own time is the fallback."""
    try:
        head, body, at, traced = read_whole(decode_record(text))
    except BROKEN:
        return None
    return head, body, wrapper_time(record) if at is None else at, traced


def wrapper_time(record: dict[str, Any]) -> Parsed:
    """Return the time of a record that wraps one without."""
    return find_time(record, _TIME)


def find_level(record: dict[str, Any], names: tuple[str, ...]) -> bytes | None:
    """Return the level word of the first field that holds a level."""
    for name in names:
        word = level_word(record[name])
        if word is not None:
            return word
    nested = record.get("log")
    return level_word(nested.get("level")) if isinstance(nested, dict) else None


def find_time(record: dict[str, Any], names: tuple[str, ...]) -> Parsed:
    """Return the second of the first field that holds a time."""
    for name in names:
        at = read_second(record.get(name))
        if at is not None:
            return at
    return None


def is_local(record: dict[str, Any]) -> bool:
    """Return whether a record's time is one that says no zone."""
    at = read_record(record)[2]
    said = [value for name in _TIME if (value := record.get(name)) is not None]
    times = [value for value in said if at is not None and read_second(value) == at]
    return bool(times) and isinstance(times[0], str) and _ZONED.search(times[0]) is None


def find_service(record: dict[str, Any], names: tuple[str, ...]) -> str:
    """Return the service of the first field that names one, of the resource else."""
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


def find_status(record: dict[str, Any], names: tuple[str, ...]) -> bytes:
    """Return the class of an HTTP status among the fields ("5xx"), empty when there is none."""
    for name in names:
        status = status_class(record[name])
        if status:
            return status
    return b""


def status_class(value: object) -> bytes:
    """Return "2xx" to "5xx" for the number or text of an HTTP status, empty for anything else."""
    if isinstance(value, str) and len(value) == 3 and value.isascii() and value.isdigit():
        value = int(value)
    return b"%dxx" % (value // 100) if isinstance(value, int) and 100 <= value < 600 else b""
