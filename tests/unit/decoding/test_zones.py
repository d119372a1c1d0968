"""Stamps that say no zone."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from aiops.decoding.kinds import KindCache
from aiops.decoding.shapes import find_shape, is_zoneless, shape_from_state
from aiops.decoding.stamps import StampReader, find_stamp
from aiops.decoding.windows import StreamWindows, WindowSettings
from aiops.decoding.zones import Zone
from aiops.model import Block, LogWindow, Stream

STREAM = Stream("file:a.log", "file", "service:a", "service:a")


def utc(*parts: int) -> float:
    return datetime(*parts, tzinfo=UTC).timestamp()  # type: ignore[arg-type,misc]


def windows(text: str, zone: str, arrived: float) -> list[LogWindow]:
    one = StreamWindows(STREAM, WindowSettings(timezone=zone), KindCache())
    found = one.add(Block(STREAM, text.encode(), "1", arrived))
    return found + one.settle() + one.flush()


@pytest.mark.parametrize(
    ("zone", "hour"), [("Europe/Berlin", 10), ("America/New_York", 16), ("Etc/UTC", 12)]
)
@pytest.mark.parametrize(
    "stamp",
    ["2026-07-01 12:00:00,123", "2026/07/01 12:00:00", "Jul  1 12:00:00", "12:00:00.5"],
)
def test_a_local_stamp_is_read_in_its_zone(stamp: str, zone: str, hour: int) -> None:
    """Noon on a clock in Berlin is ten in UTC, whether the stamp holds a date or not."""
    text = "".join(f"{stamp} worker: job {n} done\n" for n in range(5))
    (window,) = windows(text, zone, utc(2026, 7, 1, hour, 0, 5))
    assert window.start == utc(2026, 7, 1, hour)
    assert window.lines == 5


@pytest.mark.parametrize(
    "stamp",
    [
        "2026-07-01T12:00:00Z",
        "2026-07-01 12:00:00 +0000",
        "2026-07-01T14:00:00+02:00",
        "1782907200",
    ],
)
def test_a_stamp_with_a_zone_means_what_it_says(stamp: str) -> None:
    """The configured zone is only for stamps that say none."""
    text = "".join(f"{stamp} worker: job {n} done\n" for n in range(5))
    (window,) = windows(text, "America/New_York", utc(2026, 7, 1, 12, 0, 5))
    assert window.start == utc(2026, 7, 1, 12)


@pytest.mark.parametrize(
    ("stamp", "hour"),
    [
        ('"2026-07-01 12:00:00,123"', 16),
        ('"2026-07-01T12:00:00"', 16),
        ('"2026-07-01T12:00:00Z"', 12),
        ('"2026-07-01T14:00:00.5+02:00"', 12),
        ("1782907200000", 12),
        ('"1782907200.5"', 12),
    ],
)
def test_the_stamp_of_a_record_is_read_as_one_of_a_line(stamp: str, hour: int) -> None:
    """JSON or not: a stamp without a zone is of the configured one, also after a restart."""
    text = "".join(f'{{"time":{stamp},"msg":"job {n} done"}}\n' for n in range(5))
    (window,) = windows(text, "America/New_York", utc(2026, 7, 1, hour, 0, 5))
    assert window.start == utc(2026, 7, 1, hour)

    shape = find_shape(text.encode().splitlines()[0], 0.0)
    assert shape is not None
    assert is_zoneless(shape_from_state(shape.to_state())) == (hour == 16)


def test_summer_and_winter_differ() -> None:
    """The offset is that of the day; an hour that comes twice is read as its first turn."""
    berlin = Zone("Europe/Berlin")
    assert berlin
    assert berlin.to_utc([utc(2026, 1, 1, 12), None]) == [utc(2026, 1, 1, 11), None]
    assert berlin.to_utc([utc(2026, 10, 25, 2, 30)]) == [utc(2026, 10, 25, 0, 30)]
    assert not Zone("UTC")


def test_an_unknown_zone_is_refused() -> None:
    """The message says what to write."""
    with pytest.raises(ValueError, match="write one like Europe/Berlin"):
        Zone("Mars/Olympus")


def test_what_says_no_zone_survives_a_restart() -> None:
    """A saved reader still knows that its stamps are local."""
    reader = find_stamp(b"2026-07-01 12:00:00 hello", 0.0)
    assert reader is not None
    assert reader.naive
    assert StampReader.from_state(reader.to_state()).naive
    zoned = find_stamp(b"2026-07-01T12:00:00Z hello", 0.0)
    assert zoned is not None
    assert not zoned.naive
