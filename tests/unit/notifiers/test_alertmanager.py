"""Alertmanager's picture follows the incidents, and shows that the daemon lives."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest
from aiohttp import web

from aiops.config import build_component
from aiops.errors import ConfigError, Rejected, Transient
from aiops.model import Severity, State, TransitionKind
from aiops.notifiers.alertmanager import AlertmanagerNotifier

T = 1_767_225_600.0


@dataclass
class Manager:
    """What an Alertmanager knows: one alert a label set, firing until its end."""

    alerts: dict[tuple[tuple[str, str], ...], dict[str, Any]] = field(default_factory=dict)

    def take(self, seen: Any) -> web.Response:
        if seen.path != "/api/v2/alerts" or "application/json" not in seen.headers["Content-Type"]:
            return web.Response(status=404)
        status = 200
        for alert in json.loads(seen.body):
            labels = {name: value for name, value in alert["labels"].items() if value}
            names = all(re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", name) for name in labels)
            if not labels or not names or _at(alert["endsAt"]) < _at(alert["startsAt"]):
                status = 400  # the others are kept
            else:
                self.alerts[tuple(sorted(labels.items()))] = alert
        return web.Response(status=status, text='{"code":601,"message":"bad alert"}')

    def firing(self, now: float) -> list[tuple[str, str, str]]:
        """Return (alertname, incident, severity) of what fires."""
        return sorted(
            (labels["alertname"], labels.get("incident", ""), labels["severity"])
            for labels in (dict(key) for key in self.alerts)
            if _at(self.alerts[tuple(sorted(labels.items()))]["endsAt"]) > now
        )


def _at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@dataclass
class Rounds:
    """Sleep that moves a clock, and ends the keeper after so many rounds."""

    left: int
    now: float = T + 100
    slept: list[float] = field(default_factory=list)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.left -= 1
        if self.left <= 0:
            raise asyncio.CancelledError
        self.now += seconds


async def keep(notifier: AlertmanagerNotifier, rounds: int) -> Rounds:
    clock = Rounds(rounds)
    notifier._now = lambda: clock.now
    with pytest.raises(asyncio.CancelledError):
        await notifier.keep(clock.sleep)
    return clock


def build(*receivers: Any, **more: object) -> AlertmanagerNotifier:
    table = {"url": [receiver.url for receiver in receivers]} | more
    notifier = build_component(AlertmanagerNotifier, table, "notifiers.alertmanager[0]")
    notifier._now = lambda: T + 100
    return notifier


@pytest.fixture
def manager(receiver: Any) -> Manager:
    one = Manager()
    receiver.rule = one.take
    return one


def count(notifier: AlertmanagerNotifier) -> Counter[tuple[str, str]]:
    counted: Counter[tuple[str, str]] = Counter()

    def report(event: str, reason: str, number: int) -> None:
        counted[event, reason] += number

    notifier.report = report
    return counted


async def test_an_incident_is_one_alert(receiver: Any, tell: Any, closing: Any) -> None:
    """What identifies is in labels, what changes in annotations, the end four rounds ahead."""
    await closing(build(receiver, labels={"team": "shop"})).send(tell())

    [alert] = json.loads(receiver.seen[0].body)
    assert alert["labels"] == {
        "alertname": "AiopsIncident",
        "severity": "error",
        "incident": "INC-1",
        "entity": "service:cart",
        "service": "cart",
        "team": "shop",
    }
    assert alert["startsAt"] == "2026-01-01T00:00:00Z"
    assert alert["endsAt"] == "2026-01-01T00:05:40Z"
    assert alert["annotations"]["summary"] == "payments fail in service cart"
    assert alert["annotations"]["description"].startswith("OPENED error: payments fail")


async def test_a_resolved_incident_ends_at_once(
    receiver: Any, manager: Manager, tell: Any, closing: Any
) -> None:
    """A resolution ends the alert with the incident's own end, and it is not kept."""
    notifier = closing(build(receiver))
    await notifier.send(tell())
    await notifier.send(
        tell(TransitionKind.RESOLVED, seq=2, state=State.RESOLVED, resolved_at=T + 60)
    )

    [alert] = json.loads(receiver.seen[1].body)
    assert alert["endsAt"] == "2026-01-01T00:01:00Z"
    assert manager.firing(T + 100) == []
    clock = await keep(notifier, 1)
    assert manager.firing(clock.now) == [("AiopsWatchdog", "", "none")]


@pytest.mark.parametrize("resolved_at", [T - 50, T + 900, None])
async def test_an_end_is_never_before_the_start_nor_ahead(
    receiver: Any, manager: Manager, tell: Any, closing: Any, resolved_at: float | None
) -> None:
    """Whatever the incident's clock says, Alertmanager takes the end and sees it as past."""
    await closing(build(receiver)).send(
        tell(TransitionKind.RESOLVED, state=State.RESOLVED, resolved_at=resolved_at)
    )

    assert len(manager.alerts) == 1
    assert manager.firing(T + 100) == []


