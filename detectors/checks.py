"""State what every detector must hold, so that outsiders can check theirs too."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from detectors.base import Detector, Features, Score

Factory = Callable[[], Detector]
Sampler = Callable[[int, float], Features]

BAD: Final = (math.nan, math.inf, -math.inf)
GROWTH: Final = 64 * 1024
"""Bytes a detector may grow by while it learns as much again as it knows already."""

ALARM: Final = 3.0


def minutely(i: int, value: float) -> Features:
    """Return the *i*-th of one sample a minute: ``value`` and ``at`` in epoch seconds."""
    return {"value": value, "at": 1_700_000_000.0 + 60.0 * i}


def check_detector(
    factory: Factory, *, sample: Sampler = minutely, samples: int = 600, seed: int = 0
) -> None:
    """Raise ``AssertionError`` that names the broken promise of the detector *factory* makes.

    *sample* turns (index, value) into features; *samples* should pass the detector's warm-up.
    Checked: valid scores from the first on, scoring changes nothing, inputs stay as they are,
    non-finite features raise ``ValueError`` and harm nothing, two runs agree, a constant series
    never alarms, memory stays bounded, and ``to_state`` / ``from_state`` continue exactly where
    they exist.
    """
    values = _values(samples, seed)
    _check_scores(factory, sample, values)
    _check_purity(factory, sample, values)
    _check_bad_input(factory, sample, values)
    _check_constant(factory, sample, samples)
    _check_state(factory, sample, values)
    _check_memory(factory, sample, samples, seed)


def _values(samples: int, seed: int) -> list[float]:
    rng = np.random.default_rng(seed)
    values = 100.0 + 10.0 * rng.standard_normal(samples)
    values[samples * 3 // 4] += 500.0
    values[-samples // 8 :] += 60.0
    return [float(v) for v in values]


def _run(detector: Detector, sample: Sampler, values: list[float], start: int = 0) -> list[Score]:
    scores = []
    for i, value in enumerate(values, start):
        x = sample(i, value)
        scores.append(detector.score_one(x))
        detector.learn_one(x)
    return scores


def _check_scores(factory: Factory, sample: Sampler, values: list[float]) -> None:
    first, second = (_run(factory(), sample, values) for _ in range(2))
    _require(first == second, "two runs over the same samples gave different scores")
    for i, score in enumerate(first):
        _check_score(score, f"sample {i}")
    known = [score for score in first if score.value is not None]
    _require(bool(known), f"no score was known after {len(values)} samples")


def _check_score(score: Score, where: str) -> None:
    if score.value is not None:
        valid = math.isfinite(score.value) and score.value >= 0.0
        _require(valid, f"{where}: surprise {score.value!r} is not a finite number of at least 0")
    band = [score.low, score.expected, score.high]
    known = [v for v in band if v is not None]
    _require(all(math.isfinite(v) for v in known), f"{where}: band {band} is not finite")
    _require(known == sorted(known), f"{where}: band {band} is not low <= expected <= high")


def _check_purity(factory: Factory, sample: Sampler, values: list[float]) -> None:
    scored, unscored = factory(), factory()
    for i, value in enumerate(values):
        x = sample(i, value)
        kept = dict(x)
        twice = [scored.score_one(x) for _ in range(2)]
        _require(twice[0] == twice[1], f"sample {i}: scoring it twice gave two scores")
        scored.learn_one(x)
        unscored.learn_one(x)
        _require(dict(x) == kept, f"sample {i}: the features were changed")
    x = sample(len(values), values[0])
    same = scored.score_one(x) == unscored.score_one(x)
    _require(same, "a detector that had scored differs from one that had only learned")


def _check_bad_input(factory: Factory, sample: Sampler, values: list[float]) -> None:
    detector, spared = factory(), factory()
    for i, value in enumerate(values):
        if i in {0, len(values) // 2}:
            for bad in BAD:
                _require_refusal(detector.score_one, sample(i, bad), f"score_one({bad})")
                _require_refusal(detector.learn_one, sample(i, bad), f"learn_one({bad})")
        x = sample(i, value)
        detector.learn_one(x)
        spared.learn_one(x)
    x = sample(len(values), values[0])
    _require(detector.score_one(x) == spared.score_one(x), "refused samples left a trace")


def _require_refusal(call: Callable[[Features], Any], x: Features, where: str) -> None:
    try:
        call(x)
    except ValueError:
        return
    raise AssertionError(f"{where} did not raise ValueError")


def _check_constant(factory: Factory, sample: Sampler, samples: int) -> None:
    for value in (0.0, 7.0, -1e9):
        for i, score in enumerate(_run(factory(), sample, [value] * samples)):
            calm = score.value is None or score.value < ALARM
            _require(calm, f"constant {value}: sample {i} has surprise {score.value}")


def _check_state(factory: Factory, sample: Sampler, values: list[float]) -> None:
    detector: Any = factory()
    if not hasattr(detector, "to_state"):
        return
    for cut in (0, len(values) // 3, len(values) * 4 // 5):
        detector = factory()
        _run(detector, sample, values[:cut])
        restored = type(detector).from_state(*detector.to_state())
        rest = values[cut:]
        same = _run(detector, sample, rest, cut) == _run(restored, sample, rest, cut)
        _require(same, f"restored after {cut} samples, it did not go on as the saved one")


def _check_memory(factory: Factory, sample: Sampler, samples: int, seed: int) -> None:
    values = np.random.default_rng(seed).standard_normal(4 * samples).tolist()
    running = tracemalloc.is_tracing()
    if not running:
        tracemalloc.start()
    try:
        detector = factory()
        sizes = []
        for i, value in enumerate(values, 1):
            detector.learn_one(sample(i, value))
            if i in {2 * samples, 4 * samples}:
                sizes.append(tracemalloc.get_traced_memory()[0])
    finally:
        if not running:
            tracemalloc.stop()
    grown = sizes[1] - sizes[0]
    _require(grown <= GROWTH, f"grew by {grown} bytes over {2 * samples} more samples")


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)
