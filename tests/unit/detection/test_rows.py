"""Many series judged at once, and what is said of those that stand out."""

from __future__ import annotations

import numpy as np

from aiops.detection.rows import Rows
from aiops.model import Anomaly, Series, Severity
from detectors.bank import SeriesBank
from tests.unit.evidence import T

NAMES = ("error_ratio", "request_rate", "availability")
SERIES = [Series("service:cart", name) for name in NAMES]
USUAL = np.array([0.05, 100.0, 0.99])


class Bank:
    """Score one scrape a minute."""

    def __init__(self) -> None:
        self.rows = Rows(SeriesBank())
        self.noise = np.random.default_rng(1)
        self.at = T

    def see(self, values: np.ndarray) -> list[Anomaly]:
        self.at += 60.0
        rows, _ = self.rows.rows_of(SERIES, 60.0)
        found, _ = self.rows.judge(rows, SERIES, self.at, values, threshold=6.0)
        return found

    def usual(self, minutes: int = 400) -> list[Anomaly]:
        found: list[Anomaly] = []
        for _ in range(minutes):
            found += self.see(USUAL * (1.0 + 0.02 * self.noise.standard_normal(3)))
        return found


def test_noise_is_no_anomaly() -> None:
    """Hours of usual values say nothing."""
    assert Bank().usual() == []


def test_what_is_felt_is_severe_and_what_is_work_is_not() -> None:
    """Errors are an error, a busy service only stands out; both say what was usual."""
    bank = Bank()
    bank.usual()
    found = {a.series.name: a for a in bank.see(USUAL * [10.0, 10.0, 1.0])}
    assert (found["error_ratio"].severe, found["error_ratio"].severity) == (True, Severity.ERROR)
    assert (found["request_rate"].severe, found["request_rate"].severity) == (
        False,
        Severity.WARNING,
    )
    expected, high = found["error_ratio"].expected, found["error_ratio"].high
    assert expected is not None
    assert high is not None
    assert abs(expected - 0.05) < 0.01
    assert high < 0.5


def test_good_news_is_information() -> None:
    """Fewer errors than usual wake nobody."""
    bank = Bank()
    bank.usual()
    found = bank.see(USUAL * [0.0, 1.0, 1.0])
    assert [a.severity for a in found if a.series.name == "error_ratio"] in (
        [],
        [Severity.INFO],
    )


def test_a_value_that_is_back_says_nothing() -> None:
    """After a long departure the memory of it is no anomaly."""
    bank = Bank()
    bank.usual()
    for _ in range(20):
        assert bank.see(USUAL * [10.0, 1.0, 1.0])
    late = [a for a in bank.usual(60) if a.kind == "shift"]
    assert late == []


def test_rows_beyond_the_bound_are_refused() -> None:
    """A full bank gives no row and says how many it refused."""
    rows = Rows(SeriesBank(max_rows=2))
    given, refused = rows.rows_of(SERIES, 60.0)
    assert refused == 1
    assert given.tolist()[2] == -1
    assert len(rows) == 2


def test_a_restart_changes_nothing() -> None:
    """Saved and restored in mid departure, the rest is the same."""

    def run(cut: int) -> list[Anomaly]:
        bank, found = Bank(), []
        for n in range(440):
            if n == cut:
                bank.rows = Rows.from_state(*bank.rows.to_state())
            wild = [10.0 if 400 <= n < 410 else 1.0, 1.0, 1.0]
            found += bank.see(USUAL * wild * (1.0 + 0.02 * bank.noise.standard_normal(3)))
        return found

    assert run(412) == run(-1) != []
