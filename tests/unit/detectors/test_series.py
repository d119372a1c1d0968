from __future__ import annotations

import math

import numpy as np
import pytest

from detectors.checks import check_detector
from detectors.refractory import HOLD
from detectors.series import ALPHA, SeriesDetector, fisher, score_rows

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


def test_missing_features_name_the_remedy() -> None:
    """A sample without its time is refused with words that help."""
    with pytest.raises(ValueError, match="value and at"):
        SeriesDetector().learn_one({"value": 1.0})


def test_another_version_is_refused() -> None:
    """State of another version raises, it is not guessed at."""
    header, arrays = SeriesDetector().to_state()
    with pytest.raises(ValueError, match="version"):
        SeriesDetector.from_state({**header, "version": 99}, arrays)
