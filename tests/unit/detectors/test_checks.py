from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from detectors.base import UNKNOWN, Detector, Features, Score
from detectors.checks import check_detector


class Distance:
    """A correct detector, from which each test breaks one promise."""

    def __init__(self) -> None:
        self.seen = 0
        self.mean = 0.0
        self.spread = 0.0

    def score_one(self, x: Features) -> Score:
        value = self._value(x)
        if self.seen < 10:
            return UNKNOWN
        if self.spread == 0.0:
            return Score(0.0)
        reach = 3.0 * self.spread
        surprise = abs(value - self.mean) / self.spread
        return Score(surprise, self.mean, self.mean - reach, self.mean + reach)

    def learn_one(self, x: Features) -> None:
        value = self._value(x)
        self.seen += 1
        error = value - self.mean
        self.mean += error / self.seen
        self.spread += (abs(value - self.mean) - self.spread) / self.seen

    def to_state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return {"seen": self.seen, "mean": self.mean, "spread": self.spread}, {}

    @classmethod
    def from_state(cls, header: dict[str, Any], arrays: dict[str, Any]) -> Detector:
        made = cls()
        made.__dict__.update({**header, **arrays})
        return made

    def _value(self, x: Features) -> float:
        if not math.isfinite(x["value"]):
            raise ValueError("give a finite value")
        return x["value"]


class LearnsWhileScoring(Distance):
    def score_one(self, x: Features) -> Score:
        self.learn_one(x)
        return super().score_one(x)


class TakesNan(Distance):
    def _value(self, x: Features) -> float:
        return x["value"] if math.isfinite(x["value"]) else 0.0


class Negative(Distance):
    def score_one(self, x: Features) -> Score:
        self._value(x)
        return Score(-1.0)


class Mute(Distance):
    def score_one(self, x: Features) -> Score:
        self._value(x)
        return UNKNOWN


class Inverted(Distance):
    def score_one(self, x: Features) -> Score:
        score = super().score_one(x)
        return Score(score.value, score.expected, score.high, score.low)


class Changes(Distance):
    def learn_one(self, x: Features) -> None:
        super().learn_one(x)
        x["more"] = 1.0  # type: ignore[index]  # the broken promise itself


class Forgets(Distance):
    @classmethod
    def from_state(cls, *_: dict[str, Any]) -> Detector:
        return cls()


class Grows(Distance):
    def __init__(self) -> None:
        super().__init__()
        self.all: list[bytes] = []

    def learn_one(self, x: Features) -> None:
        super().learn_one(x)
        self.all.append(bytes(1000))


class Shouts(Distance):
    def score_one(self, x: Features) -> Score:
        score = super().score_one(x)
        return Score(9.0) if score.value == 0.0 else score


class Random(Distance):
    made = 0

    def __init__(self) -> None:
        super().__init__()
        Random.made += 1
        self.number = Random.made

    def score_one(self, x: Features) -> Score:
        self._value(x)
        return Score(float(self.number))


def test_a_correct_detector_passes() -> None:
    """A detector that keeps every promise raises nothing."""
    check_detector(Distance, samples=80)


@pytest.mark.parametrize(
    ("broken", "promise"),
    [
        (LearnsWhileScoring, "scor"),
        (TakesNan, "ValueError"),
        (Negative, "surprise -1.0"),
        (Mute, "no score was known"),
        (Inverted, "low <= expected <= high"),
        (Changes, "features were changed"),
        (Forgets, "restored after"),
        (Grows, "grew by"),
        (Shouts, "constant"),
        (Random, "two runs"),
    ],
)
def test_each_broken_promise_is_named(broken: Callable[[], Detector], promise: str) -> None:
    """A detector that breaks one promise is told which."""
    with pytest.raises(AssertionError, match=promise):
        check_detector(broken, samples=80)
