"""Judge how much each stream says and how much of it are errors, once a minute.

A flow is what one stream says about one entity. Only time in which the stream was watched is
judged: a minute that was not is missing, never zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from aiops.detection.facts import anomaly_id
from aiops.detection.rows import EVIDENCE_FLOOR, EVIDENCE_MARGIN, Rows, Wording
from aiops.detection.siblings import INSTANCES, Spoken
from aiops.model import Anomaly, LogWindow, SampleLine, Section, Series, Severity
from aiops.redaction import harmless, redact
from detectors.bank import SeriesBank
from detectors.counts import ShareTail

QUIET_WEIGHT = 0.26  # decades a missing line is worth: 0.43 if lines were independent
USUAL_QUIET = 1.5  # a silence must be this much longer than usual ones to begin to count
QUIET_MEMORY = 7 * 86400.0
# A stream that is quiet in a share q of its minutes says -ln(q) lines by a quiet one, no more.
SELDOM_QUIET = 0.1  # share below which its lines count in full
PAUSE_MEMORY = 3600.0
FEWEST_LINES = 300  # lines of a flow before its share of errors says anything
MAX_FLOWS = 50_000
_ERROR = Severity.ERROR  # looked up for every kind of every window
_VERSION = 4


@dataclass(slots=True)
class _Flow:
    """One stream's lines about one entity, within the running minute and in the long run."""

    stream: str
    entity: str
    volume: Series
    errors_of: Series
    lines: int = 0
    errors: int = 0
    started: float = math.inf
    worst: tuple[SampleLine, ...] = ()
    share: ShareTail = field(default_factory=ShareTail)
    since: float | None = None
    seen: int = 0
    missed: float = 0.0  # lines that were to be expected since the last one
    quiet_since: float = 0.0
    usual_quiet: float = 0.0  # what silences that ended by themselves have missed
    pauses: float = 0.0  # share of minutes without a line, when it was last heard
    heard_at: float | None = None

    @classmethod
    def of(cls, stream: str, entity: str) -> _Flow:
        volume = Series(entity, f'lines{{stream="{stream}"}}', "log", "lines/min")
        share = Series(entity, f'error share{{stream="{stream}"}}', "log", "ratio")
        return cls(stream, entity, volume, share)


