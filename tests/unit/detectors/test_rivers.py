from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from detectors.checks import check_detector
from detectors.rivers import RiverAnomaly, RiverDrift

HST = {"n_trees": 3, "height": 4, "window_size": 40}
WINTERS = {"class": "river.time_series.HoltWinters", "alpha": 0.3}


def one(_: int, value: float) -> dict[str, float]:
    return {"value": value}


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("HalfSpaceTrees", HST),
        ("LODA", {"n_random_cuts": 3}),
        ("GaussianScorer", {"grace_period": 20}),
        ("StandardAbsoluteDeviation", {}),
        ("PredictiveAnomalyDetection", {"predictive_model": WINTERS}),
        ("OneClassSVM", {}),
    ],
)
def test_rivers_detectors_keep_the_contract(name: str, params: dict[str, Any]) -> None:
    """Every anomaly class of River passes every check of the library behind the adapter."""
    check_detector(
        lambda: RiverAnomaly(f"river.anomaly.{name}", params, warmup=40, ring=80),
        sample=one,
        samples=160,
    )


def test_a_joint_oddity_is_found_and_named() -> None:
    """Two features that always agree and once do not: the sample stands out, with a name."""
    detector = RiverAnomaly(warmup=100, ring=1000, params={"n_trees": 10, "height": 6})
    rng = np.random.default_rng(0)
    for a in rng.standard_normal(700):
        detector.learn_one({"a": float(a), "b": float(a + 0.1 * rng.standard_normal())})
    usual = detector.score_one({"a": 0.1, "b": 0.1}).value
    odd = detector.score_one({"a": 9.0, "b": -9.0})
    assert usual is not None
    assert odd.value is not None
    assert odd.value > max(usual, 1.3)


def test_one_giant_does_not_blind_it() -> None:
    """After one value of a million, River's trees still see an ordinary outlier."""
    detector = RiverAnomaly(params=HST, warmup=60, ring=400)
    rng = np.random.default_rng(1)
    for i, v in enumerate((100.0 + 10.0 * rng.standard_normal(400)).tolist()):
        detector.learn_one({"v": 1e6 if i == 200 else v})
    low, high = detector.score_one({"v": 100.0}).value, detector.score_one({"v": 300.0}).value
    assert low is not None
    assert high is not None
    assert high > low + 0.5


def test_warm_up_covers_the_classes_own_window() -> None:
    """A window longer than the warm-up is waited for: its zeros are not measurements."""
    detector = RiverAnomaly(params={"window_size": 250}, warmup=10)
    assert detector.warmup == 250


@pytest.mark.parametrize(
    "path",
    [
        "os.system",
        "river.drift.ADWIN",
        "river.anomaly",
        "river.anomaly.base.AnomalyDetector",
        "river.anomaly.Nothing",
        "river.anomaly.__name__",
        "river.anomaly.base",
    ],
)
def test_other_paths_are_refused(path: str) -> None:
    """Only a class of river.anomaly can be named, and the message says what to write."""
    with pytest.raises(ValueError, match=r"write|name|see"):
        RiverAnomaly(path)


def test_wrong_parameters_are_refused() -> None:
    """A parameter that the class does not have is named."""
    with pytest.raises(ValueError, match="n_treez"):
        RiverAnomaly(params={"n_treez": 3})
    with pytest.raises(ValueError, match="write"):
        RiverAnomaly(
            "river.anomaly.PredictiveAnomalyDetection", {"predictive_model": {"class": "os.system"}}
        )


def test_missing_features_are_refused_and_new_ones_ignored() -> None:
    """The first sample fixes the features."""
    detector = RiverAnomaly(params=HST)
    detector.learn_one({"a": 1.0, "b": 2.0})
    detector.learn_one({"a": 1.0, "b": 2.0, "c": 3.0})
    with pytest.raises(ValueError, match="missing"):
        detector.learn_one({"a": 1.0})


def test_a_target_class_takes_one_series() -> None:
    """A class for one series refuses two features in words."""
    with pytest.raises(ValueError, match="one series"):
        RiverAnomaly("river.anomaly.GaussianScorer").learn_one({"a": 1.0, "b": 1.0})


@pytest.mark.parametrize("name", ["ADWIN", "PageHinkley"])
def test_a_drift_is_found_and_state_goes_on_exactly(name: str) -> None:
    """A shift of three deviations is found, and a restored adapter finds it at the same sample."""
    rng = np.random.default_rng(2)
    values = np.concatenate([rng.standard_normal(350), 3.0 + rng.standard_normal(150)]).tolist()
    drift = RiverDrift(f"river.drift.{name}", ring=200)
    found = []
    restored = drift
    for i, value in enumerate(values):
        if i in {0, 130, 340}:
            restored = RiverDrift.from_state(*drift.to_state())
        found.append(drift.update(value))
        assert restored.update(value) == found[-1]
    assert any(found[350:420])
    assert sum(found[:350]) <= 1


def test_a_drift_detector_refuses_what_would_deafen_it() -> None:
    """NaN is refused at the edge, and classes outside river.drift too."""
    with pytest.raises(ValueError, match="finite"):
        RiverDrift().update(float("nan"))
    for path in ("river.anomaly.LODA", "river.drift.PeriodicTrigger", "river.drift.binary.DDM"):
        with pytest.raises(ValueError, match=r"write|see|name"):
            RiverDrift(path)


@pytest.mark.parametrize("cls", [RiverAnomaly, RiverDrift])
def test_another_version_is_refused(cls: type[RiverAnomaly | RiverDrift]) -> None:
    """State of another version raises, it is not guessed at."""
    header, arrays = cls().to_state()
    with pytest.raises(ValueError, match="version"):
        cls.from_state({**header, "version": 99}, arrays)


def test_a_class_for_one_series_can_tell_outliers_apart() -> None:
    """Behind the adapter a value twice as far out is more surprising, and the start is forgiven."""
    detector = RiverAnomaly("river.anomaly.StandardAbsoluteDeviation", warmup=40, ring=400)
    for v in (1e6 + np.random.default_rng(3).standard_normal(300)).tolist():
        detector.learn_one({"v": v})
    near, far = (detector.score_one({"v": 1e6 + off}).value for off in (30.0, 60.0))
    assert near is not None
    assert far is not None
    assert 2.0 < near < far - 0.5
