"""Rank likely causes of an incident, each with its reasons."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from aiops.correlation.topology import Topology
from aiops.model import Anomaly, ChangeEvent, Severity, Suspect

CHANGE_REACH = 1800.0  # a change this long before the onset may be its cause
ENOUGH = 1.2  # below this the best suspect is a guess: say "not enough evidence"
MAX_SUSPECTS = 5
WEAK = 3.0  # below this surprise an anomaly is context, not a symptom
ONSET_SECONDS = 90.0


def rank(
    anomalies: Sequence[Anomaly], changes: Sequence[ChangeEvent], topology: Topology
) -> tuple[Suspect, ...]:
    """Return suspects, best first; empty means not enough evidence."""
    bad = [a for a in anomalies if a.severity > Severity.INFO and a.surprise >= WEAK]
    if not bad:
        return ()
    onset = min(a.since for a in bad)
    entities = sorted({a.entity for a in bad})
    raw: dict[str, tuple[float, list[str]]] = {}
    for entity in entities:
        raw[entity] = _entity(entity, bad, entities, onset, topology)
    for change in changes:
        found = _change(change, onset, raw, topology)
        if found is not None:
            raw[change.id] = found
            # The entity somebody just changed is explained by its change.
            if change.entity in raw:
                score, reasons = raw[change.entity]
                raw[change.entity] = (score + 0.8, [*reasons, f"{change.kind} {_ago(onset, change)}"])
    best = max(score for score, _ in raw.values())
    if best < ENOUGH:
        return ()
    total = sum(math.exp(score) for score, _ in raw.values())
    ordered = sorted(raw.items(), key=lambda item: (-item[1][0], item[0]))
    return tuple(
        Suspect(name, round(math.exp(score) / total, 3), tuple(reasons))
        for name, (score, reasons) in ordered[:MAX_SUSPECTS]
        if reasons
    )


def _entity(
    entity: str, bad: Sequence[Anomaly], entities: Sequence[str], onset: float, topology: Topology
) -> tuple[float, list[str]]:
    own = [a for a in bad if a.entity == entity]
    score, reasons = 0.0, []
    first = min(a.since for a in own)
    early = math.exp(-(first - onset) / ONSET_SECONDS)
    score += early
    if first == onset and len(entities) > 1:
        reasons.append("first to fail")
    errors = [a for a in own if a.kind == "new_template" and a.severity >= Severity.ERROR]
    if errors:
        score += 0.8
        reasons.append("new error line")
    score += 0.15 * min(max(a.surprise for a in own) / 4.0, 3.0)
    callers = [e for e in entities if e != entity and topology.reaches(e, entity)]
    if callers:
        score += min(0.6 * len(callers), 1.8)
        reasons.append(f"called by {_names(callers)}, which also suffer")
    callees = [e for e in entities if e != entity and topology.reaches(entity, e)]
    if callees:
        score -= min(0.7 * len(callees), 1.4)
    named = _named_by_others(entity, bad)
    if named:
        score += min(0.7 * len(named), 1.4)
        reasons.append(f"named in new errors of {_names(named)}")
    if not reasons:
        strongest = max(own, key=lambda a: (a.surprise, a.series.id))
        reasons.append(strongest.reason)
    return score, reasons


def _named_by_others(entity: str, bad: Sequence[Anomaly]) -> list[str]:
    name = entity.partition(":")[2].lower()
    if len(name) < 3:
        return []
    word = re.compile(rf"(?<![a-z0-9]){re.escape(name)}(?![a-z0-9])")
    return sorted(
        {
            a.entity
            for a in bad
            if a.entity != entity and any(word.search(s.text.lower()) for s in a.samples)
        }
    )


def _change(
    change: ChangeEvent,
    onset: float,
    raw: dict[str, tuple[float, list[str]]],
    topology: Topology,
) -> tuple[float, list[str]] | None:
    before = onset - change.at
    if not -60.0 <= before <= CHANGE_REACH:
        return None
    nearness = math.exp(-max(before, 0.0) / 600.0)
    entity = change.entity if ":" in change.entity else f"service:{change.entity}"
    touched = raw.get(entity)
    if touched is not None:
        return touched[0] + 1.2 * nearness, [f"{change.kind} on {entity} {_ago(onset, change)}"]
    dependents = [e for e in raw if topology.reaches(e, entity)]
    if dependents:
        return 0.8 + nearness, [f"{change.kind} {_ago(onset, change)} on what {_names(dependents)} call"]
    return None


def _ago(onset: float, change: ChangeEvent) -> str:
    seconds = onset - change.at
    if seconds < 0:
        return "at the same time"
    return f"{seconds:.0f} s before" if seconds < 120 else f"{seconds / 60:.0f} min before"


def _names(entities: Sequence[str]) -> str:
    bare = [e.partition(":")[2] or e for e in entities]
    return ", ".join(bare[:3]) + (f" and {len(bare) - 3} more" if len(bare) > 3 else "")
