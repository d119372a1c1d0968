"""Judge many series at once with a bank of detectors, and say in words what stood out."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiops.detection.direction import bad_direction, is_symptom, is_usage
from aiops.detection.facts import anomaly_id
from aiops.detection.table import FORGET, longest_unseen
from aiops.model import Anomaly, SampleLine, Series, Severity
from detectors.bank import REASONS, WARMUP, BankScores, SeriesBank

# Below the threshold an anomaly cannot open an incident, but it can confirm or join one.
EVIDENCE_MARGIN = 2.0
EVIDENCE_FLOOR = 3.0
MAX_PER_TICK = 500
REMEMBERED = frozenset({"shift", "variance"})  # departures that are sums over the past


@dataclass(frozen=True, slots=True)
class Wording:
    """How values of a bank read to a person: ``back`` undoes the transform of the row."""

    back: Callable[[float], float]
    unit: str = ""
    name: str = ""


def _same(value: float) -> float:
    return value


PLAIN = Wording(back=_same)


class Rows:
    """Hand out bank rows for series, score them, and turn what stands out into anomalies.

    ``taken`` counts rows that were taken from series nobody judged for long: rows handed out
    before may belong to others after it.
    """

    def __init__(self, bank: SeriesBank) -> None:
        self.bank = bank
        self.taken = 0
        self._row: dict[str, int] = {}
        self._recovered: dict[int, float] = {}
        self._judged_at: NDArray[np.float64] = np.zeros(0)
        self._now = 0.0
        self._full_until = -math.inf  # a cache: before then no row can be forgotten

    def __len__(self) -> int:
        return len(self._row)

    def rows_of(
        self, series: Sequence[Series], interval: float | None
    ) -> tuple[NDArray[np.int64], int]:
        """Return one row per series (-1 where the bound bites) and how many were refused.

        When rows run out, series that nobody has judged for two hours lose theirs.
        """
        ids = [s.id for s in series]
        fresh = [one for one in dict.fromkeys(ids) if one not in self._row]
        if fresh:
            # What is asked for now must not make room for what is new beside it.
            known = [row for one in ids if (row := self._row.get(one)) is not None]
            self._judged_at[known] = self._now
            lacking = len(self._row) + len(fresh) - self.bank.max_rows
            if lacking > 0 and self._now > self._full_until:
                self._forget(lacking)
            granted = self.bank.add(len(fresh), interval=interval)
            self._row.update(zip(map(sys.intern, fresh), granted.tolist(), strict=False))
            top = int(granted.max(initial=-1)) + 1
            if top > len(self._judged_at):
                room = np.zeros(max(top, len(self._judged_at) * 3 // 2))
                room[: len(self._judged_at)] = self._judged_at
                self._judged_at = room
            self._judged_at[granted] = self._now
        rows = np.array([self._row.get(one, -1) for one in ids], dtype=np.int64)
        return rows, int(np.count_nonzero(rows < 0))

    def _forget(self, lacking: int) -> None:
        ids = list(self._row)
        rows = np.fromiter(self._row.values(), np.int64, len(ids))
        gone = longest_unseen(self._judged_at[rows], self._now, lacking)
        self.taken += len(gone)
        for i in gone.tolist():
            self._recovered.pop(self._row.pop(ids[i]), None)
        self.bank.remove(rows[gone])
        if len(gone) < lacking:
            left = np.fromiter(self._row.values(), np.int64, len(self._row))
            self._full_until = float(self._judged_at[left].min(initial=self._now)) + FORGET

    def young(self) -> int:
        """Return how many rows have seen too few samples to be judged."""
        rows = np.fromiter(self._row.values(), np.int64, len(self._row))
        return int(np.count_nonzero(self.bank.seen(rows) < WARMUP))

    def judge(
        self,
        rows: NDArray[np.int64],
        series: Sequence[Series],
        at: float,
        values: NDArray[np.float64],
        *,
        threshold: float,
        wording: Callable[[int], Wording] | None = None,
        samples: Callable[[int], tuple[SampleLine, ...]] | None = None,
    ) -> tuple[list[Anomaly], BankScores]:
        """Score, learn, and return what is surprising enough to count as evidence."""
        self._now = max(self._now, at)
        self._judged_at[rows] = self._now
        scores = self.bank.step(rows, at, values)
        # Nothing is louder than a surprise that is not known.
        loud = (scores.surprise >= max(threshold - EVIDENCE_MARGIN, EVIDENCE_FLOOR)).nonzero()[0]
        if not len(loud):
            return [], scores
        loud = loud[~self._remembers(rows[loud], loud, values, scores)]
        if len(loud) > MAX_PER_TICK:
            order = np.argsort(-scores.surprise[loud], kind="stable")[:MAX_PER_TICK]
            loud = np.sort(loud[order])
        found = []
        for i in loud.tolist():
            words = PLAIN if wording is None else wording(i)
            lines = () if samples is None else samples(i)
            value = float(values[i])
            one = _anomaly(
                series[i], i, at, value, scores, threshold=threshold, words=words, samples=lines
            )
            found.append(one)
        return found, scores

    def _remembers(
        self,
        rows: NDArray[np.int64],
        at: NDArray[np.intp],
        values: NDArray[np.float64],
        scores: BankScores,
    ) -> NDArray[np.bool_]:
        """Return which departures are only remembered by their sums: the value is back.

        A value that came back into its band must leave it twice as far to depart again before
        the bank has forgotten; without that every wobble would be a new story.
        """
        back = np.zeros(len(at), np.bool_)
        for n, (row, i) in enumerate(zip(rows.tolist(), at.tolist(), strict=True)):
            since = float(scores.since[i])
            if REASONS[int(scores.reason[i])] not in REMEMBERED:
                self._recovered.pop(row, None)
                continue
            half = (scores.high[i] - scores.low[i]) / 2.0
            off = abs(values[i] - scores.expected[i])
            again = self._recovered.get(row) == since
            back[n] = off <= (2.0 if again else 1.0) * half
            if back[n]:
                self._recovered[row] = since
            else:
                self._recovered.pop(row, None)
        return back

    def excuse(self, series: Iterable[str]) -> None:
        """Let the departures of *series* teach nothing: people were told what they belong to."""
        known = [row for one in series if (row := self._row.get(one)) is not None]
        if known:
            self.bank.excuse(np.array(known, np.int64))

    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        header, arrays = self.bank.to_state()
        recovered = [[row, since] for row, since in self._recovered.items()]
        rows = {"bank": header, "rows": dict(self._row), "recovered": recovered, "now": self._now}
        return rows, arrays | {"judged_at": self._judged_at.copy()}

    @classmethod
    def from_state(cls, header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Rows:
        self = cls(SeriesBank.from_state(header["bank"], arrays))
        self._row = dict(header["rows"])
        self._recovered = {int(row): float(since) for row, since in header.get("recovered", [])}
        # What an older version saved has no times: what nobody judges from now on goes first.
        self._now = float(header.get("now", 0.0))
        judged_at = arrays.get("judged_at", np.zeros(max(self._row.values(), default=-1) + 1))
        self._judged_at = np.array(judged_at, np.float64)
        return self


def _anomaly(
    series: Series,
    i: int,
    at: float,
    value: float,
    scores: BankScores,
    *,
    threshold: float,
    words: Wording,
    samples: tuple[SampleLine, ...],
) -> Anomaly:
    reason = REASONS[int(scores.reason[i])] or "level"
    surprise = float(scores.surprise[i])
    since = float(scores.since[i])
    since = at if np.isnan(since) else since
    actual, expected = words.back(value), _known(scores.expected[i], words)
    low, high = _known(scores.low[i], words), _known(scores.high[i], words)
    if low is not None and high is not None and low > high:
        low, high = high, low  # the row holds failures, people read successes
    kind = words.name or reason
    unit = words.unit or series.unit
    # A forecast of a moment ago does not say that work ended: it may have come back to usual.
    usual = None if reason == "spike" else expected
    severity, severe = Severity.WARNING, is_symptom(series.name, unit, actual, usual)
    if reason == "new normal":
        severity = Severity.INFO
    elif expected is not None and expected != actual:
        bad = bad_direction(series.name)
        if bad is not None and (actual > expected) != (bad > 0):
            severity = Severity.INFO
        elif severe and not is_usage(series.name) and surprise >= threshold + 2.0:
            severity = Severity.ERROR
    if series.kind == "log":
        kind, reason, severity = _log_kind(reason, actual, expected, severity)
        # One burst raises what the row expects; whether lines were usual is the flow's to say.
        severe = False
    return Anomaly(
        id=anomaly_id(series.id, kind, since),
        series=series,
        kind=kind,
        at=at,
        since=since,
        surprise=round(surprise, 3),
        threshold=round(threshold, 3),
        severity=severity,
        reason=reason,
        detector="bank",
        actual=actual,
        expected=expected,
        low=low,
        high=high,
        unit=unit,
        severe=severe and severity > Severity.INFO,
        seen=int(scores.seen[i]),
        samples=samples,
    )


def _known(value: float, words: Wording) -> float | None:
    return None if np.isnan(value) else words.back(float(value))


def _log_kind(
    reason: str, actual: float, expected: float | None, severity: Severity
) -> tuple[str, str, Severity]:
    if reason == "new normal":
        return reason, "new normal number of lines", severity
    if expected is None or actual >= expected:
        return "surge", "surge of lines", Severity.WARNING
    if actual <= 0.0:
        return "silence", "usual lines stopped", Severity.WARNING
    return "drop", "fewer lines than usual", Severity.WARNING
