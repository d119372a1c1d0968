"""Turn what is expected into context: it joins stories and opens none.

What a change explains, and what a series does at this hour every day or all day long.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from aiops.incidents.habits import Habits
from aiops.incidents.record import counts
from aiops.model import Anomaly, ChangeEvent, Severity

MAX_CHANGES = 200
MAX_NEAR = 10  # changes in one story
BEFORE, AFTER = 1800.0, 300.0  # seconds: a change that far from a beginning may have to do with it
# What a restart says and does anyway; failures after a change are failures.
_AFTER_CHANGE = frozenset({"new_template", "rare_template", "surge", "drop", "mix"})


class Expected:
    """Know the changes that were made and the habits of series: what needs no other explanation.

    Changes are bounded by ``MAX_CHANGES``, in order; habits bound themselves.
    """

    def __init__(self, facts: Counter[str]) -> None:
        self._facts = facts
        self._changes: list[ChangeEvent] = []
        self._habits = Habits()

    def weigh(self, anomaly: Anomaly, grace: float) -> Anomaly:
        """Return an anomaly as it counts, *grace* seconds being a change's own; learn from it."""
        if self._changes:
            anomaly = after_change(anomaly, self._changes, grace)
        return as_usual(anomaly, self._habits, self._facts)

    def change(self, event: ChangeEvent) -> bool:
        """Remember a change, in order; return whether it is a new one."""
        if event in self._changes:
            return False
        self._changes.append(event)
        self._changes.sort(key=lambda c: (c.at, c.id))
        del self._changes[:-MAX_CHANGES]
        return True

    def near(self, start: float) -> list[ChangeEvent]:
        """Return the last changes that what began at *start* may come from."""
        near = [c for c in self._changes if -BEFORE <= c.at - start <= AFTER]
        return near[-MAX_NEAR:]

    def to_state(self) -> dict[str, Any]:
        """Return plain values for ``restore``."""
        return {
            "changes": msgspec.to_builtins(self._changes),
            "habits": msgspec.to_builtins(self._habits.to_state()),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back what ``to_state`` returned."""
        self._changes = msgspec.convert(state["changes"], list[ChangeEvent])
        self._habits = Habits.from_state(state["habits"])


def after_change(anomaly: Anomaly, changes: Sequence[ChangeEvent], grace: float) -> Anomaly:
    """Return new words below errors and restarts within *grace* seconds of a change as context."""
    if anomaly.severity >= Severity.ERROR or anomaly.kind not in _AFTER_CHANGE:
        return anomaly
    for change in reversed(changes):
        since = anomaly.since - change.at
        if -60.0 <= since <= grace and _same(change.entity, anomaly.entity):
            return _context(anomaly, f"after {change.kind}")
    return anomaly


def as_usual(anomaly: Anomaly, habits: Habits, facts: Counter[str]) -> Anomaly:
    """Return the departure of a chronic series as context; *habits* learn it."""
    if not counts(anomaly) or anomaly.kind == "new_template":
        return anomaly
    series = anomaly.series.id
    usual = habits.usual(series, anomaly.since)
    habits.learn(series, anomaly.since)
    if not usual or anomaly.severity >= Severity.CRITICAL:
        return anomaly
    facts["chronic_demoted"] += 1
    return _context(anomaly, "as on earlier days")


def _context(anomaly: Anomaly, why: str) -> Anomaly:
    reason = f"{anomaly.reason}, {why}"
    return replace(anomaly, severity=Severity.INFO, severe=False, reason=reason)


def _same(changed: str, entity: str) -> bool:
    return changed == entity or (":" not in changed and changed == entity.partition(":")[2])
