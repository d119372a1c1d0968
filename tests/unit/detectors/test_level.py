from __future__ import annotations

import numpy as np

from detectors.level import gain, limited, scale


def test_a_young_series_averages_and_an_old_one_forgets_in_wall_time() -> None:
    """The first sample counts fully, the tenth thousandth as the memory says."""
    weight = gain(np.array([1.0, 10_000.0]), np.array([0.0, 864.0]), 86400.0)
    assert weight[0] == 1.0
    assert abs(weight[1] - 864.0 / (86400.0 + 864.0)) < 1e-12


def test_a_deviation_is_never_nothing() -> None:
    """A series that never moved is still judged in steps of its size."""
    unit = scale(np.zeros(2), np.array([100.0, 0.0]), np.array([50.0, 50.0]))
    assert abs(unit[0] - 20.0) < 1e-5
    assert unit[1] > 0.0


def test_a_moving_series_is_judged_by_its_own_spread() -> None:
    """A spread of a thousandth of the size is taken nearly as it is."""
    unit = scale(np.array([0.1]), np.array([100.0]), np.array([1e6]))
    assert 0.1 <= unit[0] < 0.4


def test_an_outlier_moves_no_farther_than_four_deviations() -> None:
    """Errors are cut both ways."""
    cut = limited(np.array([100.0, -100.0, 1.0]), np.ones(3))
    np.testing.assert_array_equal(cut, [4.0, -4.0, 1.0])
