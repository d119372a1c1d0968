"""Make one record of two that are about the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from aiops.incidents.record import LIVE, Record
from aiops.model import Incident, State

Explains = Callable[[Incident, Incident, float], bool]
"""Whether an open incident explains what began beside it, seen from a time."""


def foremost(living: Sequence[Record]) -> Record | None:
    """Return which of the records that an anomaly belongs to takes it and the others."""
    if len(living) < 2:
        return living[0] if living else None
    open_first = [r for r in living if r.state in LIVE]
    if open_first:
        return min(open_first, key=lambda r: (r.opened_at, r.id))
    # Nobody knows of candidates yet: the fewer join the more.
    return max(living, key=lambda r: (len(r.anomalies), r.id))


def may_join(into: Record, other: Record) -> bool:
    """Return whether two are one: candidates at once, open ones when they share symptoms.

    What began beside an incident is weighed once it has enough evidence, not before.
    """
    if other.beside == into.id or into.beside == other.id:
        return False
    return other.state not in LIVE or not into.symptoms().isdisjoint(other.symptoms())


def host_of(record: Record, records: Mapping[str, Record]) -> Record | None:
    """Return the open incident that a candidate began beside, while it is open."""
    host = records.get(record.beside)
    return host if host is not None and host.state in LIVE else None


def join(into: Record, other: Record) -> int:
    """Let *into* take all that *other* has; return how many series the bound left out."""
    beyond = into.add_all(other.anomalies.values())
    _take_later(into.seen, other.seen)
    _take_later(into.last, {key: at for key, at in other.last.items() if key in into.last})
    _take_later(into.risen, other.risen)
    into.updated = max(into.updated, other.updated)
    if into.state is State.CANDIDATE and other.ready_at is not None:
        known = into.ready_at
        into.ready_at = other.ready_at if known is None else min(known, other.ready_at)
    return beyond


def _take_later(into: dict[str, float], other: dict[str, float]) -> None:
    for name, at in other.items():
        known = into.get(name)
        if known is None or at > known:
            into[name] = at
