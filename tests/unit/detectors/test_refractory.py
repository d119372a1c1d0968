from __future__ import annotations

from detectors.refractory import FORGET, HOLD, RISE, STRONGER, Refractory


def test_an_incident_is_told_once_until_it_is_much_stronger() -> None:
    """Within the hold only a row twice as surprising as the one told is news."""
    rule = Refractory(3.0, rise=0.0)
    assert rule.told(10, 0.0, 4.0)
    assert not rule.told(11, 60.0, 7.9)
    assert rule.told(12, 120.0, 4.0 * STRONGER)
    assert not rule.told(13, 180.0, 9.0)
    assert not rule.told(12 + HOLD, 6000.0, 9.0)
    assert rule.told(13 + HOLD, 6060.0, 9.0)


def test_below_alpha_nothing_is_told() -> None:
    """The bar is at least alpha, and exactly alpha is enough."""
    rule = Refractory(3.0)
    assert not rule.told(0, 0.0, 2.999)
    assert rule.told(1, 60.0, 3.0)


def test_who_calls_often_must_have_more_to_say() -> None:
    """Ten calls in a row double the bar: the eleventh of the same strength is not told."""
    rule = Refractory(3.0)
    calls = [rule.told(i * (HOLD + 1), 600.0 * i, 5.0) for i in range(20)]
    assert sum(calls) == 1 + int((5.0 / 3.0 - 1.0) / RISE)
    assert not any(calls[sum(calls) :])
    assert rule.told(20 * (HOLD + 1), 12000.0, 7.0)


def test_the_bar_comes_down_again_in_wall_time() -> None:
    """Half a year later the same series is listened to as at first, however few rows came."""
    rule = Refractory(3.0)
    for i in range(10):
        rule.told(i * (HOLD + 1), 600.0 * i, 9.0)
    assert not rule.told(2000, 6600.0, 3.1)
    assert rule.told(2001, 6600.0 + 13 * FORGET, 3.1)


def test_a_clock_that_goes_back_does_no_harm() -> None:
    """A time before the last one told counts as no time at all."""
    rule = Refractory(3.0)
    assert rule.told(0, 1e9, 4.0)
    assert rule.told(HOLD + 1, 0.0, 4.0)
