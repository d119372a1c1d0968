from __future__ import annotations

import numpy as np
import pytest

from detectors.shape import LEAST, LENGTH, PAST, Shape


def distances(shape: Shape, values: list[float]) -> list[float | None]:
    found = []
    for value in values:
        found.append(shape.distance(value))
        shape.learn(value)
    return found


def test_it_is_the_distance_to_the_nearest_shape_of_the_past() -> None:
    """Brute force over the last samples that do not overlap says the same."""
    values = np.random.default_rng(0).standard_normal(2 * PAST + 300)
    found = distances(Shape(), values.tolist())
    for i in (LEAST, 100, PAST + 20, 2 * PAST - 1, 2 * PAST, 2 * PAST + 1, len(values) - 1):
        now = values[i + 1 - LENGTH : i + 1]
        starts = range(max(i - PAST, 0), i - 2 * LENGTH + 2)
        nearest = min(float(((values[s : s + LENGTH] - now) ** 2).mean()) for s in starts)
        assert found[i] == pytest.approx(nearest**0.5, rel=1e-12)


def test_it_waits_for_a_past() -> None:
    """Before four shapes there is no nearest one."""
    found = distances(Shape(), [1.0] * (LEAST + 1))
    assert found[:LEAST] == [None] * LEAST
    assert found[LEAST] == 0.0


def test_a_shape_seen_before_is_not_far() -> None:
    """A repeated pattern has distance 0; the same values in another order do not."""
    wave = [float(i % 24) for i in range(240)]
    shape = Shape()
    assert distances(shape, wave)[-1] == 0.0
    backwards = distances(shape, wave[23::-1])[LENGTH:]
    assert min(d for d in backwards if d is not None) > 1.0


def test_one_giant_leaves_no_trace_when_it_is_gone() -> None:
    """What carries sums along never recovers from 1e100; this does."""
    values = np.random.default_rng(1).standard_normal(300).tolist()
    plain, hurt = Shape(), Shape()
    distances(plain, values)
    distances(hurt, [*values[:150], 1e100, *values[151:]])
    assert plain.distance(0.5) == pytest.approx(hurt.distance(0.5), rel=0.5)


def test_a_restored_past_goes_on() -> None:
    """What was saved goes on with the same distances, wherever the ring stood."""
    values = np.random.default_rng(2).standard_normal(2 * PAST + 60).tolist()
    for cut in (30, PAST + 5, 2 * PAST + 3):
        shape, restored = Shape(), Shape()
        distances(shape, values[:cut])
        restored.load(shape.to_array())
        assert distances(shape, values[cut:][:60]) == distances(restored, values[cut:][:60])
