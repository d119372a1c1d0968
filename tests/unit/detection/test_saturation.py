"""What can be full: found by its name, told in time with an interval, and not for noise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from aiops.detection.bounds import Bound, bounds
from aiops.detection.metrics import MetricDetection
from aiops.detection.rules import MetricRule, MetricRules
from aiops.detection.saturation import Saturation
from aiops.model import Anomaly, Points, Series, SeriesSet, Severity
from tests.unit.evidence import T

HOUR = 3600.0
DISK = Series("host:a", 'host_disk_used_ratio{mount="/"}', unit="ratio")
THRESHOLD = 6.5

Shape = Callable[[float, float], float]


class Watch:
    """Bring one value every five minutes: *shape* of hours since the start and a normal draw."""

    def __init__(self, shape: Shape, series: Series = DISK, **settings: object) -> None:
        known = {"multivariate": "", "drift": ""} | settings
        self.metrics = MetricDetection(**known)  # type: ignore[arg-type]
        self.columns = SeriesSet((series,))
        self.shape = shape
        self.noise = np.random.default_rng(4)
        self.hours = 0.0

    def until(self, hours: float) -> list[Anomaly]:
        found: list[Anomaly] = []
        while self.hours < hours:
            self.hours += 1.0 / 12.0
            value = self.shape(self.hours, float(self.noise.standard_normal()))
            points = Points("s", T + HOUR * self.hours, self.columns, np.array([value]), 300.0)
            found += self.metrics.judge(points, THRESHOLD)
        return [a for a in found if a.kind == "saturation"]


def filling(hours: float, noise: float) -> float:
    """Stay at half for eight hours, then grow by a tenth an hour."""
    return min(0.5 + 0.1 * max(hours - 8.0, 0.0), 1.0) + 0.002 * noise * (hours < 12.5)


@pytest.fixture(scope="module")
def told() -> list[Anomaly]:
    return Watch(filling).until(14.0)


def test_a_disk_that_fills_is_told_hours_before(told: list[Anomaly]) -> None:
    """Every field of the explanation is there, in percent of what there is."""
    first = told[0]
    assert first.series == DISK
    assert T + 8.0 * HOUR < first.at < T + 11.0 * HOUR
    assert first.id == told[-1].id
    assert first.since == pytest.approx(T + 8.0 * HOUR, abs=0.5 * HOUR)
    assert first.unit == "%"
    assert first.actual == pytest.approx(50.0 + 10.0 * ((first.at - T) / HOUR - 8.0), abs=1.5)
    assert first.expected == pytest.approx(50.0, abs=3.0)
    assert first.low is not None
    assert first.high is not None
    assert first.low <= first.expected <= first.high
    assert first.surprise >= first.threshold == THRESHOLD
    assert first.severe
    assert first.severity is Severity.ERROR
    assert first.detector == "trend"
    assert 96 < first.seen < 140
    assert first.reason.startswith("full in ")
    assert "% used, growing " in first.reason
    assert first.reason.endswith(" an hour")


def test_the_interval_holds_the_truth(told: list[Anomaly]) -> None:
    """It is full thirteen hours after the start, as every early forecast said."""
    first = told[0]
    left, low, high = _minutes(first.reason)
    truth = (T + 13.0 * HOUR - first.at) / 60.0
    assert low <= truth * 1.1
    assert high >= truth * 0.9
    assert left == pytest.approx(truth, rel=0.2)


def test_it_gets_worse_as_time_runs_out(told: list[Anomaly]) -> None:
    """It is critical in the last hour, and when full it says so."""
    severities = [a.severity for a in told]
    assert severities == sorted(severities)
    assert told[-1].severity is Severity.CRITICAL
    assert told[-1].reason.startswith("full: 100 % used, it grew ")


@pytest.mark.parametrize(
    "shape",
    [
        lambda _, noise: 0.8 + 0.03 * noise,
        lambda hours, noise: 0.3 + 0.5 * (hours / 3.0 % 1.0) + 0.005 * noise,
        lambda hours, noise: 0.6 + 0.25 * np.sin(hours / 24.0 * 2.0 * np.pi) + 0.01 * noise,
        lambda hours, noise: 0.6 + 0.0005 * hours + 0.002 * noise,
        lambda *_: 0.97,
    ],
    ids=["noise", "rotated", "daily", "months away", "nearly full, at rest"],
)
def test_what_is_usual_is_not_told(shape: Shape) -> None:
    """Noise, logs that are rotated, a daily tide, what takes months: none fills up today."""
    saturation, series = Saturation(), [DISK]
    things = saturation.bind(series, bounds(series, MetricRules()), T)
    noise = np.random.default_rng(4)
    found: list[Anomaly] = []
    for n in range(1, 12 * 36):
        value = shape(n / 12.0, float(noise.standard_normal()))
        found += saturation.see(things, T + 300.0 * n, np.array([value]), THRESHOLD)
    assert found == []


def test_it_ends_when_the_growth_ends() -> None:
    """Once it stands still nothing is told any more."""

    def shape(hours: float, noise: float) -> float:
        return 0.5 + 0.1 * min(max(hours - 8.0, 0.0), 2.5) + 0.002 * noise

    found = Watch(shape).until(20.0)
    assert found
    assert found[-1].at < T + 13.0 * HOUR


def test_it_ends_when_room_is_made() -> None:
    """Cleaned up, it is over within minutes."""

    def shape(hours: float, noise: float) -> float:
        return 0.3 if hours > 11.5 else filling(hours, noise)

    found = Watch(shape).until(20.0)
    assert found
    assert T + 11.4 * HOUR < found[-1].at < T + 11.7 * HOUR


def test_a_limit_that_people_set_counts() -> None:
    """Bytes against a limit from the configuration are told in percent and in bytes."""
    memory = Series("service:cart", "memory_bytes", unit="bytes")
    rules = (MetricRule("memory_bytes", limit=2.0**30),)
    watch = Watch(lambda hours, noise: filling(hours, noise) * 2.0**30, memory, rules=rules)
    first = watch.until(12.0)[0]
    assert " of 1 GiB used, growing " in first.reason
    assert "MiB an hour" in first.reason


def test_a_restart_changes_nothing() -> None:
    """Saved and restored in the middle of the growth, the same is told."""

    def run(cut: float) -> list[Anomaly]:
        watch = Watch(filling)
        found = watch.until(cut)
        sections = {s.name: s for s in watch.metrics.to_sections()}
        watch.metrics = MetricDetection(multivariate="", drift="")
        watch.metrics.restore(sections)
        return found + watch.until(11.0)

    assert run(9.7) == Watch(filling).until(11.0) != []


def test_pairs_are_found_by_their_names() -> None:
    """Used or free beside size, limit or max of the same labels; nothing else."""
    names = [
        'node_filesystem_avail_bytes{mountpoint="/"}',
        'node_filesystem_free_bytes{mountpoint="/"}',
        'node_filesystem_size_bytes{mountpoint="/"}',
        'node_filesystem_size_bytes{mountpoint="/boot"}',
        "node_memory_MemAvailable_bytes",
        "node_memory_MemTotal_bytes",
        "process_open_fds",
        "process_max_fds",
        "node_nf_conntrack_entries",
        "node_nf_conntrack_entries_limit",
        "node_filesystem_files",
        "node_filesystem_files_free",
        "host_cpu_busy_ratio",
        "disk_used_percent",
        "swap_free_ratio",
        "cache_hit_ratio",
    ]
    every = [MetricRules().kinded(Series("host:a", name)) for name in names]
    assert bounds(every, MetricRules()) == [
        Bound(0, True, 2),
        Bound(4, True, 5),
        Bound(6, False, 7),
        Bound(8, False, 9),
        Bound(11, True, 10),
        Bound(13, False, -1, 100.0),
        Bound(14, True, -1, 1.0),
    ]


def _minutes(reason: str) -> tuple[float, float, float]:
    left, _, rest = reason.removeprefix("full in ").partition(" (")
    low, _, high = rest.partition(")")[0].partition(" to ")
    found = []
    for words in (left, low, high):
        parts = words.split()
        units = {"h": 60.0, "min": 1.0, "s": 1 / 60.0}
        pairs = zip(parts[::2], parts[1::2], strict=True)
        found.append(sum(float(n) * units[unit] for n, unit in pairs))
    return found[0], found[1], found[2]
