"""River's detectors that a rule names, beside the bank."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest

from aiops.detection.metrics import MetricDetection, MetricRule
from aiops.detection.named import ACCEPT_AFTER, MAX_NAMED
from aiops.incidents.story import story
from aiops.model import (
    Anomaly,
    Incident,
    Points,
    Section,
    Series,
    SeriesSet,
    Severity,
    State,
    Transition,
    TransitionKind,
)
from tests.unit.evidence import T

DEVIATION = MetricRule("latency_*", detector="river.anomaly.StandardAbsoluteDeviation")
LODA = MetricRule("latency_*", detector="river.anomaly.LODA", params={"n_random_cuts": 8})
ADWIN = MetricRule("latency_*", detector="river.drift.ADWIN")
THRESHOLD = 6.0


class Latency:
    """Bring a latency around 20 ms and a gauge that no rule names, once a minute."""

    def __init__(self, rule: MetricRule, series: int = 1) -> None:
        names = [f"latency_{n}_ms" for n in range(series)]
        self.columns = SeriesSet(
            tuple(Series("service:cart", name) for name in (*names, "queue_length"))
        )
        self.rules = (rule,)
        self.metrics = MetricDetection(multivariate="", drift="", rules=self.rules)
        self.noise = np.random.default_rng(3)
        self.at = T

    def see(self, value: float = 20.0) -> list[Anomaly]:
        self.at += 60.0
        values = value + self.noise.standard_normal(len(self.columns.series))
        found = self.metrics.judge(Points("shop", self.at, self.columns, values, 60.0), THRESHOLD)
        return [one for one in found if one.detector.startswith("river.")]

    def usual(self, minutes: int) -> list[Anomaly]:
        return [one for _ in range(minutes) for one in self.see()]

    def restart(self) -> None:
        sections = {s.name: _stored(s) for s in self.metrics.to_sections()}
        self.metrics = MetricDetection(multivariate="", drift="", rules=self.rules)
        self.metrics.restore(sections)


def _stored(section: Section) -> Section:
    """Take a section through the encoding of the disk."""
    header = msgspec.msgpack.decode(msgspec.msgpack.encode(section.header), strict=False)
    return Section(section.name, section.version, header, section.arrays)


def test_the_named_detector_speaks_in_its_own_name() -> None:
    """A value far out is told with what was named, value and usual band, in one sentence."""
    latency = Latency(DEVIATION)
    assert latency.usual(600) == []

    (found,) = latency.see(900.0)

    assert found.series.name == "latency_0_ms"
    assert (found.detector, found.kind) == (DEVIATION.detector, "river")
    assert found.reason.startswith(f"unusual to {DEVIATION.detector}: 9")
    assert found.surprise > THRESHOLD
    assert found.actual == pytest.approx(900.0, abs=5.0)
    assert found.expected == pytest.approx(20.0, abs=3.0)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 20.0 < found.high
    assert (found.severity, found.seen > 500) == (Severity.WARNING, True)


def test_the_story_names_the_detector() -> None:
    """The sentence of the story says which detector found it."""
    latency = Latency(DEVIATION)
    latency.usual(600)
    (found,) = latency.see(900.0)
    told = Incident("i", 1, State.OPEN, found.severity, "", found.at, found.at, anomalies=(found,))

    text = story(Transition(TransitionKind.OPENED, told, found.at))

    assert f"latency_0_ms on service cart: unusual to {DEVIATION.detector}" in text


def test_what_stays_is_accepted() -> None:
    """A new level is not learned while it is news; after a time it is, and no longer told."""
    latency = Latency(DEVIATION)
    latency.usual(600)
    news = [latency.see(900.0) for _ in range(int(ACCEPT_AFTER / 60.0))]
    after = [latency.see(900.0) for _ in range(120)]

    assert all(news)
    assert not any(after)


def test_a_drift_joins_a_story_and_never_makes_one() -> None:
    """A drift is information below the threshold: it has no tail probability."""
    latency = Latency(ADWIN)
    assert latency.usual(300) == []

    found = [one for n in range(200) for one in latency.see(20.0 + 0.05 * n)]

    assert found
    assert {one.detector for one in found} == {"river.drift.ADWIN"}
    assert all(one.severity is Severity.INFO and one.surprise < THRESHOLD for one in found)


def test_missing_values_are_not_learned() -> None:
    """A value that is not there changes nothing, and nothing breaks."""
    latency = Latency(DEVIATION)
    latency.usual(300)
    assert [one for _ in range(20) for one in latency.see(math.nan)] == []
    assert latency.see(900.0)


@pytest.mark.parametrize("rule", [DEVIATION, LODA, ADWIN])
def test_a_restart_changes_nothing(rule: MetricRule) -> None:
    """Saved and restored detectors go on exactly as the ones that were not."""
    straight, saved = Latency(rule), Latency(rule)
    for latency in (straight, saved):
        latency.usual(400)
    saved.restart()

    for value in (20.0, 60.0, 900.0, 21.0, 25.0, 25.0, 26.0):
        assert saved.see(value) == straight.see(value)


def test_the_number_of_series_is_bounded() -> None:
    """Beyond the bound no detector is made, and that is counted."""
    latency = Latency(LODA, series=MAX_NAMED + 3)
    latency.usual(2)

    assert latency.metrics.facts["named_refused"] == 3


def test_another_detector_starts_anew() -> None:
    """A rule that names another one, or none, after a reload forgets what the first learned."""
    latency = Latency(DEVIATION)
    latency.usual(300)
    latency.metrics.reconfigure([LODA])
    latency.usual(1)
    latency.metrics.reconfigure([DEVIATION])

    assert latency.see(900.0) == []
