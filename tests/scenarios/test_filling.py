"""A memory leak in the simulated shop, with a known limit: told while there is time."""

from __future__ import annotations

import pytest

from aiops.decoding.windows import WindowSettings
from aiops.detection.rules import MetricRule
from aiops.engine import Engine, EngineSettings
from aiops.incidents.story import story
from aiops.model import ChangeEvent, Points, Tick, Transition, TransitionKind
from aiops.shop import CALLS, Fault, Shop
from aiops.shop.roster import BY_NAME
from aiops.shop.scenarios import fault
from aiops.units import quantity

START = 1_767_571_200.0  # 2026-01-05, a Monday
HOUR = 3600.0
AT = START + 7 * HOUR
LEAK = fault("memory_leak", "checkout", AT)
HURTS = AT + 0.7 * (LEAK.end - LEAK.start)
LIMIT_WORDS = quantity(2.4 * BY_NAME["checkout"].memory * 2.0**20, "bytes")


def told(*faults: Fault, until: float, every: float = 60.0) -> list[Transition]:
    """Return what people hear when only metrics are watched and every service has a limit."""
    rules = tuple(
        MetricRule(f"{service.entity}/memory_bytes", limit=2.4 * service.memory * 2.0**20)
        for service in BY_NAME.values()
    )
    made = Engine(EngineSettings(calls=CALLS, window=WindowSettings(width=30.0), metrics=rules))
    world = Shop(1, START, until, faults=faults, step=every, metric_interval=every, rate=0.001)
    said: list[Transition] = []
    for item in world.inputs():
        if isinstance(item, Points | ChangeEvent | Tick):
            said += made.feed(item)
    return [t for t in [*said, *made.finish()] if t.tell]


@pytest.fixture(scope="module")
def heard() -> list[Transition]:
    return told(LEAK, until=HURTS + 600.0)


def test_a_leak_is_told_before_it_hurts(heard: list[Transition]) -> None:
    """The first message names the service, the time left and the limit."""
    first = heard[0]
    assert first.kind is TransitionKind.OPENED
    assert AT < first.at < HURTS - 15 * 60.0
    (anomaly,) = [a for a in first.incident.anomalies if a.kind == "saturation"]
    assert (anomaly.entity, anomaly.series.name) == ("service:checkout", "memory_bytes")
    assert anomaly.surprise >= anomaly.threshold
    headline, *rest = story(first).splitlines()
    assert headline.startswith("OPENED critical: memory_bytes full in ")
    assert headline.endswith(" on service checkout")
    assert any(f"% of {LIMIT_WORDS} used, growing 1." in line for line in rest)
    assert "likely cause: service checkout" in story(first)


def test_it_is_one_story_until_it_hurts(heard: list[Transition]) -> None:
    """What callers feel later joins it; nobody is told of a second incident."""
    assert {t.incident.id for t in heard} == {heard[0].incident.id}
    assert len(heard) <= 4


def test_a_day_without_a_leak_fills_nothing() -> None:
    """Daily traffic, collected heaps and a disk that grows all week are not told."""
    heard = told(until=START + 24 * HOUR, every=300.0)
    kinds = {a.kind for t in heard for a in t.incident.anomalies}
    assert "saturation" not in kinds
