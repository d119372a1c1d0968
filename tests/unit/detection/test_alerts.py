"""Alerts of other systems, weighed by how often they fire."""

from __future__ import annotations

from aiops.commands import alert
from aiops.detection.alerts import STALE, AlertDetection
from aiops.model import Alert, Anomaly, Section, Severity
from tests.unit.evidence import T

DAY = 86400.0
BUDGET = 2 / (7 * DAY)
THRESHOLD = 6.0


def disk(at: float, *, firing: bool = True, name: str = "DiskFull") -> Alert:
    return Alert(at, "service:db", name, firing, Severity.ERROR, "disk of db is full")


class Pager:
    """Hand alerts to a detection that has watched others for ten days."""

    def __init__(self) -> None:
        self.alerts = AlertDetection()
        self.fire(Alert(T - 10 * DAY, "host:a", "Boot", firing=True, severity=Severity.INFO))

    def fire(self, one: Alert) -> list[Anomaly]:
        found = self.alerts.judge(one, THRESHOLD, BUDGET)
        if one.firing:
            resolved = Alert(
                one.at + 60.0, one.entity, one.name, firing=False, severity=one.severity
            )
            assert self.alerts.judge(resolved, THRESHOLD, BUDGET) == []
        return found


def test_a_rare_alert_may_open_an_incident_and_a_chronic_one_not() -> None:
    """The surprise is the budget's threshold, moved by how much rarer than the budget it fires."""
    pager = Pager()
    (first,) = pager.fire(disk(T))
    assert first.surprise > THRESHOLD
    assert first.severity is Severity.ERROR
    assert first.severe
    assert first.samples[0].text == "disk of db is full"
    last = first
    for day in range(1, 30):
        (last,) = pager.fire(disk(T + day * DAY))
    assert last.surprise < THRESHOLD - 0.2


def test_what_goes_on_firing_stays_evidence() -> None:
    """Told again it is the same; it is evidence once a minute until it is resolved."""
    alerts = AlertDetection()
    (first,) = alerts.judge(disk(T), THRESHOLD, BUDGET)
    assert alerts.judge(disk(T + 30), THRESHOLD, BUDGET) == []
    assert alerts.due == T + 60
    (again,) = alerts.roll(T + 60, THRESHOLD)
    assert (again.id, again.since, again.surprise) == (first.id, T, first.surprise)
    alerts.judge(disk(T + 90, firing=False), THRESHOLD, BUDGET)
    assert alerts.due == float("inf")
    assert alerts.roll(T + 120, THRESHOLD) == []


def test_an_alert_nobody_speaks_of_is_let_go() -> None:
    """A sender that died never resolves: after hours without news it does not fire any more."""
    alerts = AlertDetection()
    alerts.judge(disk(T), THRESHOLD, BUDGET)
    assert alerts.roll(T + STALE + 1.0, THRESHOLD) == []
    assert alerts.facts["alerts_stale"] == 1


def test_an_end_without_a_beginning_is_nothing() -> None:
    """A resolve creates nothing."""
    alerts = AlertDetection()
    assert alerts.judge(disk(T, firing=False), THRESHOLD, BUDGET) == []
    assert len(alerts) == 0


def test_alerts_are_bounded() -> None:
    """What was quiet longest makes room and is counted."""
    alerts = AlertDetection(max_series=2)
    for n in range(4):
        alerts.judge(disk(T + n, name=f"a{n}"), THRESHOLD, BUDGET)
    assert len(alerts) == 2
    assert alerts.facts["alerts_forgotten"] == 2
    assert [a.series.name for a in alerts.roll(T + 60, THRESHOLD)] == ["alert a2", "alert a3"]


def test_a_restart_changes_nothing() -> None:
    """Saved and restored, habits and what fires go on."""
    alerts = AlertDetection()
    alerts.judge(disk(T), THRESHOLD, BUDGET)
    again = AlertDetection()
    again.restore(alerts.to_section())
    assert again.roll(T + 60, THRESHOLD) == alerts.roll(T + 60, THRESHOLD)
    cold = AlertDetection()
    cold.restore(Section("alerts", 0, {}))
    assert len(cold) == 0


def test_labels_say_whom_and_what() -> None:
    """One mapping from labels: whom it is about, what tells it apart, how bad it is."""
    labels = {"alertname": "HighLatency", "service": "cart", "severity": "page", "path": "/pay"}
    one = alert(T, labels, firing=True)
    assert one.entity == "service:cart"
    assert one.name == "HighLatency{path=/pay}"
    assert one.severity is Severity.CRITICAL
    assert alert(T, {"instance": "web-1:9100"}, firing=True).entity == "host:web-1:9100"
    assert alert(T, {}, firing=True).entity == "service:unknown"
