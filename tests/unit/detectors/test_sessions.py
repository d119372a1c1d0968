from __future__ import annotations

import math

import pytest

from detectors import sessions
from detectors.base import UNKNOWN, Score
from detectors.checks import check_detector
from detectors.sessions import SESSION_ALPHA, WARMUP, SessionDetector

USUAL = {"open": 1.0, "write": 3.0, "close": 1.0}


def taught(count: int = 300, **more: float) -> SessionDetector:
    detector = SessionDetector()
    for n in range(count):
        # Some sessions read once or twice: a usual variety.
        detector.learn_one(USUAL | more | ({"read": 1.0 + n % 2} if n % 3 else {}))
    return detector


def value(score: Score) -> float:
    assert score.value is not None
    return score.value


def test_detector_keeps_every_promise() -> None:
    """It scores, learns, refuses and forgets as every detector must."""
    check_detector(
        SessionDetector, sample=lambda _, v: {"a": abs(v) if math.isfinite(v) else v, "b": 1.0}
    )


def test_young_detector_does_not_know() -> None:
    """Before it has seen enough sessions it says so."""
    assert taught(WARMUP - 1).score_one({"never": 9.0}) == UNKNOWN


def test_usual_session_is_no_surprise() -> None:
    """A session like the others stays below the alpha of all session files."""
    assert value(taught().score_one(USUAL | {"read": 1.0})) < SESSION_ALPHA


@pytest.mark.parametrize(
    ("session", "reason"),
    [
        (USUAL | {"panic": 1.0}, "unseen event panic"),
        ({"open": 1.0, "write": 3.0}, "missing close"),
        (USUAL | {"write": 40.0}, "many write"),
        (USUAL | {"write": 1.0}, "few write"),
    ],
)
def test_what_is_strange_is_named(session: dict[str, float], reason: str) -> None:
    """An unseen, missing, too frequent or too rare event stands out, by its name."""
    score = taught().score_one(session)

    assert value(score) >= SESSION_ALPHA
    assert score.reason in (reason, "many unusual counts")


def test_many_small_oddities_add_up() -> None:
    """A session with several rare counts is more surprising than one with a single one."""
    detector = taught()
    for _ in range(6):
        for odd in ({"a": 1.0}, {"b": 1.0}, {"c": 1.0}):
            detector.learn_one(USUAL | odd)

    one = value(detector.score_one(USUAL | {"a": 1.0}))
    all_three = value(detector.score_one(USUAL | {"a": 1.0, "b": 1.0, "c": 1.0}))

    assert all_three > one


def test_zero_is_the_same_as_absent() -> None:
    """A count of nothing is no event."""
    detector = taught()

    assert detector.score_one(USUAL | {"panic": 0.0}) == detector.score_one(USUAL)


@pytest.mark.parametrize("count", [math.nan, math.inf, -1.0])
def test_impossible_count_is_refused(count: float) -> None:
    """A count that cannot be is refused by name."""
    with pytest.raises(ValueError, match="open"):
        SessionDetector().score_one({"open": count})


def test_tables_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events beyond the bound share one table and are counted; nothing grows."""
    monkeypatch.setattr(sessions, "MAX_EVENTS", 5)
    detector = SessionDetector()

    for n in range(400):
        detector.learn_one(USUAL | {f"id-{n}": 1.0, f"jd-{n}": 1.0})

    assert len(detector._tables) <= 6
    assert detector.refused > 300
    assert value(detector.score_one(USUAL | {"id-900": 1.0, "jd-900": 1.0})) < SESSION_ALPHA


def test_old_sessions_leave_the_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the latest sessions say what is usual together."""
    monkeypatch.setattr(sessions, "MEMORY", 50)

    assert len(taught(200)._whole._order) == 50