class Flows:
    """Count what every stream says and judge it at each minute mark."""

    def __init__(self, period: float) -> None:
        self.period = period
        self.mark: float | None = None
        self.refused = 0
        self._flows: dict[tuple[str, str], _Flow] = {}
        self._sorted: list[_Flow] | None = None
        self._heard: list[int] = []  # places of sorted flows that have a row, and these rows
        self._numbers = np.zeros(0, np.int64)
        self._heard_flows: tuple[list[_Flow], list[Series]] = [], []
        self._rows = Rows(SeriesBank(max_rows=MAX_FLOWS))
        self._keep_quiet = math.exp(-period / QUIET_MEMORY)
        self._keep_pause = math.exp(-period / PAUSE_MEMORY)
        minutes = period / 60.0
        self._wording = Wording(lambda v: max(_square(v), 0.0) / minutes, "lines/min")

    def __len__(self) -> int:
        return len(self._rows)

    def excuse(self, series: Sequence[str]) -> None:
        """Let the departures of *series* teach nothing: people were told what they belong to.

        What is said of all instances is said of each.
        """
        every = {one.removesuffix(INSTANCES) for one in series if one.endswith(INSTANCES)}
        flows = self._flows.values() if every else ()
        each = [f.volume.id for f in flows if f"{f.entity}/lines" in every]
        self._rows.excuse([*series, *each])

    def count(self, window: LogWindow) -> None:
        """Add one closed window to the running minute."""
        stream, own = window.stream.id, window.stream.entity
        flow: _Flow | None = None
        for kind, count in window.counts.items():
            entity, severity, _ = kind
            if flow is None or flow.entity != (entity or own):
                flow = self._flow(stream, entity or own, window.start)
                if flow is None:
                    continue
            flow.lines += count
            if severity >= _ERROR:
                flow.errors += count
                sample = window.samples.get(kind)
                if sample is not None and len(flow.worst) < 3:
                    flow.worst = (*flow.worst, sample)
        if window.other:
            flow = self._flow(stream, own, window.start)
            if flow is not None:
                flow.lines += window.other

    def _flow(self, stream: str, entity: str, start: float) -> _Flow | None:
        flow = self._flows.get((stream, entity))
        if flow is None:
            if len(self._flows) >= MAX_FLOWS:
                self.refused += 1
                return None
            flow = self._flows[stream, entity] = _Flow.of(stream, entity)
            self._sorted = None
        flow.started = min(flow.started, start)
        return flow

    def roll(self, watched: Callable[[str], float | None], threshold: float) -> list[Anomaly]:
        """Judge the minute that ends at the mark; *watched* says how far a stream was watched."""
        mark = self.mark
        if mark is None:
            return []
        self.mark = mark + self.period
        flows = self._in_order()
        if not flows:
            return []
        values = [math.nan] * len(flows)
        found: list[Anomaly] = []
        for n, flow in enumerate(flows):
            until = watched(flow.stream)
            if flow.started + self.period <= mark and until is not None and until >= mark:
                values[n] = _root(flow.lines)
                if flow.errors:
                    found += self._share(flow, mark, threshold)
                else:
                    flow.since = None
            flow.share.learn(flow.errors, flow.lines, mark)
            flow.lines = flow.errors = 0
            flow.worst = ()
        heard, volumes = self._heard_flows
        said = [values[n] for n in self._heard]
        surges, scores = self._rows.judge(
            self._numbers,
            volumes,
            mark,
            np.array(said),
            threshold=threshold,
            wording=lambda _: self._wording,
        )
        lists = said, scores.expected.tolist(), scores.seen.tolist()
        for flow, value, expected, seen in zip(heard, *lists, strict=True):
            half = expected / 2.0
            self._listen(flow, value, max(half * half - 0.375, 0.0), seen, mark)
        return found + surges + self._silences(heard, mark, threshold)

    def minute(
        self, watched: Callable[[str], float | None], among: Collection[str]
    ) -> list[Spoken]:
        """Return what the streams *among* said in the minute that ends at the mark."""
        mark = self.mark
        if mark is None or not among:
            return []
        return [
            Spoken(f.stream, f.entity, f.lines, f.volume, f.errors_of)
            for f in self._in_order()
            if f.stream in among
            and f.started + self.period <= mark
            and (until := watched(f.stream)) is not None
            and until >= mark
        ]

    def _in_order(self) -> list[_Flow]:
        """Return all flows by name; new ones get their rows in that order."""
        if self._sorted is None:
            self._sorted = [self._flows[key] for key in sorted(self._flows)]
            series = [flow.volume for flow in self._sorted]
            rows, _ = self._rows.rows_of(series, self.period)
            kept = np.flatnonzero(rows >= 0)
            self._heard, self._numbers = kept.tolist(), rows[kept]
            heard = [self._sorted[n] for n in self._heard]
            self._heard_flows = heard, [flow.volume for flow in heard]
        return self._sorted

    def _listen(self, flow: _Flow, value: float, expected: float, seen: int, mark: float) -> None:
        """Add up what a silent flow was to say; a line ends the silence and teaches its length."""
        flow.seen = seen
        if math.isnan(value):
            return
        if flow.heard_at is None:
            flow.heard_at = mark
        if value > _root(0):
            self._hear(flow, mark)
        if math.isnan(expected):
            return
        flow.usual_quiet *= self._keep_quiet
        if value > _root(0):
            flow.usual_quiet = max(flow.usual_quiet, flow.missed)
            flow.missed = 0.0
            return
        if not flow.missed:
            flow.quiet_since = mark - self.period
        # One burst raises the forecast of the minutes after it; it does not make lines usual.
        often = -math.log(flow.pauses) if flow.pauses >= SELDOM_QUIET else math.inf
        flow.missed += min(expected, often * self.period / 60.0)

    def _hear(self, flow: _Flow, mark: float) -> None:
        """Remember how much of the time before this minute with lines had none."""
        before = mark if flow.heard_at is None else flow.heard_at
        kept = math.exp(-max(mark - before - self.period, 0.0) / PAUSE_MEMORY)
        flow.pauses = (flow.pauses * kept + 1.0 - kept) * self._keep_pause
        flow.heard_at = mark

    def _silences(self, flows: list[_Flow], mark: float, threshold: float) -> list[Anomaly]:
        """Judge how long flows say nothing; all streams of a silent entity count together."""
        if not any(flow.missed for flow in flows):
            return []
        by_entity: dict[str, list[_Flow]] = {}
        for flow in flows:
            by_entity.setdefault(flow.entity, []).append(flow)
        found: list[Anomaly] = []
        for own in by_entity.values():
            missed = [max(f.missed - USUAL_QUIET * f.usual_quiet, 0.0) for f in own]
            if not any(missed):
                continue
            together = sum(missed) if all(f.missed > 0.0 for f in own) else 0.0
            for flow, lines in zip(own, missed, strict=True):
                surprise = QUIET_WEIGHT * max(lines, together if lines else 0.0)
                if surprise >= max(threshold - EVIDENCE_MARGIN, EVIDENCE_FLOOR):
                    found.append(self._silence(flow, mark, surprise, threshold))
        return found

    def _silence(self, flow: _Flow, mark: float, surprise: float, threshold: float) -> Anomaly:
        minutes = (mark - flow.quiet_since) / 60.0
        reach = 3.0 * math.sqrt(flow.missed)
        return Anomaly(
            id=anomaly_id(flow.volume.id, "silence", flow.quiet_since),
            series=flow.volume,
            kind="silence",
            at=mark,
            since=flow.quiet_since,
            surprise=round(min(surprise, 30.0), 3),
            threshold=round(threshold, 3),
            severity=Severity.ERROR if surprise >= threshold + 2.0 else Severity.WARNING,
            reason="usual lines stopped",
            detector="silence",
            actual=0.0,
            expected=flow.missed / minutes,
            low=max(flow.missed - reach, 0.0) / minutes,
            high=(flow.missed + reach) / minutes,
            unit="lines/min",
            severe=True,
            seen=flow.seen,
        )

    def _share(self, flow: _Flow, mark: float, threshold: float) -> list[Anomaly]:
        """Judge how many of a flow's lines were errors."""
        tail = flow.share
        surprise = tail.surprise(flow.errors, flow.lines)
        if surprise < max(threshold - EVIDENCE_MARGIN, EVIDENCE_FLOOR):
            flow.since = None
            return []
        if tail.trials < FEWEST_LINES:
            return []
        flow.since = mark - self.period if flow.since is None else flow.since
        return [
            Anomaly(
                id=anomaly_id(flow.errors_of.id, "error_share", flow.since),
                series=flow.errors_of,
                kind="error_share",
                at=mark,
                since=flow.since,
                surprise=round(surprise, 3),
                threshold=round(threshold, 3),
                severity=Severity.ERROR if surprise >= threshold + 2.0 else Severity.WARNING,
                reason="share of error lines above usual",
                detector="share",
                actual=flow.errors / flow.lines,
                expected=tail.share,
                low=0.0,
                high=tail.high(flow.lines),
                unit="ratio",
                severe=True,
                seen=int(tail.trials),
                samples=_shown(flow.worst),
            )
        ]

    def skip_to(self, at: float) -> None:
        """Leave out the marks before *at*: nothing was watched in a gap of days."""
        if self.mark is not None and at > self.mark:
            self.mark = (at // self.period) * self.period + self.period
            for flow in self._flows.values():
                flow.lines = flow.errors = 0
                flow.worst = ()

    def to_sections(self) -> list[Section]:
        """Return the counts of the running minute and the bank."""
        flows = [
            [f.stream, f.entity, f.lines, f.errors, f.started,
             [[s.at, s.stream, redact(s.text)] for s in f.worst], f.share.to_state(), f.since,
             f.missed, f.quiet_since, f.usual_quiet, f.pauses, f.heard_at]
            for f in self._flows.values()
        ]  # fmt: skip
        bank, parts = self._rows.to_state()
        header: dict[str, Any] = {"mark": self.mark, "period": self.period, "flows": flows}
        return [Section("log_rows", _VERSION, {**header, "rows": bank}, parts)]

    def restore(self, section: Section) -> None:
        """Take back what ``to_sections`` returned; another version or period stays cold."""
        if section.version != _VERSION or section.header["period"] != self.period:
            return
        self.mark = section.header["mark"]
        self._sorted = None
        for saved in section.header["flows"]:
            stream, entity, lines, errors, started, worst, share, since, *quiet = saved
            flow = self._flows[stream, entity] = _Flow.of(stream, entity)
            flow.lines, flow.errors, flow.started = lines, errors, started
            flow.missed, flow.quiet_since, flow.usual_quiet, flow.pauses, flow.heard_at = quiet
            flow.worst = tuple(SampleLine(at, s, text) for at, s, text in worst)
            flow.share = ShareTail.from_state(share)
            flow.since = since
        self._rows = Rows.from_state(dict(section.header["rows"]), dict(section.arrays))


def _root(count: float) -> float:
    """Stabilise the variance of a count (Anscombe 1948): about 1 for Poisson."""
    return 2.0 * math.sqrt(count + 0.375)


def _square(value: float) -> float:
    return (value / 2.0) ** 2 - 0.375


def _shown(samples: tuple[SampleLine, ...]) -> tuple[SampleLine, ...]:
    return tuple(SampleLine(s.at, s.stream, harmless(s.text, lines=True)) for s in samples)
