"""Remember which departures became the new normal, until the story they were in has ended.

A lasting shift is accepted after a stated time and departs no more, so its incident ends though
nothing went back. Its last message must say so, or it reads as if all were well again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from aiops.incidents.record import counts
from aiops.model import Anomaly, Incident
from aiops.redaction import harmless
from aiops.units import quantity
from aiops.wire import rfc3339

MOST = 1000  # series; the oldest make room
REASON = "new normal"  # how detectors say that they accept what stayed


class _One(NamedTuple):
    """When a series was accepted, since when it is as it is, and how it is then."""

    at: float
    since: float
    value: str


class Accepted:
    """Keep what was accepted by series, oldest first."""

    def __init__(self, facts: Counter[str]) -> None:
        self._facts = facts
        self._known: dict[str, _One] = {}

    def see(self, found: Iterable[Anomaly]) -> None:
        """Note what of *found* says that a series has a new normal."""
        for a in found:
            if not a.reason.startswith(REASON):
                continue
            value = "" if a.actual is None else quantity(a.actual, a.unit or a.series.unit)
            self._known.pop(a.series.id, None)
            self._known[a.series.id] = _One(a.at, a.since, value)
            if len(self._known) > MOST:
                del self._known[next(iter(self._known))]
                self._facts["accepted_forgotten"] += 1

    def ended(self, incident: Incident) -> str:
        """Say what of an incident that ends stays as it is, empty when nothing does; once."""
        shown = [
            (a, one)
            for a in incident.anomalies
            if counts(a) and (one := self._known.get(a.series.id)) is not None and one.at >= a.since
        ]
        if not shown:
            return ""
        for a, _ in shown:
            del self._known[a.series.id]
        a, one = min(shown, key=lambda each: (-each[0].severity, -each[0].surprise, each[0].id))
        more = f" (+{len(shown) - 1} more)" if len(shown) > 1 else ""
        name = f"{a.series.name} {one.value}".strip()
        return harmless(f"{name} is the new normal since {rfc3339(one.since)}{more}")

    def to_state(self) -> dict[str, Any]:
        """Return plain values for ``restore``."""
        return {series: list(one) for series, one in self._known.items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back what ``to_state`` returned."""
        self._known = {series: _One(*one) for series, one in state.items()}
