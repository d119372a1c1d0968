"""The shapes of log lines, and which of them a stream has; one registry line a shape."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from aiops.decoding.continuation import is_continuation
from aiops.decoding.lines import KeyParts, Lines, Shape, collapse
from aiops.decoding.plain import AccessShape, LogfmtShape, PlainShape, SyslogShape, cut_pri
from aiops.decoding.records import decode_record, is_local, is_record, read_record
from aiops.decoding.stamps import StampReader, find_stamp
from aiops.decoding.structured import CriShape, JsonShape, is_frame

__all__ = [
    "SHAPES",
    "KeyParts",
    "Lines",
    "PlainShape",
    "Shape",
    "collapse",
    "find_shape",
    "is_stamped",
    "is_zoneless",
    "key_space",
    "shape_from_state",
]


def _reader(saved: Any) -> StampReader | None:
    return None if saved is None else StampReader.from_state(saved)


# Name → how a shape is built again from what ``to_state`` saved after the name.
SHAPES: Mapping[str, Callable[[Any], Shape]] = {
    "plain": lambda saved: PlainShape(_reader(saved)),
    "access": lambda saved: AccessShape(_reader(saved)),
    "syslog": lambda saved: SyslogShape(_reader(saved)),
    "logfmt": lambda saved: LogfmtShape(_reader(saved)),
    "json": lambda saved: JsonShape(local=bool(saved)),
    "cri": CriShape,
}

_ACCESS = re.compile(rb'^\S+ \S+ .{0,200}?\[\d\d/\w{3}/\d{4}:[^\]]*\] "(?:[^"\\]|\\.)*" \d{3}\b')
_LOGFMT = re.compile(rb"(?:^|\s)[\w.\-]+=(?:\"|\S)")
_PRI = re.compile(rb"<\d{1,3}>")


def find_shape(line: bytes, near: float) -> Shape | None:
    """Decide the shape of a stream from one of its lines, ``None`` when the line does not tell."""
    if not line.strip() or is_continuation(line):
        return None
    if is_record(line):
        return JsonShape(local=is_local(decode_record(line)))
    if is_frame(line):
        return CriShape()
    if _PRI.match(line):
        word, rest = cut_pri(line)
        return SyslogShape(find_stamp(rest, near)) if word else None
    stamps = find_stamp(line, near)
    if _ACCESS.match(line[:8192]):
        return AccessShape(stamps)
    if len(_LOGFMT.findall(line[:300])) >= 2:
        return LogfmtShape(stamps)
    return None if stamps is None else PlainShape(stamps)


def is_zoneless(shape: Shape) -> bool:
    """Return whether the times of *shape* say no zone."""
    if isinstance(shape, JsonShape):
        return shape.local
    return shape.stamps is not None and shape.stamps.naive


def is_stamped(shape: Shape, line: bytes) -> bool:
    """Return whether *shape*, found from *line*, reads a time from it."""
    if shape.name == "json":
        return read_record(decode_record(line))[2] is not None
    return shape.name == "cri" or shape.stamps is not None


def key_space(shape: Shape) -> str:
    """Name the space in which a key alone decides what ``split`` returns."""
    return shape.name if shape.stamps is None else f"{shape.name}/{shape.stamps.format.name}"


def shape_from_state(state: list[Any]) -> Shape:
    """Rebuild a shape saved at a cut."""
    name, saved = state
    return SHAPES[name](saved)
