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
_OVER = (State.RESOLVED, State.CLOSED)


def tell(incident: Incident, calls: Mapping[str, Sequence[str]], now: float) -> str:
    """Return the story of an incident as of *now*; once it is over, as it ended."""
    first = TransitionKind.OPENED if incident.seq <= 1 else TransitionKind.UPDATED
    kind = _KIND.get(incident.state, first)
    at = incident.updated_at if incident.state in _OVER else max(now, incident.updated_at)
    return story(Transition(kind, incident, at), calls=calls)
