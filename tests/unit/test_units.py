"""Numbers read the way a person says them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiops.units import duration, factor, quantity


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (None, "s", "unknown"),
        (math.nan, "", "not a number"),
        (math.inf, "s", "infinite"),
        (1.7e308, "h", "1.7e+308 h"),
        (0, "", "0"),
        (0, "s", "0 s"),
        (0, "bytes", "0 B"),
        (1234, "", "1234"),
        (12_345, "", "12.3 k"),
        (12_345, "requests", "12.3 k requests"),
        (0.25, "", "0.25"),
        (999_999, "", "1 M"),
        (0.34, "s", "340 ms"),
        (340, "ms", "340 ms"),
        (2.14, "seconds", "2.14 s"),
        (0.9997, "s", "1 s"),
        (0.000012, "s", "12 µs"),
        (300, "s", "5 min"),
        (4.1 * 2**30, "bytes", "4.1 GiB"),
        (512, "MiB", "512 MiB"),
        (4096, "B/s", "4 KiB/s"),
        (0.853, "ratio", "85.3 %"),
        (85, "%", "85 %"),
        (12_345, "lines/s", "12.3 k lines/s"),
        (21, "1/s", "21/s"),
        (1, "lines", "1 line"),
        (1, "lines/min", "1 lines/min"),
        (-0.34, "s", "-340 ms"),
        (0.00001, "", "1e-05"),
    ],
)
def test_quantities_have_three_digits_and_a_fitting_unit(
    value: float | None, unit: str, words: str
) -> None:
    """A number is scaled to its unit and keeps three digits."""
    assert quantity(value, unit) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1, "0 s"),
        (0.4, "0 s"),
        (45, "45 s"),
        (60, "1 min"),
        (125, "2 min 5 s"),
        (754, "12 min"),
        (3600, "1 h"),
        (11_100, "3 h 5 min"),
        (187_200, "2 d 4 h"),
    ],
)
def test_durations_have_at_most_two_units(seconds: float, words: str) -> None:
    """A length of time is said in one or two units."""
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("actual", "usual", "words"),
    [
        (2.1, 0.18, "11.7 times usual"),
        (0.5, 5, "0.1 times usual"),
        (5, 5.1, ""),
        (5, 0, ""),
        (0, 5, ""),
        (None, 5, ""),
        (5, None, ""),
        (math.inf, 5, ""),
        (1e9, 1, "over 1000 times usual"),
    ],
)
def test_a_factor_is_said_only_where_it_says_something(
    actual: float | None, usual: float | None, words: str
) -> None:
    """Zero, unknown, infinite and nearly usual values have no factor."""
    assert factor(actual, usual) == words


@given(st.floats(), st.sampled_from(["", "s", "ms", "bytes", "%", "ratio", "req/s", "°C"]))
def test_every_number_has_short_words(value: float, unit: str) -> None:
    """No number makes an error or a long text out of the ordinary range."""
    words = quantity(value, unit)

    assert words
    if abs(value) < 1e15 or not math.isfinite(value):
        assert len(words) <= 24
