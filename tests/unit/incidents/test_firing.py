"""The life of a series: pending, firing, clearing, resolved; and flapping."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest

from aiops.incidents.firing import MAX_SERIES, MAX_TURNS, STATES, Firing
from aiops.phases import Phase
from tests.unit.evidence import T, anomaly

HOLD = 300.0
KEY = anomaly().series.id


def signs(firing: Firing, *moments: float, pace: float = 0.0) -> None:
    for at in moments:
        firing.see(anomaly(at=T + at, pace=pace), HOLD)


def phase(firing: Firing, at: float) -> Phase:
    course = firing.course(KEY, T + at)
    assert course is not None
    return course.phase


def flapping(firing: Firing, at: float) -> tuple[bool, int]:
    course = firing.course(KEY, T + at)
    assert course is not None
    return course.flapping, course.times


def test_a_series_without_a_sign_is_unknown() -> None:
    """Nothing is said of what never departed."""
    assert Firing(Counter()).course(KEY, T) is None
    assert not Firing(Counter()).has_outlasted(anomaly(), 0.0)
    assert Firing(Counter()).last_sign(anomaly()) == T


def test_the_last_sign_may_be_a_milder_one() -> None:
    """A story keeps a series at its worst; how long it lasts is known from its signs."""
    firing = Firing(Counter())
    signs(firing, 0, 30, 90)
    assert firing.last_sign(anomaly(at=T + 30)) == T + 90


def test_a_departure_goes_through_its_phases() -> None:
    """One sign is pending, a minute of them fires, silence clears, a hold of silence resolves."""
    firing = Firing(Counter())
    signs(firing, 0.0)
    assert phase(firing, 0.0) is Phase.PENDING
    signs(firing, 60.0)
    assert phase(firing, 60.0) is Phase.FIRING
    assert phase(firing, 120.0) is Phase.FIRING
    assert phase(firing, 121.0) is Phase.CLEARING
    assert phase(firing, 360.0) is Phase.CLEARING
    assert phase(firing, 361.0) is Phase.RESOLVED
    signs(firing, 300.0)
    assert phase(firing, 300.0) is Phase.FIRING


def test_holds_stretch_with_the_pace() -> None:
    """What is measured every five minutes is not over after five minutes of silence."""
    firing = Firing(Counter())
    signs(firing, 0.0, pace=300.0)
    assert phase(firing, 450.0) is Phase.PENDING
    assert phase(firing, 451.0) is Phase.CLEARING
    assert phase(firing, 900.0) is Phase.CLEARING
    assert phase(firing, 901.0) is Phase.RESOLVED


def test_asking_changes_nothing() -> None:
    """Phases and flapping are functions of signs and time: the state is the same after asking."""
    firing = Firing(Counter())
    for n in range(6):
        signs(firing, n * 700.0)
        before = msgspec.json.encode(firing.to_state())
        for later in range(0, 9000, 100):
            firing.course(KEY, T + n * 700.0 + later)
        assert msgspec.json.encode(firing.to_state()) == before


def test_the_second_end_within_a_short_time_is_flapping() -> None:
    """Four turns among the last states: whoever came back once is waited for."""
    firing = Firing(Counter())
    signs(firing, 0.0)
    assert flapping(firing, 301.0) == (False, 1)
    signs(firing, 700.0)
    assert flapping(firing, 700.0) == (False, 1)
    assert flapping(firing, 1001.0) == (True, 2)


def test_three_departures_flap_and_are_counted() -> None:
    """From the third on each counts; the fact is told once."""
    facts: Counter[str] = Counter()
    firing = Firing(facts)
    signs(firing, *(700.0 * n for n in range(7)))
    assert flapping(firing, 4200.0) == (True, 7)
    assert facts == {"series_flapping": 1}


def test_flapping_ends_when_it_is_calm() -> None:
    """Twice the longest pause without a sign; the count is told with the end."""
    firing = Firing(Counter())
    signs(firing, *(700.0 * n for n in range(5)))
    assert flapping(firing, 2800.0 + 1399.0) == (True, 5)
    assert flapping(firing, 2800.0 + 1400.0) == (False, 5)
    assert firing.calm_at(KEY) == T + 2800.0 + 1400.0


def test_after_the_calm_it_counts_anew() -> None:
    """Another departure hours later is one departure."""
    firing = Firing(Counter())
    signs(firing, *(700.0 * n for n in range(5)), 40_000.0)
    assert flapping(firing, 40_000.0) == (False, 1)


def test_what_stays_does_not_flap() -> None:
    """A departure that goes on for hours after a restless beginning is steady."""
    firing = Firing(Counter())
    signs(firing, *(700.0 * n for n in range(5)))
    signs(firing, *(2800.0 + 60.0 * n for n in range(200)))
    assert flapping(firing, 2800.0 + 60.0 * 199)[0] is False


def test_rare_departures_do_not_flap() -> None:
    """Two hours between them are more than the states that are looked at."""
    firing = Firing(Counter())
    for n in range(20):
        signs(firing, 7200.0 * n)
        assert not any(firing.flaps(KEY, T + 7200.0 * n + at) for at in range(0, 7200, 300))


@pytest.mark.parametrize(("length", "outlasted"), [(600.0, False), (1200.0, True)])
def test_a_departure_outlasts_its_usual_length(length: float, *, outlasted: bool) -> None:
    """Bursts of ten minutes are usual: twenty are more than a burst."""
    firing = Firing(Counter())
    for n in range(5):
        signs(firing, *(n * 7200.0 + at for at in range(0, 601, 60)))
    begun = 5 * 7200.0
    signs(firing, *(begun + at for at in range(0, int(length) + 1, 60)))
    assert firing.has_outlasted(anomaly(at=T + begun + length), 300.0) is outlasted


def test_an_unknown_length_asks_for_the_least() -> None:
    """Without a past, five minutes outlast; at a slow pace three samples do."""
    firing = Firing(Counter())
    signs(firing, 0.0, 300.0)
    assert firing.has_outlasted(anomaly(at=T + 300.0), 300.0)
    assert not firing.has_outlasted(anomaly(at=T + 300.0, pace=300.0), 300.0)


def test_the_state_is_bounded() -> None:
    """The series without a sign for longest makes room, counted; turns are bounded, too."""
    facts: Counter[str] = Counter()
    firing = Firing(facts)
    for n in range(MAX_SERIES + 2):
        firing.see(anomaly(name=f"m{n}"), HOLD)
    assert facts == {"series_forgotten": 2}
    assert len(firing.to_state()) == MAX_SERIES
    restless = Firing(Counter())
    for n in range(200):
        restless.see(anomaly(at=T + 301.0 * n), HOLD)
    turns = restless.to_state()[0][5]
    assert len(turns) <= MAX_TURNS
    assert turns[-1] - turns[0] <= (STATES + 2) * HOLD


def test_what_was_saved_goes_on() -> None:
    """A restored state answers and continues as the one that was saved."""
    one = Firing(Counter())
    signs(one, *(700.0 * n for n in range(4)))
    two = Firing(Counter())
    two.restore(msgspec.json.decode(msgspec.json.encode(one.to_state())))
    for firing in (one, two):
        signs(firing, 2800.0, 2860.0)
    assert two.to_state() == one.to_state()
    assert flapping(two, 2860.0) == (True, 5)


def test_a_departure_is_confirmed_by_its_second_sample() -> None:
    """As long as that comes within a minute; what has no samples needs none."""
    for pace, later, confirmed in (
        (30.0, 0.0, False),
        (30.0, 30.0, True),
        (300.0, 0.0, True),
        (0.0, 0.0, True),
    ):
        firing = Firing(Counter())
        one = anomaly(pace=pace)
        firing.see(one, HOLD)
        firing.see(anomaly(at=T + later, pace=pace), HOLD)
        assert firing.is_confirmed(one) is confirmed
