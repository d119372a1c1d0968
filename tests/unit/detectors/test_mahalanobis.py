"""Several features together: what each alone would let pass."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.base import Features
from detectors.checks import check_detector
from detectors.mahalanobis import WARMUP, Mahalanobis


def pair(i: int, value: float) -> Features:
    return {"a": value, "b": 2.0 * value + (i % 5)}


def learned(count: int = 600, seed: int = 1) -> Mahalanobis:
    """Learn two loads that go together and one that goes alone."""
    rng, detector = np.random.default_rng(seed), Mahalanobis()
    for _ in range(count):
        shared, one, two, own = rng.standard_normal(4)
        detector.learn_one({"a": shared + 0.3 * one, "b": shared + 0.3 * two, "c": own})
    return detector


def surprise(detector: Mahalanobis, **x: float) -> float:
    value = detector.score_one(x).value
    assert value is not None
    return value


def test_it_keeps_the_contract() -> None:
    """What every detector promises."""
    check_detector(Mahalanobis, sample=pair)


def test_who_leaves_its_companion_is_told() -> None:
    """Two deviations each way are within each band, and never happen together."""
    detector = learned()
    assert surprise(detector, a=2.0, b=2.0, c=0.0) < 2.0
    assert surprise(detector, a=2.0, b=-2.0, c=0.0) > 3.5
    assert surprise(detector, a=-2.0, b=0.0, c=2.0) > surprise(detector, a=-2.0, b=-2.0, c=2.0)


def test_far_out_is_farther() -> None:
    """There is no highest score: distance goes on counting."""
    detector = learned()
    found = [surprise(detector, a=v, b=v, c=v) for v in (1.0, 4.0, 8.0, 20.0)]
    assert found == sorted(found)
    assert found[-1] > found[0] + 4.0


def test_contributions_say_who() -> None:
    """Those that do not go together share the distance; who does as ever has no part in it."""
    given = learned().contributions({"a": 2.0, "b": -2.0, "c": 0.1})
    assert sum(given.values()) == pytest.approx(1.0)
    assert given["a"] == pytest.approx(given["b"], abs=0.1)
    assert given["c"] < 0.01


def test_normal_samples_keep_their_rate() -> None:
    """Of normal samples not much more than one in a hundred has a surprise of two."""
    detector, rng, loud = learned(400), np.random.default_rng(9), 0
    for _ in range(2000):
        shared, one, two, own = rng.standard_normal(4)
        x = {"a": shared + 0.3 * one, "b": shared + 0.3 * two, "c": own}
        loud += surprise(detector, **x) >= 2.0
        detector.learn_one(x)
    assert loud <= 40


def test_what_never_moved_has_no_say() -> None:
    """A constant feature neither alarms nor hides the others."""
    rng, detector = np.random.default_rng(2), Mahalanobis()
    for _ in range(300):
        detector.learn_one({"a": float(rng.standard_normal()), "b": 7.0})
    assert surprise(detector, a=0.5, b=7.0) < 1.0
    assert surprise(detector, a=9.0, b=7.0) > 3.0


def test_few_samples_say_nothing() -> None:
    """It is silent until it has seen enough."""
    detector = Mahalanobis()
    assert detector.score_one({"a": 1.0}).value is None
    for n in range(WARMUP):
        detector.learn_one({"a": float(n % 3)})
    assert detector.score_one({"a": 99.0}).value is None


@pytest.mark.parametrize("x", [{"a": 1.0}, {"a": 1.0, "b": 2.0, "d": 0.0}, {}])
def test_other_features_are_refused(x: dict[str, float]) -> None:
    """Every call gives the same features."""
    with pytest.raises(ValueError, match="as before"):
        learned(3).score_one(x)


def test_another_version_is_refused() -> None:
    """Better cold than wrong."""
    header, arrays = learned(3).to_state()
    with pytest.raises(ValueError, match="version"):
        Mahalanobis.from_state({**header, "version": 0}, arrays)
