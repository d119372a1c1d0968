"""How surprising a share of errors is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.counts import CAP, ShareTail


def taught(events: int, trials: int, periods: int = 200) -> ShareTail:
    tail = ShareTail()
    for n in range(periods):
        tail.learn(events, trials, 60.0 * n)
    return tail


def test_no_errors_surprise_nobody() -> None:
    """Nothing is never too much."""
    assert taught(0, 100).surprise(0, 100) == 0.0
    assert taught(0, 100).surprise(5, 0) == 0.0


def test_the_usual_share_is_usual() -> None:
    """Five errors of a hundred are nothing where they always are."""
    assert taught(5, 100).surprise(6, 100) < 1.0
    assert taught(0, 100).surprise(30, 100) > 6.0


@given(st.integers(1, 50))
def test_more_errors_are_more_surprising(events: int) -> None:
    """The tail grows with the count and is capped."""
    tail = taught(1, 100, 50)
    assert tail.surprise(events, 100) <= tail.surprise(events + 1, 100) <= CAP


def test_an_outbreak_does_not_become_normal() -> None:
    """One hour of many errors is learned only as far as it was to be expected."""
    tail = taught(1, 100, 500)
    for n in range(20):
        tail.learn(90, 100, 30_000.0 + 60.0 * n)
    assert tail.share < 0.1


def test_it_forgets() -> None:
    """After some days of quiet an old share is gone."""
    tail = taught(20, 100)
    before = tail.share
    tail.learn(0, 100, 10 * 86400.0)
    assert tail.share < before / 10


def test_what_was_saved_goes_on() -> None:
    """A rebuilt tail is the saved one."""
    tail = taught(3, 70, 20)
    again = ShareTail.from_state(tail.to_state())
    assert again.surprise(9, 70) == tail.surprise(9, 70)
    assert again.high(70) == pytest.approx(tail.high(70))
