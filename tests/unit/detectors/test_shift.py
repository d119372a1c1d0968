from __future__ import annotations

import numpy as np

from detectors.shift import CEILING, cumulate


def total(z: list[float]) -> tuple[float, float]:
    sums = np.zeros((2, 1))
    for one in z:
        sums = cumulate(sums, np.array([one]))
    return float(sums[0, 0]), float(sums[1, 0])


def test_a_lasting_shift_adds_up_on_its_own_side() -> None:
    """Ten samples three deviations high add twenty above and nothing below."""
    assert total([3.0] * 10) == (20.0, 0.0)
    assert total([-3.0] * 10) == (0.0, 20.0)


def test_one_spike_is_no_shift() -> None:
    """A giant counts as five deviations."""
    assert total([1e9])[0] == 4.0


def test_calm_wears_a_sum_down() -> None:
    """Twenty samples near the level leave nothing of a long shift."""
    assert total([5.0] * 50 + [0.0] * 40) == (0.0, 0.0)


def test_sums_are_bounded() -> None:
    """An endless shift stops at the ceiling."""
    assert total([5.0] * 1000)[0] == CEILING
