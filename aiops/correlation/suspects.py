"""Rank likely causes of an incident, each with its reasons."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from aiops.correlation.blame import awaited, called, named, starving
from aiops.correlation.gate import work_factors
from aiops.correlation.saturation import full
from aiops.correlation.topology import Topology
from aiops.entities import as_entity
from aiops.model import Anomaly, ChangeEvent, Severity, Suspect

CHANGE_REACH = 1800.0  # a change this long before the onset may be its cause
ENOUGH = 1.2  # below this the best suspect is a guess: say "not enough evidence"
MAX_SUSPECTS = 5
WEAK = 3.0  # below this surprise an anomaly is context, not a symptom
ONSET_SECONDS = 90.0
# How certain scores are: `benchmarks/rootcause.py` says how these were chosen.
SPREAD = 0.6
UNNAMED = 0.05  # of causes nobody who is seen is one
STRENGTH = 0.45
UNFELT = 0.5  # … of work that nobody feels, while others are felt to suffer
RAREST = 8  # alerts of one entity that are weighed: more of them say the same again
CALLS_EACH = 10.0  # calls of one callee that one request may wait for, one after the other
FURTHEST = 100.0  # bands: further away is not more
SATURATED = 0.5  # what is full is a state of its own, though others may have filled it
SURGE = 1.5  # times its usual work: then trouble flows with the calls, not against them


@dataclass(slots=True)
class _Case:
    """All the evidence at once, so that every candidate is weighed against the same."""

    bad: list[Anomaly]
    own: dict[str, list[Anomaly]]
    felt: dict[str, list[Anomaly]]
    onset: float
    work: dict[str, float]
    named: dict[str, set[str]]
    awaited: dict[str, dict[str, float]]
    starving: dict[str, set[str]]
    starved: set[str]  # who is only called less
    topology: Topology
    commonest: float  # surprise of the alert that fires most often
    raw: dict[str, tuple[float, list[str]]] = field(default_factory=dict)


def rank(
    anomalies: Sequence[Anomaly], changes: Sequence[ChangeEvent], topology: Topology
) -> tuple[Suspect, ...]:
    """Return suspects, best first; empty means not enough evidence."""
    # What fires often opens nothing, but how rarely it fires here still tells one from another.
    bad = [
        a
        for a in anomalies
        if a.surprise >= WEAK and (a.severity > Severity.INFO or a.kind == "alert")
    ]
    if not bad:
        return ()
    felt = _by_entity([a for a in bad if a.severe])
    onset = min(a.since for a in (bad if not felt else [a for f in felt.values() for a in f]))
    # What was unusual long before explains nothing that began now.
    bad = [a for a in bad if a.severe or a.since >= onset - CHANGE_REACH]
    own = _by_entity(bad)
    entities = sorted(own)
    # How many times a usual of nothing something is, says nothing.
    usual = [a for a in bad if a.low is None or a.low > 0.0]
    work = {e: f for e, f in work_factors(usual).items() if f >= SURGE}
    commonest = min((a.surprise for a in bad if a.kind == "alert"), default=0.0)
    idle = starving(bad, topology)
    case = _Case(
        bad,
        own,
        felt,
        onset,
        work,
        named(bad, entities, topology),
        awaited(bad),
        idle,
        {entity for whom in idle.values() for entity in whom},
        topology,
        commonest,
    )
    for entity in sorted({*entities, *case.named, *case.awaited, *case.starving}):
        case.raw[entity] = _entity(entity, case)
    raw = case.raw
    for change in changes:
        found = _change(change, onset, raw, topology)
        if found is not None:
            raw[change.id] = found
            # The entity somebody just changed is explained by its change.
            if (entity := as_entity(change.entity)) in raw:
                score, reasons = raw[entity]
                words = f"{change.kind} {_ago(onset, change)}"
                raw[entity] = (score + 0.8 * _nearness(onset, change), [*reasons, words])
    best = max(score for score, _ in raw.values())
    if best < ENOUGH:
        return ()
    belief = _belief({name: score for name, (score, _) in raw.items()})
    ordered = sorted(raw.items(), key=lambda item: (-item[1][0], item[0]))
    return tuple(
        Suspect(name, round(belief[name], 3), tuple(reasons))
        for name, (_, reasons) in ordered[:MAX_SUSPECTS]
        if reasons
    )


def _by_entity(anomalies: Sequence[Anomaly]) -> dict[str, list[Anomaly]]:
    found: dict[str, list[Anomaly]] = {}
    for a in anomalies:
        found.setdefault(a.series.entity, []).append(a)
    return found


def _belief(scores: Mapping[str, float]) -> dict[str, float]:
    """Return how often who has such a score is the cause, as measured on labelled faults."""
    best = max(scores.values())
    odds = {name: math.exp((score - best) / SPREAD) for name, score in scores.items()}
    total = sum(odds.values()) / (1.0 - UNNAMED)
    return {name: share / total for name, share in odds.items()}


def _entity(entity: str, case: _Case) -> tuple[float, list[str]]:
    own = case.own.get(entity, [])
    score = 0.0
    reasons: list[str] = []
    if own:
        score += _own(entity, own, case, reasons)
    surge = len(case.work) >= 3 and entity in case.work
    if surge:
        score += _surge(entity, case, reasons)
    else:
        score += _calls(entity, case, reasons)
    by = sorted(case.named.get(entity, ()))
    if by:
        # Who calls it and says so knows best; it need not notice itself.
        score += 0.6 + min(0.6 * len(by), 1.4)
        reasons.append(f"named in new errors of {_names(by)}")
    if waits := case.awaited.get(entity):
        score += min(1.2 * sum(waits.values()), 2.0)
        reasons.append(f"calls of {_names(sorted(waits))} to it are slow or fail")
    if silent := case.starving.get(entity):
        # Who waits for one callee calls the others less: that one is the cause.
        others = {*case.felt, *case.awaited} - case.starved
        waits_itself = not case.topology.needs(entity).isdisjoint(others)
        score += (0.6 + min(0.6 * len(silent), 1.4)) * (UNFELT if waits_itself else 1.0)
        reasons.append(f"calls {_names(sorted(silent))} less than usual")
    if not reasons and own:
        strongest = max(own, key=lambda a: (a.surprise, a.series.id))
        reasons.append(f"{strongest.series.name}: {strongest.reason}")
    return score, reasons


def _own(entity: str, own: list[Anomaly], case: _Case, reasons: list[str]) -> float:
    """Weigh what an entity shows itself: how early, how strongly, and of what kind."""
    first = min(a.since for a in case.felt.get(entity, own))
    # Work that rose where nobody suffers is context, however early and however far it rose.
    unfelt = bool(case.felt) and entity not in case.felt
    score = 0.0 if unfelt else 0.8 * math.exp(-max(first - case.onset, 0.0) / ONSET_SECONDS)
    if not unfelt and first <= case.onset and len(case.felt) > 1:
        reasons.append("first to fail")
    errors = [a for a in own if a.kind == "new_template" and a.severity >= Severity.ERROR]
    if errors:
        blames = sum(entity in by for by in case.named.values())
        # An error about somebody else is that one's symptom.
        score += 0.2 if blames else 1.0
        reasons.append("new error line" + (" about another" if blames else ""))
    if words := full(own, lines=not any(entity in by for by in case.named.values())):
        score += SATURATED
        reasons.append(words)
    # What somebody waits for elsewhere is that one's symptom too.
    score += STRENGTH * max(_strength(a) * (UNFELT if unfelt or called(a) else 1.0) for a in own)
    if rare := _rarity(own, case):
        score += rare
        reasons.append(f"{_rarest(own)} fires here, which it rarely does")
    usage = [a for a in own if not a.severe and a.series.kind != "log"]
    alone = entity in case.work and len(case.work) < 3
    if usage and alone:
        most = max(usage, key=lambda a: (a.surprise, a.series.id))
        score += 0.5
        reasons.append(f"{most.series.name} {case.work[entity]:.1f} times usual here alone")
    return score


def _calls(entity: str, case: _Case, reasons: list[str]) -> float:
    """Weigh the call graph: trouble travels from who is called to who calls."""
    if entity in case.starved:
        return -0.7  # it is called less: that is its caller's trouble
    needs, dependents = case.topology.needs(entity), case.topology.dependents(entity)
    above = [e for e in case.felt if e in dependents and e != entity]
    callers = {e: _explains(entity, e, case) for e in above}
    suffer = sorted(e for e, share in callers.items() if share >= 0.5)
    if suffer:
        reasons.append(f"called by {_names(suffer)}, which also suffer")
    score = min(0.6 * sum(callers.values()), 1.8)
    known = {*case.felt, *case.named, *case.awaited}
    if entity not in known:
        score *= UNFELT
    # In order: the last digit of a sum hangs on it.
    callees = sorted(needs & known - case.starved - {entity})
    return score - min(0.7 * sum(_explains(e, entity, case) for e in callees), 1.4)


def _rarity(own: Sequence[Anomaly], case: _Case) -> float:
    """Add up by how many decades an entity's alerts are rarer than the commonest around.

    An inverse document frequency: what fires in every trouble says nothing about this one.
    """
    rarities = sorted((a.surprise - case.commonest for a in own if a.kind == "alert"), reverse=True)
    return sum(rarities[:RAREST])


def _rarest(own: Sequence[Anomaly]) -> str:
    alerts = [a for a in own if a.kind == "alert"]
    return max(alerts, key=lambda a: (a.surprise, a.series.id)).series.name


def _strength(anomaly: Anomaly) -> float:
    """Return how far a value is from usual, in its bands; how rare it is where there are none."""
    actual, expected, low, high = anomaly.actual, anomaly.expected, anomaly.low, anomaly.high
    if actual is None or expected is None or low is None or high is None or high <= low:
        return math.log1p(anomaly.surprise / 4.0)
    return math.log1p(min(abs(actual - expected) / (high - low), FURTHEST))


def _explains(callee: str, caller: str, case: _Case) -> float:
    """Return how much of what a caller suffers could come from a callee, 0 to 1.

    Waiting 3 ms longer below explains no half second above: where both are measured alike, the
    excesses are compared, for as many calls as one request may make. What cannot be compared may
    explain all.
    """
    if callee in case.awaited and callee not in case.felt and callee not in case.named:
        return case.awaited[callee].get(caller, 1.0)
    below, above = (_excess(case.felt.get(e, ())) for e in (callee, caller))
    shares = [
        min(CALLS_EACH * below[what] / above[what], 1.0) for what in below.keys() & above.keys()
    ]
    return max(shares, default=1.0)


def _excess(felt: Sequence[Anomaly]) -> dict[str, float]:
    """Return by how much each measure left its usual value, whatever the statistic."""
    found: dict[str, float] = {}
    for a in felt:
        if a.actual is None or a.expected is None or a.series.kind == "log":
            continue
        what, excess = _measure(a.series.name), abs(a.actual - a.expected)
        if excess > 0.0:
            found[what] = max(excess, found.get(what, 0.0))
    return found


_STATISTIC = re.compile(
    r"[_. ]?(?:average|avg|mean|median|min|max|sum|p\d{2,3}|q\d{2,3}|percentile\d*)\b.*$"
    r"|\{.*$|\(.*$",
    re.IGNORECASE,
)


def _measure(name: str) -> str:
    """Return what a metric measures, without the statistic and the labels."""
    return _STATISTIC.sub("", name) or name


def _surge(entity: str, case: _Case, reasons: list[str]) -> float:
    """Weigh a surge of work: it travels from who calls to who is called."""
    below = case.work.keys() & case.topology.needs(entity) - {entity}
    above = case.work.keys() & case.topology.dependents(entity) - {entity}
    if below:
        reasons.append(
            f"works {case.work[entity]:.1f} times as much as usual and passes it on to "
            + _names(sorted(below))
        )
    score = min(0.4 * len(below), 1.6) - min(0.7 * len(above), 1.4)
    return score + (0.6 if entity in case.felt else 0.0)


def _change(
    change: ChangeEvent,
    onset: float,
    raw: Mapping[str, tuple[float, list[str]]],
    topology: Topology,
) -> tuple[float, list[str]] | None:
    before = onset - change.at
    if not -60.0 <= before <= CHANGE_REACH:
        return None
    nearness = _nearness(onset, change)
    entity = as_entity(change.entity)
    touched = raw.get(entity)
    if touched is not None:
        return touched[0] + 1.2 * nearness, [f"{change.kind} on {entity} {_ago(onset, change)}"]
    dependents = [e for e in raw if topology.reaches(e, entity)]
    if dependents:
        words = f"{change.kind} {_ago(onset, change)} on what {_names(sorted(dependents))} call"
        return 0.8 + nearness, [words]
    return None


def _nearness(onset: float, change: ChangeEvent) -> float:
    return math.exp(-max(onset - change.at, 0.0) / 600.0)


def _ago(onset: float, change: ChangeEvent) -> str:
    seconds = onset - change.at
    if seconds < 0:
        return "at the same time"
    return f"{seconds:.0f} s before" if seconds < 120 else f"{seconds / 60:.0f} min before"


def _names(entities: Sequence[str]) -> str:
    bare = [e.partition(":")[2] or e for e in entities]
    return ", ".join(bare[:3]) + (f" and {len(bare) - 3} more" if len(bare) > 3 else "")
