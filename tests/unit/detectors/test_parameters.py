"""Which numbers of a template are measurements."""

from __future__ import annotations

import random

import pytest

from detectors.parameters import STUDY, Measure, Reading, measures, read


def study(masked: str, lines: list[str]) -> list[Measure]:
    return measures([read(masked, line) or [] for line in lines])


def test_numbers_are_read_between_the_words() -> None:
    """What precedes the message, however it looks, is not part of it."""
    line = "2026-01-05T10:00:00Z INFO [order-7] order 81 took 45.5 ms, wrote 12kB (3%)"
    found = read("order <*> took <*> ms, wrote <*> (<*>%)", line)
    assert found == [
        Reading(81.0, "", True),
        Reading(45.5, "ms", False),
        Reading(12.0, "kB", True),
        Reading(3.0, "%", True),
    ]


def test_the_unit_may_stand_in_the_key() -> None:
    """As in logfmt and JSON."""
    assert read("msg=done duration_ms=<*> path=<*>", "t=1 msg=done duration_ms=17 path=/a") == [
        Reading(17.0, "ms", True),
        None,
    ]
    assert read('{"size_bytes":<*>}', '{"size_bytes":512}') == [Reading(512.0, "bytes", True)]


@pytest.mark.parametrize("text", ["a1b2c3d4", "0x1f", "10.0.0.7", "1:2", "7-4", "v1.2.3", "x", ""])
def test_what_only_holds_digits_is_no_number(text: str) -> None:
    """Ids in hex, addresses, versions and stamps are not."""
    assert read("saw <*> here", f"saw {text} here") == [None]


def test_what_a_line_begins_with_is_left_alone() -> None:
    """It may be the number of a process that the logger wrote."""
    assert read("<*> INFO took <*> ms", "4711 INFO took 3 ms") == [None, Reading(3.0, "ms", True)]


def test_lines_that_do_not_fit_are_unknown() -> None:
    """Another line, or a template without a variable part."""
    assert read("order <*> took <*> ms", "something else") is None
    assert read("no part", "no part") is None


def test_durations_sizes_and_codes_are_measurements() -> None:
    """All that has a unit, and bare numbers that come again."""
    chance = random.Random(1)
    lines = [
        f"GET /cart {chance.choice((200, 200, 302, 404, 500))} {chance.lognormvariate(3, 1):.1f}ms"
        for _ in range(STUDY)
    ]
    code, took = study("GET /cart <*> <*>", lines)
    assert (code.place, code.unit, code.is_duration) == (0, "", False)
    assert (took.place, took.unit, took.is_duration) == (1, "ms", True)


def test_ids_and_counters_and_constants_are_not() -> None:
    """What is all different, only grows, or never varies says nothing."""
    chance = random.Random(2)
    for draw in (lambda _: chance.randrange(10**5), lambda n: 7000 + n // 2, lambda _: 8080):
        lines = [f"request {draw(n)} done" for n in range(STUDY)]
        assert study("request <*> done", lines) == []


def test_units_are_brought_to_one() -> None:
    """950ms and 1.2s are neighbours."""
    measure = Measure(0, "ms", 10.0)
    assert measure.value_of(Reading(1.2, "s", False)) == pytest.approx(1200.0)
    assert measure.value_of(Reading(7.0, "", True)) == 7.0
    assert measure.back(measure.squeeze(1200.0)) == pytest.approx(1200.0)
    assert measure.squeeze(0.0) == 0.0
