from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

from detectors.shift import ROOM, SHARE, STEP, average


def means(z: list[float]) -> tuple[float, float]:
    known = np.zeros((2, 1), np.float32)
    for one in z:
        known = average(known, np.array([one], np.float32))
    return float(known[0, 0]), float(known[1, 0])


def test_a_lasting_shift_shows_on_its_own_side() -> None:
    """Many samples three deviations high are three above in the mean, and nothing below."""
    above, below = means([3.0] * 60)

    assert (round(above / ROOM, 3), below) == (3.0, 0.0)
    assert means([-3.0] * 60) == (0.0, above)


def test_one_spike_is_no_shift() -> None:
    """A giant counts as five deviations, and as one sample."""
    assert abs(means([1e9])[0] - SHARE * ROOM * STEP) < 1e-5


def test_a_mean_is_told_in_its_own_deviations() -> None:
    """Independent samples of deviation one give a mean of deviation one."""
    z = np.random.default_rng(0).standard_normal(20_000)
    smooth = lfilter([SHARE * ROOM], [1.0, SHARE - 1.0], z)

    assert abs(float(np.std(smooth)) - 1.0) < 0.05
    assert abs(means(z[:500].tolist())[0] - max(float(smooth[499]), 0.0)) < 1e-3


def test_calm_forgets_a_shift() -> None:
    """Forty samples at the level leave next to nothing of a long shift."""
    assert means([5.0] * 50 + [0.0] * 40)[0] < 0.05
