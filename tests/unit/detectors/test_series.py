from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.checks import check_detector
from detectors.refractory import HOLD
from detectors.series import ALPHA, VARIANCE, SeriesDetector, fisher, joined, score_rows

START = 1_699_920_000.0


def rows(values: list[float], step: float = 300.0) -> list[tuple[float, float | None]]:
    return [(START + step * i, v) for i, v in enumerate(values)]


def noise(n: int, seed: int = 0) -> list[float]:
    return (100.0 + 5.0 * np.random.default_rng(seed).standard_normal(n)).tolist()


def test_it_keeps_the_contract_of_detectors() -> None:
    """The single-series detector passes every check of the library."""
    check_detector(SeriesDetector, samples=200)


def test_an_outlier_is_told_once() -> None:
    """A lasting fault gives one anomaly within the hold-down."""
    values = noise(1000)
    values[700:730] = [v + 100.0 for v in values[700:730]]
    told = [i for i, (_, anomaly) in enumerate(score_rows(rows(values))) if anomaly]
    late = [i for i in told if 700 <= i < 700 + HOLD]
    assert late
    assert late[0] <= 701
    assert len(late) <= 2


def test_every_row_gets_an_answer_in_order() -> None:
    """Gaps, values that are no numbers, double and old stamps each give a row and harm nothing."""
    values = rows(noise(300))
    dirty: list[tuple[float, float | None]] = []
    for i, row in enumerate(values):
        dirty.append(row)
        if i == 100:
            dirty += [(row[0] + 1, None), (row[0] + 1, math.nan), (row[0] + 1, math.inf)]
            dirty += [(row[0], 1e6), (row[0] - 5000.0, 1e6), (math.nan, 5.0)]
    clean = [score for score, _ in score_rows(values)]
    answers = [score for score, _ in score_rows(dirty)]
    assert len(answers) == len(dirty)
    assert answers[:101] + answers[107:] == clean
    assert [answers[i].value for i in (101, 102, 103, 106)] == [None] * 4


def test_a_row_uses_no_later_row() -> None:
    """Scores of a prefix are the prefix of the scores."""
    values = noise(300)
    whole = list(score_rows(rows(values)))
    assert list(score_rows(rows(values[:200]))) == whole[:200]


@pytest.mark.parametrize("factor", [1000.0, 0.001])
def test_a_change_of_unit_changes_no_decision(factor: float) -> None:
    """Times a thousand flags the same rows."""
    values = noise(400)
    values[300] = 400.0
    flags = [
        [anomaly for _, anomaly in score_rows(rows([v * k for v in values]))] for k in (1, factor)
    ]
    assert flags[0] == flags[1]
    assert any(flags[0])


def test_a_shift_by_whole_weeks_changes_nothing() -> None:
    """Only the part of the day and the differences of time count."""
    values = rows(noise(400), step=3600.0)
    later = [(at + 5 * 604800.0, v) for at, v in values]
    assert list(score_rows(values)) == list(score_rows(later))


def test_a_healthy_series_is_quiet() -> None:
    """At the shipped alpha normal noise is told about at most once in a thousand rows."""
    told = sum(anomaly for seed in range(2) for _, anomaly in score_rows(rows(noise(1500, seed))))
    assert told <= 3


def test_alpha_can_be_chosen() -> None:
    """A higher alpha flags a subset of incidents."""
    values = noise(400)
    values[300] = 200.0
    strict = [a for _, a in score_rows(rows(values), alpha=50.0)]
    assert not any(strict)
    assert any(a for _, a in score_rows(rows(values), alpha=ALPHA))


def test_a_daily_rhythm_is_expected() -> None:
    """After two days the expected value follows the part of the day."""
    at = START + 1800.0 * np.arange(6 * 48)
    wave = 50.0 * np.sin(2 * np.pi * (at % 86400.0) / 86400.0)
    pairs = list(zip(at.tolist(), wave.tolist(), strict=True))
    last = [score for score, _ in score_rows(pairs)][-48:]
    assert max(abs((s.expected or 0.0) - w) for s, w in zip(last, wave[-48:], strict=True)) < 2.0


def test_fisher_of_one_is_that_one() -> None:
    """One surprise stays as it is; three of one half are no surprise."""
    assert fisher([4.0]) == pytest.approx(4.0)
    assert fisher([0.0, 0.0, 0.0]) == 0.0
    assert fisher([0.3, 0.3, 0.3]) < 0.5
    assert fisher([3.0, 3.0, 3.0]) > 5.0


@given(st.lists(st.none() | st.floats(0.0, 40.0), min_size=4, max_size=4))
def test_the_whole_is_not_much_less_sure_than_its_surest_member(
    surprises: list[float | None],
) -> None:
    """Each member alone can call: the whole is at most 1.3 below the highest."""
    whole = joined(surprises)
    known = [s for s in surprises if s is not None]
    if all(s is None for s in surprises[:VARIANCE]):
        assert whole is None
    else:
        assert whole is not None
        assert whole >= max(known) - 1.302


def test_members_that_agree_add_up() -> None:
    """Three small surprises are more than one of them, three of nothing are nothing."""
    alone, agreed = joined((2.0, 0.0, 0.0, 0.0)), joined((2.0, 2.0, 2.0, 0.0))
    assert alone is not None
    assert agreed is not None
    assert alone < 2.0
    assert agreed > 3.5
    assert joined((0.0, 0.0, 0.0, 0.0)) == 0.0


FAULTS: dict[str, tuple[str, Callable[[np.ndarray], np.ndarray]]] = {
    "a spike inside the usual range": ("season", lambda v: v + 30.0 * (v < v.mean())),
    "a level beyond all before": ("level", lambda v: v + 120.0),
    "a flat line": ("shape", lambda v: np.full(len(v), v[0])),
    "unrest around the usual": ("variance", lambda v: v + 40.0 * (-1.0) ** np.arange(len(v))),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_kind_of_fault_is_found(fault: str) -> None:
    """A wave of ten days, then four hours of trouble: it is found, its member is loud."""
    step, days = 900.0, 10
    at = START + step * np.arange(days * 96 + 96)
    rng = np.random.default_rng(8)
    values = 100.0 + 40.0 * np.sin(2 * np.pi * at / 86400.0) + rng.standard_normal(len(at))
    first = days * 96 + 64
    values[first : first + 16] = FAULTS[fault][1](values[first : first + 16])
    detector = SeriesDetector()
    found: list[float] = []
    members: list[float] = []
    for t, v in zip(at[: first + 16].tolist(), values.tolist(), strict=False):
        x = {"value": v, "at": t}
        found.append(detector.score_one(x).value or 0.0)
        members.append(detector.members_one(x).get(FAULTS[fault][0], 0.0))
        detector.learn_one(x)
    assert max(found[first:]) >= ALPHA
    assert max(members[first:]) >= 1.5
    assert sum(f >= ALPHA for f in found[5 * 96 : first]) <= 3


def test_missing_features_name_the_remedy() -> None:
    """A sample without its time is refused with words that help."""
    with pytest.raises(ValueError, match="value and at"):
        SeriesDetector().learn_one({"value": 1.0})


def test_another_version_is_refused() -> None:
    """State of another version raises, it is not guessed at."""
    header, arrays = SeriesDetector().to_state()
    with pytest.raises(ValueError, match="version"):
        SeriesDetector.from_state({**header, "version": 99}, arrays)
