"""How large a series is at a time of the day."""

from __future__ import annotations

import numpy as np

from detectors.proportion import LEAST, OneProportion, Proportion, lifted, sizes
from detectors.season import SeasonTable

ONE = np.ones(1, np.float32)


def test_a_size_keeps_its_sign_and_is_no_smaller_than_its_day() -> None:
    """Below 0 the day adds the other way; about 0 a series has no proportions to speak of."""
    found = sizes(
        np.array([100.0, -100.0, 0.5], np.float32), np.array([1.0, 1.0, 20.0], np.float32)
    )

    assert found.tolist() == [100.0, -100.0, 40.0]


def test_a_series_is_as_large_as_its_day_says_where_its_noise_grows_with_it() -> None:
    """Noise that stays the same says that nothing is in proportion."""
    offset = np.array([50.0, -50.0, 50.0], np.float32)
    power = np.array([1.0, 1.0, 0.0], np.float32)

    assert lifted(offset, power / np.float32(100.0)).tolist() == [1.5, 0.5, 1.0]


def test_within_a_part_the_mean_of_the_day_counts_and_one_row_is_like_many() -> None:
    """What is not known of the day adds nothing."""
    season = SeasonTable(288)
    season.grow(1)
    for slot in range(36):
        season.learn_one(slot, 0, 20.0 + slot // 6 * 10.0, 300.0, fresh=True)
    many = Proportion(season, 100.0 * ONE, 10.0 * ONE, ONE, ONE, ONE)
    alone = OneProportion(season, 0, 100.0, 10.0, 1.0, 1.0, 1.0)
    for begin, size in ((0.0, 1.25), (7200.0, 1.275), (36000.0, 1.0)):
        found = many.within(begin, 7200.0, slice(0, 1), np.arange(1), ONE / np.float32(100.0))

        np.testing.assert_allclose(found, size, rtol=1e-6)
        assert abs(alone.within(begin, 7200.0, 1.0) - size) < 1e-6
    low = Proportion(season, 10.0 * ONE, 100.0 * ONE, ONE, ONE, ONE)

    assert low.within(0.0, 7200.0, slice(0, 1), np.arange(1), ONE / np.float32(10.0)) == LEAST
