"""Scrapes of metrics: rates, joint behaviour, gaps and bounds."""

from __future__ import annotations

import numpy as np

from aiops.detection.metrics import MetricDetection
from aiops.detection.together import KEPT, MAX_RIVERS
from aiops.model import Anomaly, Points, Series, SeriesSet, Severity
from tests.unit.evidence import T

COLUMNS = SeriesSet(
    (
        Series("service:cart", "errors_total", "counter"),
        Series("service:cart", "latency_ms"),
        Series("service:cart", "queue_length"),
    )
)


class Scrapes:
    """Bring one scrape a minute: a counter of 5 a second, two gauges."""

    def __init__(self, **settings: object) -> None:
        self.metrics = MetricDetection(**{"multivariate": "", "drift": ""} | settings)  # type: ignore[arg-type]
        self.noise = np.random.default_rng(2)
        self.at, self.total = T, 0.0

    def see(self, rate: float = 5.0, latency: float = 20.0) -> list[Anomaly]:
        self.at += 60.0
        self.total += 60.0 * rate * (1.0 + 0.02 * float(self.noise.standard_normal()))
        gauges = np.array([latency, 3.0]) * (1.0 + 0.02 * self.noise.standard_normal(2))
        values = np.array([self.total, *gauges])
        return self.metrics.judge(Points("shop", self.at, COLUMNS, values, 60.0), 6.0)

    def usual(self, minutes: int) -> list[Anomaly]:
        return [a for _ in range(minutes) for a in self.see()]


def test_counters_are_judged_as_rates() -> None:
    """A counter that grows as ever is usual; one that grows faster is told per second."""
    scrapes = Scrapes()
    assert scrapes.usual(400) == []
    (found,) = scrapes.see(rate=60.0)
    assert found.unit == "/s"
    assert found.severity is Severity.ERROR
    assert found.actual is not None
    assert 50.0 < found.actual < 70.0


def test_what_is_done_every_hour_is_expected_at_its_minute() -> None:
    """An hourly job is usual where it always runs; at another minute it is a departure."""
    metrics, noise = MetricDetection(multivariate="", drift=""), np.random.default_rng(1)
    columns = SeriesSet((Series("service:cart", "jobs_active"),))
    midnight, day, step = T - T % 86400.0, 86400.0, 300.0
    found = []
    for n in range(int((4 * day + 7200.0) / step)):
        at = midnight + n * step
        runs = at % 3600.0 < step or 0.0 <= at - midnight - 4 * day - 5400.0 < 1200.0
        value = np.array([10.0 + 8.0 * runs + 0.5 * noise.standard_normal()])
        found += metrics.judge(Points("shop", at, columns, value, step), 6.0)
    assert found
    assert min(a.at for a in found) >= midnight + 4 * day + 5400.0


def test_a_gap_is_no_burst() -> None:
    """After a time nobody watched, the first difference is unknown."""
    scrapes = Scrapes()
    scrapes.usual(400)
    scrapes.metrics.gap("shop")
    scrapes.total += 1e9
    assert scrapes.see() == []


def test_what_is_not_finite_is_counted() -> None:
    """Infinity is left out and counted, never learned."""
    scrapes = Scrapes()
    scrapes.usual(20)
    scrapes.see(latency=float("inf"))
    assert scrapes.metrics.facts["not_finite"] == 1


def test_series_are_bounded() -> None:
    """Beyond the bound series are refused and counted."""
    scrapes = Scrapes(max_series=2)
    scrapes.see()
    assert scrapes.metrics.series_count == 2
    assert scrapes.metrics.facts["series_refused"] == 1


def test_young_series_are_said() -> None:
    """In the first minutes all series are young, later none."""
    scrapes = Scrapes()
    scrapes.usual(3)
    assert scrapes.metrics.young() == 3
    scrapes.usual(30)
    assert scrapes.metrics.young() == 0


def test_tests_follow_the_pace() -> None:
    """Three series once a minute are a twentieth of a test a second."""
    scrapes = Scrapes()
    scrapes.usual(3)
    assert scrapes.metrics.tests_per_second == 3 / 60.0


