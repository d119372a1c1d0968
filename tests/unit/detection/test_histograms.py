"""Histograms and summaries: a few series that say something instead of many buckets."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from aiops.detection.kinds import Kinds
from aiops.detection.metrics import MetricDetection
from aiops.model import Anomaly, Points
from aiops.sources.exposition import Scanner
from tests.unit.evidence import T

EDGES = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, math.inf)


class Server:
    """Expose the durations of its requests as a histogram, scraped every minute."""

    def __init__(self) -> None:
        self.scanner = Scanner("service:cart", buckets=True)
        self.metrics = MetricDetection(multivariate="", drift="")
        self.noise = np.random.default_rng(5)
        self.at = T
        self.restart()

    def restart(self) -> None:
        self.counts, self.sum = np.zeros(len(EDGES)), 0.0

    def see(self, median: float = 0.08, requests: int = 1000) -> list[Anomaly]:
        took = median * np.exp(0.6 * self.noise.standard_normal(requests))
        self.counts += [np.count_nonzero(took <= edge) for edge in EDGES]
        self.sum += float(took.sum())
        self.at += 60.0
        lines = ["# TYPE request_seconds histogram"]
        for edge, count in zip(EDGES, self.counts, strict=True):
            le = "+Inf" if math.isinf(edge) else f"{edge:g}"
            lines.append(f'request_seconds_bucket{{path="/",le="{le}"}} {count:.0f}')
        lines.append(f'request_seconds_sum{{path="/"}} {self.sum!r}')
        lines.append(f'request_seconds_count{{path="/"}} {self.counts[-1]:.0f}')
        return self.judge(lines)

    def judge(self, lines: list[str]) -> list[Anomaly]:
        scrape = self.scanner.scan("".join(f"{line}\n" for line in lines).encode())
        points = Points("s", self.at, scrape.columns, scrape.values, 60.0)
        return self.metrics.judge(points, 6.0)

    def usual(self, minutes: int) -> list[Anomaly]:
        return [a for _ in range(minutes) for a in self.see()]


def derived(server: Server, look: Callable[[], object]) -> dict[str, float]:
    """Return what one scrape says by series, what is derived of it included."""
    found: dict[str, float] = {}
    kinds = server.metrics._kinds
    derive = kinds.derive

    def spy(of: Kinds, *given: Any, **named: Any) -> NDArray[np.float64]:
        values = derive(of, *given, **named)
        found.update(zip((s.name for s in of.series), values.tolist(), strict=True))
        return values

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kinds, "derive", spy)
        look()
    return found


def values_of(server: Server, requests: int = 1000) -> dict[str, float]:
    return derived(server, lambda: server.see(requests=requests))


def test_a_histogram_is_its_rate_mean_and_quantiles() -> None:
    """Four series are judged, whatever the number of buckets."""
    server = Server()
    server.usual(2)
    assert [s.name for s in server.metrics._columns["s"].series] == [
        'request_seconds_count{path="/"}',
        'request_seconds_mean{path="/"}',
        'request_seconds{path="/",quantile="0.5"}',
        'request_seconds{path="/",quantile="0.99"}',
    ]
    assert server.metrics.series_count == 4


def test_quantiles_are_those_of_what_came_in_between() -> None:
    """Interpolated in their bucket: half is near 80 ms, 99 of 100 are below 320 ms."""
    server = Server()
    server.usual(2)
    found = values_of(server)
    assert found['request_seconds{path="/",quantile="0.5"}'] == pytest.approx(0.08, rel=0.1)
    assert 0.2 < found['request_seconds{path="/",quantile="0.99"}'] < 0.5
    assert found['request_seconds_mean{path="/"}'] == pytest.approx(0.0958, rel=0.1)
    assert found['request_seconds_count{path="/"}'] == pytest.approx(1000 / 60.0)


def test_few_requests_are_gathered() -> None:
    """A quantile waits for a hundred observations, and a slow trickle still has a median."""
    server = Server()
    server.usual(2)
    found = [values_of(server, requests=30) for _ in range(4)]
    medians = [one['request_seconds{path="/",quantile="0.5"}'] for one in found]
    assert [math.isnan(m) for m in medians] == [True, True, True, False]
    trickle = [values_of(server, requests=4) for _ in range(5)]
    assert 0.03 < trickle[-1]['request_seconds{path="/",quantile="0.5"}'] < 0.2
    assert math.isnan(trickle[-1]['request_seconds{path="/",quantile="0.99"}'])


def test_a_restart_makes_no_quantile_up() -> None:
    """Buckets that begin again from zero count from zero."""
    server = Server()
    server.usual(5)
    server.restart()
    found = values_of(server)
    assert found['request_seconds{path="/",quantile="0.5"}'] == pytest.approx(0.08, rel=0.1)


def test_slowness_is_told_in_seconds() -> None:
    """Requests that take three times as long are told at the median, with its band."""
    server = Server()
    assert server.usual(400) == []
    found = [a for _ in range(3) for a in server.see(median=0.25)]
    (first, *_) = [a for a in found if 'quantile="0.5"' in a.series.name]
    assert first.unit == "seconds"
    assert first.actual == pytest.approx(0.25, rel=0.2)
    assert first.expected == pytest.approx(0.08, rel=0.1)
    assert first.low is not None
    assert first.high is not None
    assert first.low < 0.08 < first.high < 0.25
    assert first.severe


def test_a_cut_keeps_what_was_gathered() -> None:
    """Between two quantiles a restart of ours loses nothing."""

    def run(*, cut: bool) -> dict[str, float]:
        server = Server()
        server.usual(2)
        values_of(server, requests=60)
        if cut:
            sections = {s.name: s for s in server.metrics.to_sections()}
            server.metrics = MetricDetection(multivariate="", drift="")
            server.metrics.restore(sections)
        return values_of(server, requests=60)

    assert run(cut=True) == run(cut=False)
    assert not math.isnan(run(cut=True)['request_seconds{path="/",quantile="0.5"}'])


@pytest.mark.parametrize("kind", ["ranges", "edges", "quantiles"])
def test_a_page_without_types_says_the_same(kind: str) -> None:
    """Sums and counts beside buckets or quantiles count, whoever forgot to say so."""
    server = Server()
    for n in range(4):
        server.at += 60.0
        lines = {
            "ranges": [
                f'wait_seconds_bucket{{vmrange="1.000e-01...2.000e-01"}} {100 * n}',
                f'wait_seconds_bucket{{vmrange="2.000e-01...4.000e-01"}} {300 * n}',
            ],
            "edges": [
                f'wait_seconds_bucket{{le="0.2"}} {100 * n}',
                f'wait_seconds_bucket{{le="+Inf"}} {400 * n}',
            ],
            "quantiles": ['wait_seconds{quantile="0.5"} 0.3'],
        }[kind] + [f"wait_seconds_sum {90.0 * n}", f"wait_seconds_count {400 * n}", "wait_sum 9"]
        if n < 3:
            server.judge(lines)
    found = derived(server, lambda: server.judge(lines))
    assert found["wait_seconds_mean"] == pytest.approx(0.225)
    assert found["wait_seconds_count"] == pytest.approx(400 / 60.0)
    assert found["wait_sum"] == 9.0


def test_ranges_are_understood() -> None:
    """Buckets that are ranges appear as they fill and are not cumulative."""
    server = Server()
    for n in range(4):
        server.at += 60.0
        lines = ["# TYPE wait_seconds histogram"]
        lines += [
            f'wait_seconds_bucket{{vmrange="1.0e-1...2.0e-1"}} {100 * n}',
            f'wait_seconds_bucket{{vmrange="2.0e-1...4.0e-1"}} {300 * n}',
            f"wait_seconds_sum {90.0 * n}",
            f"wait_seconds_count {400 * n}",
        ]
        if n < 3:
            server.judge(lines)
    found = derived(server, lambda: server.judge(lines))
    assert found['wait_seconds{quantile="0.5"}'] == pytest.approx(0.2 + 0.2 * 100 / 300)
    assert found["wait_seconds_mean"] == pytest.approx(0.225)


def test_summaries_have_a_mean() -> None:
    """Their quantiles come as they are; the sum alone is not judged."""
    server = Server()
    for n in range(3):
        server.at += 60.0
        server.judge(
            [
                "# TYPE rpc_seconds summary",
                'rpc_seconds{quantile="0.9"} 0.3',
                f"rpc_seconds_sum {20.0 * n}",
                f"rpc_seconds_count {200 * n}",
            ]
        )
    assert [s.name for s in server.metrics._columns["s"].series] == [
        'rpc_seconds{quantile="0.9"}',
        "rpc_seconds_count",
        "rpc_seconds_mean",
    ]


def test_what_a_page_says_itself_is_not_derived() -> None:
    """A quantile of the page's own is the one that is judged: it is told when it departs."""
    server, found = Server(), []
    for n in range(400):
        server.at += 60.0
        wild = 10.0 if n >= 397 else 1.0
        value = 0.3 * wild * (1.0 + 0.02 * float(server.noise.standard_normal()))
        found += server.judge(
            [
                "# TYPE rpc_seconds summary",
                f'rpc_seconds{{quantile="0.99"}} {value!r}',
                f"rpc_seconds_sum {20.0 * n}",
                f"rpc_seconds_count {200 * n}",
            ]
        )
    assert {a.series.name for a in found} == {'rpc_seconds{quantile="0.99"}'}


