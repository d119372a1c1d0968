"""Know an incident that comes back: reopen it, and once it keeps coming back hold it open."""

from __future__ import annotations

import math
from collections.abc import Iterable

from aiops.incidents.firing import Firing
from aiops.incidents.record import Record, counts
from aiops.model import Anomaly, State

SAME_SYMPTOMS = 0.5  # share of the symptoms that a resolved incident had too: then it is back
_LIVE = (State.OPEN, State.ACKNOWLEDGED)


def same_as_before(
    record: Record, known: Iterable[Record], at: float, within: float
) -> Record | None:
    """Return the resolved incident whose pattern and cause these are, the latest one.

    Whoever faces the users suffers from every fault: one shared symptom is not the same story, nor
    are the same symptoms of another cause. Unusual work that nobody feels is no return of what was
    felt: it would not keep that alive, either.
    """
    pattern = _pattern(record)
    same = [
        r
        for r in known
        if r.state is State.RESOLVED
        and at - (r.resolved_at or at) <= within
        and r.felt is record.felt
        and len(pattern & _pattern(r)) >= SAME_SYMPTOMS * len(pattern)
        and _is_of(record, r)
    ]
    return max(same, key=lambda r: (r.updated, r.id)) if same else None


def _pattern(record: Record) -> set[str]:
    """Return the series that were felt; those that worked unusually when none was."""
    return record.symptoms() or {key for key, a in record.anomalies.items() if counts(a)}


def reopen(record: Record, at: float) -> None:
    """Let a resolved incident be open again: somebody is asked to look after it anew."""
    record.state, record.resolved_at, record.updates = State.OPEN, None, 0
    record.asked_at, record.escalated = at, False
    record.returns += 1


def flaps(record: Record, others: Iterable[Record], firing: Firing, at: float) -> bool:
    """Return whether an incident came back before, and most of what is its own comes and goes.

    What other stories showed, too, as a gateway does, flaps with all of them and holds none open.
    """
    if not record.returns or record.state not in _LIVE:
        return False
    own = _own(record, others)
    return sum(firing.flaps(s, at) for s in own) >= max(SAME_SYMPTOMS * len(own), 1)


def calm_at(record: Record, others: Iterable[Record], firing: Firing, at: float) -> float:
    """Return until when an incident that flaps at *at* may be held open, else minus infinity."""
    if not flaps(record, others, firing, at):
        return -math.inf
    return max(firing.calm_at(series) for series in record.symptoms())


def awaits(record: Record, others: Iterable[Record], anomaly: Anomaly, firing: Firing) -> bool:
    """Return whether an open incident is kept open for this series to come back."""
    series = anomaly.series.id
    return (
        series in record.anomalies
        and firing.flaps(series, anomaly.at)
        and flaps(record, others, firing, anomaly.at)
        and series in _own(record, others)
    )


def _own(record: Record, others: Iterable[Record]) -> set[str]:
    """Return what was felt in this incident and in none of the others that are still known."""
    found = record.symptoms()
    for other in others:
        if other is not record:
            found.difference_update(other.anomalies)
    return found


def _is_of(record: Record, before: Record) -> bool:
    """Return whether both are suspected to come from one entity, as far as anybody is."""
    cause, known = record.suspected(), before.suspected()
    return not cause or not known or cause == known
