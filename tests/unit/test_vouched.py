"""What people were told of is not learned by tails: the engine as a whole."""

from __future__ import annotations

import numpy as np
import pytest

from aiops.engine import Engine, EngineSettings
from aiops.incidents.ledger import Ledger
from aiops.model import Points, Series, SeriesSet, Transition, TransitionKind

T = 1_767_600_000.0
STEP = 60.0
NAMES = ("error_ratio", "latency_p95_ms")
COLUMNS = SeriesSet(tuple(Series("service:cart", name) for name in NAMES))
FAULTS = (range(300, 308), range(400, 408))
BEGAN = (TransitionKind.OPENED, TransitionKind.REOPENED)
USUAL, ODD = np.array([0.01, 80.0]), np.array([0.6, 900.0])


def surprises() -> list[float]:
    """Return how surprising the worst of each told fault was when it was opened."""
    engine = Engine(EngineSettings(multivariate="", drift=""))
    rng = np.random.default_rng(1)
    said: list[Transition] = []
    for n in range(430):
        ill = any(n in fault for fault in FAULTS)
        values = (ODD if ill else USUAL) * (1.0 + 0.05 * rng.standard_normal(2))
        said += engine.feed(Points("prometheus", T + STEP * n, COLUMNS, values, STEP))
    opened = [t.incident for t in said if t.kind in BEGAN]
    return [max(a.surprise for a in incident.anomalies) for incident in opened]


def test_a_fault_that_comes_again_is_as_surprising_as_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An incident that two series confirm teaches their tails nothing; else it would."""
    first, again = surprises()
    monkeypatch.setattr(Ledger, "vouched", lambda *_: [])
    same, learned = surprises()

    assert first == same
    assert learned < first - 0.5
    assert again > first - 0.2