def test_a_gauge_histogram_says_what_is_there_now() -> None:
    """Its mean and quantiles are of its values, not of their growth; its buckets are not judged."""
    server = Server()
    for n in range(3):
        server.at += 60.0
        lines = ["# TYPE age_seconds gaugehistogram"]
        lines += [
            f'age_seconds_bucket{{le="1"}} {100 + n}',
            f'age_seconds_bucket{{le="2"}} {300 + n}',
            f'age_seconds_bucket{{le="+Inf"}} {400 + n}',
            "age_seconds_gsum 600",
            f"age_seconds_gcount {400 + n}",
        ]
        if n < 2:
            server.judge(lines)
    found = derived(server, lambda: server.judge(lines))
    assert found['age_seconds{quantile="0.5"}'] == pytest.approx(1.0 + (201 - 102) / 200)
    assert found["age_seconds_mean"] == pytest.approx(600 / 402)
    assert [s.name for s in server.metrics._columns["s"].series] == [
        "age_seconds_gcount",
        "age_seconds_mean",
        'age_seconds{quantile="0.5"}',
        'age_seconds{quantile="0.99"}',
    ]


def test_a_restart_that_only_some_buckets_show_is_left_out() -> None:
    """A busy server may have counted more than before by the next scrape: that is no quantile."""
    server = Server()
    server.usual(1)
    server.counts = np.full(len(EDGES), 500.0)
    server.see(requests=0)
    server.see(requests=0)
    server.restart()
    found = values_of(server, requests=1000)
    medians = [v for name, v in found.items() if 'quantile="0.5"' in name]
    assert [math.isnan(m) for m in medians] == [True]
    found = values_of(server, requests=1000)
    assert found['request_seconds{path="/",quantile="0.5"}'] == pytest.approx(0.08, rel=0.1)
