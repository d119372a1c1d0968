"""Tell a new trouble from the growth of an incident that is open.

Trouble spreads within the time constants of the sources that tell of it. What begins beside an
open incident that had stopped growing for longer is a *wave*: it gathers apart, and once it has
enough evidence to open, the incident is asked whether it explains the wave. It does as long as its
cause is still seen, or is the same, and whoever is newly felt to suffer is that cause or depends on
it. A surge of work is explained the other way: it flows from who calls to who is called.
"""

from __future__ import annotations

from collections.abc import Callable

from aiops.correlation.gate import COMMON, WEAK, work_factors
from aiops.correlation.topology import Topology
from aiops.model import Anomaly, Incident, Severity
from aiops.pace import Footprint

_INFO = Severity.INFO  # an enumeration's own look-up costs more than the comparison


def is_wave(anomaly: Anomaly, to: Footprint, lull: float) -> bool:
    """Return whether a departure began more than *lull* seconds after an incident last grew.

    A departure that the incident has seen already goes on in it.
    """
    if to.growth is None or anomaly.severity <= _INFO or anomaly.surprise < WEAK:
        return False
    seen = to.series.get(anomaly.series.id)
    return anomaly.since - to.growth.at > lull and (seen is None or anomaly.since > seen)


def cause(incident: Incident) -> str:
    """Return the entity suspected first, by itself or by its change; "" when nobody is."""
    if not incident.suspects:
        return ""
    first = incident.suspects[0].entity
    return next((c.entity for c in incident.changes if c.id == first), first)


def explains(
    host: Incident, wave: Incident, topology: Topology, goes_on: Callable[[str], bool]
) -> bool:
    """Return whether what *wave* shows follows from the cause of *host*, which it began beside.

    *goes_on* says of a series whether it still departs. What points at nobody is no news, and of
    whom the call graph says nothing may depend on anybody.
    """
    root, own = cause(host), cause(wave)
    if not root or not own:
        return True
    bad = _bad(host)
    work = work_factors(bad)
    surge = root in work and len(work) >= COMMON
    for entity in _suffering(wave) - {root}:
        if not topology.knows(entity) or not topology.knows(root):
            continue
        if topology.reaches(entity, root) or (surge and topology.reaches(root, entity)):
            continue
        return False
    return own == root or any(goes_on(a.series.id) for a in bad if a.entity == root)


def _bad(incident: Incident) -> list[Anomaly]:
    every = incident.anomalies
    return [a for a in every if a.severity > Severity.INFO and a.surprise >= WEAK]


def _suffering(incident: Incident) -> set[str]:
    """Return who is felt to suffer; who works unusually when nobody is."""
    bad = _bad(incident)
    return {a.entity for a in bad if a.severe} or {a.entity for a in bad}
