"""One record of systemd's journal: its stream, its place and its text line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec

_LEVELS = ("CRITICAL", "CRITICAL", "CRITICAL", "ERROR", "WARNING", "INFO", "INFO", "DEBUG")
# Units that systemd-run and logins number: a stream for each would never be seen again.
_PASSING = re.compile(r"(?:run-(?:r[0-9a-f]{8,}|[up]\d+(?:-i\d+)?)|session-\w+)\.(?:service|scope)")
_BRACKETS = re.compile(r"^\((.+)\)$|\[\d+\]$")
_NOT_NAME = re.compile(r"[\x00-\x20\x7f]+")
_PLACE = re.compile(r"s=([0-9a-f]+);i=([0-9a-f]+);")

FIELDS = "MESSAGE,PRIORITY,SYSLOG_IDENTIFIER,_PID,_SYSTEMD_UNIT,_SYSTEMD_USER_UNIT,_TRANSPORT"


class JournalRecord(msgspec.Struct, frozen=True):
    """Hold the fields of a record that matter; a field given twice is a list."""

    cursor: str = msgspec.field(name="__CURSOR")
    realtime: str = msgspec.field(name="__REALTIME_TIMESTAMP")
    message: Any = msgspec.field(name="MESSAGE", default=None)
    priority: Any = msgspec.field(name="PRIORITY", default=None)
    identifier: Any = msgspec.field(name="SYSLOG_IDENTIFIER", default=None)
    pid: Any = msgspec.field(name="_PID", default=None)
    unit: Any = msgspec.field(name="_SYSTEMD_UNIT", default=None)
    user_unit: Any = msgspec.field(name="_SYSTEMD_USER_UNIT", default=None)
    transport: Any = msgspec.field(name="_TRANSPORT", default=None)


_decoder = msgspec.json.Decoder(JournalRecord)


def decode_record(line: bytes) -> JournalRecord:
    """Read one line of ``journalctl --output=json``; raises ``ValueError`` when it is none."""
    try:
        return _decoder.decode(line)
    except (msgspec.DecodeError, RecursionError) as e:
        raise ValueError(f"not a journal record: {e}") from e


@dataclass(frozen=True, slots=True)
class Position:
    """Say how far a stream was read; its text is the stream's cursor."""

    cursor: str
    realtime: int  # microseconds

    @property
    def text(self) -> str:
        """The position as it is saved; a function of the record alone."""
        return msgspec.json.encode({"cursor": self.cursor, "realtime": self.realtime}).decode()

    @classmethod
    def parse(cls, text: str) -> Position | None:
        """Read a saved position; ``None`` when it is none."""
        try:
            raw = msgspec.json.decode(text, type=dict[str, Any])
            return cls(str(raw["cursor"]), int(raw["realtime"]))
        except (msgspec.DecodeError, KeyError, TypeError, ValueError):
            return None

    def after(self, other: Position) -> bool:
        """Return whether this comes later in the journal.

        Numbers of one journal decide; only between journals does the wall clock, which may have
        been set back.
        """
        mine, theirs = _PLACE.match(self.cursor), _PLACE.match(other.cursor)
        if mine and theirs and mine[1] == theirs[1]:
            return int(mine[2], 16) > int(theirs[2], 16)
        return self.realtime > other.realtime


def stream_name(record: JournalRecord) -> str:
    """Return who speaks: the kernel, a service unit, else the syslog identifier."""
    if _first(record.transport) == "kernel":
        return "kernel"
    return _name(_first(record.user_unit) or _first(record.unit), _first(record.identifier))


@lru_cache(maxsize=4096)
def _name(unit: str, identifier: str) -> str:
    if unit.endswith(".service") and not _PASSING.fullmatch(unit):
        return _clean(unit)
    return _clean(_BRACKETS.sub(lambda m: m[1] or "", identifier) or unit) or "unknown"


def as_line(record: JournalRecord, realtime: int, limit: int) -> tuple[bytes, int] | None:
    """Return the record as text and how many bytes were cut; ``None`` without a message.

    The text is ``STAMP LEVEL MESSAGE`` and ends in a newline; further lines of the message
    follow indented by a tab, as continuations.
    """
    message = _bytes(record.message)
    if message is None:
        return None
    cut = max(0, len(message) - limit)
    if cut:
        message = message[:limit]
    message = message.rstrip(b"\r\n")
    if b"\n" in message:
        message = message.replace(b"\r\n", b"\n").replace(b"\n", b"\n\t")
    seconds, micros = divmod(realtime, 1_000_000)
    return f"{_second(seconds)}.{micros:06d}Z {_level(record)}".encode() + message + b"\n", cut


@lru_cache(maxsize=16)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _level(record: JournalRecord) -> str:
    priority = _first(record.priority)
    if not (len(priority) == 1 and "0" <= priority <= "7"):
        return ""
    # What a service prints gets "6" from systemd, whatever it says: the text's own level counts.
    if priority == "6" and _first(record.transport) == "stdout":
        return ""
    return _LEVELS[int(priority)] + " "


def _first(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and isinstance(value[0], str):
        return value[0]
    return ""


def _bytes(value: Any) -> bytes | None:
    """Return a field's bytes: text, an array of bytes, or several of either."""
    if isinstance(value, str):
        return value.encode()
    if not isinstance(value, list):
        return None
    if all(isinstance(item, int) and 0 <= item <= 255 for item in value):
        return bytes(value)
    parts = [_bytes(item) for item in value]
    return b"\n".join(part for part in parts if part is not None)


def _clean(name: str) -> str:
    return _NOT_NAME.sub("-", name.strip())[:128]
