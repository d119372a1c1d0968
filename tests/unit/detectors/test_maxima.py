from __future__ import annotations

import itertools

import numpy as np
import pytest

from detectors.maxima import BLOCK, EXPECTED, MORE, Maxima


def learned(surprises: np.ndarray) -> Maxima:
    maxima = Maxima()
    for surprise in surprises.tolist():
        maxima.learn(surprise)
    return maxima


def calibrated(count: int, seed: int = 0) -> np.ndarray:
    """Draw surprises as theory has them: one in a thousand is above 3."""
    return -np.log10(np.random.default_rng(seed).uniform(size=count))


def test_what_is_calibrated_stays() -> None:
    """Where one in a thousand is above 3 already, nothing is corrected."""
    assert learned(calibrated(200 * BLOCK)).corrected(3.0) == pytest.approx(3.0, abs=0.15)


def test_what_is_too_loud_is_turned_down() -> None:
    """Surprises twice too high pass 3 about as often as they should after the correction."""
    loud = 2.0 * calibrated(200 * BLOCK)
    maxima = learned(loud)
    before = float((loud >= 3.0).mean())
    after = np.mean([maxima.corrected(s) >= 3.0 for s in loud.tolist()])
    assert before > 0.02
    assert after < 0.004


def test_a_quiet_series_gains_half_an_order_at_most() -> None:
    """A series that was never surprising is not made loud, and 0 stays 0."""
    maxima = learned(np.zeros(100 * BLOCK))
    assert maxima.corrected(0.0) == 0.0
    assert maxima.corrected(2.0) == pytest.approx(2.0 + MORE)


def test_one_incident_teaches_little() -> None:
    """A giant in one block of twenty moves what all others mean by a fraction."""
    surprises = calibrated(20 * BLOCK)
    surprises[3000] = 300.0
    assert learned(surprises).corrected(3.0) > 3.0 - 0.3


@pytest.mark.parametrize("factor", [0.1, 1.0, 3.0])
def test_order_is_kept(factor: float) -> None:
    """More surprising stays more surprising."""
    maxima = learned(factor * calibrated(30 * BLOCK))
    found = [maxima.corrected(s) for s in np.linspace(0.0, 9.0, 50).tolist()]
    assert all(a <= b for a, b in itertools.pairwise(found))


def test_theory_is_the_start() -> None:
    """Before a block is full nothing is corrected; the expected maximum is Gumbel's mean."""
    assert Maxima().corrected(4.0) == 4.0
    draws = calibrated(2000 * BLOCK).reshape(-1, BLOCK).max(axis=1)
    assert float(draws.mean()) == pytest.approx(EXPECTED, abs=0.05)
