"""Asking whether a candidate has enough evidence."""

from __future__ import annotations

from collections import Counter
from random import Random

import msgspec
import pytest

from aiops.correlation.gate import PIECES
from aiops.incidents.lessons import Lessons
from aiops.incidents.opening import Gate, is_enough
from aiops.incidents.record import STRONGEST, Record
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


def test_the_strongest_surprises_of_a_record_are_at_hand() -> None:
    """As many as evidence is counted of, of what is bad alone, as if looked for among all."""
    random, made = Random(3), candidate()
    for n in range(60):
        severity = random.choice([Severity.INFO, Severity.ERROR])
        surprise = random.uniform(2.0, 9.0)
        made.add(anomaly(name=f"m{n % 40}", surprise=surprise, severity=severity))
    bad = [a.surprise for a in made.bad(T)]
    anew = msgspec.convert(msgspec.to_builtins(made), Record)
    assert anew.strongest == sorted(bad, reverse=True)[:STRONGEST]
    assert all(kept >= true for kept, true in zip(made.strongest, anew.strongest, strict=True))
    assert STRONGEST >= PIECES


def test_what_its_strongest_surprises_rule_out_is_asked_nothing() -> None:
    """Nobody looks through the anomalies of a candidate that is far from enough."""
    gate = Gate(
        lambda _: pytest.fail("weighed"),
        lambda _: pytest.fail("looked through"),
        lambda strongest: strongest[0] > 10.0,
    )
    assert not is_enough(candidate("latency"), T, gate, Lessons(Counter()))
