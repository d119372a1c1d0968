"""Decide to which incident an anomaly belongs: near in time and near in the system."""

from __future__ import annotations

import math
from collections.abc import Sequence

from aiops.correlation.topology import Topology
from aiops.model import Anomaly
from aiops.pace import PACES, Footprint, reach

LINK = 0.3  # weakest link that joins
STRANGER_SECONDS = 60.0  # entities of unknown relation belong together only this close in time
MAX_ENTITIES = 40  # an incident this wide takes only what it already holds
MAX_AGE = 6 * 3600.0


def link(anomaly: Anomaly, to: Footprint, topology: Topology, window: float) -> float:
    """Return how strongly an anomaly belongs to an incident, 0 (not at all) to 1.

    Relation (same series 1, same entity 0.9, call-graph neighbours by distance, strangers 0.6)
    decays with the time since the related entity was last seen, over *window* seconds or a few
    samples of the series, whichever is longer.
    """
    window = reach(anomaly.pace, window)
    strangers = reach(anomaly.pace / PACES, STRANGER_SECONDS)
    at = anomaly.since
    same = to.series.get(anomaly.series.id)
    if same is not None and anomaly.at - same <= 2 * window:
        return 1.0
    if anomaly.at - to.started > MAX_AGE:
        return 0.0
    best = 0.0
    for entity, last in to.entities.items():
        apart = max(at - last, to.started - anomaly.at, 0.0)
        if entity == anomaly.entity:
            best = max(best, 0.9 * math.exp(-apart / window))
            continue
        if len(to.entities) >= MAX_ENTITIES:
            continue
        distance = topology.along(entity, anomaly.entity)
        if distance is not None:
            best = max(best, (0.9 - 0.1 * distance) * math.exp(-apart / window))
        elif topology.siblings(entity, anomaly.entity):
            # Who they both call made both suffer at once, or has nothing to do with it.
            begun = max(at - to.started, 0.0)
            best = max(best, 0.7 * math.exp(-begun / strangers))
        elif topology.called_together(entity, anomaly.entity):
            # No graph is whole: what fails at the same moment for one caller is one story.
            begun = abs(anomaly.since - to.started)
            best = max(best, 0.5 * math.exp(-begun / strangers))
        elif not (topology.knows(entity) and topology.knows(anomaly.entity)):
            best = max(best, 0.6 * math.exp(-apart / strangers))
    return best


def homes(
    anomaly: Anomaly, footprints: Sequence[Footprint], topology: Topology, window: float
) -> list[str]:
    """Return the ids of all incidents an anomaly belongs to, the strongest link first."""
    scored = [(link(anomaly, f, topology, window), f) for f in footprints]
    kept = [(score, f) for score, f in scored if score >= LINK]
    kept.sort(key=lambda pair: (-pair[0], pair[1].started, pair[1].id))
    return [f.id for _, f in kept]
