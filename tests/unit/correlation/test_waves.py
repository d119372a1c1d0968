"""What begins beside an open incident: its growth, or another trouble."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from aiops.correlation.topology import Topology
from aiops.correlation.waves import cause, explains, is_wave
from aiops.model import Anomaly, ChangeEvent, Incident, Severity, State, Suspect
from aiops.pace import Footprint, Growth
from tests.unit.evidence import T, anomaly

CALLS = Topology({"gateway": ["cart", "auth"], "cart": ["redis"], "auth": ["redis"]})
LULL = 150.0


def incident(suspect: str, *anomalies: Anomaly, **more: Any) -> Incident:
    suspects = (Suspect(suspect, 0.9, ("first to fail",)),) if suspect else ()
    bare = Incident("i", 1, State.OPEN, Severity.ERROR, "", T, T, suspects=suspects)
    return replace(bare, anomalies=anomalies, **more)


def shown(growth: Growth | None, seen: float) -> Footprint:
    series = {"service:cart/error_ratio": seen}
    return Footprint("i", T, {"service:cart": seen}, series, {"service:cart": T}, growth)


def test_only_what_begins_after_the_growth_ended_is_a_wave() -> None:
    """Soon after the newest departure it is growth, and a departure that goes on is none."""
    for at, since, expected in (
        (T + 100.0, T + 100.0, False),
        (T + 200.0, T + 200.0, True),
        (T + 200.0, T, False),
    ):
        one = anomaly(at=at, since=since)
        assert is_wave(one, shown(Growth(T), T + 60.0), LULL) is expected


def test_a_candidate_has_no_waves() -> None:
    """Nobody was told of it: whatever is near belongs to it."""
    assert not is_wave(anomaly(at=T + 900.0), shown(None, T), LULL)


def test_context_is_no_wave() -> None:
    """Good news and weak signs go where they always went."""
    for more in ({"severity": Severity.INFO}, {"surprise": 2.0}):
        assert not is_wave(anomaly(at=T + 900.0, **more), shown(Growth(T), T), LULL)


def test_the_cause_may_be_a_change() -> None:
    """Then it is the entity that was changed."""
    change = ChangeEvent(T, "deploy", "service:cart", "v2")
    assert cause(incident(change.id, changes=(change,))) == "service:cart"
    assert cause(incident("service:auth")) == "service:auth"
    assert cause(incident("")) == ""


def explained(host: Incident, wave: Incident, calls: Topology = CALLS, *, on: bool = True) -> bool:
    return explains(host, wave, calls, lambda _: on)


def test_who_depends_on_a_cause_that_is_still_seen_is_explained() -> None:
    """Callers may begin to suffer late, as long as the cause goes on."""
    host = incident("service:redis", anomaly("service:redis"))
    wave = incident("service:cart", anomaly("service:cart"), anomaly("service:gateway"))

    assert explained(host, wave)
    assert not explained(host, wave, on=False)


def test_who_does_not_depend_on_the_cause_is_another_trouble() -> None:
    """What is called by nobody who suffers, and calls nobody, has its own cause."""
    host = incident("service:cart", anomaly("service:cart"))
    assert not explained(host, incident("service:redis", anomaly("service:redis")))
    assert not explained(
        host, incident("service:auth", anomaly("service:gateway"), anomaly("service:auth"))
    )


def test_the_same_cause_is_the_same_trouble() -> None:
    """It may have been silent for a while."""
    host = incident("service:cart", anomaly("service:cart"))
    wave = incident("service:cart", anomaly("service:cart"), anomaly("service:gateway"))
    assert explained(host, wave, on=False)


def test_what_points_at_nobody_is_no_news() -> None:
    """Neither a wave without a suspect nor one beside an incident without is told apart."""
    one = anomaly("service:redis")
    assert explained(incident("service:cart", anomaly("service:cart")), incident("", one))
    assert explained(incident("", anomaly("service:cart")), incident("service:redis", one))


def test_of_strangers_nobody_knows_that_they_do_not_depend() -> None:
    """Without a call graph nothing is told apart while the cause is still seen."""
    host = incident("service:cart", anomaly("service:cart"))
    wave = incident("service:redis", anomaly("service:redis"))
    assert explained(host, wave, Topology())
    assert not explained(host, wave, Topology(), on=False)


def test_a_surge_explains_whom_it_reaches() -> None:
    """Work flows with the calls, so those who are called begin to suffer after it rose."""

    def work(entity: str) -> Anomaly:
        return anomaly(entity, "request_rate", severe=False, actual=300.0, expected=100.0)

    host = incident("service:gateway", *map(work, ("service:gateway", "service:cart")))
    wave = incident("service:redis", anomaly("service:redis"))
    assert not explained(host, wave)
    surge = replace(host, anomalies=(*host.anomalies, work("service:auth")))
    assert explained(surge, wave)
