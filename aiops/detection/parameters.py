"""Judge numbers inside lines: how long it took, how large it was, as the lines themselves say.

A kind of line that comes steadily is studied: forty of its lines tell which of its numbers are
measurements (``detectors.parameters``). From then on the first line of the kind in each window is a
sample; every few minutes their mean on a logarithmic scale is judged in a row of a bank. The first
line of a window is the same however the stream is cut.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from aiops.detection.facts import anomaly_id
from aiops.detection.rows import Rows, Wording
from aiops.model import Anomaly, LineKind, LogWindow, SampleLine, Section, Series, Severity
from aiops.redaction import harmless, redact
from detectors.bank import SeriesBank
from detectors.parameters import STUDY, WILD, Measure, Reading, measures, read

STEADY = 5
"""Lines of a kind in one window from which on one of them is looked at."""

EVERY = 300.0
"""Seconds between two judgements."""

FEWEST = 6
"""Samples that a judgement needs."""

MAX_KINDS = 2000
MAX_OF_WORKLOAD = 32
MAX_ROWS = 4000
MAX_MEASURES = 3
_LONGEST = 2048
_VERSION = 1


@dataclass(slots=True)
class _Watched:
    """One kind of line: its study, or what became of it."""

    entity: str
    text: str
    studied: list[list[Reading | None]] | None = field(default_factory=list)
    measures: list[Measure] = field(default_factory=list)
    values: list[list[float]] = field(default_factory=list)
    largest: list[SampleLine | None] = field(default_factory=list)
    _series: dict[int, Series] = field(default_factory=dict)

    def series(self, n: int) -> Series:
        """Return the series of the n-th measure: the template with its place marked."""
        known = self._series.get(n)
        if known is None:
            words, place = self.text.split(WILD), self.measures[n].place
            marked = f"{WILD.join(words[: place + 1])}<#>{WILD.join(words[place + 1 :])}"
            name = f"<#> in {harmless(marked)}"
            known = self._series[n] = Series(self.entity, name, "log", self.measures[n].unit)
        return known


class Parameters:
    """Own the studied kinds of all workloads; *period* is that of the marks."""

    def __init__(self, period: float) -> None:
        self.refused = 0
        self._period = period
        self._kinds: dict[tuple[str, LineKind], _Watched] = {}
        self._of: dict[str, int] = {}
        self._full: set[str] = set()
        self._rows = Rows(SeriesBank(max_rows=MAX_ROWS))

    def __len__(self) -> int:
        """Return how many judgements that makes in the mean for each mark."""
        return math.ceil(len(self._rows) * self._period / EVERY)

    def add(self, window: LogWindow) -> None:
        """Look at one line of each steady kind of a closed window."""
        if window.lines < STEADY:
            return
        kinds, own = self._kinds, window.stream.workload
        for kind, count in window.counts.items():
            if count >= STEADY:
                known = kinds.get((kind.entity or own, kind))
                if known is None or known.studied is not None or known.measures:
                    self._look(kind, window, known)

    def _look(self, kind: LineKind, window: LogWindow, known: _Watched | None) -> None:
        if known is None and b"<*>" in kind.masked:
            known = self._begin(kind.entity or window.stream.workload, kind, window)
        if known is None:
            return
        sample = window.samples.get(kind)
        if sample is None:
            return
        line = sample.text.partition("\n")[0][:_LONGEST]
        places = None if known.studied is not None else [m.place for m in known.measures]
        readings = read(known.text, line, places)
        if known.studied is not None:
            known.studied.append(readings or [])
            if len(known.studied) >= STUDY:
                known.measures = measures(known.studied)[:MAX_MEASURES]
                known.values = [[] for _ in known.measures]
                known.largest = [None] * len(known.measures)
                known.studied = None
        elif readings is not None:
            self._gather(known, readings, sample, line)

    def _begin(self, workload: str, kind: LineKind, window: LogWindow) -> _Watched | None:
        if len(self._kinds) >= MAX_KINDS or self._of.get(workload, 0) >= MAX_OF_WORKLOAD:
            self.refused += workload not in self._full  # told once for a workload
            if len(self._full) < MAX_KINDS:
                self._full.add(workload)
            return None
        entity = kind.entity or window.stream.entity
        known = _Watched(entity, kind.masked.decode("utf-8", "replace"))
        self._kinds[workload, kind] = known
        self._of[workload] = self._of.get(workload, 0) + 1
        return known

    @staticmethod
    def _gather(
        known: _Watched, readings: list[Reading | None], sample: SampleLine, line: str
    ) -> None:
        for n, measure in enumerate(known.measures):
            reading = readings[measure.place] if measure.place < len(readings) else None
            if reading is None:
                continue
            squeezed = measure.squeeze(measure.value_of(reading))
            values = known.values[n]
            if not values or squeezed > max(values):
                whole = line is sample.text
                known.largest[n] = sample if whole else SampleLine(sample.at, sample.stream, line)
            values.append(squeezed)

    # --- every few minutes ------------------------------------------------------------------

    def roll(self, mark: float, threshold: float) -> list[Anomaly]:
        """Judge the samples gathered up to *mark*, if it is time to."""
        if int(mark // EVERY) == int((mark - self._period) // EVERY):
            return []
        due = [
            (known, n)
            for known in self._kinds.values()
            for n in range(len(known.measures))
            if len(known.values[n]) >= FEWEST
        ]
        if not due:
            return []
        due.sort(key=lambda pair: pair[0].series(pair[1]).id)
        series = [known.series(n) for known, n in due]
        rows, refused = self._rows.rows_of(series, EVERY)
        self.refused += refused
        first = {row: i for i, row in reversed(list(enumerate(rows.tolist()))) if row >= 0}
        kept = sorted(first.values())
        due, series = [due[i] for i in kept], [series[i] for i in kept]
        means = np.array([sum(known.values[n]) / len(known.values[n]) for known, n in due])
        found, _ = self._rows.judge(
            rows[kept],
            series,
            mark,
            means,
            threshold=threshold,
            wording=lambda i: Wording(due[i][0].measures[due[i][1]].back, series[i].unit),
        )
        of = {one.id: pair for one, pair in zip(series, due, strict=True)}
        told = [_told(a, *of[a.series.id]) for a in found if a.kind != "new normal"]
        for known, n in due:
            known.values[n], known.largest[n] = [], None
        return told

    # --- saved at a cut ---------------------------------------------------------------------

    def to_section(self) -> Section:
        """Return the studies, the samples gathered and the bank."""
        kinds = [
            [workload, *kind, w.entity, _saved(w), [[m.place, m.unit, m.scale] for m in w.measures],
             [list(v) for v in w.values],
             [None if s is None else [s.at, s.stream, redact(s.text)] for s in w.largest]]
            for (workload, kind), w in self._kinds.items()
        ]  # fmt: skip
        bank, arrays = self._rows.to_state()
        header: Mapping[str, Any] = {"period": self._period, "kinds": kinds, "rows": bank}
        return Section("parameters", _VERSION, {**header, "full": sorted(self._full)}, arrays)

    def restore(self, section: Section) -> None:
        """Take back what ``to_section`` returned; another version or period stays cold."""
        if section.version != _VERSION or section.header["period"] != self._period:
            return
        for workload, own, severity, masked, entity, study, *rest in section.header["kinds"]:
            found, values, largest = rest
            kind = LineKind(own, Severity(severity), bytes(masked))
            self._kinds[workload, kind] = _Watched(
                entity,
                kind.masked.decode("utf-8", "replace"),
                None if study is None else [[r and Reading(*r) for r in one] for one in study],
                [Measure(*m) for m in found],
                [list(v) for v in values],
                [s and SampleLine(*s) for s in largest],
            )
            self._of[workload] = self._of.get(workload, 0) + 1
        self._full = set(section.header["full"])
        self._rows = Rows.from_state(dict(section.header["rows"]), dict(section.arrays))


def _told(anomaly: Anomaly, known: _Watched, n: int) -> Anomaly:
    """Say what the number usually is; waiting longer is felt, waiting less is good news."""
    measure, sample = known.measures[n], known.largest[n]
    rose = (anomaly.actual or 0.0) > (anomaly.expected or 0.0)
    unit = f" {measure.unit}" if measure.unit else ""
    reason = (
        f"number in lines {'above' if rose else 'below'} usual: {anomaly.actual:.3g}{unit}"
        f" instead of {anomaly.expected:.3g}{unit}"
        if anomaly.expected is not None
        else "number in lines unlike usual"
    )
    good = measure.is_duration and not rose
    return replace(
        anomaly,
        id=anomaly_id(anomaly.series.id, "parameter", anomaly.since),
        kind="parameter",
        severity=Severity.INFO if good else Severity.WARNING,
        severe=measure.is_duration and rose,
        reason=reason,
        detector="parameters",
        samples=()
        if sample is None
        else (replace(sample, text=harmless(sample.text, lines=True)),),
        pace=EVERY,
    )


def _saved(known: _Watched) -> list[Any] | None:
    if known.studied is None:
        return None
    return [
        [None if r is None else [r.value, r.unit, r.whole] for r in line] for line in known.studied
    ]
