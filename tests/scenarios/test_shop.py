"""Named stories of the simulated shop through the real engine: what people hear, exactly."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from aiops.decoding.windows import WindowSettings
from aiops.engine import Engine, EngineSettings
from aiops.model import ChangeEvent, Incident, Section, Transition
from aiops.shop import CALLS, Fault, Shop
from aiops.shop.scenarios import deploy, fault
from aiops.wire import to_json

SEED = 1
START = 1_767_571_200.0  # 2026-01-05, a Monday
HOUR = 3600.0
CALM = START + 7 * HOUR
AT = CALM + 120.0


def shop(since: float, until: float, *faults: Fault, changes: Sequence[ChangeEvent] = ()) -> Shop:
    known = deploy("recommendation", START + 2.5 * HOUR, "5.2.0")
    every = [known, *changes]
    return Shop(SEED, since, until, faults=faults, changes=every, step=30.0, metric_interval=60.0)


def engine() -> Engine:
    return Engine(EngineSettings(calls=CALLS, window=WindowSettings(width=30.0)))


@pytest.fixture(scope="module")
def calm() -> tuple[Section, ...]:
    """Learn seven quiet hours once; every story goes on from there."""
    made = engine()
    told: list[Transition] = []
    for item in shop(START, CALM).inputs():
        told += [t for t in made.feed(item) if t.tell]
    assert len(told) <= 4
    return made.to_sections()


class Heard:
    """What people heard of one story."""

    def __init__(self, calm: tuple[Section, ...], world: Shop) -> None:
        made = engine()
        assert made.restore(calm) == []
        said: list[Transition] = []
        for item in world.inputs():
            said += made.feed(item)
        said += made.finish()
        self.told = [t for t in said if t.tell]
        self.every = said

    @property
    def story(self) -> list[tuple[str, str]]:
        return [(t.kind.value, t.incident.state.value) for t in self.told]

    @property
    def last(self) -> Incident:
        return self.told[-1].incident

    @property
    def bytes(self) -> str:
        return "\n".join(json.dumps(to_json(t.incident), sort_keys=True) for t in self.every)


def hear(calm: tuple[Section, ...], *faults: Fault, changes: Sequence[ChangeEvent] = ()) -> Heard:
    ends = [f.end for f in faults] + [c.at + 900.0 for c in changes] + [AT]
    return Heard(calm, shop(CALM, max(ends) + 20 * 60.0, *faults, changes=changes))


def test_a_bad_deploy_is_one_story_with_the_deploy_first(calm: tuple[Section, ...]) -> None:
    """It spreads to its callers and stays one incident, told at most three times."""
    bad = fault("bad_deploy", "payment", AT)
    heard = hear(calm, bad)
    assert heard.story[0] == ("opened", "open")
    assert heard.story[-1] == ("resolved", "resolved")
    assert len(heard.story) <= 3
    assert len({t.incident.id for t in heard.told}) == 1
    assert heard.told[0].at - AT <= 120.0
    assert bad.change is not None
    assert heard.last.suspects[0].entity == bad.change.id
    assert {"service:payment", "service:checkout"} <= set(heard.last.entities)
    assert "payment" in heard.last.title


def test_an_outage_is_blamed_on_who_is_gone(calm: tuple[Section, ...]) -> None:
    """Everybody who calls redis suffers; redis is suspected, with reasons."""
    heard = hear(calm, fault("dependency_outage", "redis", AT))
    assert len({t.incident.id for t in heard.told}) == 1
    first = heard.last.suspects[0]
    assert first.entity == "service:redis"
    assert any(reason.startswith("named in new errors") for reason in first.reasons)


def test_silence_is_told(calm: tuple[Section, ...]) -> None:
    """A service that stops working without an error is an incident within five minutes."""
    heard = hear(calm, fault("silence", "mail", AT))
    assert heard.story[0] == ("opened", "open")
    assert heard.told[0].at - AT <= 300.0
    assert heard.last.suspects[0].entity == "service:mail"


def test_an_innocent_change_is_not_told(calm: tuple[Section, ...]) -> None:
    """Two harmless deploys restart services, and nobody hears of it."""
    changes = [deploy("cart", AT, "2.9.0"), deploy("catalog", AT + 1200.0, "4.1.7")]
    assert hear(calm, changes=changes).story == []


def test_a_quiet_hour_is_quiet(calm: tuple[Section, ...]) -> None:
    """Nothing happens, nothing is told."""
    assert Heard(calm, shop(CALM, CALM + HOUR)).story == []


def test_the_same_fault_soon_after_reopens(calm: tuple[Section, ...]) -> None:
    """A burst that comes back keeps its incident."""
    heard = hear(
        calm, fault("error_burst", "payment", AT), fault("error_burst", "payment", AT + 1560.0)
    )
    kinds = [kind for kind, _ in heard.story if kind not in ("updated", "escalated")]
    assert kinds == ["opened", "resolved", "reopened", "resolved"]
    assert len({t.incident.id for t in heard.told}) == 1


def test_two_faults_at_once_are_two_stories(calm: tuple[Section, ...]) -> None:
    """Mail and login have nothing to do with each other, four minutes apart or not."""
    heard = hear(calm, fault("queue_backlog", "mail", AT), fault("error_burst", "auth", AT + 240.0))
    roots = {t.incident.id: t.incident.suspects[0].entity for t in heard.told}
    assert sorted(roots.values()) == ["service:auth", "service:mail"]


def test_a_story_has_the_same_bytes_twice(calm: tuple[Section, ...]) -> None:
    """Same seed, same inputs: every transition is the same to the byte."""
    bad = fault("crash_loop", "cart", AT, 6.0)
    assert hear(calm, bad).bytes == hear(calm, bad).bytes
