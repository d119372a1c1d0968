from __future__ import annotations

import numpy as np

from detectors.rhythm import DAY, SLOT, Rhythm

START = 1_699_833_600.0  # the midnight before a Monday


def weekly(at: float) -> float:
    """Return ten on working days and nothing at the weekend."""
    return 10.0 if (at - START) % (7 * DAY) < 5 * DAY else 0.0


def residuals(rhythm: Rhythm, days: range) -> list[float | None]:
    found = []
    for at in np.arange(START + days.start * DAY, START + days.stop * DAY, SLOT).tolist():
        found.append(rhythm.residual(weekly(at), at))
        rhythm.learn(weekly(at), at)
    return found


def test_nothing_is_known_before_the_third_day() -> None:
    """Two passes of a slot, a day apart, are needed before it is believed."""
    found = residuals(Rhythm(), range(3))
    assert found[: 2 * 48] == [None] * 96
    assert found[2 * 48 :] == [0.0] * 48


def test_a_quiet_weekend_is_expected_once_weeks_are_known() -> None:
    """At first a Saturday surprises; with two weeks seen neither it nor Monday does."""
    rhythm = Rhythm()
    assert residuals(rhythm, range(5, 6)) == [None] * 48
    rhythm = Rhythm()
    residuals(rhythm, range(5))
    saturday = residuals(rhythm, range(5, 6))
    assert max(abs(r) for r in saturday if r is not None) == 10.0
    residuals(rhythm, range(6, 15))
    later = residuals(rhythm, range(15, 36))
    assert later[48:] == [0.0] * (len(later) - 48)


def test_the_day_is_kept_where_the_week_tells_no_more() -> None:
    """Noise around a daily wave: a slot of the day, with more samples, is the better guess."""
    rhythm = Rhythm()
    rng = np.random.default_rng(3)
    at = START + SLOT * np.arange(28 * 48)
    wave = 10.0 * np.sin(2 * np.pi * at / DAY) + rng.standard_normal(len(at))
    for t, v in zip(at.tolist(), wave.tolist(), strict=True):
        rhythm.learn(v, t)
    day, week = rhythm._residuals(5.0, START)
    assert week is not None
    assert day != week
    assert rhythm.residual(5.0, START) == day


def test_a_restored_rhythm_goes_on() -> None:
    """What was saved goes on with the same residuals."""
    rhythm, restored = Rhythm(), Rhythm()
    residuals(rhythm, range(17))
    restored.load(rhythm.to_array())
    assert residuals(rhythm, range(17, 20)) == residuals(restored, range(17, 20))
