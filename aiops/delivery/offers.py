"""Which links a message gets: what its reader may say of the incident as it is told."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from aiops.links import Verb, base_of
from aiops.model import State, TransitionKind

if TYPE_CHECKING:
    from aiops.links import Links
    from aiops.model import Notification, Transition

_ALL = tuple(Verb)
_OPINIONS = tuple(verb for verb in Verb if verb is not Verb.ACK)
_STORM = "storm_"


def verbs_of(transition: Transition) -> tuple[Verb, ...]:
    """Return what can be said of an incident after *transition*, most often said first."""
    incident = transition.incident
    if transition.kind is TransitionKind.MERGED:
        return ()  # it goes on under another id, which has messages of its own
    taken = incident.state is not State.OPEN
    if incident.id.startswith(_STORM):
        # A storm is no pattern that anybody could call noise.
        return () if taken else (Verb.ACK,)
    return _OPINIONS if taken else _ALL


def offered(notification: Notification, links: Links, external_url: str, at: float) -> Notification:
    """Return the message with its links, as of the moment *at* at which it is committed."""
    transition = notification.transition
    base, incident = base_of(external_url), transition.incident.id
    verbs = verbs_of(transition)
    offers = links.offers(base, incident, notification.receiver, verbs, at)
    return replace(notification, offers=offers)
