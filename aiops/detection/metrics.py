"""Judge metric points: every series in one bank, and the series of one entity together.

The bank sees each value (counters as rates). River sees what the bank leaves over: the robust
deviations of one entity's series together (joint behaviour) and their mean (lasting drift).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence, Sized
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiops.detection.counters import CounterRates
from aiops.detection.facts import anomaly_id
from aiops.detection.kinds import Kinds, MetricKinds
from aiops.detection.named import Chosen, NamedDetectors
from aiops.detection.rows import PLAIN, Rows, Wording
from aiops.detection.rules import MetricRule, MetricRules
from aiops.detection.shares import Shares
from aiops.model import Anomaly, Points, Section, Series, SeriesSet, Severity
from detectors.bank import BankScores, SeriesBank
from detectors.rivers import RiverAnomaly, RiverDrift

__all__ = ["MetricDetection", "MetricRule"]

MAX_TOGETHER = 20  # series of one entity that River sees at once
MAX_ENTITIES = 50  # a half-space-trees object takes 1 MiB
MAX_DRIFTS = 1000
KEPT = 86400.0  # models of entities unseen for so long make room when others ask for it
FEWEST_TOGETHER = 3
CLIP = 20.0
TOGETHER_EVERY = 120.0  # River's models are dear: this often is enough for evidence
# A fifth of the cost of River's defaults (10 trees of height 8) and the same answers for 20 series.
SMALL = {"river.anomaly.HalfSpaceTrees": {"n_trees": 8, "height": 6}}
COUNTERS = "counters:"
_VERSION = 2


class MetricDetection:
    """Own the models of all metric series."""

    def __init__(
        self,
        *,
        max_series: int = 100_000,
        multivariate: str = "river.anomaly.HalfSpaceTrees",
        drift: str = "river.drift.ADWIN",
        rules: Sequence[MetricRule] = (),
    ) -> None:
        self.facts: Counter[str] = Counter()
        self._max_series = max_series
        self._multivariate = multivariate
        self._drift = drift
        self._rows = Rows(SeriesBank(max_rows=max_series))
        self._named = NamedDetectors()
        self._kinds = MetricKinds(rules, most=max_series)
        self._shares = Shares(max_series)
        self._rates: dict[str, CounterRates] = {}
        self._columns: dict[str, _Columns] = {}
        self._joint: dict[str, RiverAnomaly] = {}
        self._drifts: dict[str, RiverDrift] = {}
        self._met: dict[str, float] = {}  # when River last looked at an entity
        self._pace: dict[str, float] = {}
        self._judged: dict[str, int] = {}  # series of a source that are judged
        self._together_at: dict[str, float] = {}  # when River looks at a source next
        self._last: dict[str, float] = {}

    @property
    def series_count(self) -> int:
        return len(self._rows)

    @property
    def tests_per_second(self) -> float:
        """Return how many judgements all sources together cost per second."""
        rate = 0.0
        for source, judged in self._judged.items():
            if self._pace.get(source):
                rate += judged / self._pace[source]
        return rate

    def young(self) -> int:
        """Return how many series have too few samples to be judged."""
        return self._rows.young()

    def judge(self, points: Points, threshold: float) -> list[Anomaly]:
        """Score and learn one scrape; returns what stood out."""
        source, at = points.source, points.at
        columns = self._columns.get(source)
        taken = self._rows.taken + self._kinds.taken
        if columns is None or columns.of is not points.columns or columns.taken != taken:
            columns = self._columns[source] = self._bind(points)
            columns.taken = self._rows.taken + self._kinds.taken
            self.facts["series_forgotten"] += columns.taken - taken
            self._judged[source] = len(columns.kept) + len(columns.named)
        last = self._last.get(source)
        if last is not None and at > last:
            pace = self._pace.get(source, at - last)
            self._pace[source] = points.interval or pace + 0.1 * ((at - last) - pace)
        self._last[source] = at
        rates = self._rates.get(source)
        if rates is None:
            rates = self._rates[source] = CounterRates()
        raw = points.values
        values = rates.rates(columns.kinds.columns, at, raw)
        infinite = np.isinf(values)
        if infinite.any():
            self.facts["not_finite"] += int(np.count_nonzero(infinite))
            values = np.where(infinite, np.nan, values)
            raw = np.where(np.isinf(raw), np.nan, raw)
        values = self._kinds.derive(
            columns.kinds, at, values, rates.elapsed, restarted=rates.restarted
        )
        judged = self._shares.failures(columns.series, columns.shares, values[columns.kept])
        found, scores = self._rows.judge(
            columns.rows,
            columns.series,
            at,
            judged,
            threshold=threshold,
            wording=partial(columns.wording, self._shares),
        )
        found += self._named.see(
            columns.named,
            at,
            judged,
            scores,
            threshold=threshold,
            wording=partial(columns.wording, self._shares),
        )
        if at >= self._together_at.get(source, -math.inf):
            self._together_at[source] = at + TOGETHER_EVERY
            found += self._together(columns, at, judged, scores, threshold)
        found = self._kinds.judge(
            source,
            columns.kinds,
            at,
            raw,
            found=found,
            threshold=threshold,
            restarted=rates.restarted,
        )
        pace = self._pace.get(source, 0.0)
        return [replace(anomaly, pace=pace) for anomaly in found]

    def gap(self, source: str) -> None:
        """Start a source's rates anew: it did not watch for a while."""
        self._kinds.gap(source)
        if source in self._rates:
            self._rates[source].gap()

    def reconfigure(self, rules: Sequence[MetricRule]) -> None:
        """Take what people say of metrics now; what was learned stays."""
        self._kinds.rules = MetricRules(rules)
        self._columns.clear()

    def _bind(self, points: Points) -> _Columns:
        kinds = self._kinds.bind(points.source, points.columns, points.at)
        series = [kinds.series[i] for i in kinds.scored.tolist()]
        rows, refused = self._rows.rows_of(series, points.interval)
        self.facts["series_refused"] += refused
        self.facts.update(self._kinds.facts)
        self._kinds.facts.clear()
        given = np.flatnonzero(rows >= 0)
        series = [series[i] for i in given.tolist()]
        shares = self._shares.bind(series)
        kept, rows = kinds.scored[given], rows[given]
        named = self._named.bind(series, self._kinds.rules)
        self.facts.update(self._named.facts)
        self._named.facts.clear()
        return _Columns(
            points.columns, kinds, kept=kept, rows=rows, series=series, shares=shares, named=named
        )

    # --- several series of one entity -------------------------------------------------------

    def _together(
        self,
        columns: _Columns,
        at: float,
        values: NDArray[np.float64],
        scores: BankScores,
        threshold: float,
    ) -> list[Anomaly]:
        half = np.maximum((scores.high - scores.low) / 6.0, 1e-12)
        with np.errstate(invalid="ignore", over="ignore"):
            deviation = np.clip((values - scores.expected) / half, -CLIP, CLIP)
        found: list[Anomaly] = []
        for entity, members in columns.entities.items():
            present = [i for i in members if not math.isnan(deviation[i])]
            if len(present) < FEWEST_TOGETHER:
                continue
            features = {columns.series[i].name: float(deviation[i]) for i in present}
            mean = sum(abs(v) for v in features.values()) / len(features)
            anomaly = self._joint_anomaly(entity, features, at, threshold)
            if anomaly is not None:
                found.append(anomaly)
            if self._drifts_now(entity, mean, at):
                found.append(self._drifted(entity, features, mean, at, threshold))
            if entity in self._joint or entity in self._drifts:
                self._met[entity] = at
        return found

    def _joint_anomaly(
        self, entity: str, features: dict[str, float], at: float, threshold: float
    ) -> Anomaly | None:
        if not self._multivariate:
            return None
        model = self._joint.get(entity)
        if model is None:
            if not self._has_room(self._joint, MAX_ENTITIES, at):
                self.facts["joint_refused"] += 1
                return None
            model = self._joint[entity] = RiverAnomaly(
                self._multivariate, SMALL.get(self._multivariate), ring=500
            )
        if model.names:
            if 2 * sum(name in features for name in model.names) < len(model.names):
                return None
            # What is not there now says nothing: it counts as being where it was expected.
            features = {name: features.get(name, 0.0) for name in model.names}
        score = model.score_one(features)
        if score.value is None or score.value < threshold:
            model.learn_one(features)
        if score.value is None or score.value < max(threshold - 1.0, 4.0):
            return None
        return _of_entity(entity, "joint", features, at, surprise=score.value, threshold=threshold)

    def _has_room(self, models: Sized, most: int, at: float) -> bool:
        """Return whether one more model may be made; what was not seen for long makes room."""
        if len(models) >= most:
            for entity in [e for e, met in self._met.items() if met < at - KEPT]:
                for mine in (self._joint, self._drifts, self._met):
                    mine.pop(entity, None)
        return len(models) < most

    def _drifts_now(self, entity: str, mean: float, at: float) -> bool:
        if not self._drift:
            return False
        drift = self._drifts.get(entity)
        if drift is None:
            if not self._has_room(self._drifts, MAX_DRIFTS, at):
                self.facts["drift_refused"] += 1
                return False
            drift = self._drifts[entity] = RiverDrift(self._drift)
        return drift.update(mean) and mean > 1.0

    @staticmethod
    def _drifted(
        entity: str, features: dict[str, float], mean: float, at: float, threshold: float
    ) -> Anomaly:
        surprise = min(threshold - 1.0, 3.0 + mean)
        return _of_entity(entity, "drift", features, at, surprise=surprise, threshold=threshold)

    # --- saved at a cut ---------------------------------------------------------------------

    def to_sections(self) -> list[Section]:
        """Return the bank, the counters and River's recent inputs."""
        bank, parts = self._rows.to_state()
        header: dict[str, Any] = {
            "pace": dict(self._pace),
            "last": dict(self._last),
            "judged": dict(self._judged),
            "together_at": dict(self._together_at),
            "met": dict(self._met),
            "joint": {},
            "drift": {},
        }
        arrays: dict[str, NDArray[Any]] = {}
        parts_of: list[tuple[str, str, Any]] = [
            *(("joint", entity, model) for entity, model in sorted(self._joint.items())),
            *(("drift", entity, model) for entity, model in sorted(self._drifts.items())),
        ]
        for name, entity, model in parts_of:
            state, ring = model.to_state()
            arrays |= {f"{name}.{len(header[name])}.{key}": value for key, value in ring.items()}
            header[name][entity] = state
        return [
            Section("metric_rows", _VERSION, bank, parts),
            Section("rivers", _VERSION, header, arrays),
            *self._kinds.to_sections(),
            self._shares.to_section(),
            self._named.to_section(),
            *(rates.to_state(COUNTERS + source) for source, rates in sorted(self._rates.items())),
        ]

    def restore(self, sections: dict[str, Section]) -> None:
        """Take back what ``to_sections`` returned; a missing or unknown part stays cold."""
        known = {name: s for name, s in sections.items() if s.version == _VERSION}
        if (rows := known.get("metric_rows")) is not None:
            self._rows = Rows.from_state(dict(rows.header), dict(rows.arrays))
            self._rows.bank.max_rows = self._max_series
        self._kinds.restore(sections)
        if "shares" in sections:
            self._shares.restore(sections["shares"])
        if "named_detectors" in sections:
            self._named.restore(sections["named_detectors"])
        for name, section in sections.items():
            if name.startswith(COUNTERS):
                self._rates[name.removeprefix(COUNTERS)] = CounterRates.from_state(section)
        if (rivers := known.get("rivers")) is not None:
            self._pace, self._last = dict(rivers.header["pace"]), dict(rivers.header["last"])
            self._judged = dict(rivers.header["judged"])
            self._together_at = dict(rivers.header["together_at"])
            self._met = dict(rivers.header.get("met", {}))
            for n, (entity, state) in enumerate(sorted(rivers.header["joint"].items())):
                self._joint[entity] = RiverAnomaly.from_state(state, _ring(rivers, f"joint.{n}."))
            for n, (entity, state) in enumerate(sorted(rivers.header["drift"].items())):
                self._drifts[entity] = RiverDrift.from_state(state, _ring(rivers, f"drift.{n}."))


