"""What the severity of an incident is made of, point by point."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aiops.incidents.explanation import POINTS, explained, weighed
from aiops.model import Anomaly, Incident, Severity, State
from tests.unit.evidence import T, anomaly, first_sight


def incident(severity: Severity, *anomalies: Anomaly) -> Incident:
    entities = tuple(sorted({a.entity for a in anomalies}))
    made = Incident("inc_1", 1, State.OPEN, severity, "", T, T, entities=entities)
    return replace(made, anomalies=anomalies)


def test_each_point_is_listed_the_weightiest_first() -> None:
    """Who brought which severity, whether somebody feels it, and why."""
    busy = anomaly(name="cpu", severity=Severity.WARNING, severe=False, reason="spike")
    told = weighed(incident(Severity.ERROR, busy, first_sight("db refused"), anomaly()))
    assert told == [
        "error: error_ratio of service:cart, felt: level",
        "error: template db refused in service:cart, felt: level",
        "warning: cpu of service:cart, unusual work: spike",
    ]


def test_context_weighs_nothing() -> None:
    """Good news and what is hardly unusual join a story and make it no worse."""
    good = anomaly(severity=Severity.INFO)
    assert weighed(incident(Severity.INFO, good, anomaly(name="x", surprise=2.0))) == []


def test_errors_on_several_entities_are_critical() -> None:
    """Why it is critical though no series is."""
    many = [anomaly(f"service:{name}") for name in "abcd"]
    assert weighed(incident(Severity.CRITICAL, *many))[0] == (
        "critical: errors on 4 entities, service:a, service:b, service:c and 1 more"
    )


def test_what_is_over_still_counts() -> None:
    """A severity does not fall while the incident lasts, and says so."""
    told = weighed(incident(Severity.CRITICAL, anomaly()))
    assert told[0] == "critical: it was so before, what showed it is over"


def test_points_are_bounded_and_harmless() -> None:
    """The weightiest are listed, the others counted; no secret and no escape is among them."""
    many = [anomaly(name=f"m{n:02}\x1b[2J password=hunter2") for n in range(POINTS + 5)]
    told = weighed(incident(Severity.ERROR, *many))
    assert told[-1] == "+5 more that weigh less"
    assert len(told) == POINTS + 1
    assert not any("\x1b" in point or "hunter2" in point for point in told)


@pytest.mark.parametrize(
    ("surprise", "words"),
    [
        (2.0, "by chance once in 100,"),
        (9.845, "by chance once in 7 billion,"),
        (30.0, "by chance less than once in 1000 trillion,"),
    ],
)
def test_a_chance_is_said_as_people_count(surprise: float, words: str) -> None:
    """Nobody reads "7 G"; beyond a quadrillion it is all the same."""
    assert words in explained(anomaly(surprise=surprise))
