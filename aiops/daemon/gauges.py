"""Move what the engine thread counted into the metrics, once a second."""

from __future__ import annotations

from aiops.daemon.outcomes import noise_reduction
from aiops.model import State
from aiops.pump import Pump
from aiops.telemetry import SEVERITIES, Telemetry

# What the engine could not take in; all else it counts is worth knowing, but nothing is lost.
_LOST = frozenset(
    {
        "other",
        "unreadable",
        "not_finite",
        "lines_refused",
        "streams_refused",
        "series_refused",
        "flows_refused",
        "joint_refused",
        "drift_refused",
        "kinds_refused",
        "named_refused",
        "session_lines",
        "session_events",
        "sessions_cut",
        "candidates_dropped",
        "incidents_dropped",
        "silences_refused",
        "anomalies_beyond_bound",
        "advances_unmatched",
    }
)


class Gauges:
    """Read one pump into one telemetry; ``last_seen`` says when each source brought something."""

    def __init__(self, telemetry: Telemetry, pump: Pump) -> None:
        self.last_seen: dict[str, float] = {}
        self._telemetry = telemetry
        self._pump = pump
        self._busy = 0.0

    def renew(self, now: float, *, warming_up: bool) -> None:
        """Bring every metric of the engine up to date."""
        self._counters(now)
        t, pump, figures = self._telemetry, self._pump, self._pump.figures
        t.templates.set(figures.templates)
        t.series.set(figures.series)
        t.streams.set(figures.streams)
        t.windows_open.set(figures.open_windows)
        t.windows_waiting.set(figures.waiting)
        t.calls.set(len(figures.calls))
        t.queue.set(pump.queued)
        busy = pump.busy
        t.busy.inc(max(busy - self._busy, 0.0))
        self._busy = busy
        for source, lag in list(pump.lags.items()):
            t.lag.labels(source).set(lag)
        live = [i for i in figures.incidents if i.state in (State.OPEN, State.ACKNOWLEDGED)]
        for label in SEVERITIES:
            t.active.labels(label).set(sum(i.severity.label == label for i in live))
        t.candidates.set(sum(i.state is State.CANDIDATE for i in figures.incidents))
        t.noise.set(noise_reduction(t))
        t.warming.set(1.0 if warming_up else 0.0)

    def _counters(self, now: float) -> None:
        t = self._telemetry
        kinds = {"lines": t.lines, "bytes": t.bytes, "blocks": t.blocks, "points": t.points}
        for (what, source), n in self._pump.take_counts().items():
            kinds[what].labels(source).inc(n)
            self.last_seen[source] = now
        facts = {"late": t.late, "distrusted": t.distrusted, "unstamped": t.unstamped}
        facts |= {"idle_advances": t.idle, "hold_timeouts": t.holds, "evicted": t.evictions}
        facts |= {"inhibited": t.inhibited}
        for name, n in self._pump.take_facts().items():
            if name in facts:
                facts[name].inc(n)
            elif name.startswith("anomaly:"):
                t.anomalies.labels(name.partition(":")[2]).inc(n)
            elif n and name in _LOST:
                t.dropped.labels("engine", name).inc(n)
            elif n:
                t.events.labels("engine", name).inc(n)
