"""Judge metric points: every series in one bank, by its kind, and those of an entity together.

The bank sees each value (counters as rates, histograms as what is derived of them).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from aiops.detection.counters import CounterRates
from aiops.detection.kinds import Kinds, MetricKinds
from aiops.detection.named import Chosen, NamedDetectors
from aiops.detection.rows import PLAIN, Rows, Wording
from aiops.detection.rules import MetricRule, MetricRules
from aiops.detection.shares import Shares
from aiops.detection.together import MAX_TOGETHER, OWN, Together
from aiops.model import Anomaly, ChangeEvent, Points, Section, Series, SeriesSet
from detectors.bank import SeriesBank

__all__ = ["MetricDetection", "MetricRule"]

COUNTERS = "counters:"
_VERSION = 3


class MetricDetection:
    """Own the models of all metric series."""

    def __init__(
        self,
        *,
        max_series: int = 100_000,
        multivariate: str = OWN,
        drift: str = "river.drift.ADWIN",
        rules: Sequence[MetricRule] = (),
    ) -> None:
        self.facts: Counter[str] = Counter()
        self._max_series = max_series
        self._together = Together(multivariate, drift)
        self._rows = Rows(SeriesBank(max_rows=max_series))
        self._named = NamedDetectors()
        self._kinds = MetricKinds(rules, most=max_series)
        self._shares = Shares(max_series)
        self._rates: dict[str, CounterRates] = {}
        self._columns: dict[str, _Columns] = {}
        self._pace: dict[str, float] = {}
        self._judged: dict[str, int] = {}  # series of a source that are judged
        self._last: dict[str, float] = {}

    @property
    def series_count(self) -> int:
        return len(self._rows)

    @property
    def tests_per_second(self) -> float:
        """Return how many judgements all sources together cost per second."""
        rate = self._together.tests_per_second
        for source, judged in self._judged.items():
            if self._pace.get(source):
                rate += judged / self._pace[source]
        return rate

    def young(self) -> int:
        """Return how many series have too few samples to be judged."""
        return self._rows.young()

    def excuse(self, series: Sequence[str]) -> None:
        """Let the departures of *series* teach nothing: people were told what they belong to."""
        self._rows.excuse(series)

    def judge(self, points: Points, threshold: float) -> list[Anomaly]:
        """Score and learn one scrape; returns what stood out."""
        source, at = points.source, points.at
        last = self._last.get(source)
        if last is not None and at <= last:
            # As old as what was judged, or older: it teaches nothing, and costs no rate.
            self.facts["points_stale"] += 1
            return []
        columns = self._columns.get(source)
        rows = self._rows.taken
        taken = rows + self._kinds.taken
        if columns is None or columns.of is not points.columns or columns.taken != taken:
            columns = self._columns[source] = self._bind(points)
            columns.taken = self._rows.taken + self._kinds.taken
            self.facts["series_forgotten"] += self._rows.taken - rows
            self._judged[source] = len(columns.kept) + len(columns.named)
        if last is not None:
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
        found += self._together.see(
            source,
            columns.entities,
            columns.series,
            at,
            judged,
            scores=scores,
            threshold=threshold,
        )
        self.facts.update(self._together.facts)
        self._together.facts.clear()
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

    def take_changes(self) -> list[ChangeEvent]:
        """Return and clear the changes of versions that metrics stated since the last call."""
        return self._kinds.take_changes()

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

    # --- saved at a cut ---------------------------------------------------------------------

    def to_sections(self) -> list[Section]:
        """Return the bank, the counters, the kinds and River's recent inputs."""
        bank, parts = self._rows.to_state()
        sources = {
            "pace": dict(self._pace),
            "last": dict(self._last),
            "judged": dict(self._judged),
        }
        header = bank | {"sources": sources}
        return [
            Section("metric_rows", _VERSION, header, parts),
            self._together.to_section(),
            *self._kinds.to_sections(),
            self._shares.to_section(),
            self._named.to_section(),
            *(rates.to_state(COUNTERS + source) for source, rates in sorted(self._rates.items())),
        ]

    def restore(self, sections: dict[str, Section]) -> None:
        """Take back what ``to_sections`` returned; a missing or unknown part stays cold."""
        rows = sections.get("metric_rows")
        if rows is not None and rows.version == _VERSION:
            self._rows = Rows.from_state(dict(rows.header), dict(rows.arrays))
            self._rows.bank.max_rows = self._max_series
            sources = rows.header["sources"]
            self._pace, self._last = dict(sources["pace"]), dict(sources["last"])
            self._judged = dict(sources["judged"])
        self._kinds.restore(sections)
        for name, part in (
            ("rivers", self._together),
            ("shares", self._shares),
            ("named_detectors", self._named),
        ):
            if name in sections:
                part.restore(sections[name])
        for name, section in sections.items():
            if name.startswith(COUNTERS):
                self._rates[name.removeprefix(COUNTERS)] = CounterRates.from_state(section)


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
