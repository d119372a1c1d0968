"""Judge log windows: what is new at once, how much and how bad once a minute.

Windows arrive in one order for all streams (end, stream). New templates are weighed at every
window. Counts and error shares of each flow (stream and entity) become rows of a bank, judged
together at minute marks, and only for time in which the stream was watched.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from numpy.typing import NDArray

from aiops.detection.firsts import FirstSights
from aiops.detection.flows import Flows
from aiops.detection.mixes import Mixes
from aiops.detection.parameters import Parameters
from aiops.detection.sessions import SessionFlows
from aiops.detection.siblings import Siblings
from aiops.detection.workload import Workload
from aiops.model import Anomaly, LineKind, LogWindow, Section, Severity
from aiops.sessions import SessionRule

_VERSION = 4


class LogDetection:
    """Own the templates and the rates of all log streams."""

    def __init__(
        self,
        *,
        width: float = 10.0,
        max_templates: int = 2000,
        sessions: Sequence[SessionRule] = (),
    ) -> None:
        self.period = max(math.ceil(60.0 / width) * width, width)
        self.sessions = SessionFlows(sessions)
        self._windows = self.period / width
        self._firsts = FirstSights(max_templates=max_templates)
        self._flows = Flows(self.period)
        self._siblings = Siblings(self.period)
        self._mixes = Mixes(self.period)
        self._parameters = Parameters(self.period)
        self._minutely = 0

    def judge(self, window: LogWindow, threshold: float) -> list[Anomaly]:
        """Learn one closed window and return what was never seen before."""
        self._flows.count(window)
        self._siblings.know(window.stream)
        self._parameters.add(window)
        found = self._firsts.judge(window, threshold)
        if window.named:
            workload = window.stream.workload
            self.sessions.add(window, lambda kind: self.template_id(workload, kind))
        return found

    # --- every minute -----------------------------------------------------------------------

    @property
    def mark(self) -> float | None:
        """Return the next minute mark at which ``roll`` is due, ``None`` before any window."""
        return self._flows.mark

    def start(self, at: float) -> None:
        """Begin the minutes at the first window ever seen."""
        if self._flows.mark is None:
            self._flows.mark = (at // self.period + 1) * self.period

    def roll(self, watched: Callable[[str], float | None], threshold: float) -> list[Anomaly]:
        """Judge the minute that ends at the mark; *watched* says how far a stream was watched."""
        mark = self._flows.mark
        minute = self._flows.minute(watched, self._siblings.streams())
        found = self._flows.roll(watched, threshold)
        if mark is None:
            return found
        found = self._siblings.roll(minute, found, mark, threshold)
        found += self._mixes.roll(self._firsts.workloads, mark, threshold)
        found += self.sessions.roll(mark, self.period, threshold)
        found += self._parameters.roll(mark, threshold)
        self._count_rows()
        return found

    def skip_to(self, at: float) -> None:
        """Leave out the marks before *at*: nothing was watched in a gap of days."""
        self._flows.skip_to(at)

    # --- facts ------------------------------------------------------------------------------

    def take_facts(self) -> dict[str, int]:
        """Return and clear how many templates made room and how many flows were refused."""
        refused = self._flows.refused + self._siblings.refused + self._mixes.refused
        facts = {"evicted": self._firsts.evicted, "flows_refused": refused}
        self._firsts.evicted = self._flows.refused = 0
        facts["flows_refused"] += self._parameters.refused
        self._siblings.refused = self._mixes.refused = self._parameters.refused = 0
        for workload in self._firsts.workloads.values():
            facts["evicted"] += workload.returns.dropped
            workload.returns.dropped = 0
        for fact, count in self.sessions.facts.items():
            facts[fact] = facts.get(fact, 0) + count
        self.sessions.facts.clear()
        return facts

    @property
    def rows(self) -> int:
        """Return how many rows are judged per period: tests per second = rows / period."""
        # That something rare returns is asked at every window, beside what is new.
        rare = math.ceil(self._firsts.followed * self._windows)
        return self._minutely + rare

    def excuse(self, series: Sequence[str]) -> None:
        """Let the departures of *series* teach nothing: people were told what they belong to."""
        self._flows.excuse(series)
        self._siblings.excuse(series)

    def _count_rows(self) -> None:
        """Count what is judged each minute: asked at every window, it changes at marks alone."""
        flows = len(self._flows) + len(self._siblings)
        slow = len(self._mixes) + len(self._parameters)
        self._minutely = flows + slow + len(self.sessions)

    @property
    def template_count(self) -> int:
        workloads = self._firsts.workloads.values()
        return sum(len(miner) for w in workloads for miner in w.miners.values())

    def young(self) -> list[str]:
        """Name workloads whose first sights are not weighed yet."""
        workloads = self._firsts.workloads.items()
        return sorted(name for name, w in workloads if w.novelty.surprise(0) is None)

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
            for name, workload in self._firsts.workloads.items()
            for severity, miner in workload.miners.items()
            for t in miner.templates()
        ]
        return sorted(found, key=lambda t: str(t["id"]))

    def template_id(self, workload: str, kind: LineKind) -> str | None:
        """Return the present template id of a kind of line, ``None`` when it was never learned."""
        known = self._firsts.workloads.get(kind.entity or workload)
        miner = None if known is None else known.miners.get(int(kind.severity))
        found = None if miner is None else miner.lookup(kind.masked)
        return None if miner is None or found is None else miner.resolve(found)

    # --- saved at a cut ---------------------------------------------------------------------

    def to_sections(self) -> list[Section]:
        """Return templates and first sights, then flows and their bank."""
        workloads: dict[str, Any] = {}
        arrays: dict[str, NDArray[Any]] = {}
        for n, (name, workload) in enumerate(sorted(self._firsts.workloads.items())):
            workloads[name], parts = workload.to_state(f"{n}.")
            arrays |= parts
        header = {"period": self.period, "workloads": workloads}
        logs = Section("logs", _VERSION, header, arrays)
        flows = self._flows.to_sections()
        others = (self.sessions, self._siblings, self._mixes, self._parameters)
        return [logs, *flows, *(part.to_section() for part in others)]

    def restore(self, sections: dict[str, Section]) -> None:
        """Take back what ``to_sections`` returned; a missing or unknown part stays cold."""
        logs = sections.get("logs")
        if logs is not None and logs.version == _VERSION and logs.header["period"] == self.period:
            arrays = dict(logs.arrays)
            for n, (name, saved) in enumerate(sorted(logs.header["workloads"].items())):
                workload = Workload.from_state(saved, arrays, f"{n}.")
                self._firsts.workloads[name] = workload
                self._firsts.followed += bool(workload.returns)
        if (flows := sections.get("log_rows")) is not None:
            self._flows.restore(flows)
        if (sessions := sections.get("sessions")) is not None:
            self.sessions.restore(sessions)
        if (siblings := sections.get("siblings")) is not None:
            self._siblings.restore(siblings)
        if (mixes := sections.get("mixes")) is not None:
            self._mixes.restore(mixes)
        if (parameters := sections.get("parameters")) is not None:
            self._parameters.restore(parameters)
        self._count_rows()