async def test_an_escalation_replaces_the_alert(
    receiver: Any, manager: Manager, tell: Any, closing: Any
) -> None:
    """With another severity another alert fires, and the old one ends in the same request."""
    notifier = closing(build(receiver))
    await notifier.send(tell())
    await notifier.send(tell(TransitionKind.ESCALATED, seq=2, severity=Severity.CRITICAL))

    assert len(receiver.seen) == 2
    assert manager.firing(T + 101) == [("AiopsIncident", "INC-1", "critical")]
    await notifier.send(
        tell(TransitionKind.RESOLVED, seq=3, state=State.RESOLVED, severity=Severity.WARNING)
    )
    assert manager.firing(T + 101) == []


async def test_a_merged_incident_ends_though_its_story_goes_on(
    receiver: Any, manager: Manager, tell: Any, closing: Any
) -> None:
    """The picture of a merged incident may still be open: its own alert ends."""
    notifier = closing(build(receiver))
    await notifier.send(tell())
    await notifier.send(tell(TransitionKind.MERGED, seq=2))
    clock = await keep(notifier, 1)

    assert manager.firing(clock.now) == [("AiopsWatchdog", "", "none")]


async def test_an_entity_found_later_makes_no_other_alert(
    receiver: Any, manager: Manager, tell: Any, closing: Any
) -> None:
    """The labels of an alert stay, though another entity turns out to have failed first."""
    notifier = closing(build(receiver))
    await notifier.send(tell())
    await notifier.send(tell(TransitionKind.UPDATED, seq=2, entities=("host:web1", "service:cart")))

    assert len(manager.alerts) == 1


async def test_open_incidents_and_the_watchdog_are_sent_every_round(
    receiver: Any, manager: Manager, tell: Any, closing: Any
) -> None:
    """While the daemon lives nothing expires, and when it dies everything does."""
    notifier = closing(build(receiver))
    await notifier.send(tell())
    clock = await keep(notifier, 10)

    assert clock.slept == [60.0] * 10
    firing = [("AiopsIncident", "INC-1", "error"), ("AiopsWatchdog", "", "none")]
    assert manager.firing(clock.now + 239) == firing
    assert manager.firing(clock.now + 241) == []
    starts = {_at(alert["startsAt"]) for alert in manager.alerts.values()}
    assert starts == {T, T + 100}


async def test_what_was_told_before_a_restart_is_kept(
    receiver: Any, manager: Manager, tell: Any, closing: Any
) -> None:
    """Adopted incidents have the same labels as before, so Alertmanager sees the same alert."""
    before = closing(build(receiver))
    await before.send(tell())
    after = closing(build(receiver))
    picture = tell().transition.incident
    over = tell(id="INC-2", state=State.RESOLVED).transition.incident
    after.adopt([picture, over], describe=lambda incident: f"the story of {incident.id}")
    clock = await keep(after, 1)

    firing = [("AiopsIncident", "INC-1", "error"), ("AiopsWatchdog", "", "none")]
    assert manager.firing(clock.now) == firing
    assert len(manager.alerts) == 2
    described = [alert["annotations"]["description"] for alert in manager.alerts.values()]
    assert "the story of INC-1" in described


async def test_adopting_does_not_undo_what_was_sent(
    receiver: Any, manager: Manager, tell: Any, closing: Any
) -> None:
    """A picture from the state is older than one that was just sent."""
    notifier = closing(build(receiver))
    await notifier.send(tell(severity=Severity.CRITICAL))
    notifier.adopt([tell().transition.incident])
    clock = await keep(notifier, 1)

    assert ("AiopsIncident", "INC-1", "error") not in manager.firing(clock.now)


async def test_many_incidents_go_in_batches(
    receiver: Any, manager: Manager, tell: Any, closing: Any
) -> None:
    """A round of many incidents is several bounded requests, the watchdog in the first."""
    notifier = closing(build(receiver))
    notifier.adopt([tell(id=f"INC-{i}").transition.incident for i in range(250)])
    clock = await keep(notifier, 1)

    assert [len(json.loads(seen.body)) for seen in receiver.seen] == [101, 100, 50]
    assert len(manager.firing(clock.now)) == 251


async def test_the_bound_on_open_incidents_is_reported(
    receiver: Any, manager: Manager, tell: Any, closing: Any
) -> None:
    """Over max_open the oldest is no longer re-sent, and that is counted."""
    notifier = closing(build(receiver, max_open=2))
    counted = count(notifier)
    notifier.adopt([tell(id=f"INC-{i}").transition.incident for i in range(3)])
    clock = await keep(notifier, 1)

    assert counted == {("alert_not_kept", "max_open"): 1}
    assert [incident for _, incident, _ in manager.firing(clock.now)] == ["INC-1", "INC-2", ""]


