"""Judge what each workload's lines are made of: the same lines in other shares are news too.

Templates count their own lines, so every few minutes the differences say what was said; nothing is
done for a line or a window. The distance from the usual shares is a row of a bank, which learns how
far usual times are. Lines of errors are left out: their share is judged by
itself. Templates are judged an hour after they became known; until then they are new lines.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np

from aiops.detection.facts import anomaly_id
from aiops.detection.rows import Rows
from aiops.detection.workload import Workload
from aiops.model import Anomaly, Section, Series, Severity
from aiops.redaction import harmless
from detectors.bank import SeriesBank
from detectors.mix import MixDistance, Moved

EVERY = 300.0
"""Seconds between two looks: shares move slowly, and more lines say more."""

MAX_ROWS = 20_000
_SHOWN = 3
_FAR = 3.1  # deviations of a count that one minute in a thousand exceeds
_VERSION = 1


class _Judged(NamedTuple):
    """One workload whose minute had lines enough."""

    name: str
    workload: Workload
    distance: MixDistance

    @property
    def series(self) -> Series:
        entity = self.workload.entity
        return Series(entity, f'mix of lines{{workload="{self.name}"}}', "log")


class Mixes:
    """Judge the mix of every workload every few minutes; *period* is that of the marks."""

    def __init__(self, period: float) -> None:
        self.refused = 0
        self._period = period
        self._rows = Rows(SeriesBank(max_rows=MAX_ROWS))

    def __len__(self) -> int:
        """Return how many judgements that makes in the mean for each mark."""
        return math.ceil(len(self._rows) * self._period / EVERY)

    def roll(
        self, workloads: Mapping[str, Workload], mark: float, threshold: float
    ) -> list[Anomaly]:
        """Judge what was said up to *mark*, if it is time to."""
        if int(mark // EVERY) == int((mark - self._period) // EVERY):
            return []
        judged: list[_Judged] = []
        for name, workload in sorted(workloads.items()):
            own = workload.mix
            counts: dict[str, int] = {}
            for severity, miner in workload.miners.items():
                if severity < Severity.ERROR:
                    counts |= miner.counts()
            own.gather(counts, partial(_resolve, workload))
            if (distance := own.end(mark, EVERY)) is not None:
                judged.append(_Judged(name, workload, distance))
        found = self._judge(judged, mark, threshold) if judged else []
        for workload in workloads.values():
            workload.mix.latest.clear()
        return found

    def _judge(self, judged: Sequence[_Judged], mark: float, threshold: float) -> list[Anomaly]:
        series = [one.series for one in judged]
        rows, refused = self._rows.rows_of(series, EVERY)
        self.refused += refused
        kept = [n for n, row in enumerate(rows.tolist()) if row >= 0]
        judged, series = [judged[n] for n in kept], [series[n] for n in kept]
        values = np.array([one.distance.value for one in judged])
        loud, scores = self._rows.judge(rows[kept], series, mark, values, threshold=threshold)
        places = {one.id: n for n, one in enumerate(series)}
        found: list[Anomaly] = []
        for anomaly in loud:
            n = places[anomaly.series.id]
            # A mix nearer to the usual than usual is no trouble.
            if anomaly.kind == "surge":
                found.append(_told(anomaly, judged[n], float(scores.expected[n])))
        return found

    def to_section(self) -> Section:
        """Return the bank of distances; the shares are saved with their workloads."""
        bank, arrays = self._rows.to_state()
        return Section("mixes", _VERSION, {"period": self._period, "rows": bank}, arrays)

    def restore(self, section: Section) -> None:
        """Take back what ``to_section`` returned; another version or period stays cold."""
        if section.version == _VERSION and section.header["period"] == self._period:
            self._rows = Rows.from_state(dict(section.header["rows"]), dict(section.arrays))


def _told(anomaly: Anomaly, judged: _Judged, usual: float) -> Anomaly:
    """Say which templates moved, from what share to what share, and show those that rose."""
    workload, distance = judged.workload, judged.distance
    ranked = distance.moved
    first = ranked[0]
    moved = [m for m in ranked if m.weight >= first.weight / _SHOWN][:_SHOWN]
    texts = dict(_texts(workload, {m.key for m in moved}))
    words = [
        f'"{_clip(texts.get(m.key, m.key))}" {_percent(m.lines, distance)}'
        f" instead of {_percent(m.expected, distance)}"
        for m in moved
    ]
    rose = [m.key for m in moved if m.lines > m.expected]
    samples = workload.mix.latest.find(rose)
    low, high = _band(first, distance, usual)
    return replace(
        anomaly,
        id=anomaly_id(anomaly.series.id, "mix", anomaly.since),
        pace=EVERY,
        kind="mix",
        severity=Severity.WARNING,
        reason="lines in other shares than usual: " + ", ".join(words),
        detector="mix",
        actual=first.lines / distance.lines,
        expected=first.expected / distance.lines,
        low=low,
        high=high,
        unit="ratio",
        severe=False,
        samples=tuple(samples[key] for key in rose if key in samples),
    )


def _band(moved: Moved, distance: MixDistance, usual: float) -> tuple[float, float]:
    """Return between which shares a kind stays: chance, as much wider as distances usually are."""
    wider = max(usual / math.sqrt(max(distance.kinds - 1, 1)), 1.0)
    far = _FAR * wider * math.sqrt(moved.expected + 1.0)
    low, high = moved.expected - far, moved.expected + far
    return max(low / distance.lines, 0.0), min(high / distance.lines, 1.0)


def _texts(workload: Workload, wanted: set[str]) -> Iterator[tuple[str, str]]:
    for miner in workload.miners.values():
        for template in miner.templates():
            if template.id in wanted:
                yield template.id, template.text


def _resolve(workload: Workload, template: str) -> str:
    for miner in workload.miners.values():
        if (now := miner.resolve(template)) != template:
            return now
    return template


def _percent(lines: float, distance: MixDistance) -> str:
    return f"{100.0 * lines / distance.lines:.2g} %"


def _clip(text: str) -> str:
    text = harmless(text)
    return text if len(text) <= 60 else text[:59].rstrip() + "…"
