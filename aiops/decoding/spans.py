"""Find in whose span a line was written, and which span called for it.

A line of a traced service names its trace, its own span and, in many formats, the span that it was
called from: OpenTelemetry's log fields with a parent beside them, B3 (``X-B3-ParentSpanId``), .NET
(``ParentId``), Sleuth, or the header ``traceparent`` (W3C Trace Context, section 3.2) as the callee
received it. Which fields of a record these are follows from their names alone, so records without
them cost nothing; text is looked at only where a kind of line names a parent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

_TRACE: Final = frozenset({"traceid", "xb3traceid", "oteltraceid"})
_SPAN: Final = frozenset({"spanid", "xb3spanid", "otelspanid"})
_PARENT: Final = frozenset({"parentspanid", "parentid", "xb3parentspanid"})
_HEADER: Final = frozenset({"traceparent"})

_PARENTED = re.compile(rb"traceparent|parent(?:[-_.]?span)?[-_.]?id", re.IGNORECASE)
_PLAIN = re.compile(r"[^a-z0-9]")
_ID = re.compile(r"[0-9a-f-]{8,36}")
_HEAD = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}\b")
_NOTHING = re.compile(r"[0-]*")
_VALUE = rb'[-_.]?id\\?"?\s{0,2}[:=]\s{0,2}\\?"?([0-9a-f-]{8,36})(?![0-9a-z])'
_IN_TEXT = (
    re.compile(rb"trace" + _VALUE, re.IGNORECASE),
    re.compile(rb"(?<!parent)(?<!parent[-_.])span" + _VALUE, re.IGNORECASE),
    re.compile(rb"parent(?:[-_.]?span)?" + _VALUE, re.IGNORECASE),
    re.compile(rb"traceparent[^0-9a-f]{1,4}([0-9a-f]{2}-[0-9a-f-]{52})", re.IGNORECASE),
)


class Fields(NamedTuple):
    """Name the fields of a record that say trace, span, parent and header, "" for none."""

    trace: str
    span: str
    parent: str
    header: str


Traced = tuple[dict[str, Any], Fields]
"""A record, and the fields of it that say its span; read only where somebody asks."""

Context = tuple[str, str, str]
"""Trace, own span and the span that called for it, of which one may be ""."""


def fields_of(names: Iterable[str]) -> Fields | None:
    """Return which of a record's fields say its span, ``None`` when too few do."""
    bare = [(_PLAIN.sub("", name.lower()), name) for name in names]
    found = Fields(
        *(next((n for b, n in bare if b in of), "") for of in (_TRACE, _SPAN, _PARENT, _HEADER))
    )
    return found if found.header or (found.trace and found.span) else None


def context_of(traced: Traced) -> Context | None:
    """Return the context that a record says, ``None`` when it says none."""
    record, fields = traced
    return _context(*map(record.get, fields))


def _context(*values: object) -> Context | None:
    trace, span, parent = map(_id, values[:3])
    if isinstance(values[3], str) and (head := _HEAD.match(values[3].lower())):
        trace, parent = trace or _id(head[1]), parent or _id(head[2])
    if parent == span:
        parent = ""  # the header that it sends, not the one that it got
    return (trace, span, parent) if trace and (span or parent) else None


def context_in(line: bytes) -> Context | None:
    """Return the context that a line of text says, ``None`` when it says none."""
    found = [match[1].decode() if (match := p.search(line)) else "" for p in _IN_TEXT]
    return _context(*found)


def names_parent(text: bytes) -> bool:
    """Return whether a masked line, or one of many joined, may name the parent of a span."""
    # Few lines hold the word at all, and looking for it costs a tenth.
    return b"arent" in text and _PARENTED.search(text) is not None


def _id(value: object) -> str:
    if not isinstance(value, str):
        return ""
    value = value.lower()
    return value if _ID.fullmatch(value) and not _NOTHING.fullmatch(value) else ""