async def test_a_failed_round_is_reported_and_the_next_one_heals(
    receiver: Any, manager: Manager, closing: Any
) -> None:
    """The keeper survives a failing receiver: the next round is the retry."""
    notifier = closing(build(receiver))
    counted = count(notifier)
    receiver.answers.extend([web.Response(status=500), web.Response(status=400)])
    clock = await keep(notifier, 3)

    assert counted == {
        ("alert_resend_failed", "server"): 1,
        ("alert_resend_failed", "status"): 1,
    }
    assert manager.firing(clock.now) == [("AiopsWatchdog", "", "none")]


async def test_one_of_several_is_enough(
    receiver: Any, second: Any, manager: Manager, tell: Any, closing: Any
) -> None:
    """A cluster has the alert when one member took it; the other is reported."""
    second.answers.append(web.Response(status=503))
    notifier = closing(build(receiver, second))
    counted = count(notifier)
    await notifier.send(tell())

    assert manager.firing(T + 100) == [("AiopsIncident", "INC-1", "error")]
    assert (len(receiver.seen), len(second.seen)) == (1, 1)
    assert counted == {("receiver_failed", "server"): 1}


@pytest.mark.parametrize(
    ("statuses", "error", "after"),
    [
        ((503, 400), Transient, 9.0),
        ((400, 503), Transient, 9.0),
        ((400, 404), Rejected, None),
        ((429, 503), Transient, 9.0),
    ],
)
async def test_when_all_refuse_the_hopeful_answer_wins(
    receiver: Any,
    second: Any,
    tell: Any,
    closing: Any,
    *,
    statuses: tuple[int, int],
    error: type[Exception],
    after: float | None,
) -> None:
    """As long as one member may take it later, it is tried again."""
    for one, status in zip((receiver, second), statuses, strict=True):
        one.answers.append(web.Response(status=status, headers={"Retry-After": "9"}))

    with pytest.raises(error) as caught:
        await closing(build(receiver, second)).send(tell())

    assert getattr(caught.value, "after", None) == after
    assert str(caught.value).count("answered") == 2


async def test_a_dead_member_does_not_hide_the_living(
    mute: Any, receiver: Any, manager: Manager, tell: Any, closing: Any
) -> None:
    """A member that never answers costs its timeout, not the delivery."""
    notifier = closing(build(mute, receiver, timeout=0.05))
    counted = count(notifier)
    await notifier.send(tell())

    assert len(manager.alerts) == 1
    assert counted == {("receiver_failed", "timeout"): 1}


async def test_the_refusal_says_what_alertmanager_said(
    receiver: Any, tell: Any, closing: Any
) -> None:
    """The beginning of Alertmanager's own words is in the error, made harmless."""
    receiver.answers.append(web.Response(status=400, text="bad label \x1b[2J password=hunter2"))

    with pytest.raises(Rejected, match=r"\(bad label  password=<redacted>\)"):
        await closing(build(receiver)).send(tell())


async def test_hostile_text_does_nothing(
    receiver: Any, manager: Manager, tell: Any, closing: Any
) -> None:
    """Labels and annotations hold no secret, no mention and nothing that acts."""
    await closing(build(receiver)).send(
        tell(entities=("we ird:<!here>\x1b[1m password=hunter2",), title="x" * 20_000)
    )

    [alert] = json.loads(receiver.seen[0].body)
    text = json.dumps(alert, ensure_ascii=False)
    assert len(manager.alerts) == 1
    assert alert["labels"]["entity"] == "we ird:<!here> password=<redacted>"
    assert "<!channel>" not in text
    assert "@everyone" not in text
    assert not any(c in text for c in "\x1b\u202e")
    assert "hunter2" not in text
    assert len(alert["annotations"]["summary"]) == 8000


async def test_tables_may_give_one_url_or_many(receiver: Any, tell: Any, closing: Any) -> None:
    """url is a text or a list, with or without a slash or the path; token becomes a header."""
    for url in (receiver.url + "/", [receiver.url + "/api/v2/alerts"]):
        notifier = build_component(AlertmanagerNotifier, {"url": url, "token": "t"}, "x")
        await closing(notifier).send(tell())

    assert {seen.path for seen in receiver.seen} == {"/api/v2/alerts"}
    assert {seen.headers["Authorization"] for seen in receiver.seen} == {"Bearer t"}


@pytest.mark.parametrize("table", [{"url": []}, {}, {"url": "http://x", "resend": "0s"}])
def test_a_table_that_cannot_work_is_refused(table: dict[str, Any]) -> None:
    """At least one URL, and a round that is not endless work."""
    with pytest.raises(ConfigError):
        build_component(AlertmanagerNotifier, table, "x")
