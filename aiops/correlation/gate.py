"""Decide whether evidence is enough to open an incident within the alert budget.

With T tests a second and a budget of B false openings a second, one anomaly alone must have a
surprise of at least log10(T / B), the threshold. A second, linked anomaly within W seconds is
itself expected T_near * W times by chance, so it adds only what its surprise has beyond
log10(T_near * W); and so on for more. Both follow from the rate of coincidences of independent
Poisson processes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from aiops.model import Anomaly, Severity

YOUNG = 240  # samples: until then a series needs company or severity
SEVERE_SURPRISE = 4.25
DEPENDENT = 0.5  # weight of further evidence that shares causes with what is known
COMPANY = 1.0  # decades asked on top when no piece is enough alone


@dataclass(frozen=True, slots=True)
class Odds:
    """What chance alone does: ``threshold`` and ``coincidence`` in decades of surprise."""

    threshold: float
    coincidence: float


def odds(threshold: float, tests_per_second: float, entities: int, window: float) -> Odds:
    """Return the odds for anomalies that are linked: of about four neighbouring entities."""
    near = tests_per_second * min(1.0, 4.0 / max(entities, 1))
    return Odds(threshold, math.log10(max(near * window, 1.0)))


def opens(anomalies: Iterable[Anomaly], counts: dict[str, float], *, chance: Odds) -> bool:
    """Return whether these anomalies (one a series) may open an incident.

    *counts* holds how often each series' line was seen in all, for first sights.
    """
    bad = [a for a in anomalies if a.severity > Severity.INFO]
    if not bad:
        return False
    if any(_severe(a, counts) for a in bad):
        return True
    bad.sort(key=lambda a: (-a.surprise, a.series.id))
    first, *others = bad
    alone = first.series.kind == "log" and first.kind == "new_template"
    if first.surprise >= chance.threshold and (alone or first.seen >= YOUNG):
        return True
    total = first.surprise
    entities, names = {first.entity}, {first.series.name}
    pieces = 1
    for other in others[:8]:
        # The same entity, or the same measure elsewhere (common traffic), shares its causes.
        related = other.entity in entities or other.series.name in names
        weight = DEPENDENT if related else 1.0
        gained = weight * (other.surprise - chance.coincidence)
        if gained > 0.0:
            total += gained
            pieces += 1
        entities.add(other.entity)
        names.add(other.series.name)
    return pieces > 1 and total >= chance.threshold + COMPANY


def _severe(anomaly: Anomaly, counts: dict[str, float]) -> bool:
    if not anomaly.severe or anomaly.surprise < SEVERE_SURPRISE:
        return False
    often = anomaly.severity >= Severity.CRITICAL or counts.get(anomaly.series.id, 0.0) >= 2
    return often