def test_a_restart_changes_nothing() -> None:
    """Saved and restored, rates and models go on exactly."""

    def run(cut: int) -> list[Anomaly]:
        scrapes, found = Scrapes(drift="river.drift.ADWIN"), []
        for n in range(200):
            if n == cut:
                sections = {s.name: s for s in scrapes.metrics.to_sections()}
                scrapes.metrics = MetricDetection(multivariate="")
                scrapes.metrics.restore(sections)
            found += scrapes.see(rate=40.0 if n > 180 else 5.0)
        return found

    assert run(150) == run(-1) != []


def together(
    metrics: MetricDetection, at: float, names: list[str], noise: np.random.Generator
) -> None:
    columns = SeriesSet(tuple(Series("service:cart", name) for name in names))
    values = 10.0 + noise.standard_normal(len(names))
    metrics.judge(Points("shop", at, columns, values, 60.0), 6.0)


def test_an_entity_may_change_what_it_measures() -> None:
    """Series that come and go leave the joint model of their entity alive."""
    metrics, noise = MetricDetection(drift=""), np.random.default_rng(3)
    every = [f"m{n}" for n in range(8)]
    for minute in range(600):
        names = every if minute < 300 else every[3:] if minute < 400 else [*every, "new"]
        together(metrics, T + 60.0 * minute, names, noise)
    assert metrics.facts["joint_refused"] == 0


def churned(max_series: int, cut: int = -1) -> tuple[list[Anomaly], MetricDetection]:
    """Let two of four series be new ones every half hour, and a steady one rise at the end."""
    metrics = MetricDetection(max_series=max_series, multivariate="", drift="")
    rng, found = np.random.default_rng(4), []
    columns = SeriesSet(())
    for minute in range(600):
        if minute % 30 == 0:
            passing = [f'sessions{{pod="{minute}-{n}"}}' for n in range(2)]
            names = ["latency_ms", "queue_length", *passing]
            columns = SeriesSet(tuple(Series("service:cart", name) for name in names))
        if minute == cut:
            sections = {s.name: s for s in metrics.to_sections()}
            metrics = MetricDetection(max_series=max_series, multivariate="", drift="")
            metrics.restore(sections)
        noise = rng.standard_normal(4)
        values = np.array([20.0 + 200.0 * (minute >= 590), 3.0, 7.0, 7.0]) * (1.0 + 0.02 * noise)
        found += metrics.judge(Points("shop", T + 60.0 * minute, columns, values, 60.0), 6.0)
    return found, metrics


def test_series_that_come_and_go_shut_nobody_out() -> None:
    """Where rows run out, those that nobody sees any more make room, and all else is the same."""
    found, metrics = churned(14)
    assert {a.series.name for a in found if a.at >= T + 590 * 60.0} == {"latency_ms"}
    assert found == churned(1000)[0]
    assert metrics.series_count == 14
    assert metrics.facts["series_refused"] == 0
    assert metrics.facts["series_forgotten"] > 0


def test_what_is_forgotten_is_the_same_after_a_restart() -> None:
    """Who makes room depends on what was seen, not on who lived to see it."""
    (found, metrics), (again, restored) = churned(14), churned(14, cut=345)
    assert found == again
    one, other = metrics.to_sections()[0], restored.to_sections()[0]
    assert one.header["rows"] == other.header["rows"]
    assert (one.arrays["judged_at"] == other.arrays["judged_at"]).all()


def test_models_of_who_is_gone_make_room() -> None:
    """River's dear models go to entities that are there; as long as all are, new ones wait."""
    metrics = MetricDetection(multivariate="river.anomaly.HalfSpaceTrees", drift="")
    noise = np.random.default_rng(3)

    def look(entities: list[str], at: float) -> None:
        columns = SeriesSet(tuple(Series(e, f"m{n}") for e in entities for n in range(3)))
        for n in range(20):
            values = 10.0 + noise.standard_normal(len(columns.series))
            metrics.judge(Points("s", at + 120.0 * n, columns, values, 120.0), 6.0)

    old = [f"pod:{n}" for n in range(MAX_RIVERS)]
    look([*old, "pod:late"], T)
    assert metrics.facts["joint_refused"] > 0
    metrics.facts.clear()
    look(["pod:late"], T + KEPT + 7200.0)
    assert metrics.facts["joint_refused"] == 0
