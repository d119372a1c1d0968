"""Every event is counted; the log hears of it seldom and at the right level."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from aiops.telemetry import Telemetry


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def counted(telemetry: Telemetry, event: str, reason: str) -> float | None:
    labels = {"event": event, "reason": reason}
    return telemetry.registry.get_sample_value("aiops_events_total", labels)


def test_the_same_event_is_said_once_a_minute_and_counted_always() -> None:
    """A flood is one line with its count, and every one of it is in the metric."""
    clock = Clock()
    telemetry = Telemetry(clock)
    with capture_logs() as said:
        for _ in range(1000):
            telemetry.report("line_cut", "max_line")
        clock.now = 61.0
        telemetry.report("line_cut", "max_line", 5)
    assert counted(telemetry, "line_cut", "max_line") == 1005.0
    assert [entry.get("count") for entry in said] == [None, 1004]


@pytest.mark.parametrize(
    ("event", "level"),
    [
        ("delivery.sent", "info"),
        ("outbox.skipped", "info"),
        ("settings_reloaded", "info"),
        ("source_skipped", "info"),
        ("delivery.failed", "warning"),
        ("delivery.stuck", "warning"),
        ("line_cut", "warning"),
        ("state.fell_back", "warning"),
        ("delivery.rejected", "error"),
        ("delivery.defect", "error"),
        ("outbox.dead_letter", "error"),
        ("state.cut_failed", "error"),
        ("state.in_memory", "error"),
        ("engine_died", "error"),
    ],
)
def test_the_level_says_who_must_act(event: str, level: str) -> None:
    """Error is for the operator now, warning for somebody soon, info for nobody."""
    with capture_logs() as said:
        Telemetry(Clock()).report(event, "reason", receiver="ops")
    assert [(e["event"], e["log_level"], e["receiver"]) for e in said] == [(event, level, "ops")]


def test_reasons_are_bounded() -> None:
    """A reason nobody could foresee becomes "other" when there are too many."""
    telemetry = Telemetry(Clock())
    with capture_logs():
        for n in range(1000):
            telemetry.report("odd", f"reason-{n}")
    page = telemetry.exposition().decode()
    assert page.count('aiops_events_total{event="odd"') <= 301
    assert (counted(telemetry, "odd", "other") or 0.0) >= 600.0


def families(telemetry: Telemetry) -> dict[str, Any]:
    text = telemetry.exposition().decode()
    return {family.name: family for family in text_string_to_metric_families(text)}


def test_the_page_is_good_text_without_second_series() -> None:
    """A parser takes the page whole, and no counter has a creation time beside it."""
    found = families(Telemetry(Clock()))
    assert "aiops_late_lines" in found
    assert not [name for name in found if name.endswith("_created")]


def test_what_is_known_by_name_shows_zero() -> None:
    """Receivers, sources and severities are there before anything happened to them."""
    telemetry = Telemetry(Clock())
    telemetry.expect(sources=["file"], receivers=["ops"])
    found = families(telemetry)
    values = {
        name: {tuple(s.labels.values()): s.value for s in found[name].samples}
        for name in (
            "aiops_incidents_opened",
            "aiops_outbox_waiting",
            "aiops_source_up",
            "aiops_notifications_dead",
        )
    }
    assert values["aiops_outbox_waiting"] == {("ops",): 0.0}
    assert values["aiops_notifications_dead"] == {("ops",): 0.0}
    assert values["aiops_source_up"] == {("file",): 0.0}
    assert set(values["aiops_incidents_opened"]) == {
        ("info",),
        ("warning",),
        ("error",),
        ("critical",),
    }


def test_the_lag_of_the_loop_is_its_last_minute() -> None:
    """Of 600 wake-ups the 99th percentile and the worst are shown."""
    telemetry = Telemetry(Clock())
    telemetry.loop_late(9.0)
    for n in range(600):
        telemetry.loop_late(n / 1000)
    samples = families(telemetry)["aiops_loop_lag_seconds"].samples
    assert {s.labels["over"]: s.value for s in samples} == {"p99": 0.593, "max": 0.599}
