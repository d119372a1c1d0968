"""States, heartbeats, lines at rest, missing metrics and what people say of metrics."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest

from aiops.detection.direction import bad_state, unit_of
from aiops.detection.metrics import MetricDetection, MetricRule
from aiops.model import Anomaly, Points, Series, SeriesSet, Severity
from tests.unit.evidence import T

THRESHOLD = 6.5
MINUTE = 60.0


class Page:
    """Bring scrapes of named gauges, one a minute; a name that is left out is not on the page."""

    def __init__(
        self, *names: str, rules: tuple[MetricRule, ...] = (), kind: str = "gauge"
    ) -> None:
        self.columns = SeriesSet(tuple(Series("service:cart", name, kind) for name in names))
        self.metrics = MetricDetection(multivariate="", drift="", rules=rules)
        self.noise = np.random.default_rng(3)
        self.at = T

    def see(self, values: Mapping[str, float]) -> list[Anomaly]:
        self.at += MINUTE
        row = np.array([values.get(s.name, math.nan) for s in self.columns.series])
        return self.metrics.judge(Points("s", self.at, self.columns, row, MINUTE), THRESHOLD)

    def usual(self, minutes: int, values: Mapping[str, float]) -> None:
        for _ in range(minutes):
            assert self.see(values) == []

    def moving(self, centre: float = 10.0) -> float:
        return centre + 0.1 * float(self.noise.standard_normal())

    def again(self) -> None:
        sections = {s.name: s for s in self.metrics.to_sections()}
        self.metrics = MetricDetection(multivariate="", drift="")
        self.metrics.restore(sections)


# --- states ---------------------------------------------------------------------------------


def test_a_state_that_turns_bad_is_told_with_from_and_to() -> None:
    """After a minute in it, with all that explains it, and until it is over."""
    page = Page("up")
    page.usual(300, {"up": 1.0})
    page.usual(1, {"up": 0.0})
    (found,) = page.see({"up": 0.0})
    assert (found.kind, found.detector, found.severity) == ("state", "states", Severity.ERROR)
    assert (found.actual, found.expected, found.low, found.high) == (0.0, 1.0, 1.0, 1.0)
    assert found.reason == "changed from 1 to 0 after 5 h"
    assert found.since == page.at - MINUTE
    assert found.seen == 302
    assert found.surprise >= found.threshold
    assert found.severe
    assert page.see({"up": 0.0})[0].id == found.id
    page.usual(30, {"up": 1.0})


def test_a_state_that_turns_bad_every_hour_is_no_news() -> None:
    """How often it turns bad anyway is learned; then it is context."""
    page = Page("probe_success")
    found = []
    for hour in range(20):
        found = [
            a for n in range(60) for a in page.see({"probe_success": float(n < 55 or not hour)})
        ]
    assert found
    assert {a.severity for a in found} == {Severity.INFO}
    assert all(a.surprise < a.threshold for a in found)


def test_one_bad_sample_is_not_told() -> None:
    """What is over at the next scrape was a hiccup."""
    page = Page("up")
    page.usual(300, {"up": 1.0})
    page.usual(1, {"up": 0.0})
    page.usual(60, {"up": 1.0})


def test_few_whole_numbers_are_told_as_states() -> None:
    """A number of replicas that rarely changes is told as a change."""
    page = Page("replicas")
    page.usual(300, {"replicas": 3.0})
    found = [a for _ in range(30) for a in page.see({"replicas": 2.0})]
    assert found
    assert (found[0].kind, found[0].reason) == ("state", "changed from 3 to 2 after 5 h")
    assert (found[0].actual, found[0].expected) == (2.0, 3.0)


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("up", 0.0),
        ("mysql_up", 0.0),
        ("service_healthy", 0.0),
        ("raid_degraded", 1.0),
        ('node_systemd_unit_state{name="a.service",state="failed"}', 1.0),
        ('node_systemd_unit_state{name="a.service",state="active"}', 0.0),
        ('kube_node_status_condition{condition="Ready",status="true"}', 0.0),
        ('kube_node_status_condition{condition="Ready",status="false"}', 1.0),
        ('kube_node_status_condition{condition="MemoryPressure",status="true"}', 1.0),
        ('kube_pod_status_phase{phase="Failed"}', 1.0),
        ('kube_pod_status_phase{phase="Pending"}', None),
        ('breaker{breaker="failed",of="db"}', 1.0),
        ('breaker{breaker="half open",of="db"}', None),
        ("update_requests", None),
        ("queue_length", None),
    ],
)
def test_names_declare_states(name: str, bad: float | None) -> None:
    """Which of 0 and 1 is bad stands in the name or in its label of the state."""
    assert bad_state(name) == bad


def test_a_state_set_tells_the_state_that_is_bad() -> None:
    """OpenMetrics: one series a state, named by the label that is called like the metric."""
    page = Page('link{link="failed"}', 'link{link="ready"}')
    good = {'link{link="failed"}': 0.0, 'link{link="ready"}': 1.0}
    bad = {'link{link="failed"}': 1.0, 'link{link="ready"}': 0.0}
    page.usual(300, good)
    page.usual(1, bad)
    found = page.see(bad)
    assert [(a.kind, a.actual, a.expected) for a in found] == [
        ("state", 1.0, 0.0),
        ("state", 0.0, 1.0),
    ]


def test_what_only_informs_is_not_judged() -> None:
    """A version or an address in the labels of a 1 spends no row, unless somebody says so."""
    page = Page('build_info{version="1"}', "load")
    page.see({'build_info{version="1"}': 1.0, "load": 1.0})
    assert page.metrics.series_count == 1
    page = Page("build_info", rules=(MetricRule("build_info", kind="gauge"),))
    page.see({"build_info": 1.0})
    assert page.metrics.series_count == 1


# --- lines at rest, heartbeats --------------------------------------------------------------


def test_a_line_that_moved_and_stands_still_is_told() -> None:
    """A sensor that repeats its last value is evidence, for as long as it is new."""
    page = Page("room_celsius")
    for _ in range(200):
        page.see({"room_celsius": page.moving(20.0)})
    found = [a for _ in range(25) for a in page.see({"room_celsius": 20.05})]
    flat = [a for a in found if a.kind == "flat" and a.detector == "states"]
    assert flat[0].reason.startswith("stands still at 20.1 celsius for 19 min, it changed ")
    assert (flat[0].actual, flat[0].severity, flat[0].severe) == (20.05, Severity.WARNING, False)
    assert flat[0].expected == pytest.approx(20.0, abs=0.5)
    assert flat[0].unit == "celsius"
    assert flat[0].since == page.at - 24 * MINUTE
    assert flat[0].seen == 220


def test_a_line_that_rests_as_ever_is_not_told() -> None:
    """What stood still for an hour every few hours may do so again."""
    page, found = Page("queue_celsius"), []
    for _ in range(8):
        for _ in range(180):
            found += page.see({"queue_celsius": page.moving(20.0)})
        for _ in range(60):
            found += page.see({"queue_celsius": 20.0})
    assert [a for a in found if a.kind == "flat" and a.at > T + 5 * 240 * MINUTE] == []


def test_a_line_that_never_moved_may_stand_still() -> None:
    """A limit, a version, a number of processors: constant for good, or changed once a day."""
    page = Page("limit_bytes", "processors")
    for n in range(900):
        at_rest = {"limit_bytes": 4096.0 if n < 500 else 8192.0, "processors": 16.0}
        assert [a for a in page.see(at_rest) if a.kind == "flat"] == []


def test_a_counter_that_stands_still_is_told_as_its_rate() -> None:
    """Work that ended: from five a second to nothing."""
    page, sent = Page("sent_total", kind="counter"), 0.0
    for _ in range(300):
        sent += 300.0 + 6.0 * page.moving(0.0)
        page.see({"sent_total": sent})
    found = [a for _ in range(5) for a in page.see({"sent_total": sent})]
    assert found
    assert (found[0].actual, found[0].unit) == (0.0, "/s")
    assert found[0].expected == pytest.approx(5.0, rel=0.1)


def test_a_beat_that_is_overdue_is_told() -> None:
    """A job that ended every ten minutes and no longer does."""
    page = Page("backup_last_success_timestamp_seconds")
    name = page.columns.series[0].name
    found: list[Anomaly] = []
    for minute in range(240):
        found += page.see({name: T + 600.0 * (min(minute, 180) // 10)})
    assert found
    first = found[0]
    assert (first.kind, first.detector, first.unit) == ("stale", "heartbeats", "s")
    assert 1200.0 < first.at - (T + 600.0 * 18) < 2400.0
    assert first.actual == first.at - (T + 600.0 * 18)
    assert first.expected == 600.0
    assert (first.low, first.high) == (600.0, 600.0)
    assert first.since == T + 600.0 * 19
    assert first.reason.endswith(" ago, usually every 10 min")
    assert first.severe


def test_the_time_of_a_start_is_no_beat() -> None:
    """It never comes again, and nobody waits for it."""
    page = Page("process_start_time_seconds")
    page.usual(300, {"process_start_time_seconds": T - 5000.0})


# --- missing --------------------------------------------------------------------------------


def test_metrics_that_no_longer_come_are_told_once_an_entity() -> None:
    """Three names of four are gone while the fourth still comes: one fact that counts them."""
    page = Page("a_total", "b_ratio", 'c{x="1"}', 'c{x="2"}', "d")
    every = {"a_total": 1.0, "b_ratio": 0.5, 'c{x="1"}': 2.0, 'c{x="2"}': 3.0, "d": 4.0}
    page.usual(260, every)
    page.usual(2, {"d": 4.0})
    (found,) = page.see({"d": 4.0})
    assert (found.series.id, found.kind) == ("service:cart/metrics", "missing")
    assert found.reason == "missing, 3 of 4, while the others come: a_total, b_ratio, c"
    assert (found.actual, found.expected, found.low, found.high) == (1.0, 4.0, 4.0, 4.0)
    assert (found.severity, found.severe, found.detector) == (Severity.WARNING, True, "missing")
    assert found.since == page.at - 3 * MINUTE
    assert found.seen == 260
    assert found.surprise >= found.threshold
    page.again()
    assert page.see({"d": 4.0})[0].id == found.id
    page.usual(30, every)


def test_after_a_gap_nothing_is_missing() -> None:
    """Who did not watch cannot say what ended."""
    page = Page("a", "d")
    page.usual(260, {"a": 2.0, "d": 4.0})
    page.metrics.gap("s")
    page.usual(20, {"d": 4.0})


def test_points_out_of_order_change_nothing() -> None:
    """A page of ten minutes ago, full of wrong values, is as if it had not come."""

    def run(*, stray: bool) -> list[Anomaly]:
        page, found = Page("up", "disk_used_ratio", "replicas", "gone"), []
        for n in range(420):
            values = {"up": float(n < 400), "replicas": 3.0 - (n > 410), "gone": 1.0}
            values["disk_used_ratio"] = 0.5 + 0.006 * max(n - 350, 0) + 1e-3 * page.moving(0.0)
            if n > 380:
                del values["gone"]
            found += page.see(values)
            if stray and n % 7 == 0:
                at, page.at = page.at, page.at - 11 * MINUTE
                page.see({"up": 0.0, "disk_used_ratio": 0.9, "replicas": 1.0, "gone": 1.0})
                page.at = at
        return found

    found = run(stray=False)
    assert {"state", "saturation", "missing"} <= {a.kind for a in found}
    assert run(stray=True) == found


def test_memories_are_bounded_and_it_is_counted() -> None:
    """Beyond the bound a series has no kind, and the others go on."""
    metrics = MetricDetection(max_series=3, multivariate="", drift="")
    columns = SeriesSet(tuple(Series("service:cart", f"m{n}_up") for n in range(5)))
    for n in range(3):
        metrics.judge(Points("s", T + 60.0 * n, columns, np.ones(5), 60.0), THRESHOLD)
    assert metrics.facts["kinds_refused"] == 4
    assert metrics.facts["series_refused"] == 2


def test_a_label_set_may_go() -> None:
    """As long as its name still comes with other labels."""
    page = Page('c{x="1"}', 'c{x="2"}', "d")
    page.usual(260, {'c{x="1"}': 2.0, 'c{x="2"}': 3.0, "d": 4.0})
    page.usual(20, {'c{x="1"}': 2.0, "d": 4.0})


def test_a_target_that_is_down_misses_nothing() -> None:
    """When nothing comes, that is another fact; names that come later after it are not missed."""
    page = Page("up", "a", "d")
    page.usual(260, {"up": 1.0, "a": 2.0, "d": 4.0})
    for _ in range(10):
        assert all(a.kind == "state" for a in page.see({"up": 0.0}))
    page.usual(30, {"up": 1.0, "d": 4.0})


def test_what_a_restart_has_not_counted_yet_is_not_missing() -> None:
    """Error counters appear with the first error."""
    page = Page("requests_total", "errors_total", kind="counter")
    for n in range(260):
        page.see({"requests_total": 100.0 * n, "errors_total": float(n)})
    found = [a for n in range(20) for a in page.see({"requests_total": 100.0 * n})]
    assert "missing" not in {a.kind for a in found}


# --- what people say ------------------------------------------------------------------------


def told(rule: MetricRule, value: float, name: str = "basket_size") -> list[Anomaly]:
    page = Page(name, rules=(rule,))
    for _ in range(300):
        page.see({name: page.moving()})
    return page.see({name: value})


def test_only_rises_or_only_drops() -> None:
    """Each direction is told, or not, as the rule says."""
    assert told(MetricRule("basket_*", direction="up"), 30.0)
    assert told(MetricRule("basket_*", direction="up"), 1.0) == []
    assert told(MetricRule("basket_*", direction="down"), 1.0)
    assert told(MetricRule("basket_*", direction="down"), 30.0) == []


def test_the_smallest_change_that_matters() -> None:
    """A departure that is sure but small is not told."""
    assert told(MetricRule("basket_size"), 15.0)
    assert told(MetricRule("basket_size", smallest=10.0), 15.0) == []


def test_a_rule_knows_better_than_a_name() -> None:
    """Free space that grows is good news, unless somebody says otherwise."""
    name = "free_slots"
    assert told(MetricRule("other"), 30.0, name)[0].severity is Severity.INFO
    assert told(MetricRule(name, direction="both"), 30.0, name)[0].severity is Severity.WARNING


def test_units_and_kinds_can_be_said() -> None:
    """A gauge that only grows is judged as a rate, in the unit that was said."""
    page = Page("sent", rules=(MetricRule("service:cart/sent", kind="counter", unit="bytes"),))
    sent = 0.0
    for _ in range(300):
        sent += 6000.0 * page.moving()
        page.see({"sent": sent})
    (found,) = page.see({"sent": sent + 1e6})
    assert found.unit == "bytes/s"
    assert found.actual == pytest.approx(1e6 / 60.0)
    assert found.expected == pytest.approx(1000.0, rel=0.1)


def test_a_bad_direction_can_be_said() -> None:
    """Of a name that says nothing, or the wrong thing, a rule says which way is worth telling."""
    assert told(MetricRule("success_total", direction="up"), 30.0, "success_total")
    assert told(MetricRule("success_total", direction="up"), 1.0, "success_total") == []


def test_a_detector_can_be_named_for_all_of_an_entity() -> None:
    """A rule fits entity and name: a whole target gets the detector, and no other."""
    rule = MetricRule("service:cart/*", detector="river.anomaly.StandardAbsoluteDeviation")
    found = told(rule, 30.0)
    assert "river" in {a.kind for a in found}
    other = MetricRule("service:pay/*", detector="river.anomaly.StandardAbsoluteDeviation")
    assert "river" not in {a.kind for a in told(other, 30.0)}


def test_what_is_ignored_is_not_judged() -> None:
    """Not a row is spent on it."""
    page = Page("noise", "signal", rules=(MetricRule("noise", kind="ignore"),))
    page.see({"noise": 1.0, "signal": 1.0})
    assert page.metrics.series_count == 1


def test_rules_change_while_it_runs() -> None:
    """A reload counts from the next scrape on, and what was learned stays."""
    page = Page("basket_size")
    for _ in range(300):
        page.see({"basket_size": page.moving()})
    page.metrics.reconfigure((MetricRule("basket_size", direction="up"),))
    assert page.see({"basket_size": 1.0}) == []
    page.metrics.reconfigure(())
    assert page.see({"basket_size": 1.0})


@pytest.mark.parametrize(
    ("name", "known", "unit"),
    [
        ("request_duration_seconds", "", "seconds"),
        ("gc_pause_ms", "", "ms"),
        ("disk_used_percent", "", "%"),
        ("net_bytes_total", "", "bytes"),
        ("net_bytes_per_second", "", "bytes/s"),
        ("http.server.request.duration", "s", "s"),
        ("system.memory.usage", "By", "bytes"),
        ("queue.size", "{message}", "message"),
        ("system.cpu.utilization", "1", ""),
        ("requests_total", "", ""),
        ("CpuUsageRate(%)", "", "%"),
        ("PodServerLatencyP99(s)", "", "seconds"),
        ('MemoryUsage(Mi){pod="a"}', "", "MiB"),
    ],
)
def test_units_follow_conventions(name: str, known: str, unit: str) -> None:
    """Suffixes of Prometheus, codes of OpenTelemetry, and what a source gave."""
    assert unit_of(name, known) == unit
