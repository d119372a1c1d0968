"""What happens inside is a named event: one log line and one metric, names and labels bounded."""

from __future__ import annotations

import logging
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import structlog
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

# Level says who must act: error - the operator now; warning - somebody, soon; info - nobody.
_INFO = frozenset(
    {
        "delivery.sent",
        "outbox.skipped",
        "settings_reloaded",
        "source_returned",
        "source_skipped",
        "state.salvaged",
    }
)
_ERROR = frozenset(
    {
        "delivery.defect",
        "delivery.rejected",
        "delivery.store_failed",
        "engine_died",
        "outbox.dead_letter",
        "reload_refused",
        "source_failed",
        "state.cut_failed",
        "state.in_memory",
        "state.journal_failed",
    }
)
_QUIET_FOR = 60.0  # the same event and reason is logged at most once in this time
_MAX_REASONS = 300
SEVERITIES = ("info", "warning", "error", "critical")
_LIVES = (60, 300, 900, 1800, 3600, 4 * 3600, 12 * 3600, 86400)  # seconds


def configure_logging(level: str, form: str) -> None:
    """Send structured logs to stderr: readable on a terminal, JSON elsewhere."""
    console = form == "console" or (form == "auto" and sys.stderr.isatty())
    renderer: Any = (
        structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


class Telemetry:
    """Own every metric of the process; ``report`` is what all parts are handed."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        # A second series for every counter, for a format that nobody asks us for.
        quiet: Callable[[], None] = disable_created_metrics
        quiet()
        self.registry = CollectorRegistry()
        self.log = structlog.get_logger()
        self._monotonic = monotonic
        self._said: dict[tuple[str, str], tuple[float, int]] = {}
        self.busy_seen = 0.0
        self._lags: deque[float] = deque(maxlen=600)
        r = self.registry
        ProcessCollector(registry=r)
        PlatformCollector(registry=r)
        GCCollector(registry=r)
        self.events = Counter(
            "aiops_events", "What happened, by reason", ["event", "reason"], registry=r
        )
        self.dropped = Counter(
            "aiops_dropped", "Input lost or refused", ["stage", "reason"], registry=r
        )
        self.lines = Counter("aiops_lines", "Log lines taken", ["source"], registry=r)
        self.bytes = Counter("aiops_bytes", "Bytes of log lines taken", ["source"], registry=r)
        self.blocks = Counter("aiops_blocks", "Blocks taken", ["source"], registry=r)
        self.points = Counter("aiops_points", "Metric values taken", ["source"], registry=r)
        self.late = Counter("aiops_late_lines", "Lines later than allowed", registry=r)
        self.distrusted = Counter(
            "aiops_distrusted_stamps", "Stamps too far ahead to be believed", registry=r
        )
        self.unstamped = Counter(
            "aiops_unstamped_lines", "Lines that took their time of arrival", registry=r
        )
        self.idle = Counter("aiops_idle_advances", "Windows closed by silence", registry=r)
        self.holds = Counter("aiops_hold_timeouts", "Items not waited for any longer", registry=r)
        self.evictions = Counter("aiops_template_evictions", "Templates forgotten", registry=r)
        self.anomalies = Counter("aiops_anomalies", "Anomalies found", ["kind"], registry=r)
        self.opened = Counter(
            "aiops_incidents_opened", "Incidents opened", ["severity"], registry=r
        )
        self.inhibited = Counter(
            "aiops_inhibited", "Stories that joined the one of their root instead", registry=r
        )
        self.notifications = Counter(
            "aiops_notifications", "Messages told", ["receiver", "kind"], registry=r
        )
        self.failed = Counter(
            "aiops_notifications_failed", "Attempts that failed", ["receiver", "reason"], registry=r
        )
        self.dead = Counter(
            "aiops_notifications_dead", "Messages given up", ["receiver"], registry=r
        )
        self.busy = Counter("aiops_engine_busy_seconds", "CPU seconds of the engine", registry=r)
        self.templates = Gauge("aiops_templates", "Templates known", registry=r)
        self.series = Gauge("aiops_series", "Metric series known", registry=r)
        self.streams = Gauge("aiops_streams", "Log streams known", registry=r)
        self.calls = Gauge(
            "aiops_topology_learned_calls", "Calls between entities learned", registry=r
        )
        self.queue = Gauge("aiops_queue_bytes", "Bytes waiting for the engine", registry=r)
        self.capacity = Gauge("aiops_queue_capacity_bytes", "Bytes that may wait", registry=r)
        self.windows_open = Gauge("aiops_windows_open", "Windows still counting", registry=r)
        self.windows_waiting = Gauge(
            "aiops_windows_waiting", "Windows waiting for order", registry=r
        )
        self.lag = Gauge(
            "aiops_event_time_lag_seconds", "Arrival minus event time", ["source"], registry=r
        )
        self.loop_lag = Gauge(
            "aiops_loop_lag_seconds",
            "Delay of the event loop, last minute",
            ["over"],
            registry=r,
        )
        self.cut_seconds = Histogram("aiops_cut_duration_seconds", "Time to save a cut", registry=r)
        self.cut_pause = Histogram(
            "aiops_cut_pause_seconds",
            "Time the engine stood still for a cut",
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0),
            registry=r,
        )
        self.cut_at = Gauge(
            "aiops_cut_last_success_timestamp_seconds", "When a cut was last saved", registry=r
        )
        self.active = Gauge("aiops_incidents_active", "Incidents open", ["severity"], registry=r)
        self.candidates = Gauge("aiops_candidates", "Incidents not yet told", registry=r)
        self.to_acknowledge = Histogram(
            "aiops_time_to_acknowledge_seconds",
            "From opening to each acknowledgement; its mean is MTTA",
            buckets=_LIVES,
            registry=r,
        )
        self.to_resolve = Histogram(
            "aiops_time_to_resolve_seconds",
            "From opening to the end of told incidents; its mean is MTTR",
            buckets=_LIVES,
            registry=r,
        )
        self.told_times = Histogram(
            "aiops_incident_notifications",
            "How often people were told of one incident",
            buckets=(1, 2, 3, 4, 6, 10, 20),
            registry=r,
        )
        self.evidence = Histogram(
            "aiops_incident_anomalies",
            "Anomalies in one told incident",
            buckets=(1, 2, 3, 5, 10, 20, 50, 200),
            registry=r,
        )
        self.noise = Gauge(
            "aiops_noise_reduction_ratio",
            "Share of anomalies since the start that opened no told incident",
            registry=r,
        )
        self.outbox = Gauge("aiops_outbox_waiting", "Messages waiting", ["receiver"], registry=r)
        self.budget = Gauge(
            "aiops_alert_budget_per_week", "Expected false notifications allowed", registry=r
        )
        self.warming = Gauge("aiops_warming_up", "1 while the engine is young", registry=r)
        self.source_up = Gauge("aiops_source_up", "1 while a source works", ["source"], registry=r)
        self.reload_ok = Gauge(
            "aiops_config_last_reload_successful", "1 if the last reload worked", registry=r
        )
        self.build = Gauge("aiops_build_info", "Version", ["version"], registry=r)

    def expect(self, *, sources: Iterable[str], receivers: Iterable[str]) -> None:
        """Show zeros from the start for what is known by name: a rate needs a first value."""
        for severity in SEVERITIES:
            self.opened.labels(severity)
            self.active.labels(severity)
        for source in sources:
            self.source_up.labels(source)
        for receiver in receivers:
            self.dead.labels(receiver)
            self.outbox.labels(receiver)

    def report(self, event: str, reason: str, count: int = 1, **facts: object) -> None:
        """Count an event and log it, the same one at most once a minute."""
        if len(self._said) >= _MAX_REASONS and (event, reason) not in self._said:
            reason = "other"
        self.events.labels(event, reason).inc(count)
        now = self._monotonic()
        last, missed = self._said.get((event, reason), (-1e9, 0))
        if now - last < _QUIET_FOR:
            self._said[event, reason] = (last, missed + count)
            return
        self._said[event, reason] = (now, 0)
        more = {"count": count + missed} if count + missed > 1 else {}
        speak = self.log.warning
        if event in _INFO:
            speak = self.log.info
        elif event in _ERROR:
            speak = self.log.error
        speak(event, reason=reason, **more, **facts)

    def loop_late(self, seconds: float) -> None:
        """Note how late the event loop was at one wake-up."""
        self._lags.append(seconds)

    def exposition(self) -> bytes:
        """Return the text of ``/metrics``."""
        if self._lags:
            ordered = sorted(self._lags)
            self.loop_lag.labels("p99").set(ordered[int(0.99 * (len(ordered) - 1))])
            self.loop_lag.labels("max").set(ordered[-1])
        return generate_latest(self.registry)
