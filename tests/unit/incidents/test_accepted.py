"""What stays is accepted, and the end of its story says so, once."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from aiops.engine import Engine, EngineSettings
from aiops.incidents.accepted import MOST, Accepted
from aiops.model import (
    Anomaly,
    Incident,
    Points,
    Series,
    SeriesSet,
    Severity,
    State,
    TransitionKind,
)
from tests.unit.evidence import T, anomaly

HOUR = 3600.0
SINCE = "2023-11-14T22:14:00Z"


def normal(name: str = "latency", at: float = T + 2 * HOUR, **fields: object) -> Anomaly:
    """Make what a detector says when it accepts what began at ``T``."""
    more = {"since": T, "actual": 2.9, "unit": "seconds", "severity": Severity.INFO} | fields
    return anomaly(name=name, at=at, reason="new normal", kind="new normal", **more)


def ended(*anomalies: Anomaly) -> Incident:
    made = Incident("inc_1", 3, State.RESOLVED, Severity.ERROR, "", T, T + 2 * HOUR)
    return replace(made, anomalies=anomalies)


def test_the_end_of_a_story_says_what_stays() -> None:
    """What, how much, since when; a second end of the same story says nothing of it."""
    accepted, story = Accepted(Counter()), ended(anomaly(name="latency"))
    accepted.see([normal(), anomaly(name="other")])
    assert accepted.ended(story) == f"latency 2.9 s is the new normal since {SINCE}"
    assert accepted.ended(story) == ""


def test_what_went_back_is_no_new_normal() -> None:
    """A later departure of the series, and series of other stories, have nothing to do with it."""
    accepted = Accepted(Counter())
    accepted.see([normal()])
    assert accepted.ended(ended(anomaly(name="queue"))) == ""
    assert accepted.ended(ended(anomaly(name="latency", at=T + 3 * HOUR))) == ""


def test_several_are_counted() -> None:
    """The weightiest is named."""
    accepted = Accepted(Counter())
    accepted.see([normal("queue", actual=None), normal("latency")])
    story = ended(anomaly(name="latency"), anomaly(name="queue", surprise=9.0))
    assert accepted.ended(story) == f"queue is the new normal since {SINCE} (+1 more)"


def test_what_is_remembered_is_bounded_and_saved() -> None:
    """The oldest make room, which is counted; what was saved is known again."""
    facts: Counter[str] = Counter()
    accepted, again = Accepted(facts), Accepted(facts)
    accepted.see([normal(f"m{n}") for n in range(MOST + 1)])
    assert facts["accepted_forgotten"] == 1
    again.restore(accepted.to_state())
    assert len(again.to_state()) == MOST
    assert again.ended(ended(anomaly(name="m0"))) == ""
    assert again.ended(ended(anomaly(name="m1"))) == f"m1 2.9 s is the new normal since {SINCE}"


@pytest.mark.parametrize("restart", [False, True])
def test_a_lasting_shift_is_told_as_the_new_normal(*, restart: bool) -> None:
    """Opened when it begins, resolved when it is accepted and says so; restarted or not."""
    engine, noise = Engine(EngineSettings(multivariate="", drift="")), np.random.default_rng(0)
    columns = SeriesSet((Series("service:cart", "latency_seconds", "gauge", "seconds"),))
    told = []
    for n in range(500):
        value = (1.0 if n < 300 else 3.0) * (1.0 + 0.03 * noise.standard_normal())
        told += engine.feed(Points("s", T + 60.0 * n, columns, np.array([value]), 60.0))
        if restart and n in (310, 423):
            again = Engine(engine.settings)
            assert again.restore(engine.to_sections()) == []
            engine = again
    told += engine.finish()
    opened, resolved = (t for t in told if t.tell)
    assert (opened.kind, resolved.kind) == (TransitionKind.OPENED, TransitionKind.RESOLVED)
    assert opened.note == ""
    assert resolved.note.startswith("latency_seconds 2.")
    assert resolved.note.endswith(" s is the new normal since 2023-11-15T03:14:00Z")
