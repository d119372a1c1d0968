"""Shares of successes are judged by their failures."""

from __future__ import annotations

import numpy as np
import pytest

from aiops.detection.metrics import MetricDetection
from aiops.detection.shares import Shares
from aiops.model import Anomaly, Points, Section, Series, SeriesSet
from tests.unit.evidence import T

AVAILABILITY = Series("service:cart", "availability_Average")
SUCCESS = Series("service:cart", "http_success_ratio")
OTHER = Series("service:cart", "memory_available_bytes")


def watch(values: list[float]) -> list[Anomaly]:
    """Judge five-minute samples of one availability."""
    metrics = MetricDetection(multivariate="", drift="")
    columns = SeriesSet((AVAILABILITY,))
    found = []
    for n, value in enumerate(values):
        points = Points("cloud", T + 300.0 * n, columns, np.array([value]), 300.0)
        found += metrics.judge(points, 5.0)
    return found


def test_a_small_loss_of_what_never_failed_is_seen() -> None:
    """Two days at 100 %, then 97 % and 95 %: without precedent, however small in its own size."""
    first, *_ = watch([100.0] * 576 + [97.1, 95.7])
    assert first.actual == pytest.approx(97.1)
    assert first.expected == pytest.approx(100.0)
    assert first.low is not None
    assert first.high is not None
    assert first.low <= first.high
    assert first.surprise >= 3.5
    assert first.high <= 100.0


def test_usual_failures_are_usual() -> None:
    """A service that loses a percent or two every hour is not told for it."""
    noise = np.random.default_rng(5)
    assert watch([100.0 - float(v) for v in noise.exponential(0.5, 800)]) == []


def test_the_first_value_says_what_the_whole_is() -> None:
    """Ratios have 1, percentages 100; names that only sound alike are left as they are."""
    shares = Shares()
    series = [AVAILABILITY, SUCCESS, OTHER]
    places = shares.bind(series)
    assert places.tolist() == [0, 1]
    turned = shares.failures(series, places, np.array([99.5, 0.98, 7.0]))
    assert turned.tolist() == pytest.approx([0.5, 0.02, 7.0])
    again = Shares()
    again.restore(shares.to_section())
    assert again.whole(SUCCESS) == 1.0
    assert np.isnan(again.failures(series, places, np.array([np.nan, 0.5, 7.0]))[0])
    again.restore(Section("shares", 0, {}))
    assert again.whole(SUCCESS) == 1.0


def test_a_value_that_is_no_share_is_left_alone() -> None:
    """Above 100 or below 0 nothing is a share; the bound on series holds."""
    shares = Shares(most=0)
    places = shares.bind([AVAILABILITY])
    assert shares.failures([AVAILABILITY], places, np.array([250.0])).tolist() == [250.0]
    assert shares.failures([AVAILABILITY], places, np.array([99.0])).tolist() == [99.0]
