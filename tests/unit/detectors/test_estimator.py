from __future__ import annotations

import math
import random
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from river import checks

from detectors.base import Features
from detectors.estimator import Estimator
from detectors.rivers import RiverAnomaly
from detectors.series import SeriesDetector

Labelled = list[tuple[Features, bool]]


class SmallTrees(RiverAnomaly):
    """River's trees behind our adapter, small enough for a test."""

    def __init__(self) -> None:
        params = {"n_trees": 2, "height": 4, "window_size": 40}
        super().__init__("river.anomaly.HalfSpaceTrees", params, warmup=40, ring=80)


def noise(_: Estimator, scale: int = 1) -> Iterator[Labelled]:
    """Stand in for River's credit cards, which it would download: late, one in ten is odd."""
    rows = 120 * min(scale, 3)
    rng = np.random.default_rng(0)
    odd = [i >= 90 and i % 10 == 0 for i in range(rows)]
    values = (rng.standard_normal(rows) + 12.0 * np.array(odd)).tolist()
    pairs = enumerate(zip(values, odd, strict=True))
    yield [({"value": v, "at": 300.0 * i}, label) for i, (v, label) in pairs]


def area(labels: list[bool], scores: list[float]) -> float:
    """Return the share of pairs in the right order: what scikit-learn calls `roc_auc_score`."""
    right = [s for s, label in zip(scores, labels, strict=True) if label]
    wrong = [s for s, label in zip(scores, labels, strict=True) if not label]
    return sum((r > w) + 0.5 * (r == w) for r in right for w in wrong) / (len(right) * len(wrong))


@pytest.mark.parametrize("detector", [SeriesDetector, SmallTrees])
def test_river_finds_nothing_wrong(detector: type[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of River's own checks of an estimator passes, on data of ours."""
    metrics = types.ModuleType("sklearn.metrics")
    metrics.__dict__["roc_auc_score"] = area
    sklearn = types.ModuleType("sklearn")
    sklearn.__dict__["metrics"] = metrics
    monkeypatch.setitem(sys.modules, "sklearn", sklearn)
    monkeypatch.setattr(checks, "_yield_datasets", noise)
    random.seed(0)
    found: list[Callable[[Any], None]] = list(checks.yield_checks(Estimator(detector)))
    assert len(found) > 20
    for check in found:
        check(Estimator(detector))


def test_what_is_missing_is_counted() -> None:
    """A sample that is no number scores 0 and is counted, and teaches nothing."""
    estimator = Estimator()
    estimator.learn_one({"value": 1.0, "at": math.nan})
    assert estimator.refused == 1
    assert estimator.score_one({"at": 1.0}) == 0.0
