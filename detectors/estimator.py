"""Lend a detector of this library to River: pipelines, evaluation, `check_estimator`."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, cast

from river.base import AnomalyDetector

from detectors.base import Detector, Features
from detectors.series import SeriesDetector


class Estimator(AnomalyDetector):
    """Be an anomaly detector of River that asks the *detector* class of this library.

    ``score_one`` returns the surprise, and 0 where the detector does not know, as River's own
    do. Where the detector itself raises for features that are missing or not finite, River wants
    life to go on: such a sample scores 0, is not learned, and is counted in ``refused``.

    Examples
    --------
    >>> estimator = Estimator()
    >>> for minute in range(300):
    ...     estimator.learn_one({"value": 5.0 + minute % 7, "at": 60.0 * minute})
    >>> estimator.score_one({"value": 99.0, "at": 18000.0}) > 3.0
    True
    """

    def __init__(self, detector: type[Any] = SeriesDetector) -> None:
        self.detector = detector
        self.refused = 0
        self._asked: Detector = detector()

    def score_one(self, x: dict[Hashable, Any]) -> float:
        try:
            value = self._asked.score_one(cast("Features", x)).value
        except ValueError:
            return 0.0
        return 0.0 if value is None else value

    def learn_one(self, x: dict[Hashable, Any]) -> None:
        try:
            self._asked.learn_one(cast("Features", x))
        except ValueError:
            self.refused += 1
