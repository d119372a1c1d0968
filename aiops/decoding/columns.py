"""Read the JSON records of many lines at once, one column of a field after the other.

Most lines of a stream have the same fields in the same order, and a field has values of one type.
Such a column is read in one go; where it is mixed, or does not tell, the field is read record by
record, so every result is that of ``read_record``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import repeat
from operator import add
from typing import Any, NamedTuple

from aiops.decoding.formats import Parsed
from aiops.decoding.levels import level_word
from aiops.decoding.lines import SEP, collapse_texts, pieces, reduce
from aiops.decoding.records import (
    BROKEN,
    Plan,
    decode_record,
    decode_value,
    evidence,
    find_level,
    find_message,
    find_service,
    find_status,
    find_time,
    flat,
    key_head,
    may_wrap,
    plan_of,
    read_whole,
    status_class,
    wrapper_time,
)
from aiops.decoding.remembered import Remembered
from aiops.decoding.spans import Traced
from aiops.decoding.stamps import read_seconds

_FEW_LONG = 256  # so few texts in a piece are long
_FEW = 4  # so many records are read sooner one by one

_Record = dict[str, Any]
_Records = list[_Record]

# Numbers and texts apart: 1 and "1" are two keys, 1 and True would be one.
_WORDS = {str: Remembered(level_word), int: Remembered(level_word)}
_CLASSES = {str: Remembered(status_class), int: Remembered(status_class)}
_HEADS = Remembered(key_head, limit=4096)


class _Columns(NamedTuple):
    """What ``read_whole`` returns, as lists; the text is collapsed, ``None`` when unreadable.

    ``spans`` has the lines alone that have fields of a span.
    """

    heads: list[bytes]
    texts: list[bytes | None]
    seconds: list[Parsed]
    spans: dict[int, Traced]


def read_lines(
    lines: list[bytes], *, ids: bool = False
) -> tuple[list[bytes], list[Parsed], int, dict[int, Traced]]:
    """Return (keys, times, how many objects were unreadable, spans) of JSON lines.

    A line that is no record is its own key, collapsed and without head, and has no time.
    """
    if not lines:
        return [], [], 0, {}
    heads, texts, seconds, spans = _read_all(lines, ids=ids)
    if None not in texts:
        return list(map(add, heads, texts)), seconds, 0, spans
    at = [i for i, text in enumerate(texts) if text is None]
    for i, text in zip(at, collapse_texts([lines[i] for i in at], ids=ids), strict=True):
        texts[i] = text
    unreadable = sum(lines[i][:1] == b"{" for i in at)
    return list(map(add, heads, texts)), seconds, unreadable, spans


def clear_caches() -> None:
    """Forget what is only remembered for speed; no later result changes."""
    caches: tuple[dict[Any, Any], ...] = (*_WORDS.values(), *_CLASSES.values(), _HEADS)
    for known in caches:
        known.clear()


def _read_all(lines: Sequence[bytes] | Sequence[str], *, ids: bool) -> _Columns:
    records: list[_Record | None]
    names: list[tuple[str, ...] | None]
    try:
        records = list(map(decode_value, lines))
        if set(map(type, records)) != {dict}:
            raise TypeError
        names = list(map(tuple, records))  # type: ignore[arg-type]  # no None in it
    except BROKEN:
        records = [_decoded(line) for line in lines]
        names = [None if record is None else tuple(record) for record in records]
    if names[0] is not None and len(set(names)) == 1:
        return _read_alike(records, names[0], ids=ids)  # type: ignore[arg-type]  # no None in it
    alike: defaultdict[tuple[str, ...] | None, list[int]] = defaultdict(list)
    for i, its in enumerate(names):
        alike[its].append(i)
    found = _unread(len(lines))
    for its, at in alike.items():
        if its is not None:
            some = [records[i] for i in at]
            _put(found, at, _read_alike(some, its, ids=ids))  # type: ignore[arg-type]  # no None in it
    return found


def _decoded(line: bytes | str) -> _Record | None:
    try:
        return decode_record(line)
    except BROKEN:
        return None


def _unread(count: int) -> _Columns:
    return _Columns([b""] * count, [None] * count, [None] * count, {})


def _put(into: _Columns, at: list[int], found: _Columns) -> None:
    heads, texts, seconds, spans = found
    for i, head, text, second in zip(at, heads, texts, seconds, strict=True):
        into.heads[i], into.texts[i], into.seconds[i] = head, text, second
    for n, values in spans.items():
        into.spans[at[n]] = values


def _read_alike(records: _Records, names: tuple[str, ...], *, ids: bool) -> _Columns:
    if len(records) >= _FEW:
        try:
            return _read_columns(records, names, ids=ids)
        except BROKEN:
            pass  # one of them; the others are well
    found = _unread(len(records))
    for i, record in enumerate(records):
        try:
            found.heads[i], text, found.seconds[i], values = read_whole(record)
        except BROKEN:
            continue
        found.texts[i] = reduce(text, ids=ids)
        if values is not None:
            found.spans[i] = values
    return found


def _read_columns(records: _Records, names: tuple[str, ...], *, ids: bool) -> _Columns:
    plan = plan_of(names)
    messages = _messages(records, plan.messages)
    if not may_wrap(names):
        return _fields(records, names, plan, messages, ids=ids)
    wrapped = {i: text for i, text in enumerate(messages) if text and text[0] == "{"}
    if not wrapped:
        return _fields(records, names, plan, messages, ids=ids)
    found = _unread(len(records))
    _put(found, list(wrapped), _read_all(list(wrapped.values()), ids=ids))
    for i in wrapped:
        if found.texts[i] is not None and found.seconds[i] is None:
            found.seconds[i] = wrapper_time(records[i])
    rest = [i for i, text in enumerate(found.texts) if text is None]
    if rest:
        chosen = [records[i] for i in rest]
        said = [messages[i] for i in rest]
        _put(found, rest, _fields(chosen, names, plan, said, ids=ids))
    return found


def _fields(
    records: _Records,
    names: tuple[str, ...],
    plan: Plan,
    messages: list[str | None],
    *,
    ids: bool,
) -> _Columns:
    texts = _texts(records, messages, ids=ids)
    seconds, spans = _seconds(records, plan.times), _spans(records, plan)
    return _Columns(_heads(records, names, plan), texts, seconds, spans)


def _spans(records: _Records, plan: Plan) -> dict[int, Traced]:
    return {} if plan.span is None else dict(enumerate(zip(records, repeat(plan.span))))


def _heads(records: _Records, names: tuple[str, ...], plan: Plan) -> list[bytes]:
    services = _services(records, plan.services, names)
    words = _words(records, plan.levels, names)
    states = _states(records, plan.states)
    if services is None and words is None and states is None:
        return [_HEADS["", b"", b""]] * len(records)
    nothing = [b""] * len(records)
    parts = zip(
        [""] * len(records) if services is None else services,
        nothing if words is None else words,
        nothing if states is None else states,
        strict=True,
    )
    return list(map(_HEADS.__getitem__, parts))


def _column(records: _Records, name: str) -> tuple[list[Any], type | None]:
    """Return the values of a field and their type, ``None`` when they have several."""
    column = [record[name] for record in records]
    types = set(map(type, column))
    return column, types.pop() if len(types) == 1 else None


def _messages(records: _Records, names: tuple[str, ...]) -> list[str | None]:
    if not names:
        return [None] * len(records)
    column, kind = _column(records, names[0])
    return column if kind is str else [find_message(record, names) for record in records]


def _texts(records: _Records, messages: list[str | None], *, ids: bool) -> list[bytes | None]:
    if None in messages:
        texts = [
            evidence(record) if text is None else text
            for record, text in zip(records, messages, strict=True)
        ]
    else:
        texts = messages  # type: ignore[assignment]  # no None in it
    found: list[bytes | None] = []
    for some in pieces(texts):
        lines = reduce(_encoded(some).replace(SEP, b" "), ids=ids).split(b"\n")
        if len(lines) > len(some):
            data = _encoded(list(map(flat, some)))
            lines = reduce(data.replace(SEP, b" "), ids=ids).split(b"\n")
        found += lines
    return found


def _encoded(texts: Sequence[str]) -> bytes:
    """Return texts as lines of bytes; one by one when they are long: few are not ASCII."""
    if len(texts) < _FEW_LONG:
        try:
            return b"\n".join(map(str.encode, texts))
        except UnicodeEncodeError:  # half a character, which JSON can escape
            pass
    return "\n".join(texts).encode("utf-8", "replace")


def _words(
    records: _Records, levels: tuple[str, ...], names: tuple[str, ...]
) -> list[bytes] | None:
    if levels:
        column, kind = _column(records, levels[0])
        if kind is str or kind is int:
            found = list(map(_WORDS[kind].__getitem__, column))
            if None in found:
                for i, word in enumerate(found):
                    found[i] = word or find_level(records[i], levels) or b""
            return found  # type: ignore[return-value]  # no None is left
    elif "log" not in names or dict not in {type(record["log"]) for record in records}:
        return None
    return [find_level(record, levels) or b"" for record in records]


def _states(records: _Records, names: tuple[str, ...]) -> list[bytes] | None:
    if not names:
        return None
    column, kind = _column(records, names[0])
    if kind is not str and kind is not int:
        return [find_status(record, names) for record in records]
    found = list(map(_CLASSES[kind].__getitem__, column))
    if len(names) > 1 and b"" in found:
        for i, status in enumerate(found):
            found[i] = status or find_status(records[i], names)
    return found


def _services(
    records: _Records, services: tuple[str, ...], names: tuple[str, ...]
) -> list[str] | None:
    if services:
        column, kind = _column(records, services[0])
        if kind is str and "" not in column:
            return [name[:200] for name in column]
    elif "resource" not in names:
        return None
    return [find_service(record, services) for record in records]


def _seconds(records: _Records, names: tuple[str, ...]) -> list[Parsed]:
    if not names:
        return [None] * len(records)
    column, kind = _column(records, names[0])
    if kind is not str and kind is not int and kind is not float:
        return [find_time(record, names) for record in records]
    found = read_seconds(column)
    if len(names) > 1 and None in found:
        for i, at in enumerate(found):
            if at is None:
                found[i] = find_time(records[i], names)
    return found
