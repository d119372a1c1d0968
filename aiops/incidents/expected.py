"""Turn what is expected into context: it joins stories and opens none.

What a change explains, and what a series does at this hour every day or all day long.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from aiops.incidents.habits import Habits
from aiops.incidents.record import counts
from aiops.model import Anomaly, ChangeEvent, Severity

MAX_CHANGES = 200
# What a restart says and does anyway; failures after a change are failures.
_AFTER_CHANGE = frozenset({"new_template", "rare_template", "surge", "drop", "mix"})


def remember(event: ChangeEvent, changes: list[ChangeEvent]) -> bool:
    """Add a change to those known, in order and bounded; return whether it is a new one."""
    if event in changes:
        return False
    changes.append(event)
    changes.sort(key=lambda c: (c.at, c.id))
    del changes[:-MAX_CHANGES]
    return True


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
