"""Asking whether a candidate has enough evidence."""

from __future__ import annotations

from collections import Counter

import pytest

from aiops.incidents.lessons import Lessons
from aiops.incidents.opening import Gate, is_enough
from aiops.incidents.record import Record
from aiops.model import Severity, State
from tests.unit.evidence import T, anomaly


def candidate(*names: str) -> Record:
    made = Record("inc_1", State.CANDIDATE, T, T)
    for name in names:
        made.add(anomaly(name=name))
    return made


def test_a_hopeless_candidate_is_not_weighed() -> None:
    """What could not be enough by its surprises alone is asked nothing else."""
    gate = Gate(lambda _: pytest.fail("weighed"), lambda _: False)
    assert not is_enough(candidate("latency"), T, gate, Lessons(Counter()))


def test_what_might_be_enough_is_weighed() -> None:
    """Only the gate itself says yes."""
    for answer in (True, False):
        gate = Gate(lambda _, said=answer: said)
        assert is_enough(candidate("latency"), T, gate, Lessons(Counter())) is answer


def test_what_is_bad_is_recent_and_more_than_information() -> None:
    """Context and what was seen before the window give a candidate no hope."""
    made = candidate("latency")
    made.add(anomaly(name="requests", severity=Severity.INFO))
    assert [a.series.name for a in made.bad(T)] == ["latency"]
    assert made.bad(T + 1.0) == []
