"""Judge log windows: what is new at once, how much and how bad once a minute.

Windows arrive in one order for all streams (end, stream). New templates are weighed at every
window. Counts and error shares of each flow (stream and entity) become rows of a bank, judged
together at minute marks, and only for time in which the stream was watched.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiops.detection.facts import anomaly_id
from aiops.detection.rows import EVIDENCE_FLOOR, EVIDENCE_MARGIN, Rows, Wording
from aiops.model import Anomaly, LineKind, LogWindow, SampleLine, Section, Series, Severity
from aiops.redaction import harmless
from detectors.bank import SeriesBank
from detectors.counts import ShareTail
from detectors.novelty import NoveltyRate
from detectors.templates import TemplateMiner

# What a first sight weighs by its severity, in decades of surprise.
WEIGHT = {Severity.INFO: 0.0, Severity.WARNING: 0.5, Severity.ERROR: 2.0, Severity.CRITICAL: 3.5}
KEEP_TELLING = 1800.0  # a new template keeps its anomaly alive this long while it recurs
FEWEST_LINES = 300  # lines of a flow before its share of errors says anything
MAX_WORDS = 20_000
MAX_TEMPLATES_TOLD = 5  # new templates of one window and entity that become anomalies
_VERSION = 1


@dataclass(slots=True)
class _Flow:
    """One stream's lines about one entity, within the running minute and in the long run."""

    stream: str
    entity: str
    lines: int = 0
    errors: int = 0
    started: float = math.inf
    worst: tuple[SampleLine, ...] = ()
    share: ShareTail = field(default_factory=ShareTail)
    since: float | None = None


@dataclass(slots=True)
class _Workload:
    miners: dict[int, TemplateMiner] = field(default_factory=dict)
    novelty: NoveltyRate = field(default_factory=lambda: NoveltyRate(5))
    words: set[bytes] = field(default_factory=set)
    fresh: dict[str, tuple[float, float]] = field(default_factory=dict)  # id -> (since, surprise)


