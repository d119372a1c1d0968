"""When beginnings are a storm, counted alone."""

from __future__ import annotations

import pytest

from aiops.incidents.storm import CALM, FLOOR, MEMORY, WINDOW, Weather
from aiops.model import Incident, Severity, State, Transition, TransitionKind

T = 1_767_600_000.0


def opened(n: int, at: float = T, entities: int = 1000) -> Transition:
    """Return the opening of the *n*-th story."""
    about = (f"service:s{n % entities}",)
    incident = Incident(f"inc_{n}", 1, State.OPEN, Severity.ERROR, "slow", at, at, entities=about)
    return Transition(TransitionKind.OPENED, incident, at)


def test_one_more_than_the_floor_is_a_storm() -> None:
    """All at once: the storm is known before any of them is told."""
    assert Weather().see([opened(n) for n in range(FLOOR)]) == []
    (storm,) = Weather().see([opened(n) for n in range(FLOOR + 1)])
    assert storm.incident.title == f"storm: {FLOOR + 1} stories about {FLOOR + 1} entities"


def test_many_stories_of_few_are_no_storm() -> None:
    """Four services that fail again and again are a bad day of four services."""
    assert Weather().see([opened(n, entities=4) for n in range(100)]) == []


def test_what_is_usual_is_no_storm() -> None:
    """Where ten stories in a window are usual it takes three times as many."""
    weather = Weather()
    for window in range(5 * MEMORY):
        weather.see([opened(n, T + window * WINDOW) for n in range(10)])
        assert weather.advance(T + window * WINDOW, 0) == []
    assert weather.usual == pytest.approx(10.0, rel=0.05)
    at = T + 5 * MEMORY * WINDOW
    assert weather.see([opened(n, at) for n in range(20)]) == []
    assert len(weather.see([opened(n + 20, at) for n in range(20)])) == 1


def test_it_goes_on_while_more_are_open_than_a_person_can_follow() -> None:
    """Its end would be a hundred messages; an hour without a new story ends it all the same."""
    weather = Weather()
    weather.see([opened(n) for n in range(FLOOR + 1)])
    again = Weather.from_state(weather.to_state())
    assert [t.kind for t in weather.advance(T + CALM - 1.0, 100)] == []
    (end,) = weather.advance(T + CALM - 1.0, FLOOR)
    (late,) = again.advance(T + CALM, 100)
    assert end.kind is late.kind is TransitionKind.RESOLVED
    assert weather.picture is None


def test_it_goes_on_after_a_restart() -> None:
    """Saved in mid-storm, it continues as if nothing had happened."""
    weather = Weather()
    weather.see([opened(n) for n in range(FLOOR + 1)])
    again = Weather.from_state(weather.to_state())
    assert again == weather
    assert again.advance(T + 3 * WINDOW, 0) == weather.advance(T + 3 * WINDOW, 0)
