"""Judge metrics that state something (0 or 1, few whole numbers), and lines that stand still.

A name like ``up`` or ``kube_node_status_condition`` declares a state; that it turned bad is a
fact and no draw from a distribution. What must be learned is only how often it does so anyway.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from aiops.detection.direction import bad_state
from aiops.detection.facts import anomaly_id
from aiops.detection.table import Table
from aiops.model import Anomaly, Section, Severity
from aiops.units import duration, quantity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from aiops.detection.rules import MetricRules
    from aiops.model import Series

CONFIRM = 60.0  # seconds and …
CONFIRMED = 2.0  # … samples that a state must last to be told
SETTLED = 10.0  # samples in the state before
DAY = 86400.0
PRIOR = 7 * DAY  # without one change that every state is taken to have been watched
ACCEPT = 7200.0  # what stays so long is how it is
WIDEST = 10.0  # between least and most of a metric that has states
RARELY = 20.0  # samples to a change of such a metric
KNOWN = 60.0  # samples before a metric is known to have states, or to move
MOVES = 0.5  # share of samples at which a metric changes that is said to move
STILL, STILL_FOR = 20.0, 600.0  # samples and seconds of standing still
LONGER = 3.0  # times the longest rest so far
BEYOND = 0.5  # decades above the threshold: a fact that is rare enough
_VERSION = 1


@dataclass(frozen=True, slots=True, eq=False)
class Stated:
    """Say which columns are watched; ``bad`` is the bad value of declared states, else NaN."""

    rows: NDArray[np.intp]
    of: NDArray[np.intp]
    bad: NDArray[np.float64]
    series: tuple[Series, ...]
    places: dict[str, int]


class States:
    """Remember how long up to *most* gauges stay at a value."""

    def __init__(self, most: int = 100_000) -> None:
        self._table = Table(
            most,
            {
                "last": ((), math.nan),
                "before": ((), math.nan),
                "began": ((), 0.0),
                "since": ((), 0.0),
                "dwelt": ((), 0.0),  # in the state before
                "run": ((), 0.0),  # samples in this state
                "run_before": ((), 0.0),
                "longest": ((), 0.0),
                "seen": ((), 0.0),
                "changes": ((), 0.0),
                "falls": ((), 0.0),  # how often it turned bad
                "whole": ((), 1.0),
                "least": ((), math.inf),
                "most": ((), -math.inf),
            },
            small=("dwelt", "run", "run_before", "longest", "seen", "changes", "falls", "whole"),
        )

    def bind(
        self, series: Sequence[Series], rules: MetricRules, skip: frozenset[int], at: float
    ) -> Stated:
        """Give every gauge a row; *skip* are columns that others explain."""
        chosen = []
        bad = []
        for i, one in enumerate(series):
            rule = rules.of(one)
            kind = "" if rule is None else rule.kind
            if one.kind != "gauge" or i in skip or kind not in ("", "gauge", "state"):
                continue
            value = None if kind == "gauge" else bad_state(one.name)
            if kind == "state" and value is None:
                value = 1.0 if rule is not None and rule.direction == "up" else 0.0
            chosen.append(i)
            bad.append(math.nan if value is None else value)
        rows = self._table.rows_of([series[i].id for i in chosen], at)
        kept = rows >= 0
        of = np.array(chosen, np.intp)[kept]
        named = tuple(series[i] for i in of.tolist())
        places = {sys.intern(one.id): n for n, one in enumerate(named)}
        return Stated(rows[kept], of, np.array(bad, np.float64)[kept], named, places)

    def see(
        self, stated: Stated, at: float, values: NDArray[np.float64], threshold: float
    ) -> list[Anomaly]:
        """Learn one scrape; return declared states that turned bad, and lines that stand still."""
        if not len(stated.rows):
            return []
        self._learn(stated, at, values[stated.of])
        t, rows = self._table, stated.rows
        lasts = at - t["since"][rows]
        here = (t["last"][rows] == values[stated.of]) & (lasts < ACCEPT)
        turned = here & (t["last"][rows] == stated.bad) & self._binary(rows)
        turned &= (lasts >= CONFIRM) & (t["run"][rows] >= CONFIRMED)
        turned &= t["run_before"][rows] >= SETTLED
        still = here & (t["run"][rows] >= STILL) & (lasts >= STILL_FOR)
        still &= t["run"][rows] >= LONGER * t["longest"][rows]
        still &= (t["changes"][rows] >= MOVES * (t["seen"][rows] - t["run"][rows])) & (
            t["seen"][rows] - t["run"][rows] >= KNOWN
        )
        still &= (t["last"][rows] != 0.0) & np.isnan(stated.bad)
        found = [self._turned(stated, i, at, threshold) for i in np.flatnonzero(turned).tolist()]
        found += [self._still(stated, i, at, threshold) for i in np.flatnonzero(still).tolist()]
        return found

    def states(self, stated: Stated, series: Series) -> bool:
        """Return whether a series is a declared state of 0 and 1, judged here and nowhere else."""
        i = stated.places.get(series.id)
        if i is None or math.isnan(stated.bad[i]):
            return False
        return bool(self._binary(stated.rows[i : i + 1])[0])

    def worded(self, stated: Stated, anomaly: Anomaly) -> Anomaly:
        """Say from what to what a metric of few whole numbers changed; others stay as they are."""
        i = stated.places.get(anomaly.series.id)
        if i is None or anomaly.reason == "new normal":
            return anomaly
        t, row = self._table, int(stated.rows[i])
        few = t["whole"][row] > 0.0 and t["most"][row] - t["least"][row] <= WIDEST
        rare = t["seen"][row] >= max(KNOWN, RARELY * t["changes"][row])
        before, last = float(t["before"][row]), float(t["last"][row])
        if not (few and rare) or math.isnan(before) or anomaly.actual != last:
            return anomaly
        return replace(anomaly, kind="state", expected=before, reason=self._change(row))

    def _binary(self, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
        t = self._table
        return (t["whole"][rows] > 0.0) & (t["least"][rows] >= 0.0) & (t["most"][rows] <= 1.0)

    def _learn(self, stated: Stated, at: float, values: NDArray[np.float64]) -> None:
        t = self._table
        known = np.flatnonzero(np.isfinite(values) & (t["seen_at"][stated.rows] <= at))
        rows, v = stated.rows[known], values[known]
        t["seen_at"][rows] = at
        t["seen"][rows] += 1.0
        t["run"][rows] += 1.0
        last = t["last"][rows]
        moved = np.flatnonzero(v != last)
        if not len(moved):
            return
        rows, v, bad = rows[moved], v[moved], stated.bad[known[moved]]
        first = np.isnan(t["last"][rows])
        t["began"][rows[first]] = at
        t["longest"][rows] = np.where(first, 0.0, np.maximum(t["longest"][rows], t["run"][rows]))
        t["changes"][rows] += ~first
        t["falls"][rows] += ~first & (v == bad)
        t["dwelt"][rows] = at - t["since"][rows]
        t["run_before"][rows] = np.where(first, 0.0, t["run"][rows] - 1.0)
        t["before"][rows] = t["last"][rows]
        t["last"][rows] = v
        t["since"][rows] = at
        t["run"][rows] = 1.0
        t["whole"][rows] = np.where(v == np.floor(v), t["whole"][rows], 0.0)
        t["least"][rows] = np.minimum(t["least"][rows], v)
        t["most"][rows] = np.maximum(t["most"][rows], v)

    # --- telling ----------------------------------------------------------------------------

    def _turned(self, stated: Stated, i: int, at: float, threshold: float) -> Anomaly:
        t, row = self._table, int(stated.rows[i])
        since = float(t["since"][row])
        watched, falls = since - float(t["began"][row]), float(t["falls"][row]) - 1.0
        pace = (at - since) / max(float(t["run"][row]) - 1.0, 1.0)
        chance = (falls + 0.5) / (watched + PRIOR) * pace
        surprise = -math.log10(min(chance, 1.0))
        rare = falls * DAY <= watched
        before = float(t["before"][row])
        return self._anomaly(
            stated.series[i],
            "state",
            at,
            since,
            surprise=max(surprise, threshold + BEYOND) if rare else surprise,
            threshold=threshold,
            severity=Severity.ERROR if rare else Severity.INFO,
            severe=rare,
            reason=self._change(row),
            actual=float(t["last"][row]),
            expected=before,
            spread=0.0,
            seen=int(t["seen"][row]),
        )

    def _still(self, stated: Stated, i: int, at: float, threshold: float) -> Anomaly:
        t, row, series = self._table, int(stated.rows[i]), stated.series[i]
        since, last = float(t["since"][row]), float(t["last"][row])
        moved = float(t["seen"][row] - t["run"][row])
        rest = (moved - float(t["changes"][row]) + 1.0) / (moved + 2.0)
        surprise = min(-math.log10(rest) * float(t["run"][row]) / max(t["longest"][row], 1.0), 12.0)
        return self._anomaly(
            series,
            "flat",
            at,
            since,
            surprise=surprise,
            threshold=threshold,
            severity=Severity.WARNING,
            severe=False,
            reason=f"stands still at {quantity(last, series.unit)} for {duration(at - since)}, it"
            f" changed {round(100.0 * (1.0 - rest))} times in 100 samples before",
            actual=last,
            expected=float(t["before"][row]),
            spread=abs(last - float(t["before"][row])),
            seen=int(t["seen"][row]),
        )

    def _change(self, row: int) -> str:
        t = self._table
        before, last = float(t["before"][row]), float(t["last"][row])
        return f"changed from {before:g} to {last:g} after {duration(float(t['dwelt'][row]))}"

    @staticmethod
    def _anomaly(
        series: Series,
        kind: str,
        at: float,
        since: float,
        *,
        surprise: float,
        threshold: float,
        severity: Severity,
        severe: bool,
        reason: str,
        actual: float,
        expected: float,
        spread: float,
        seen: int,
    ) -> Anomaly:
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
            detector="states",
            actual=actual,
            expected=expected,
            low=expected - spread,
            high=expected + spread,
            unit=series.unit,
            severe=severe,
            seen=seen,
        )

    @property
    def taken(self) -> int:
        """Return how many rows changed hands."""
        return self._table.taken

    def take_refused(self) -> int:
        """Return how many rows were refused since the last call."""
        refused, self._table.refused = self._table.refused, 0
        return refused

    # --- saved at a cut ---------------------------------------------------------------------

    def to_section(self) -> Section:
        """Return all memories."""
        ids, arrays = self._table.to_state()
        return Section("states", _VERSION, {"ids": ids}, arrays)

    def restore(self, section: Section) -> None:
        """Take back what ``to_section`` returned; another version starts cold."""
        if section.version == _VERSION:
            self._table.load(section.header["ids"], section.arrays)
