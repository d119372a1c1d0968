"""Whether an open story's root explains a candidate."""

from __future__ import annotations

from collections import Counter

import pytest

from aiops.incidents.firing import Firing
from aiops.incidents.inhibition import SURE, Follows, inhibitor, root_of
from aiops.incidents.record import Record
from aiops.model import State, Suspect
from tests.unit.evidence import T as T0
from tests.unit.evidence import anomaly

REDIS, WEB, MAIL = "service:redis", "service:web", "service:mail"


def depends(entity: str, root: str) -> bool:
    return (entity, root) == (WEB, REDIS)


def record(name: str, *entities: str, state: State = State.CANDIDATE) -> Record:
    """Return a record in which these entities have errors."""
    made = Record(name, state, T0, T0)
    for entity in entities:
        made.add(anomaly(entity, at=T0))
    return made


def story(share: float = 0.9) -> Record:
    made = record("inc_1", REDIS, state=State.OPEN)
    made.suspects = (Suspect(REDIS, share, ("first to fail",)),)
    return made


@pytest.fixture
def firing() -> Firing:
    """Return the courses of series of which the root's was seen just now."""
    made = Firing(Counter())
    made.see(anomaly(REDIS, at=T0), 300.0)
    return made


def test_a_sure_root_inhibits_who_depends_on_it(firing: Firing) -> None:
    """All who suffer depend on it, and it is seen."""
    host, wave = story(), record("inc_2", WEB)
    assert inhibitor(wave, [host, wave], depends, firing, T0) is host
    assert inhibitor(record("inc_2", WEB, MAIL), [host], depends, firing, T0) is None
    assert inhibitor(wave, [host], lambda *_: False, firing, T0) is None
    assert inhibitor(wave, [host], depends, firing, T0 + 200.0) is None


def test_a_guess_is_no_root(firing: Firing) -> None:
    """Below the share from which it is chosen a suspect inhibits nobody, nor does a candidate."""
    assert inhibitor(record("inc_2", WEB), [story(SURE - 0.01)], depends, firing, T0) is None
    closed = story()
    closed.state = State.RESOLVED
    assert root_of(closed) == ""


def test_another_suspect_is_another_cause(firing: Firing) -> None:
    """Who suffers from somebody that does not depend on the root is told."""
    wave = record("inc_2", WEB)
    wave.suspects = (Suspect(MAIL, 0.6, ("named in new errors of web",)),)
    assert inhibitor(wave, [story()], depends, firing, T0) is None


def test_the_incident_beside_needs_only_explain(firing: Firing) -> None:
    """Then nothing is said of inhibition, as its wave belongs to it."""
    beside, wave = story(), record("inc_2", MAIL)
    follows = Follows(explains=lambda *_: True, depends=depends)
    assert follows.host(wave, beside, [beside], firing, T0) == (beside, "")
    assert follows.host(wave, None, [beside], firing, T0) == (None, "")
