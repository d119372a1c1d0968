"""Records read column by column are what they are when read one by one."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from aiops.decoding import columns, stamps
from aiops.decoding.columns import read_lines
from aiops.decoding.formats import Parsed
from aiops.decoding.lines import collapse
from aiops.decoding.records import BROKEN, decode_record, read_whole
from aiops.decoding.spans import Traced
from aiops.decoding.stamps import read_second, read_seconds

STAMPS = st.sampled_from(
    [
        "2025-03-04T06:07:08Z",
        "2025-03-04T06:07:08.123Z",
        "2025-03-04 06:07:08,9+02:00",
        "2025-03-04T06:07:08.1.2+02:00",
        "2025-02-30T06:07:08.1Z",
        "04/Mar/2025:06:07:08 +0000",
        "1741068428.5",
        "soon",
        "",
    ]
)
NUMBERS = st.one_of(
    st.integers(-5, 700),
    st.sampled_from(
        [1741068428, 1741068428123, 1741068428123456789, 2**63, 2**64, 10**60, -(10**60)]
    ),
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(1e8, 1e19),
)
TEXTS = st.one_of(
    st.sampled_from(["", "a\nb", "end\n", "{", '{"msg":"in"}', "x\x1fy", "\x00 1", "5" * 80]),
    st.text(max_size=8),
)
LEVELS = st.sampled_from(["info", "WARN", " error ", "30", "7", "loud", "x" * 70, ""])
ANY = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS, STAMPS, LEVELS)
DEEP = st.one_of(
    ANY,
    st.lists(ANY, max_size=2),
    st.dictionaries(st.sampled_from(["name", "level", "message", "service", "attributes"]), ANY),
)
FIELDS = {
    "msg": TEXTS,
    "message": TEXTS,
    "log": TEXTS,
    "level": st.one_of(LEVELS, st.integers(0, 70)),
    "severity": LEVELS,
    "ts": st.one_of(NUMBERS, STAMPS),
    "time": STAMPS,
    "service": TEXTS,
    "app": st.sampled_from(["cart", "pay"]),
    "resource": DEEP,
    "status": st.integers(0, 700),
    "status_code": st.sampled_from(["200", "503", "x", "1000"]),
    "other": DEEP,
    "trace_id": ANY,
    "spanId": ANY,
    "parent.id": ANY,
    "traceparent": ANY,
}


@st.composite
def streams(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Draw records of few sets of fields; every field is mostly of one type."""
    found = []
    for _ in range(draw(st.integers(1, 3))):
        names = draw(st.lists(st.sampled_from(sorted(FIELDS)), unique=True, max_size=5))
        odd = draw(st.booleans())
        found += [
            {n: draw(DEEP if odd and draw(st.booleans()) else FIELDS[n]) for n in names}
            for _ in range(draw(st.integers(1, 9)))
        ]
    return draw(st.permutations(found))


def one_by_one(
    lines: list[bytes],
) -> tuple[list[bytes], list[Parsed], int, dict[int, Traced]]:
    keys: list[bytes] = []
    seconds: list[Parsed] = []
    spans: dict[int, Traced] = {}
    unreadable = 0
    for n, line in enumerate(lines):
        values = None
        try:
            head, text, at, values = read_whole(decode_record(line))
        except BROKEN:
            unreadable += line[:1] == b"{"
            head, text, at = b"", line, None
        keys.append(head + collapse(text))
        seconds.append(at)
        if values is not None:
            spans[n] = values
    return keys, seconds, unreadable, spans


@settings(max_examples=25)
@given(streams(), st.booleans())
def test_a_column_says_what_its_fields_say(records: list[dict[str, Any]], clear: bool) -> None:
    """Whatever the types in a column, and whatever is remembered, each record reads the same."""
    lines = [json.dumps(record).encode() for record in records]
    if clear:
        columns.clear_caches()
        stamps.clear_caches()
    assert read_lines(lines) == one_by_one(lines)


@settings(max_examples=25)
@given(streams(), st.lists(st.sampled_from([b"", b"plain", b'{"a":', b"[1]", b'{"msg":"1"}{}'])))
def test_broken_lines_leave_the_others_alone(
    records: list[dict[str, Any]], broken: list[bytes]
) -> None:
    """Lines that are no records stay whole and are counted; their neighbours are read."""
    lines = [json.dumps(record).encode() for record in records]
    for i, line in enumerate(broken):
        lines.insert(2 * i, line)
    assert read_lines(lines) == one_by_one(lines)


@settings(max_examples=25)
@given(streams(), st.booleans())
def test_wrapped_records_are_read_as_if_bare(records: list[dict[str, Any]], timed: bool) -> None:
    """A container runtime's frame around a record lends it its time, and nothing else."""
    frame = {"stream": "stdout"} | ({"time": "2025-03-04T06:07:08.5Z"} if timed else {})
    lines = [json.dumps({"log": json.dumps(record) + "\n"} | frame).encode() for record in records]
    lines += [json.dumps({"log": "{ no record\n"} | frame).encode()] * 2
    assert read_lines(lines) == one_by_one(lines)


@given(
    st.one_of(
        st.lists(STAMPS, min_size=1),
        st.lists(st.integers(-(10**60), 10**60), min_size=1),
        st.lists(st.integers(10**17, 10**19), min_size=1),
        st.lists(st.floats(), min_size=1),
        st.lists(st.floats(1e8, 1e10), min_size=1),
    )
)
def test_many_times_are_read_as_one(values: list[Any]) -> None:
    """A column of times gives what each of them gives, NaN and huge numbers too."""
    assert read_seconds(values) == [read_second(value) for value in values]


def test_one_record_too_deep_spoils_no_other() -> None:
    """A record that cannot be read is its own text; those of the same fields are read."""
    deep = b'{"ts":1741068428,"a":' + b"[" * 900 + b"]" * 900 + b"}"
    lines = [b'{"ts":1741068428,"a":%d}' % n for n in range(8)]
    lines.insert(4, deep)
    assert read_lines(lines) == one_by_one(lines)


def test_full_caches_change_nothing() -> None:
    """More different values than are remembered are all read right."""
    lines = [b'{"msg":"m","service":"s%d"}' % n for n in range(5000)]
    keys, *_ = read_lines(lines)
    assert keys[::999] == one_by_one(lines[::999])[0]
    assert len(columns._HEADS) < 5000