class LogDetection:
    """Own the templates and the rates of all log streams."""

    def __init__(self, *, width: float = 10.0, max_templates: int = 2000) -> None:
        self.period = max(math.ceil(60.0 / width) * width, width)
        self.evicted = 0
        self._max_templates = max_templates
        self._workloads: dict[str, _Workload] = {}
        self._flows: dict[tuple[str, str], _Flow] = {}
        self._rows = Rows(SeriesBank(max_rows=50_000))
        self._mark: float | None = None

    # --- every window -----------------------------------------------------------------------

    def judge(self, window: LogWindow, threshold: float) -> list[Anomaly]:
        """Learn one closed window and return what was never seen before."""
        for kind, count in window.counts.items():
            self._count(window, kind, count)
        if window.other:
            self._flow(window.stream.id, window.stream.entity, window.start).lines += window.other
        found: list[Anomaly] = []
        for workload, kinds in self._by_workload(window).items():
            found += self._novelties(workload, kinds, window, threshold)
        return found

    def _by_workload(self, window: LogWindow) -> dict[str, list[LineKind]]:
        groups: dict[str, list[LineKind]] = {}
        for kind in window.counts:
            groups.setdefault(kind.entity or window.stream.workload, []).append(kind)
        if not groups:
            groups[window.stream.workload] = []
        return dict(sorted(groups.items()))

    def _count(self, window: LogWindow, kind: LineKind, count: int) -> None:
        flow = self._flow(window.stream.id, kind.entity or window.stream.entity, window.start)
        flow.lines += count
        if kind.severity >= Severity.ERROR:
            flow.errors += count
            sample = window.samples.get(kind)
            if sample is not None and len(flow.worst) < 3:
                flow.worst = (*flow.worst, sample)

    def _flow(self, stream: str, entity: str, start: float) -> _Flow:
        flow = self._flows.get((stream, entity))
        if flow is None:
            flow = self._flows[stream, entity] = _Flow(stream, entity)
        flow.started = min(flow.started, start)
        return flow

    def _novelties(
        self, name: str, kinds: list[LineKind], window: LogWindow, threshold: float
    ) -> list[Anomaly]:
        workload = self._workloads.get(name)
        if workload is None:
            workload = self._workloads[name] = _Workload()
        new: list[tuple[LineKind, str, int]] = []
        again: list[tuple[LineKind, str, int]] = []
        by_severity: dict[int, list[LineKind]] = {}
        for kind in kinds:
            by_severity.setdefault(int(kind.severity), []).append(kind)
        for severity in sorted(by_severity):
            miner = workload.miners.get(severity)
            if miner is None:
                label = f"{name}\x00{Severity(severity).label}"
                miner = TemplateMiner(label, max_templates=self._max_templates)
                workload.miners[severity] = miner
            members = sorted(by_severity[severity])
            before = miner.evicted
            ids = miner.learn([(k.masked, window.counts[k]) for k in members], window.end)
            self.evicted += miner.evicted - before
            for kind in members:
                template = ids[kind.masked]
                if miner.first_seen(template) == window.end:
                    new.append((kind, template, window.counts[kind]))
                elif template in workload.fresh:
                    again.append((kind, template, window.counts[kind]))
        found = self._weigh(name, workload, new, window, threshold)
        found += self._recurring(name, workload, again, window, threshold)
        highest = max((int(kind.severity) for kind, _, _ in new), default=None)
        workload.novelty.learn(window.end, highest)
        self._learn_words(workload, (kind for kind, _, _ in new))
        return found

    def _weigh(
        self,
        name: str,
        workload: _Workload,
        new: list[tuple[LineKind, str, int]],
        window: LogWindow,
        threshold: float,
    ) -> list[Anomaly]:
        told: dict[str, tuple[LineKind, str, int]] = {}
        for kind, template, count in new:
            if template in told:
                first, _, sofar = told[template]
                told[template] = (first, template, sofar + count)
            else:
                told[template] = (kind, template, count)
        ranked = sorted(told.values(), key=lambda t: (-t[0].severity, -t[2], t[1]))
        found = []
        for kind, template, count in ranked[:MAX_TEMPLATES_TOLD]:
            chance = workload.novelty.surprise(int(kind.severity))
            if chance is None:
                continue
            surprise = chance + WEIGHT[kind.severity] + min(math.log10(count), 2.0)
            if kind.severity >= Severity.WARNING:
                workload.fresh[template] = (window.end, surprise)
            found.append(self._novel(name, kind, template, count, window, threshold, surprise))
        return found

    def _recurring(
        self,
        name: str,
        workload: _Workload,
        again: list[tuple[LineKind, str, int]],
        window: LogWindow,
        threshold: float,
    ) -> list[Anomaly]:
        found = []
        for template, (since, _) in list(workload.fresh.items()):
            if window.end - since > KEEP_TELLING:
                del workload.fresh[template]
        for kind, template, count in again:
            if template not in workload.fresh:
                continue
            since, surprise = workload.fresh[template]
            found.append(
                self._novel(name, kind, template, count, window, threshold, surprise, since)
            )
        return found

    def _novel(
        self,
        name: str,
        kind: LineKind,
        template: str,
        count: int,
        window: LogWindow,
        threshold: float,
        surprise: float,
        since: float | None = None,
    ) -> Anomaly:
        entity = kind.entity or window.stream.entity
        series = Series(entity, f"template {template}", "log", "lines")
        sample = window.samples.get(kind)
        began = window.end if since is None else since
        shown: tuple[SampleLine, ...] = ()
        if sample is not None:
            text = harmless(sample.text, lines=True)
            span = _new_span(text, kind.masked, self._workloads[name].words)
            shown = (SampleLine(sample.at, sample.stream, text, span),)
        mature = self._workloads[name].novelty.windows >= 30
        return Anomaly(
            id=anomaly_id(series.id, "new_template", began),
            series=series,
            kind="new_template",
            at=window.end,
            since=sample.at if sample is not None and since is None else began,
            surprise=round(surprise, 3),
            threshold=round(threshold, 3),
            severity=kind.severity,
            reason="line never seen before",
            detector="novelty",
            actual=float(count),
            expected=0.0,
            unit="lines",
            severe=mature and kind.severity >= Severity.ERROR,
            seen=int(self._workloads[name].novelty.windows),
            samples=shown,
        )

    @staticmethod
    def _learn_words(workload: _Workload, kinds: Iterable[LineKind]) -> None:
        for kind in kinds:
            if len(workload.words) < MAX_WORDS:
                workload.words.update(kind.masked.split())

    # --- every minute -----------------------------------------------------------------------

    @property
    def mark(self) -> float | None:
        """Return the next minute mark at which ``roll`` is due, ``None`` before any window."""
        return self._mark

    def start(self, at: float) -> None:
        """Begin the minutes at the first window ever seen."""
        if self._mark is None:
            self._mark = (at // self.period + 1) * self.period

    def roll(
        self, watched: Callable[[str], float | None], threshold: float
    ) -> list[Anomaly]:
        """Judge the minute that ends at the mark; *watched* says how far a stream was watched."""
        mark = self._mark
        if mark is None:
            return []
        self._mark = mark + self.period
        flows = [self._flows[key] for key in sorted(self._flows)]
        if not flows:
            return []
        series = [Series(f.entity, _named("lines", f), "log", "lines/min") for f in flows]
        values = np.full(len(flows), math.nan)
        found: list[Anomaly] = []
        for n, flow in enumerate(flows):
            until = watched(flow.stream)
            if flow.started + self.period <= mark and until is not None and until >= mark:
                values[n] = _root(flow.lines)
                found += self._shares(flow, mark, threshold)
            flow.share.learn(flow.errors, flow.lines, mark)
            flow.lines = flow.errors = 0
            flow.worst = ()
        rows, _ = self._rows.rows_of(series, self.period)
        kept = np.flatnonzero(rows >= 0)
        minutes = self.period / 60.0
        wording = Wording(lambda v: max(_square(v), 0.0) / minutes, "lines/min")
        surges, _ = self._rows.judge(
            rows[kept],
            [series[i] for i in kept],
            mark,
            values[kept],
            threshold=threshold,
            wording=lambda _: wording,
        )
        return found + surges

    def _shares(self, flow: _Flow, mark: float, threshold: float) -> list[Anomaly]:
        """Judge how many of a flow's lines were errors."""
        tail = flow.share
        surprise = tail.surprise(flow.errors, flow.lines)
        if surprise < max(threshold - EVIDENCE_MARGIN, EVIDENCE_FLOOR):
            flow.since = None
            return []
        if tail.trials < FEWEST_LINES:
            return []
        flow.since = mark - self.period if flow.since is None else flow.since
        series = Series(flow.entity, _named("error share", flow), "log", "ratio")
        return [
            Anomaly(
                id=anomaly_id(series.id, "error_share", flow.since),
                series=series,
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
                seen=int(tail.trials),
                samples=_shown(flow.worst),
            )
        ]

    def skip_to(self, at: float) -> None:
        """Leave out the marks before *at*: nothing was watched in a gap of days."""
        if self._mark is not None and at > self._mark:
            self._mark = (at // self.period) * self.period + self.period
            for flow in self._flows.values():
                flow.lines = flow.errors = 0
                flow.worst = ()

    # --- facts ------------------------------------------------------------------------------

    @property
    def rows(self) -> int:
        """Return how many rows are judged per period: tests per second = rows / period."""
        return len(self._rows)

    @property
    def template_count(self) -> int:
        return sum(len(m) for w in self._workloads.values() for m in w.miners.values())

    def young(self) -> list[str]:
        """Name workloads whose first sights are not weighed yet."""
        return sorted(name for name, w in self._workloads.items() if w.novelty.surprise(0) is None)

    def templates(self) -> list[dict[str, Any]]:
        """Return every template as ``aiops templates --json`` shows it, by id."""
        found = [
            {
                "id": t.id,
                "severity": Severity(severity).label,
                "workload": name,
                "template": t.text,
                "count": t.count,
                "sample": t.sample,
                "first_seen": t.first_seen,
                "last_seen": t.last_seen,
            }
            for name, workload in self._workloads.items()
            for severity, miner in workload.miners.items()
            for t in miner.templates()
        ]
        return sorted(found, key=lambda t: str(t["id"]))

    def template_id(self, workload: str, kind: LineKind) -> str | None:
        """Return the present template id of a kind of line, ``None`` when it was never learned."""
        known = self._workloads.get(kind.entity or workload)
        miner = None if known is None else known.miners.get(int(kind.severity))
        found = None if miner is None else miner.lookup(kind.masked)
        return None if miner is None or found is None else miner.resolve(found)

    # --- saved at a cut ---------------------------------------------------------------------

    def to_sections(self) -> list[Section]:
        """Return templates, novelty and flows, and the bank."""
        header: dict[str, Any] = {"mark": self._mark, "period": self.period, "workloads": {}}
        arrays: dict[str, NDArray[Any]] = {}
        for n, (name, w) in enumerate(sorted(self._workloads.items())):
            miners = {}
            for severity, miner in sorted(w.miners.items()):
                state, parts = miner.to_state()
                miners[severity] = state
                arrays |= {f"{n}.{severity}.{key}": value for key, value in parts.items()}
            header["workloads"][name] = {
                "miners": miners,
                "novelty": w.novelty.to_state(),
                "words": sorted(w.words),
                "fresh": w.fresh,
            }
        header["flows"] = [
            [f.stream, f.entity, f.lines, f.errors, f.started,
             [[s.at, s.stream, s.text] for s in f.worst], f.share.to_state(), f.since]
            for f in self._flows.values()
        ]
        bank, parts = self._rows.to_state()
        return [
            Section("logs", _VERSION, header, arrays),
            Section("log_rows", _VERSION, bank, parts),
        ]

    def restore(self, sections: dict[str, Section]) -> None:
        """Take back what ``to_sections`` returned; a missing or unknown part stays cold."""
        logs = sections.get("logs")
        if logs is not None and logs.version == _VERSION and logs.header["period"] == self.period:
            self._restore_logs(logs)
        rows = sections.get("log_rows")
        if rows is not None and rows.version == _VERSION:
            self._rows = Rows.from_state(dict(rows.header), dict(rows.arrays))

    def _restore_logs(self, logs: Section) -> None:
        self._mark = logs.header["mark"]
        for n, (name, saved) in enumerate(sorted(logs.header["workloads"].items())):
            workload = _Workload(
                novelty=NoveltyRate.from_state(saved["novelty"]),
                words=set(saved["words"]),
                fresh={key: (a, b) for key, (a, b) in saved["fresh"].items()},
            )
            for severity, state in saved["miners"].items():
                prefix = f"{n}.{severity}."
                parts = {
                    key.removeprefix(prefix): value
                    for key, value in logs.arrays.items()
                    if key.startswith(prefix)
                }
                workload.miners[int(severity)] = TemplateMiner.from_state(state, parts)
            self._workloads[name] = workload
        for stream, entity, lines, errors, started, worst, share, since in logs.header["flows"]:
            samples = tuple(SampleLine(at, s, text) for at, s, text in worst)
            tail = ShareTail.from_state(share)
            self._flows[stream, entity] = _Flow(
                stream, entity, lines, errors, started, samples, tail, since
            )


def _named(what: str, flow: _Flow) -> str:
    return f'{what}{{stream="{flow.stream}"}}'


def _root(count: float) -> float:
    """Stabilise the variance of a count (Anscombe 1948): about 1 for Poisson."""
    return 2.0 * math.sqrt(count + 0.375)


def _square(value: float) -> float:
    return (value / 2.0) ** 2 - 0.375


def _shown(samples: tuple[SampleLine, ...]) -> tuple[SampleLine, ...]:
    return tuple(SampleLine(s.at, s.stream, harmless(s.text, lines=True)) for s in samples)


_WORD = re.compile(r"\S+")


def _new_span(text: str, masked: bytes, words: set[bytes]) -> tuple[int, int] | None:
    """Find the part of a sample that holds words its workload never used before."""
    head = text.split("\n", 1)[0]
    literal = {w.decode("utf-8", "replace") for w in masked.split() if b"<*>" not in w}
    fresh = {w.decode("utf-8", "replace") for w in masked.split() if w not in words}
    spans = [m.span() for m in _WORD.finditer(head) if m[0] in literal and m[0] in fresh]
    if not spans:
        spans = [m.span() for m in _WORD.finditer(head) if m[0] in literal]
    return (spans[0][0], spans[-1][1]) if spans else None
