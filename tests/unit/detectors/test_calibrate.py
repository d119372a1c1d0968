from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.calibrate import TailCalibrator, budget_threshold, combine


def learned(draws: np.ndarray, rows: int, light: int | None = None) -> TailCalibrator:
    tails = TailCalibrator(1, light=light)
    tails.grow(rows)
    dt, weight = np.full(rows, 60.0, np.float32), np.ones(rows, np.float32)
    for row in draws.reshape(-1, rows).astype(np.float32):
        tails.learn(slice(0, rows), row[None], dt, weight)
    return tails


@pytest.mark.parametrize("family", ["normal", "t3", "exponential"])
def test_surprise_is_the_share_of_normal_samples_that_score_as_high(family: str) -> None:
    """One normal sample in a thousand has a surprise of 3: never thrice as many, rather fewer."""
    rng = np.random.default_rng(1)
    draw = {
        "normal": lambda n: np.abs(rng.standard_normal(n)),
        "t3": lambda n: np.abs(rng.standard_t(3, n)),
        "exponential": lambda n: rng.exponential(1.0, n),
    }[family]
    rows = 64
    tails = learned(draw(rows * 1500), rows)
    fresh = draw(rows * 2000).reshape(1, -1, rows).astype(np.float32)
    share = np.mean([tails.surprise(slice(0, rows), fresh[:, i]) >= 3.0 for i in range(2000)])
    assert 1 / 40_000 < share < 3 / 1000


@pytest.mark.parametrize("family", ["normal", "t3", "exponential"])
def test_far_samples_are_as_rare_as_they_are_told_to_be(family: str) -> None:
    """One sample in a million is told as 3.5 to 6.5, whatever the family of the noise."""
    rng = np.random.default_rng(2)
    draw, millionth = {
        "normal": (lambda n: np.abs(rng.standard_normal(n)), 4.89),
        "t3": (lambda n: np.abs(rng.standard_t(3, n)), 103.0),
        "exponential": (lambda n: rng.exponential(1.0, n), 13.8),
    }[family]
    rows = 64
    tails = learned(draw(rows * 4000), rows)
    found = tails.surprise(slice(0, rows), np.full((1, rows), millionth, np.float32))
    assert 3.5 < float(np.median(found)) < 6.5


def test_a_light_member_is_loud_once_it_has_seen_enough() -> None:
    """Fifteen normal deviations are beyond doubt for it, and too few samples still doubt them."""
    rng = np.random.default_rng(3)
    found = []
    for samples in (100, 4000):
        tails = learned(np.abs(rng.standard_normal(16 * samples)), 16, light=0)
        far = tails.surprise(slice(0, 16), np.full((1, 16), 15.0, np.float32))
        found.append(float(np.median(far)))
    assert found[0] < 7.0
    assert found[1] > 12.0


@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=20))
def test_a_higher_score_is_never_less_surprising(scores: list[float]) -> None:
    """Surprise grows with the raw score, below and above the edge."""
    tails = TailCalibrator(1)
    tails.grow(1)
    ordered = np.sort(np.array(scores, np.float32))
    found = [float(tails.surprise(slice(0, 1), np.array([[s]]))[0, 0]) for s in ordered]
    assert all(a <= b + 1e-5 for a, b in itertools.pairwise(found))
    assert found[0] >= 0.0


def test_a_fresh_row_is_heavy_tailed() -> None:
    """Before anything is learned ten deviations are not worth a call, a thousand are."""
    tails = TailCalibrator(1)
    tails.grow(2)
    ten, thousand = tails.surprise(slice(0, 2), np.array([[10.0, 1000.0]], np.float32))[0]
    assert ten < 4.0
    assert thousand > 6.0


def test_one_giant_teaches_little() -> None:
    """One giant in a thousand samples leaves the second giant surprising."""
    rng = np.random.default_rng(2)
    draws = np.abs(rng.standard_normal(1000))
    draws[500] = 1e6
    tails = learned(draws, 1)
    assert float(tails.surprise(slice(0, 1), np.array([[1e6]], np.float32))[0, 0]) > 8.0


def test_rows_do_not_touch_each_other() -> None:
    """A row learns the same alone and among others, by slice and by index."""
    rng = np.random.default_rng(3)
    draws = np.abs(rng.standard_normal((200, 3))).astype(np.float32)
    together, alone = learned(draws, 3), TailCalibrator(1)
    alone.grow(3)
    for row in draws:
        one = np.array([1])
        alone.learn(one, row[None, 1:2], np.full(1, 60.0, np.float32), np.ones(1, np.float32))
    for name, array in together.to_arrays(3).items():
        np.testing.assert_array_equal(array[:, 1], getattr(alone, name)[:, 1])


def test_no_weight_teaches_nothing() -> None:
    """A sample with weight 0 leaves every array as it was."""
    tails = TailCalibrator(2)
    tails.grow(4)
    before = tails.to_arrays(4)
    raw = np.full((2, 4), 50.0, np.float32)
    tails.learn(slice(0, 4), raw, np.ones(4, np.float32), np.zeros(4, np.float32))
    for name, array in before.items():
        np.testing.assert_array_equal(array, getattr(tails, name))


def test_the_combination_is_not_worse_than_bonferroni() -> None:
    """Combining costs at most the logarithm of the number of members, and agreement pays."""
    lone = combine(np.array([[6.0], [0.0], [0.0], [0.0]], np.float32))[0]
    agreed = combine(np.full((4, 1), 6.0, np.float32))[0]
    assert lone == pytest.approx(6.0 - math.log10(4), abs=1e-3)
    assert agreed == pytest.approx(6.0, abs=1e-3)


def test_looking_at_all_members_together_is_combining_them() -> None:
    """The quick way over all members gives what their surprises combine to, far tails too."""
    rng = np.random.default_rng(5)
    tails = learned(np.abs(rng.standard_t(3, 4000)), 4)
    four = TailCalibrator(4)
    four.grow(8)
    for name in ("log_edge", "first", "second", "share"):
        getattr(four, name)[:, :4] = getattr(tails, name)
    four.count[:, :4] = tails.count
    raw = np.abs(rng.standard_t(2, (4, 8))).astype(np.float32) * np.float32(4.0)
    raw[0, :2] = 1e4, 0.0
    quick, edges, beyond = four.together(slice(0, 8), raw)
    np.testing.assert_allclose(quick, combine(four.surprise(slice(0, 8), raw)), atol=1e-4)
    np.testing.assert_array_equal(beyond.places, np.flatnonzero(raw > edges))


def test_the_threshold_keeps_the_budget() -> None:
    """Expected false exceedances at the threshold are the budget."""
    budget, tests = 2 / 604800, 10_000 / 15
    threshold = budget_threshold(budget, tests)
    assert tests * 10**-threshold == pytest.approx(budget)
    assert budget_threshold(1.0, 1e-6) == 3.0
    assert budget_threshold(1e-30, 1e9) == 12.0
    assert budget_threshold(1.0, 0.0) == 3.0


@pytest.mark.parametrize(("budget", "tests"), [(0.0, 1.0), (-1.0, 1.0), (math.nan, 1.0), (1.0, -1)])
def test_a_budget_that_is_no_rate_is_refused(budget: float, tests: float) -> None:
    """A budget must be positive and a rate of tests at least 0."""
    with pytest.raises(ValueError, match="give"):
        budget_threshold(budget, tests)
