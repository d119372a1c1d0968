"""Say who points at whom: in lines, in measured calls, and by calls that no longer come."""

from __future__ import annotations

import re
from collections.abc import Sequence

from aiops.correlation.measures import DERIVED
from aiops.correlation.topology import Topology
from aiops.entities import as_entity
from aiops.model import Anomaly

# The other end of a call that is measured where it begins: Istio, Linkerd, Envoy, OpenTelemetry.
_CALLEE = re.compile(
    r"[{,](?:destination(?:_service|_workload|_app|_service_name)?|dst_(?:service|deployment)"
    r"|peer[._]service|server[._]address|net[._]peer[._]name|upstream(?:_service|_cluster)?"
    r'|envoy_cluster_name|remote_?service|callee)="([^"]+)"',
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"[\d.:]+|\[?[\da-f:]+\]?(?::\d+)?", re.IGNORECASE)
# Less of these is a failure, not less work.
_GOOD = re.compile(
    r"success|availab|health|ready|alive|free|hit|remaining|capacity|up$", re.IGNORECASE
)
_NEW_LINES = frozenset({"new_template", "rare_template", "error_share"})


def named(
    bad: Sequence[Anomaly], entities: Sequence[str], topology: Topology
) -> dict[str, set[str]]:
    """Return who is named in new lines of whom: entity → the others that name it."""
    lines = [(a.entity, _words(s.text)) for a in bad if a.kind in _NEW_LINES for s in a.samples[:1]]
    found: dict[str, set[str]] = {}
    for entity in sorted({*entities, *topology.entities}):
        name = entity.partition(":")[2].lower()
        if len(name) < 3:
            continue
        by = {who for who, words in lines if who != entity and name in words}
        # Without a call graph everybody may name everybody; with one, only callers know.
        by = {who for who in by if not topology.knows(who) or topology.reaches(who, entity)}
        if by:
            found[entity] = by
    return found


def awaited(bad: Sequence[Anomaly]) -> dict[str, dict[str, float]]:
    """Return who waits for whom, or fails at whom: callee → {caller: share of its complaints}.

    Who complains of everybody it calls may well be slow itself, so its word is shared out.
    """
    told: dict[str, set[str]] = {}
    for a in bad:
        if a.severe and (of := called(a)) is not None and of != a.entity:
            told.setdefault(a.entity, set()).add(of)
    found: dict[str, dict[str, float]] = {}
    for caller, callees in sorted(told.items()):
        for callee in sorted(callees):
            found.setdefault(callee, {})[caller] = 1.0 / len(callees)
    return found


def starving(bad: Sequence[Anomaly], topology: Topology) -> dict[str, set[str]]:
    """Return who calls others less: caller → two or more that it calls and that only hear less.

    Where nobody calls less is done, and what is measured at calls is missing, though all is well.
    """
    felt: dict[str, bool] = {}
    for a in bad:
        if a.severe and a.kind not in DERIVED:
            felt[a.entity] = felt.get(a.entity, True) and _fell(a)
    idle = {entity for entity, fell in felt.items() if fell}
    callers = {caller for entity in idle for caller in topology.callers(entity)}
    found = {caller: idle & topology.callees(caller) for caller in callers}
    return {caller: whom for caller, whom in found.items() if len(whom) > 1}


def _fell(anomaly: Anomaly) -> bool:
    if anomaly.kind == "missing":
        return True
    actual, expected = anomaly.actual, anomaly.expected
    if actual is None or expected is None or _GOOD.search(anomaly.series.name):
        return False
    return actual < expected


def called(anomaly: Anomaly) -> str | None:
    """Return whom a measured call goes to, ``None`` when a metric is about its own entity."""
    match = _CALLEE.search(anomaly.series.name)
    if match is None or _ADDRESS.fullmatch(match[1]):
        return None
    return as_entity(match[1].partition(":")[0].partition(".")[0])


_WORD = re.compile(r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*")


def _words(text: str) -> frozenset[str]:
    """Return the words of a line, and the first parts of names like ``cart.shop.svc``."""
    words = set(_WORD.findall(text.lower()))
    for word in list(words):
        words.update(re.split(r"[._-]", word))
        parts = word.split("-")
        words.update("-".join(parts[:n]) for n in range(1, len(parts)))
    return frozenset(words)
