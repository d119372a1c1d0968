"""Stamps are found once and read in every line, honestly and without exception."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiops.decoding.formats import FORMATS
from aiops.decoding.stamps import _match, clear_caches, find_stamp, read_moment, read_second


def utc(*parts: int) -> float:
    return datetime(*parts, tzinfo=UTC).timestamp()


AT = utc(2025, 3, 4, 6, 7, 8)
NEAR = AT + 3600.0

LINES = [
    ("iso", "2025-03-04T06:07:08Z x", AT),
    ("iso", "2025-03-04 06:07:08,123 x", AT),
    ("iso", "2025-03-04T08:07:08.123456+02:00 x", AT),
    ("iso", "2025-03-04 01:37:08.1 -0430 x", AT),
    ("iso", "[2025-03-04T06:07:08] x", AT),
    ("iso", "web1 app 2025-03-04T06:07:08 x", AT),
    ("iso", 'time="2025-03-04T06:07:08Z" level=info', AT),
    ("iso", "INFO:2025-03-04 06:07:08:x", AT),
    ("iso_compact", "2025-03-04-06.07.08.123456 x", AT),
    ("iso_compact", "20250304T060708.123Z x", AT),
    ("slashes", "2025/03/04 06:07:08 [error] x", AT),
    ("access", 'h - - [04/Mar/2025:08:07:08 +0200] "GET / HTTP/1.1" 200 1', AT),
    ("day_month_year", "04 Mar 2025 06:07:08.123 x", AT),
    ("day_month_year", "04-Mar-2025 06:07:08 x", AT),
    ("ctime", "[Tue Mar 04 06:07:08.123456 2025] [core:error] x", AT),
    ("ctime", "Tue Mar  4 06:07:08 2025 x", AT),
    ("syslog", "Mar  4 06:07:08 web1 x", AT),
    ("klog", "E0304 06:07:08.123456 1 a.go:1] x", AT),
    ("log4j_short", "25/03/04 06:07:08 INFO x", AT),
    ("digits", "250304 060708 145 INFO x", AT),
    ("epoch", "1741068428 x", AT),
    ("epoch", "1741068428.123 x", AT),
    ("epoch", "[1741068428123] x", AT),
    ("clock", "06:07:08.123 [main] x", AT),
]


@pytest.mark.parametrize(("name", "line", "at"), LINES)
def test_every_format_is_found_and_read(name: str, line: str, at: float) -> None:
    """A line shows its format, and the same place gives the time of this line."""
    reader = find_stamp(line.encode(), NEAR)
    assert reader is not None
    assert reader.format.name == name
    assert reader.seconds([line.encode()] * 2) == [at, at]
    assert reader.seconds([b"", b"x", b"nothing here at all, not even once"]) == [None] * 3


def test_every_format_has_a_line() -> None:
    """No format is without a test."""
    assert {name for name, _, _ in LINES} == {f.name for f in FORMATS}


@pytest.mark.parametrize("line", [line for _, line, _ in LINES])
@given(second=st.integers(0, 59), minute=st.integers(0, 59))
def test_reading_by_the_minute_equals_reading_whole(line: str, second: int, minute: int) -> None:
    """The quick way to read a second gives what the pattern gives."""
    for old, new in (("07:08", f"{minute:02}:{second:02}"), ("0708", f"{minute:02}{second:02}")):
        line = line.replace(old, new)
    reader = find_stamp(line.encode(), NEAR)
    assert reader is not None
    one = reader.seconds([line.encode()])
    clear_caches()
    piece = reader._slices([line.encode()])[0]
    assert one == [reader.complete(_match(reader.format, piece), NEAR)]


@pytest.mark.parametrize(
    ("line", "near", "at"),
    [
        ("Dec 31 23:59:59 a", utc(2025, 1, 1, 0, 0, 5), utc(2024, 12, 31, 23, 59, 59)),
        ("Jan  1 00:00:01 a", utc(2024, 12, 31, 23, 59, 58), utc(2025, 1, 1, 0, 0, 1)),
        ("Feb 29 10:00:00 a", utc(2024, 3, 5), utc(2024, 2, 29, 10)),
        ("Feb 29 10:00:00 a", utc(2025, 2, 1), utc(2024, 2, 29, 10)),
        ("23:59:59.5 a", utc(2025, 1, 1, 0, 0, 5), utc(2024, 12, 31, 23, 59, 59)),
        ("00:00:01.5 a", utc(2024, 12, 31, 23, 59, 58), utc(2025, 1, 1, 0, 0, 1)),
    ],
)
def test_incomplete_stamps_mean_the_nearest_time(line: str, near: float, at: float) -> None:
    """A stamp without a year or a date is completed from the time around it."""
    reader = find_stamp(line.encode(), near)
    assert reader is not None
    assert reader.seconds([line.encode()]) == [at]


def test_the_first_line_of_a_file_is_older_than_the_file() -> None:
    """A line of March in a file last written in December is of the March before it."""
    reader = find_stamp(b"Mar  5 01:02:03 a", utc(2024, 12, 15))
    assert reader is not None
    [second] = reader.seconds([b"Mar  5 01:02:03 a"])
    written = utc(2024, 12, 15)
    assert reader.complete(second, written, first=True) == utc(2024, 3, 5, 1, 2, 3)
    assert reader.complete(second, utc(2024, 12, 15)) == utc(2025, 3, 5, 1, 2, 3)


def test_a_day_that_never_was_is_no_stamp() -> None:
    """Impossible dates are unknown, not wrong."""
    reader = find_stamp(b"2025-03-04T06:07:08Z a", NEAR)
    assert reader is not None
    bad = [b"2025-02-30T06:07:08Z a", b"2025-13-01T00:00:00Z a", b"2025-03-04T25:00:00Z a"]
    assert reader.seconds(bad) == [None] * 3
    assert find_stamp(b"2025-02-30T06:07:08Z a", NEAR) is None
    assert find_stamp(b"0000-00-00T00:00:00Z a", NEAR) is None


def test_a_change_of_zone_is_seen() -> None:
    """A stream that shows its zone may change it at the end of summer."""
    reader = find_stamp(b"2025-10-26T02:59:59.1+02:00 a", NEAR)
    assert reader is not None
    lines = [b"2025-10-26T02:59:59.12+02:00 a", b"2025-10-26T02:00:00.001+01:00 b"]
    one, two = reader.seconds(lines)
    assert one is not None
    assert two == one + 1.0


@pytest.mark.parametrize(
    ("value", "at"),
    [
        (AT, AT),
        (AT * 1e3, AT),
        (int(AT) * 10**9, AT),
        (str(int(AT)), AT),
        (f"{AT:.3f}", AT),
        ("2025-03-04T06:07:08.123Z", AT),
        ("04/Mar/2025:06:07:08 +0000", AT),
        (None, None),
        (True, None),
        ({}, None),
        ([AT], None),
        ("soon", None),
        ("nan", None),
        ("9" * 5000, None),
        (10**400, None),
        (math.nan, None),
        (math.inf, None),
        (-1, None),
        (0, None),
    ],
)
def test_moments_of_fields(value: object, at: float | None) -> None:
    """Times in fields are epoch seconds to nanoseconds or text; anything else is unknown."""
    found = read_moment(value)
    assert found == (None if at is None else pytest.approx(at))
    assert read_second(value) == at
    assert read_second(value) == at


def test_moments_that_differ_late_are_not_confused() -> None:
    """What is remembered of one time never answers for another."""
    one = read_second("04/Mar/2025:06:07:08 +0000")
    two = read_second("04/Mar/2025:06:07:09 +0000")
    assert (one, two) == (AT, AT + 1.0)


@given(st.binary(max_size=80))
def test_bytes_never_raise(line: bytes) -> None:
    """Any bytes have a stamp or none."""
    reader = find_stamp(line, NEAR)
    if reader is not None:
        assert len(reader.seconds([line, b""])) == 2
