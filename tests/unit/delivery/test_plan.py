"""Who hears of what: a pure table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aiops.delivery import Route, notification_key, plan, plan_batch
from aiops.delivery.plan import permalink
from aiops.model import Notification, Severity, Transition, TransitionKind
from tests.unit.storage.nouns import transition

K = TransitionKind
OPS = Route(name="ops", min_severity=Severity.ERROR)
DEV = Route(name="dev", min_severity=Severity.INFO, updates=False)


def title(told: Transition) -> str:
    return f"{told.kind} {told.incident.id}"


def body(told: Transition) -> str:
    return told.incident.title


def planned(told: Transition, *known: str) -> list[Notification]:
    return plan(told, [OPS, DEV], told=known, title=title, body=body)


def receivers(told: Transition, *known: str) -> list[str]:
    return [n.receiver for n in planned(told, *known)]


@pytest.mark.parametrize(
    ("kind", "severity", "known", "expected"),
    [
        (K.OPENED, Severity.ERROR, (), ["ops", "dev"]),
        (K.OPENED, Severity.WARNING, (), ["dev"]),
        (K.ESCALATED, Severity.CRITICAL, ("dev",), ["ops", "dev"]),
        (K.REOPENED, Severity.WARNING, (), ["dev"]),
        (K.REOPENED, Severity.WARNING, ("ops",), ["ops", "dev"]),
        (K.RESOLVED, Severity.WARNING, ("ops",), ["ops"]),
        (K.RESOLVED, Severity.CRITICAL, (), []),
        (K.MERGED, Severity.ERROR, ("dev",), ["dev"]),
        (K.UPDATED, Severity.ERROR, ("ops", "dev"), ["ops"]),
        (K.UPDATED, Severity.ERROR, (), []),
        (K.ACKNOWLEDGED, Severity.INFO, ("ops", "dev"), ["ops"]),
    ],
)
def test_who_hears_of_what(
    kind: K, severity: Severity, known: tuple[str, ...], expected: list[str]
) -> None:
    """News go by severity, ends to those who know, progress to those of them who want it."""
    assert receivers(transition(kind, severity=severity), *known) == expected


@pytest.mark.parametrize("kind", list(K))
def test_what_is_not_to_be_told_is_not_told(kind: K) -> None:
    """A transition that the engine keeps to itself reaches nobody."""
    assert receivers(transition(kind, tell=False), "ops", "dev") == []


def test_what_is_for_newcomers_reaches_who_knows_nothing_yet() -> None:
    """An escalation crosses the threshold of some: those hear, whoever knew is left in peace."""
    worse = replace(transition(K.ESCALATED, severity=Severity.ERROR, tell=False), newcomers=True)
    assert receivers(worse, "dev") == ["ops"]
    assert receivers(worse, "dev", "ops") == []
    milder = replace(transition(K.ESCALATED, severity=Severity.WARNING, tell=False), newcomers=True)
    assert receivers(milder, "dev") == []


def test_a_message_carries_the_words_it_was_given() -> None:
    """Title and body come from the functions passed in, key and picture from the transition."""
    told = transition(seq=7)
    (message, _) = planned(told)

    assert message == Notification(
        notification_key("inc_1", 7, "ops"), "ops", told, "opened inc_1", "errors in cart"
    )


def test_words_are_made_only_when_somebody_hears() -> None:
    """No receiver, no rendering."""

    def never(told: Transition) -> str:
        raise AssertionError(told)

    assert plan(transition(tell=False), [OPS], told=[], title=never, body=never) == []


def test_keys_are_stable_and_distinct() -> None:
    """A key depends on incident, number and receiver alone; it is the same in every release."""
    assert notification_key("inc_1", 7, "ops") == "ntf_47e7846781b9f4a98b936a74"
    made = {
        notification_key(i, s, r)
        for i in ("inc_1", "inc_11")
        for s in (1, 11)
        for r in ("ops", "1ops", "o")
    }
    assert len(made) == 12


def test_who_hears_of_the_opening_hears_of_the_end() -> None:
    """Transitions of one batch know of each other."""
    happened = [transition(seq=1), transition(K.UPDATED, seq=2), transition(K.RESOLVED, seq=3)]
    messages = plan_batch(happened, [OPS, DEV], told={}, title=title, body=body)

    assert [(m.receiver, m.transition.kind) for m in messages] == [
        ("ops", K.OPENED),
        ("dev", K.OPENED),
        ("ops", K.UPDATED),
        ("ops", K.RESOLVED),
        ("dev", K.RESOLVED),
    ]


def test_a_second_receiver_hears_only_of_what_was_escalated() -> None:
    """Not of the beginning; of the call and of everything after it, also of the end."""
    routes = [Route(name="chat"), Route(name="phone", second=True)]
    opened, called, ended = (
        transition(kind, seq=n) for n, kind in enumerate((K.OPENED, K.ESCALATED, K.RESOLVED), 1)
    )
    called = replace(called, incident=replace(called.incident, escalated=True))
    sent = plan_batch(
        [opened, called, ended], routes, told={}, title=lambda _: "", body=lambda _: ""
    )
    assert [(n.receiver, n.transition.kind) for n in sent] == [
        ("chat", K.OPENED),
        ("chat", K.ESCALATED),
        ("phone", K.ESCALATED),
        ("chat", K.RESOLVED),
        ("phone", K.RESOLVED),
    ]


def test_what_was_told_before_counts() -> None:
    """Receivers told in an earlier batch, or before a restart, hear of the end."""
    messages = plan_batch(
        [transition(K.RESOLVED, seq=9)], [OPS, DEV], told={"inc_1": ["dev"]}, title=title, body=body
    )

    assert [m.receiver for m in messages] == ["dev"]


def test_a_message_links_to_its_incident() -> None:
    """With an address for readers there is a link; without one there is none, not half of one."""
    told = transition(K.OPENED, "inc/1 ?")
    (ops, _) = plan(
        told, [OPS, DEV], told=(), title=title, body=body, external_url="https://a.example/"
    )

    assert ops.link == "https://a.example/incidents/inc%2F1%20%3F"
    assert planned(told)[0].link == ""
    assert permalink("https://a.example/x y|<b>\n", "i").startswith(
        "https://a.example/x%20y%7C%3Cb"
    )