class _Columns:
    """What a set of series means to the bank: bound once, used at every scrape."""

    def __init__(
        self,
        of: SeriesSet,
        kinds: Kinds,
        *,
        kept: NDArray[np.intp],
        rows: NDArray[np.int64],
        series: list[Series],
        shares: NDArray[np.intp],
        named: tuple[Chosen, ...],
    ) -> None:
        self.of, self.kinds, self.named = of, kinds, named
        self.taken = 0
        self.kept, self.rows, self.series, self.shares = kept, rows, series, shares
        self.entities: dict[str, list[int]] = {}
        for i, one in enumerate(series):
            members = self.entities.setdefault(one.entity, [])
            if len(members) < MAX_TOGETHER:
                members.append(i)

    def wording(self, shares: Shares, i: int) -> Wording:
        one = self.series[i]
        unit = one.unit
        if whole := shares.whole(one):
            return Wording(lambda failures: whole - max(failures, 0.0), unit)
        if one.kind == "counter":
            unit = f"{unit}/s" if unit else "/s"
        return Wording(PLAIN.back, unit)


def _ring(section: Section, prefix: str) -> dict[str, NDArray[Any]]:
    return {
        key.removeprefix(prefix): value
        for key, value in section.arrays.items()
        if key.startswith(prefix)
    }


def _of_entity(
    entity: str,
    kind: str,
    features: dict[str, float],
    at: float,
    *,
    surprise: float,
    threshold: float,
) -> Anomaly:
    widest = sorted(features, key=lambda name: (-abs(features[name]), name))[:3]
    parts = ", ".join(f"{name} {features[name]:+.1f} sd" for name in widest)
    words = "unusual together" if kind == "joint" else "drifting together"
    series = Series(entity, f"{kind} behaviour", "gauge")
    return Anomaly(
        id=anomaly_id(series.id, kind, at),
        series=series,
        kind=kind,
        at=at,
        since=at,
        surprise=round(surprise, 3),
        threshold=round(threshold, 3),
        # A drift joins a story and never makes one: ADWIN gives no tail probability.
        severity=Severity.WARNING if kind == "joint" else Severity.INFO,
        reason=f"{words}: {parts}",
        detector="river",
    )
