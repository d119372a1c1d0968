"""How rare a first sight is, and what its coming again means."""

from __future__ import annotations

import pytest

from detectors.novelty import MOST_RECURRENCE, WARMUP_WINDOWS, NoveltyRate, recurrence

ERROR = 3


def quiet(windows: int) -> NoveltyRate:
    rate = NoveltyRate(5)
    for n in range(windows):
        rate.learn(10.0 * n, None)
    return rate


def test_nothing_is_known_at_first() -> None:
    """Before thirty windows a first sight means nothing."""
    assert quiet(WARMUP_WINDOWS - 1).surprise(ERROR) is None
    assert quiet(WARMUP_WINDOWS + 1).surprise(ERROR) is not None


def test_the_longer_it_was_quiet_the_rarer() -> None:
    """Ten times as many quiet windows are about one decade."""
    early, late = quiet(1000).surprise(ERROR), quiet(10_000).surprise(ERROR)
    assert early is not None
    assert late is not None
    assert late - early == pytest.approx(1.0, abs=0.1)


def test_systems_that_say_new_things_get_used_to_it() -> None:
    """A novelty of a class makes that class and those below it less surprising."""
    rate = quiet(500)
    before = [rate.surprise(kind) or 0.0 for kind in range(5)]
    rate.learn(5000.0, ERROR)
    after = [rate.surprise(kind) or 0.0 for kind in range(5)]
    assert all(a < b - 0.3 for a, b in zip(after[:4], before[:4], strict=True))
    assert after[4] == pytest.approx(before[4], abs=0.01)


def test_coming_again_soon_is_surprising() -> None:
    """Each doubling within a minute counts as much as the time it stayed unseen."""
    assert recurrence(1, 60.0, 3600.0) == 0.0
    assert recurrence(2, 10.0, 3540.0) == pytest.approx(1.78, abs=0.01)
    assert recurrence(4, 10.0, 3540.0) == pytest.approx(3.56, abs=0.01)
    assert recurrence(1000, 10.0, 1e6) == MOST_RECURRENCE


def test_coming_again_slowly_is_not() -> None:
    """What comes back at the pace at which it stayed away says little."""
    assert recurrence(2, 3600.0, 3600.0) < 0.4


def test_what_was_saved_goes_on() -> None:
    """A rebuilt rate answers and learns as the saved one."""
    rate = quiet(50)
    rate.learn(600.0, ERROR)
    again = NoveltyRate.from_state(rate.to_state())
    for each in (rate, again):
        each.learn(700.0, 1)
    assert again.to_state() == rate.to_state()
    assert again.watched(900.0) == 900.0
