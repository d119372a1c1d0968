"""Decide who hears of a transition: a pure function from a transition to messages."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from aiops.links import base_of
from aiops.model import Notification, Severity, Transition, TransitionKind

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

# These say that there is an incident; all others need somebody who knows of it.
_FIRST_NEWS = frozenset({TransitionKind.OPENED, TransitionKind.ESCALATED, TransitionKind.REOPENED})
# These end the story and go to everyone who heard its beginning.
_LAST_NEWS = frozenset({TransitionKind.RESOLVED, TransitionKind.MERGED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Say what one receiver wants: from which severity on, and whether progress too.

    A ``second`` one hears only of what nobody acknowledged in time, and of how that ends.
    """

    name: str
    min_severity: Severity = Severity.WARNING
    updates: bool = True
    second: bool = False


def notification_key(incident_id: str, seq: int, receiver: str) -> str:
    """Return the key of one message, the same over retries, restarts and re-reading."""
    # The unit separator cannot be talked into an id: no two triples share a text.
    text = "\x1f".join((incident_id, str(seq), receiver))
    return "ntf_" + hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def permalink(external_url: str, incident_id: str) -> str:
    """Return where a reader finds the incident; empty without an *external_url*."""
    base = base_of(external_url)
    return f"{base}/incidents/{quote(incident_id, safe='')}" if base else ""


def plan(
    transition: Transition,
    routes: Iterable[Route],
    *,
    told: Collection[str],
    title: Callable[[Transition], str],
    body: Callable[[Transition], str],
    external_url: str = "",
) -> list[Notification]:
    """Return one message for each receiver that should hear of *transition*, in route order.

    *told* names the receivers that already know of this incident. Opened, escalated and
    reopened go to every receiver whose ``min_severity`` is reached; resolved and merged to
    those who know; updated and acknowledged to those of them who want progress. What is for
    newcomers goes to nobody who knows. With an *external_url* each message links to its incident.
    """
    chosen = [route for route in routes if _wants(route, transition, told)]
    if not chosen:
        return []
    incident = transition.incident
    head, text = title(transition), body(transition)
    return [
        Notification(
            key=notification_key(incident.id, incident.seq, route.name),
            receiver=route.name,
            transition=transition,
            title=head,
            body=text,
            link=permalink(external_url, incident.id),
        )
        for route in chosen
    ]


def plan_batch(
    transitions: Iterable[Transition],
    routes: Sequence[Route],
    *,
    told: Mapping[str, Collection[str]],
    title: Callable[[Transition], str],
    body: Callable[[Transition], str],
    external_url: str = "",
) -> list[Notification]:
    """Plan transitions that happened in this order; who hears of one knows it for the next.

    *told* maps incident ids to the receivers that know of them; a missing id means none.
    """
    knows = {incident: set(receivers) for incident, receivers in told.items()}
    planned: list[Notification] = []
    for transition in transitions:
        known = knows.setdefault(transition.incident.id, set())
        new = plan(
            transition, routes, told=known, title=title, body=body, external_url=external_url
        )
        known.update(item.receiver for item in new)
        planned += new
    return planned


def _wants(route: Route, transition: Transition, told: Collection[str]) -> bool:
    known = route.name in told
    if not transition.tell and (known or not transition.newcomers):
        return False
    if route.second and not transition.incident.escalated and not known:
        return False
    if transition.kind in _FIRST_NEWS:
        return transition.incident.severity >= route.min_severity or known
    if not known:
        return False
    return transition.kind in _LAST_NEWS or route.updates
