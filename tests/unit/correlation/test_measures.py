"""Which series say the same."""

from __future__ import annotations

import pytest

from aiops.correlation.measures import figure, measure
from tests.unit.evidence import anomaly


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("latency_p50", "latency"),
        ("latency_p99.9", "latency"),
        ("latency_Average", "latency"),
        ("latency p95", "latency"),
        ("rpc.duration.max", "rpc.duration"),
        ("http_seconds_mean", "http_seconds"),
        ('http_seconds{quantile="0.99"}', "http_seconds"),
        ('http_seconds{route="/a",quantile="0.5"}', 'http_seconds{route="/a"}'),
        ('http_seconds{quantile="0.5",route="/a"}', 'http_seconds{route="/a"}'),
        ("cpu_max", "cpu"),
        ("p50", "p50"),
        ("requests_total", "requests_total"),
        ("summary", "summary"),
        ("checksum", "checksum"),
        ('errors{route="/a"}', 'errors{route="/a"}'),
    ],
)
def test_a_measure_is_a_name_without_its_statistic(name: str, what: str) -> None:
    """Endings and labels that only say which statistic it is are left out; others stay."""
    assert measure(name) == what


def test_a_figure_belongs_to_one_entity() -> None:
    """The same measure elsewhere is another figure; another quantile of it here is not."""
    here, there = anomaly(name="latency_p50"), anomaly("service:auth", "latency_p50")
    assert figure(here) != figure(there)
    assert figure(here) == figure(anomaly(name="latency_p99"))
