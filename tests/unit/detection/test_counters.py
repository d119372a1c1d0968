"""Counters become rates."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiops.detection.counters import CounterRates
from aiops.model import Section, Series, SeriesSet

BOTH = SeriesSet((Series("host:a", "hits_total", "counter"), Series("host:a", "load")))
ONE = SeriesSet((Series("host:a", "hits_total", "counter"),))
NAN = math.nan


def run(rates: CounterRates, *rows: tuple[float, float]) -> list[float]:
    """Feed (at, value) of one counter and return its rates."""
    return [float(rates.rates(ONE, at, np.array([value]))[0]) for at, value in rows]


def test_a_counter_becomes_its_increase_per_second_and_a_gauge_passes() -> None:
    """The first value gives no rate, the second its increase; gauges and input stay as they are."""
    rates = CounterRates()
    values = np.array([100.0, 0.5])
    first = rates.rates(BOTH, 0.0, values)
    assert math.isnan(first[0])
    assert first[1] == 0.5
    assert values.tolist() == [100.0, 0.5]
    assert rates.rates(BOTH, 10.0, np.array([130.0, 0.7])).tolist() == [3.0, 0.7]


def test_a_restart_counts_from_zero() -> None:
    """A value below the one before is the increase since the restart."""
    assert run(CounterRates(), (0, 1000), (10, 20), (20, 40))[1:] == [2.0, 2.0]


@pytest.mark.parametrize(
    "rows",
    [
        [(0, 10), (10, NAN), (20, 30), (30, 40)],
        [(0, 10), (10, math.inf), (20, 30), (30, 40)],
        [(0, 10), (500, 20), (1000, 30), (1010, 40)],
        [(900, 10), (800, 20), (20, 30), (30, 40)],
        [(20, 10), (20, 20), (20, 30), (30, 40)],
    ],
)
def test_no_rate_is_made_up(rows: list[tuple[float, float]]) -> None:
    """A hole, infinity, a long pause or a clock that stands or goes back gives NaN, then rates."""
    found = run(CounterRates(), *rows)
    assert [math.isnan(rate) for rate in found] == [True, True, True, False]
    assert found[-1] == 1.0


def test_a_gap_restarts_the_rates() -> None:
    """After a gap the first value only starts anew."""
    rates = CounterRates()
    run(rates, (0, 10))
    rates.gap()
    assert [math.isnan(rate) for rate in run(rates, (10, 20), (20, 30))] == [True, False]


def test_series_keep_their_values_when_columns_move() -> None:
    """A new set of columns carries every known counter over by its id."""
    rates = CounterRates()
    rates.rates(BOTH, 0.0, np.array([100.0, 1.0]))
    turned = SeriesSet((*reversed(BOTH.series), Series("host:a", "new_total", "counter")))
    found = rates.rates(turned, 10.0, np.array([2.0, 150.0, 7.0]))
    assert found[:2].tolist() == [2.0, 5.0]
    assert math.isnan(found[2])


def test_a_saved_state_goes_on_where_it_was() -> None:
    """Rates after a restart equal those of a run without one."""
    rates = CounterRates()
    run(rates, (0, 10), (10, 20))
    again = CounterRates.from_state(rates.to_state("counters"))
    assert run(again, (20, 50)) == run(rates, (20, 50)) == [3.0]
    fresh = CounterRates.from_state(CounterRates().to_state("counters"))
    assert math.isnan(run(fresh, (20, 50))[0])
    assert math.isnan(run(CounterRates.from_state(Section("counters", 99, {})), (0, 1))[0])


@given(st.lists(st.floats(0, 1e12), min_size=2, max_size=30))
def test_rates_add_up_to_what_was_counted(increases: list[float]) -> None:
    """Rates of a counter that only grows are never negative and add up to its growth."""
    counter = np.cumsum(increases)
    found = run(CounterRates(), *((10.0 * i, float(v)) for i, v in enumerate(counter)))[1:]
    assert min(found) >= 0
    assert sum(found) * 10 == pytest.approx(float(counter[-1] - counter[0]), rel=1e-6, abs=1e-3)
