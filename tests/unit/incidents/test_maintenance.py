"""Recurring windows: cron fields, time zones and the days on which the clock changes."""

from __future__ import annotations

from datetime import datetime

import pytest

from aiops.incidents.maintenance import Window, read_cron

BERLIN = "Europe/Berlin"


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def test_a_window_covers_its_duration_in_local_time() -> None:
    """Sunday at three for two hours: from the start, without the end, in winter and summer."""
    window = Window("db", "0 3 * * sun", 7200.0, BERLIN)
    for day, offset in (("2026-01-11", "+01:00"), ("2026-07-12", "+02:00")):
        assert window.silence(at(f"{day}T02:59:59{offset}")) is None
        assert window.silence(at(f"{day}T03:00:00{offset}")) is not None
        assert window.silence(at(f"{day}T04:59:59{offset}")) is not None
        assert window.silence(at(f"{day}T05:00:00{offset}")) is None
    assert window.silence(at("2026-01-12T03:30:00+01:00")) is None


def test_a_start_that_the_clock_skips_happens_right_after() -> None:
    """Half past two does not exist on the last Sunday of March: the window begins at half past."""
    window = Window("db", "30 2 * * *", 3600.0, BERLIN)
    assert window.next_start(at("2026-03-29T00:00:00+01:00")) == at("2026-03-29T03:30:00+02:00")
    assert window.next_start(at("2026-03-29T03:30:00+02:00")) == at("2026-03-30T02:30:00+02:00")


def test_a_start_that_comes_twice_happens_once() -> None:
    """Half past two comes twice on the last Sunday of October: the first one counts."""
    window = Window("db", "30 2 * * *", 1800.0, BERLIN)
    assert window.next_start(at("2026-10-25T00:00:00+02:00")) == at("2026-10-25T02:30:00+02:00")
    assert window.next_start(at("2026-10-25T02:30:00+02:00")) == at("2026-10-26T02:30:00+01:00")
    assert window.silence(at("2026-10-25T02:45:00+01:00")) is None


def test_a_window_over_midnight_goes_on() -> None:
    """What began yesterday still covers this morning."""
    window = Window("db", "0 23 * * fri", 4 * 3600.0)
    covered = window.silence(at("2026-01-10T02:00:00+00:00"))
    assert covered is not None
    assert (covered.starts, covered.ends) == (
        at("2026-01-09T23:00:00+00:00"),
        at("2026-01-10T03:00:00+00:00"),
    )


def test_either_kind_of_day_is_enough_when_both_are_given() -> None:
    """The first of the month and every Monday, as crontab has it."""
    cron = read_cron("0 0 1 * mon")
    days = [datetime(2026, 6, day).date() for day in (1, 2, 8)]  # noqa: DTZ001 - a calendar day
    assert [cron.falls_on(day) for day in days] == [True, False, True]


def test_lists_ranges_steps_and_names() -> None:
    """Every form of a field gives its numbers; seven is Sunday too."""
    cron = read_cron("*/20 1-3,22 1 jan-mar/2 5-7")
    assert cron.minutes == {0, 20, 40}
    assert cron.hours == {1, 2, 3, 22}
    assert cron.months == {1, 3}
    assert cron.weekdays == {5, 6, 0}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0 3 * *", "4 fields"),
        ("60 3 * * *", "minute '60'"),
        ("0 3 * * funday", "weekday 'funday'"),
        ("0 5-3 * * *", "backwards"),
        ("*/0 * * * *", "minute '0'"),
        ("0 3 * * ²", "weekday"),
    ],
)
def test_a_wrong_field_is_named(text: str, said: str) -> None:
    """Each message names the field and what it may hold."""
    with pytest.raises(ValueError, match=said):
        read_cron(text)


def test_what_never_happens_has_no_next_start() -> None:
    """The 30th of February never comes; the 29th comes within four years."""
    assert Window("db", "0 0 30 2 *", 60.0).next_start(0.0) is None
    leap = Window("db", "0 0 29 2 *", 60.0).next_start(at("2024-03-01T00:00:00+00:00"))
    assert leap == at("2028-02-29T00:00:00+00:00")
