"""Tell an incident as it is now, to whoever asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aiops.incidents.story import story
from aiops.model import Incident, State, Transition, TransitionKind

_KIND = {
    State.ACKNOWLEDGED: TransitionKind.ACKNOWLEDGED,
    State.RESOLVED: TransitionKind.RESOLVED,
    State.CLOSED: TransitionKind.RESOLVED,
}


def tell(incident: Incident, calls: Mapping[str, Sequence[str]]) -> str:
    """Return the story of an incident as of its last change."""
    first = TransitionKind.OPENED if incident.seq <= 1 else TransitionKind.UPDATED
    kind = _KIND.get(incident.state, first)
    return story(Transition(kind, incident, incident.updated_at), calls=calls)
