"""When a series began to depart this time."""

from __future__ import annotations

from collections import Counter

import pytest

from aiops.correlation import onsets
from aiops.correlation.onsets import SILENT, Onsets
from tests.unit.evidence import T, anomaly


def test_a_departure_began_when_its_detector_says() -> None:
    """The first sign brings its own beginning, and it stays while signs come."""
    known = Onsets(Counter())
    assert known.of(anomaly(at=T, since=T - 40)) == T - 40
    assert known.of(anomaly(at=T + SILENT, since=T - 40)) == T - 40


def test_after_a_silence_it_begins_anew() -> None:
    """A beginning that is remembered over a silence is not this one's."""
    known = Onsets(Counter())
    known.of(anomaly(at=T))
    assert known.of(anomaly(at=T + SILENT + 1, since=T)) == T + SILENT + 1


def test_what_began_in_the_silence_began_then() -> None:
    """A beginning later than the last sign is believed, however long the silence was."""
    known = Onsets(Counter())
    known.of(anomaly(at=T))
    assert known.of(anomaly(at=T + 900, since=T + 700)) == T + 700


def test_rare_samples_are_silent_for_longer() -> None:
    """Between two samples nobody could have seen anything."""
    known = Onsets(Counter())
    known.of(anomaly(at=T, pace=300.0))
    assert known.of(anomaly(at=T + 300, since=T, pace=300.0)) == T


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The series without a sign for longest is forgotten, and that is counted."""
    monkeypatch.setattr(onsets, "MAX_SERIES", 2)
    facts: Counter[str] = Counter()
    known = Onsets(facts)
    for name in ("a", "b", "a", "c"):
        known.of(anomaly(name=name))
    assert [key.rpartition("/")[2] for key, *_ in known.to_state()] == ["a", "c"]
    assert facts["onsets_forgotten"] == 1
