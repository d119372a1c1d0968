from __future__ import annotations

import math

import numpy as np
import pytest

from detectors.tail import Tail


def test_the_scalar_tail_waits_and_then_counts() -> None:
    """The scalar tail knows nothing before 20 samples and counts shares exactly below its edge."""
    tail = Tail()
    rng = np.random.default_rng(4)
    for i, raw in enumerate(np.abs(rng.standard_normal(2000)).tolist()):
        assert (tail.surprise(1.0) is None) == (i < 20)
        tail.learn(raw, 60.0)
    half = tail.surprise(0.6745)
    assert half is not None
    assert half == pytest.approx(math.log10(2), abs=0.05)


def test_the_scalar_tail_forgets_in_wall_time() -> None:
    """What was usual four memories ago is surprising again, however few samples came since."""
    tail = Tail(memory=3600.0)
    for _ in range(500):
        tail.learn(50.0, 1.0)
    before = tail.surprise(50.0)
    for _ in range(200):
        tail.learn(0.5, 120.0)
    after = tail.surprise(50.0)
    assert before is not None
    assert after is not None
    assert before < 0.1
    assert after > 1.0
