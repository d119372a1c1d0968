"""Every detector explains what it found: each field is there, and one sentence says them all."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import aiops.detection
from aiops.correlation.gate import YOUNG
from aiops.detection.metrics import MetricDetection, MetricRule
from aiops.incidents.explanation import FEW, explained
from aiops.model import Anomaly, Points, Series, SeriesSet, Severity
from aiops.units import factor, quantity
from aiops.wire import rfc3339
from detectors.bank import REASONS
from tests.unit.detection.test_alerts import Pager, disk
from tests.unit.detection.test_logs import USUAL, Stream
from tests.unit.detection.test_mixes import MISSES, Cache
from tests.unit.detection.test_parameters import Orders
from tests.unit.detection.test_rarity import FLAP, Service
from tests.unit.detection.test_sessions import Minutes
from tests.unit.detection.test_siblings import Workload
from tests.unit.evidence import T

Found = list[Anomaly]
THRESHOLD = 6.0
DAY = 86400.0


class Gauges:
    """Judge gauges of one service, one sample a *step*, around 100 with a little noise."""

    def __init__(self, *names: str, step: float = 60.0, river: bool = False, **rule: str) -> None:
        rules = (MetricRule("*", **rule),) if rule else ()  # type: ignore[arg-type]  # all words
        models = {} if river else {"multivariate": "", "drift": ""}
        self.metrics = MetricDetection(rules=rules, **models)
        self.columns = SeriesSet(tuple(Series("service:cart", name) for name in names))
        self.noise = np.random.default_rng(7)
        self.at, self.step = T, step

    def see(self, *values: float) -> Found:
        self.at += self.step
        points = Points("s", self.at, self.columns, np.array(values), self.step)
        return self.metrics.judge(points, THRESHOLD)

    def noisy(self, shape: Callable[[int], float], count: int, sigma: float = 2.0) -> Found:
        many = len(self.columns.series)
        return [
            a
            for n in range(count)
            for a in self.see(*(shape(n) + sigma * self.noise.standard_normal(many)))
        ]


def bank() -> Found:
    found = []
    for late, sigma in ((160.0, 2.0), (104.0, 2.0), (100.0, 20.0)):
        gauges = Gauges("queue_length")
        gauges.noisy(lambda _: 100.0, 500)
        found += gauges.noisy(lambda _, late=late: late, 130, sigma)
    daily, slow = Gauges("queue_length", step=300.0), 0.0
    for n in range(288 * 7):
        slow = 0.97 * slow + 0.5 * daily.noise.standard_normal()
        usual = 100.0 + 50.0 * math.sin(2.0 * math.pi * n / 288.0) + slow
        found += daily.see(usual)
    return found + daily.see(usual + 8.0)


def states() -> Found:
    up = Gauges("up")
    for _ in range(300):
        up.see(1.0)
    flat = Gauges("room_celsius")
    flat.noisy(lambda _: 20.0, 200, 0.1)
    still = [a for _ in range(25) for a in flat.see(20.05)]
    return [a for _ in range(3) for a in up.see(0.0)] + [a for a in still if a.detector != "bank"]


def trend() -> Found:
    disks = Gauges("disk_used_ratio", step=300.0)
    shape = [0.5 + 0.1 * max(n / 12.0 - 8.0, 0.0) for n in range(150)]
    return [a for a in disks.noisy(lambda n: shape[n], 150, 2e-3) if a.kind == "saturation"]


def heartbeats() -> Found:
    jobs = Gauges("backup_last_success_timestamp_seconds")
    return [a for n in range(240) for a in jobs.see(T + 600.0 * (min(n, 180) // 10))]


def missing() -> Found:
    page = Gauges("a", "b")
    for _ in range(260):
        page.see(1.0, 2.0)
    return [a for _ in range(3) for a in page.see(1.0, math.nan)]


def joint() -> Found:
    gauges = Gauges("a", "b", "c", "d", step=120.0, river=True)
    gauges.noisy(lambda _: 100.0, 900)
    return [a for a in gauges.noisy(lambda _: 130.0, 60) if a.kind == "joint"]


def drift() -> Found:
    gauges = Gauges("a", "b", "c", "d", step=120.0, river=True)
    gauges.noisy(lambda _: 100.0, 400)
    return [a for a in gauges.noisy(lambda _: 107.0, 200) if a.kind == "drift"]


def named() -> Found:
    gauges = Gauges("latency_ms", detector="river.anomaly.StandardAbsoluteDeviation")
    gauges.noisy(lambda _: 20.0, 400)
    return [a for a in gauges.see(900.0) if a.kind == "river"]


def novelty() -> Found:
    stream = Stream()
    stream.usual()
    return stream.say({"order lost": 1}, Severity.ERROR)


def silence() -> Found:
    stream = Stream()
    stream.usual(720)
    return [a for _ in range(60) for a in stream.say({}) if a.detector == "silence"]


def share() -> Found:
    stream = Stream()
    for n in range(720):
        stream.say(USUAL)
        if n % 100 == 0:
            stream.say({"payment declined": 1}, Severity.ERROR)
    found: Found = []
    for _ in range(7):
        found += stream.say({"payment declined": 8}, Severity.ERROR) + stream.say(USUAL)
    return [a for a in found if a.detector == "share"]


def rarity() -> Found:
    service = Service()
    service.live(6.0)
    service.say(FLAP)
    service.live(72.0)
    return service.say(FLAP)


def mix() -> Found:
    cache = Cache()
    cache.live(460)
    return [a for a in cache.live(11, MISSES) if a.detector == "mix"]


def parameters() -> Found:
    orders = Orders()
    orders.live(900)
    return orders.live(11, median=900.0)


def siblings() -> Found:
    workload = Workload()
    workload.usual()
    found = [a for _ in range(6) for a in workload.minute({"cart-2": 0.2})]
    return [a for a in found if a.detector == "siblings"]


def sessions() -> Found:
    minutes = Minutes()
    for _ in range(20):
        minutes.pass_one()
    return minutes.pass_one(lost=8) + minutes.pass_one()


def alerts() -> Found:
    return Pager().fire(disk(T))


SCENARIOS: dict[str, Callable[[], Found]] = {
    "alerts": alerts,
    "bank": bank,
    "heartbeats": heartbeats,
    "missing": missing,
    "mix": mix,
    "novelty": novelty,
    "parameters": parameters,
    "rarity": rarity,
    "sessions": sessions,
    "share": share,
    "siblings": siblings,
    "silence": silence,
    "states": states,
    "trend": trend,
}
RIVERS: dict[str, tuple[str, Callable[[], Found]]] = {
    "joint": ("mahalanobis", joint),
    "drift": ("river.drift.ADWIN", drift),
    "named": ("river.anomaly.StandardAbsoluteDeviation", named),
}
EVERY = [*SCENARIOS, *RIVERS]


@cache
def told(name: str) -> tuple[Anomaly, ...]:
    return tuple(SCENARIOS[name]() if name in SCENARIOS else RIVERS[name][1]())


def test_every_detector_is_asked() -> None:
    """The names of detectors stand in the code; what is not a word is a class of River."""
    words, others = set(), set()
    for path in Path(aiops.detection.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "detector":
                named = isinstance(node.value, ast.Constant)
                (words if named else others).add(getattr(node.value, "value", path.stem))
    assert words == set(SCENARIOS)
    assert {str(one) for one in others if isinstance(one, str)} <= {"named", "together"}


@pytest.mark.parametrize("name", EVERY)
def test_every_field_is_there(name: str) -> None:
    """Actual, expected, band, since, how sure, who and why; and the id stays while it lasts."""
    found = told(name)
    assert found
    for a in found:
        assert a.detector == (RIVERS[name][0] if name in RIVERS else name)
        assert a.reason
        assert a.actual is not None
        assert a.expected is not None
        assert a.low is not None
        assert a.high is not None
        assert all(map(math.isfinite, (a.actual, a.expected, a.surprise)))
        assert a.low <= a.high
        assert a.since <= a.at
        assert a.seen > 0
        assert a.threshold > 0.0
        assert a.series.entity
    assert len({a.id for a in found}) == len({(a.series.id, a.kind, a.since) for a in found})


@pytest.mark.parametrize("name", EVERY)
def test_one_sentence_says_it_all(name: str) -> None:
    """In plain words, made of the fields and of nothing else."""
    for a in told(name):
        text, unit = explained(a), a.unit or a.series.unit
        wanted = [
            quantity(a.actual, unit),
            quantity(a.expected, unit),
            factor(a.actual, a.expected),
        ]
        if a.low != a.high:
            wanted += [f"({quantity(a.low, unit)} to {quantity(a.high, unit)})"]
        wanted += [rfc3339(a.since), a.detector, a.reason, f"after {a.seen} sample"]
        assert [word for word in wanted if word not in text] == []
        assert ("still young" in text) == (a.seen < YOUNG)
        assert "\n" not in text


def test_the_bank_has_a_reason_for_every_departure() -> None:
    """Each reason that the bank knows is told, but for rest: a line at rest is for ``states``."""
    found = told("bank")
    assert {a.reason for a in found} == set(REASONS) - {"", "flat"}
    for a in found:
        if a.reason in ("level", "spike", "season"):
            assert a.low is not None
            assert a.high is not None
            assert a.actual is not None
            assert not a.low <= a.actual <= a.high


def test_several_features_say_what_each_gives() -> None:
    """Joint behaviour and drift name the series that are farthest off, with sign, in deviations."""
    for a in (*told("joint"), *told("drift")):
        assert a.unit == "sd"
        assert a.reason.count(" sd") == 3
        assert a.actual is not None
        assert a.expected is not None
        assert a.actual > a.expected


def test_young_means_the_same_everywhere() -> None:
    """What the sentence calls young is what the gate asks for company."""
    assert FEW == YOUNG


def test_what_is_hostile_stays_outside() -> None:
    """Names and reasons come from outside: no control character and no secret leaves."""
    a = told("trend")[0]
    a = replace(a, reason="password=hunter2\n\x1b[31mred")
    assert "hunter2" not in explained(a)
    assert "\x1b" not in explained(a)
