"""What must hold for any series, judged alone or in a bank: the same sentences for both."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.bank import SeriesBank
from detectors.series import SeriesDetector, score_rows

START = 1_699_920_000.0  # a midnight
STEP = 3600.0
WEEK = 7 * 86400.0

Rows = list[tuple[float, float]]
Judge = Callable[[Sequence[tuple[float, float | None]]], np.ndarray]


def alone(rows: Sequence[tuple[float, float | None]]) -> np.ndarray:
    return np.array([math.nan if (v := s.value) is None else v for s, _ in score_rows(rows)])


def banked(rows: Sequence[tuple[float, float | None]]) -> np.ndarray:
    bank = SeriesBank(slots=24)
    row = bank.add(1)
    found = []
    for at, value in rows:
        known = np.array([math.nan if value is None else value])
        found.append(bank.score(row, at, known).surprise[0])
        bank.learn(row, at, known)
    return np.array(found)


@st.composite
def series(draw: st.DrawFn) -> Rows:
    """Draw five days of hours: a rhythm, a family of noise, a fault somewhere late."""
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    count = 120
    noise = draw(st.sampled_from(["normal", "t", "poisson", "walk"]))
    values = {
        "normal": lambda: rng.standard_normal(count),
        "t": lambda: rng.standard_t(3, count),
        "poisson": lambda: rng.poisson(3.0, count).astype(float),
        "walk": lambda: 0.2 * rng.standard_normal(count).cumsum(),
    }[noise]()
    at = START + STEP * np.arange(count)
    values += 20.0 + draw(st.floats(0.0, 10.0)) * np.sin(2 * np.pi * at / 86400.0)
    first = draw(st.integers(60, 100))
    values[first : first + draw(st.integers(1, 20))] += draw(st.sampled_from([-30.0, 8.0, 50.0]))
    return list(zip(at.tolist(), values.tolist(), strict=True))


both = pytest.mark.parametrize("judge", [alone, banked])
few = settings(max_examples=3, deadline=None, derandomize=True)


@both
@given(rows=series(), cut=st.integers(1, 119))
@few
def test_the_future_changes_no_past_score(judge: Judge, rows: Rows, cut: int) -> None:
    """Whatever is appended, the scores before it stay as they were, to the bit."""
    np.testing.assert_array_equal(judge(rows)[:cut], judge(rows[:cut]))


@both
@given(rows=series(), power=st.sampled_from([-3, 3, 6]))
@few
def test_a_change_of_unit_changes_no_decision(judge: Judge, rows: Rows, power: int) -> None:
    """Bytes or kilobytes: the surprises are the same within rounding."""
    other = [(at, value * 10.0**power) for at, value in rows]
    np.testing.assert_allclose(judge(rows), judge(other), rtol=5e-3, atol=5e-3)


@both
@given(rows=series(), weeks=st.integers(-500, 500))
@few
def test_whole_weeks_change_nothing(judge: Judge, rows: Rows, weeks: int) -> None:
    """Only the part of the week and the differences of time count."""
    other = [(at + weeks * WEEK, value) for at, value in rows]
    np.testing.assert_array_equal(judge(rows), judge(other))


@both
@given(value=st.floats(-1e12, 1e12), step=st.sampled_from([1.0, 60.0, 3600.0, 86400.0]))
@few
def test_a_constant_never_alarms(judge: Judge, value: float, step: float) -> None:
    """A series that never moves has nothing surprising about it, at any pace."""
    found = judge([(START + step * i, value) for i in range(150)])
    assert np.isfinite(found[60:]).all()
    assert np.nanmax(found) < 1.0


@both
@given(
    rows=series(),
    dirt=st.lists(
        st.tuples(
            st.integers(1, 119),
            st.sampled_from([None, math.nan, math.inf, -math.inf]),
            st.floats(0.0, STEP),
        ),
        min_size=1,
        max_size=8,
    ),
)
@few
def test_what_is_no_number_is_unknown_and_harmless(
    judge: Judge, rows: Rows, dirt: list[tuple[int, float | None, float]]
) -> None:
    """Gaps and infinities score nothing, and every other row scores as if they were not there."""
    mixed = [(at, value, True) for at, value in rows]
    dirty: list[tuple[float, float | None, bool]] = [*mixed]
    dirty += [(rows[i - 1][0] + later, value, False) for i, value, later in dirt]
    dirty.sort(key=lambda row: (row[0], not row[2]))
    found = judge([row[:2] for row in dirty])
    real = np.array([row[2] for row in dirty])
    np.testing.assert_array_equal(found[real], judge(rows))
    assert np.isnan(found[~real]).all()


@both
@given(
    rows=series(),
    late=st.lists(st.tuples(st.integers(1, 119), st.integers(0, 20)), min_size=1, max_size=8),
)
@few
def test_doubles_and_late_rows_are_harmless(
    judge: Judge, rows: Rows, late: list[tuple[int, int]]
) -> None:
    """A row as old as the newest or older teaches nothing, whatever its value."""
    after: dict[int, list[int]] = {}
    for i, back in late:
        after.setdefault(i, []).append(back)
    dirty, real = [], []
    for i, (at, value) in enumerate(rows):
        dirty.append((at, value))
        real.append(True)
        for back in after.get(i, ()):
            dirty.append((at - STEP * back, 1e6))
            real.append(False)
    np.testing.assert_array_equal(judge(dirty)[np.array(real)], judge(rows))


@given(many=st.lists(series(), min_size=2, max_size=4), data=st.data())
@few
def test_unrelated_series_change_nothing(many: list[Rows], data: st.DataObject) -> None:
    """A series scores the same in whatever row of a bank it is, beside whatever others."""
    order = data.draw(st.permutations(range(len(many))))
    bank = SeriesBank(slots=24)
    rows = bank.add(len(many))
    found = []
    for i, (at, _) in enumerate(many[0]):
        values = np.array([many[k][i][1] for k in order])
        found.append(bank.score(rows, at, values).surprise)
        bank.learn(rows, at, values)
    for place, k in enumerate(order):
        np.testing.assert_array_equal(np.array(found)[:, place], banked(many[k]))


@given(rows=series(), every=st.integers(1, 5))
@few
def test_clearing_the_last_look_changes_nothing(rows: Rows, every: int) -> None:
    """What was looked at for scoring is only a cache for learning."""
    kept, cleared = SeriesDetector(), SeriesDetector()
    for i, (at, value) in enumerate(rows):
        x = {"value": value, "at": at}
        assert kept.score_one(x) == cleared.score_one(x)
        if i % every == 0:
            cleared._last_look = None
        kept.learn_one(x)
        cleared.learn_one(x)
