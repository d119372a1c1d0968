"""One incident's life, told with everything that a log line can hold against its reader."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from aiops.links import Links, Verb
from aiops.model import (
    ChangeEvent,
    Incident,
    Notification,
    SampleLine,
    Severity,
    State,
    Suspect,
    Transition,
    TransitionKind,
)

K = TransitionKind
T = 1_767_225_600.0  # 2026-01-01T00:00:00Z
HOSTILE = (
    "<!channel> <@U1> <users/all> @everyone @here <b>bold</b> <script>x</script> &amp; "
    "[pay](https://evil.example/a) \x1b[31mred\x1b[0m\x1b]0;owned\x07 \u202egnp.exe ``` *x* ~y~ "
    "password=hunter2 \x00\u2066 \U0001f525"
)
LINK = "https://aiops.example/incidents/inc_1"

BASE = Incident(
    id="inc_1",
    seq=1,
    state=State.OPEN,
    severity=Severity.ERROR,
    title="errors rise in service cart <!channel>",
    opened_at=T,
    updated_at=T,
    told=True,
    entities=("service:cart",),
    suspects=(Suspect("service:cart", 0.6, ("first to fail",)),),
    changes=(
        ChangeEvent(T - 60, "deploy", "service:cart", "v42 <b>now</b> token=hunter2"),
        ChangeEvent(T - 30, "flag", "service:cart", "fast-checkout on"),
    ),
    samples=(SampleLine(T, "file:/a.log", HOSTILE, (0, 10)),),
)


def told(kind: TransitionKind, *, body: str | None = None, **incident: Any) -> Notification:
    """Return a notification of the incident; keywords change its picture."""
    picture = replace(BASE, **incident)
    words = (
        f"{kind.value.upper()} {picture.severity.label}: {picture.title}\n"
        f"since 2026-01-01T00:00:00Z\n"
        f"  > {HOSTILE}\n"
        f"next: aiops incidents show {picture.id}"
    )
    return Notification(
        key=f"ntf_{picture.id}_{picture.seq}",
        receiver="ops",
        transition=Transition(kind, picture, T + 60 * picture.seq),
        title=picture.title,
        body=words if body is None else body,
        link=LINK,
    )


def life() -> list[Notification]:
    """Return what is told of an incident that opens, changes and ends."""
    return [
        told(TransitionKind.OPENED),
        told(TransitionKind.UPDATED, seq=2, severity=Severity.CRITICAL),
        told(TransitionKind.RESOLVED, seq=3, state=State.RESOLVED, resolved_at=T + 180),
    ]


def long(lines: int = 400) -> Notification:
    """Return a notification that no channel can show whole."""
    text = "\n".join(f"line {number} {HOSTILE}" for number in range(lines))
    return told(TransitionKind.OPENED, body=f"OPENED error: {BASE.title}\n{text}")


def offering(notification: Notification) -> Notification:
    """Return the notification with every link that may go into a message."""
    links = Links(b"k" * 32, 604_800.0)
    offers = links.offers("https://aiops.example", "inc_1", "ops", list(Verb), T)
    return replace(notification, offers=offers)


async def tell(notifier: Any, notifications: list[Notification]) -> str:
    """Send one after the other as the dispatcher does; return the last receipt."""
    receipt = ""
    for notification in notifications:
        receipt = await notifier.send(replace(notification, receipt=receipt)) or receipt
    return receipt
