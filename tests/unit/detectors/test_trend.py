"""Robust lines: what they find, what does not move them, and how sure they are."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import theilslopes

from detectors.trend import MOST, lines, slopes

STEP = 30.0


def rows(*values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> np.ndarray:  # type: ignore[type-arg] - of any shape
    return np.stack(values)


def test_the_slope_is_that_of_theil_and_sen() -> None:
    """It agrees with scipy, row by row."""
    values = np.random.default_rng(1).standard_normal((20, 24)).cumsum(axis=1)
    expected = [theilslopes(row, STEP * np.arange(24)).slope for row in values]
    assert lines(values, STEP).slope == pytest.approx(expected)


def test_least_squares_are_those_of_numpy() -> None:
    """Missing values are left out."""
    values = np.random.default_rng(1).standard_normal((5, 12))
    values[:, 3] = np.nan
    at = np.delete(STEP * np.arange(12), 3)
    expected = [np.polyfit(at, np.delete(row, 3), 1)[0] for row in values]
    assert slopes(values, STEP) == pytest.approx(expected)


def test_an_outlier_moves_nothing() -> None:
    """One absurd value changes neither slope nor level by much."""
    clean = 0.5 + 0.01 * np.arange(24.0)
    torn = clean.copy()
    torn[11] = 40.0
    found = lines(rows(clean, torn), STEP)
    assert found.slope == pytest.approx([0.01 / STEP] * 2, rel=0.1)
    assert found.level == pytest.approx([clean[-1]] * 2, rel=0.02)


def test_the_interval_knows_that_pace_changes() -> None:
    """A line that bends has the pace of its halves inside."""
    bent = np.concatenate([0.01 * np.arange(12.0), 0.11 + 0.03 * np.arange(1, 13.0)])
    found = lines(rows(bent), STEP)
    assert found.slow[0] <= 0.01 / STEP * 1.001
    assert found.fast[0] >= 0.03 / STEP * 0.999
    assert found.late[0] == pytest.approx(0.03 / STEP)


def test_random_walks_are_rarely_surprising() -> None:
    """Of ten thousand walks without direction about one in a thousand reaches three decades."""
    walks = np.random.default_rng(2).standard_normal((10_000, 24)).cumsum(axis=1)
    assert 2 <= np.count_nonzero(lines(walks, STEP).surprise >= 3.0) <= 25


def test_a_straight_line_is_as_surprising_as_can_be() -> None:
    """Up it is, down it is not."""
    straight = np.arange(24.0)
    assert lines(rows(straight, -straight), STEP).surprise == pytest.approx([MOST, 0.0], abs=1e-6)


def test_too_few_values_say_nothing() -> None:
    """Without three steps there is no surprise, and nothing fails."""
    values = np.full((1, 12), np.nan)
    values[0, :2] = 1.0, 2.0
    found = lines(values, STEP)
    assert np.isnan(found.surprise[0])
    assert np.isnan(slopes(values, STEP)[0])
