"""Decide whether evidence is enough to open an incident within the alert budget.

With T tests a second and a budget of B false openings a second, one anomaly alone must have a
surprise of at least log10(T / B), the threshold. A second, linked anomaly within W seconds is
itself expected T_near * W times by chance, so it adds only what its surprise has beyond
log10(T_near * W); and so on for more. Both follow from the rate of coincidences of independent
Poisson processes.

An anomaly that is ``severe`` is felt by somebody (a symptom). The others only say that more or
less work is done than usual: they confirm symptoms, and make an incident only when one entity
does so for long while its neighbours do not, since work that rises in many places is traffic.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from aiops.correlation.measures import Figure, figure
from aiops.model import Anomaly, Severity

YOUNG = 240  # samples: until then a series needs company, or to last
BELIEVED = 3.0  # decades: no young series is believed rarer than so far beyond all it has seen
DEPENDENT = 0.5  # weight of further evidence that shares causes with what is known
COMPANY = 1.0  # decades asked on top when no piece is enough alone
PIECES = 9  # of evidence that are counted
USAGE = 4.0  # decades asked on top of work alone …
LASTING = 300.0  # … that is unusual for this long
FLOOD = 8.0  # times the usual: from here on …
FLOODED = -1.0  # … less is asked, and only a minute of patience
WEAK = 3.0  # decades: below this, work elsewhere is no company
COMMON = 3  # entities whose work rises together: that is traffic
IN_STEP = 1.3  # waiting and queues may grow this much faster than the work …
CROWDED = 1.5  # … and faster still the more of it there is
ROUNDING = 1e-6  # decades: sums in another order differ by less
# Only what others ask for explains waiting: a busy processor may be the trouble itself.
_DEMAND = re.compile(r"request_|rate\b|rps|qps|traffic|throughput|messages|^lines\b", re.IGNORECASE)
# CpuUsageRate(%) is how much is used, whatever its name says.
_USED = re.compile(r"cpu|mem|heap|rss|swap|disk|usage|util|load", re.IGNORECASE)
_INFO = Severity.INFO  # an enumeration's own look-up costs more than the comparison


@dataclass(frozen=True, slots=True)
class Odds:
    """What chance alone does, in decades of surprise.

    ``coincidence`` is how many linked judgements there are by chance, ``strangers`` how many of
    entities of which nobody knows whether they are related. ``is_burst`` says whether alerts of
    other systems begin together more rarely than the budget allows.
    """

    threshold: float
    coincidence: float
    strangers: float = 0.0
    is_burst: Callable[[Sequence[Anomaly]], bool] = lambda _: True


def odds(
    threshold: float,
    tests_per_second: float,
    entities: int,
    window: float,
    *,
    strange: float = 0.0,
    is_burst: Callable[[Sequence[Anomaly]], bool] = lambda _: True,
) -> Odds:
    """Return the odds for anomalies that are linked: of about four neighbouring entities.

    Where no call graph is known, every entity is linked to every other for *strange* seconds.
    """
    linked = math.log10(max(tests_per_second * share_near(entities) * window, 1.0))
    apart = max(linked, math.log10(max(tests_per_second * strange, 1.0)))
    return Odds(threshold, linked, apart, is_burst)


def share_near(entities: int) -> float:
    """Return which share of all entities is linked to one of them, where the graph is known."""
    return min(1.0, 4.0 / max(entities, 1))


def opens(
    anomalies: Iterable[Anomaly],
    *,
    chance: Odds,
    has_outlasted: Callable[[Anomaly], bool] = lambda _: False,
    is_confirmed: Callable[[Anomaly], bool] = lambda _: True,
    last_sign: Callable[[Anomaly], float] = lambda a: a.at,
) -> bool:
    """Return whether these anomalies (one a series, all recent) may open an incident.

    *has_outlasted* says of one whether its departure is longer than the usual ones of its series,
    *is_confirmed* whether it was seen in more than one sample, where the next comes soon,
    *last_sign* when it was seen last: it may have been at its worst before.
    """
    every = list(anomalies)
    bad = [a for a in every if a.severity > _INFO]
    if not might_open(bad, chance):
        return False
    work = work_factors(bad)
    demand = work_factors(a for a in every if _is_demand(a))
    felt = [a for a in bad if a.severe and not in_step(a, demand)]
    usage = [a for a in bad if not a.severe and a.surprise >= WEAK]
    if not felt:
        return _lasting_usage(usage, every, chance, last_sign)
    alone = [a for a in felt if _alone(a, chance) and is_confirmed(a)]
    if any(_is_grown(a) or has_outlasted(a) for a in alone):
        return True
    sore = {a.entity for a in felt}
    usage = [] if len(work) >= COMMON else [a for a in usage if a.entity in sore]
    felt.sort(key=lambda a: (-_believed(a), a.series.id))
    usage.sort(key=lambda a: (-_believed(a), a.series.id))
    if not _together([*felt, *usage], chance):
        return False
    # Alerts are many tests that others chose: what each says, their number takes back.
    return any(a.kind != "alert" for a in felt) or chance.is_burst(felt)


def might_open(bad: Sequence[Anomaly], chance: Odds) -> bool:
    """Return whether what is bad could be enough, believed as it is and all of it independent.

    An upper bound of what ``opens`` weighs piece by piece: most candidates stay far below it.
    """
    near, far = chance.coincidence, max(chance.strangers, chance.coincidence)
    strongest = max([a.surprise for a in bad], default=-math.inf)
    beyond = sorted([a.surprise for a in bad if a.surprise > near], reverse=True)
    if not could_open(beyond or [strongest], chance):
        return False
    if strongest >= chance.threshold + min(FLOODED, -1.0):
        return True
    # Who shows one thing alone is company of others only, and that is worth less.
    several = Counter([a.series.entity for a in bad])
    gained = [a.surprise - far for a in bad if a.surprise > far]
    gained += [
        DEPENDENT * (a.surprise - near)
        for a in bad
        if a.surprise > near and several[a.series.entity] > 1
    ]
    gained.sort(reverse=True)
    return strongest + sum(gained[:PIECES]) >= chance.threshold + COMPANY - ROUNDING


def could_open(surprises: Sequence[float], chance: Odds) -> bool:
    """Return whether such surprises, the strongest first, could be enough, whosesoever they are.

    An upper bound of ``might_open`` that looks at ``PIECES`` of them at most.
    """
    if not surprises:
        return False
    total = surprises[0]
    if total >= chance.threshold + min(FLOODED, -1.0):
        return True
    near, far = chance.coincidence, max(chance.strangers, chance.coincidence)
    for surprise in surprises[1:PIECES]:
        if surprise <= near:
            break
        total += max(surprise - far, DEPENDENT * (surprise - near))
    return total >= chance.threshold + COMPANY - ROUNDING


def _together(ranked: Sequence[Anomaly], chance: Odds) -> bool:
    """Return whether independent pieces, the strongest first, are enough together."""
    first, *others = ranked
    total, pieces = _believed(first), 1
    entities, figures, names = {first.entity}, {figure(first)}, {first.series.name}
    for other in others:
        what, own = figure(other), other.entity in entities
        if what in figures or (own and (what.joint or figures & {Figure(other.entity)})):
            continue  # p95 beside p50 is no company, nor what is made of both
        # The same entity, or the same measure elsewhere (common traffic), shares its causes.
        weight = DEPENDENT if own or other.series.name in names else 1.0
        by_chance = chance.coincidence if own else max(chance.strangers, chance.coincidence)
        gained = weight * (_believed(other) - by_chance)
        if gained > 0.0:
            total += gained
            pieces += 1
        entities.add(other.entity)
        figures.add(what)
        names.add(other.series.name)
        if len(figures) >= PIECES:
            break
    return pieces > 1 and total >= chance.threshold + COMPANY


def work_factors(anomalies: Iterable[Anomaly]) -> dict[str, float]:
    """Return by how much the work of each entity has risen, as far as its usage stands out."""
    factors: dict[str, float] = {}
    for a in anomalies:
        risen = _risen(a)
        if not a.severe and risen is not None and risen > 1.0:
            factors[a.entity] = max(risen, factors.get(a.entity, 1.0))
    return factors


def in_step(anomaly: Anomaly, demand: Mapping[str, float]) -> bool:
    """Return whether a value grew no more than what is asked of its entity explains.

    Failures never grow in step: only what is measured in its own unit (waiting, queues) does.
    """
    risen = _risen(anomaly)
    if risen is None or risen <= 1.0 or anomaly.series.kind == "log":
        return False
    if "error" in anomaly.series.name or "fail" in anomaly.series.name:
        return False
    most: float = IN_STEP * demand.get(anomaly.entity, 0.0) ** CROWDED
    return risen <= most


def _risen(anomaly: Anomaly) -> float | None:
    if anomaly.actual is None or anomaly.expected is None or anomaly.expected <= 0.0:
        return None
    if anomaly.kind in ("joint", "drift"):
        return None  # a distance of several series is no work that rose
    return anomaly.actual / anomaly.expected


def _is_demand(anomaly: Anomaly) -> bool:
    return _names_demand(anomaly.series.name)


@lru_cache(maxsize=20_000)
def _names_demand(series: str) -> bool:
    name = series.partition("{")[0]
    return _DEMAND.search(name) is not None and _USED.search(name) is None


def _alone(anomaly: Anomaly, chance: Odds) -> bool:
    needed = chance.threshold - (1.0 if anomaly.severity >= Severity.CRITICAL else 0.0)
    return anomaly.surprise >= needed


def _is_grown(anomaly: Anomaly) -> bool:
    return anomaly.kind in ("new_template", "alert") or anomaly.seen >= YOUNG


def _believed(anomaly: Anomaly) -> float:
    """Return the surprise that is believed: early tails are a guess beyond what was seen."""
    if _is_grown(anomaly):
        return anomaly.surprise
    return min(anomaly.surprise, math.log10(max(anomaly.seen, 1)) + BELIEVED)


def _lasting_usage(
    usage: list[Anomaly],
    every: list[Anomaly],
    chance: Odds,
    last_sign: Callable[[Anomaly], float],
) -> bool:
    """Return whether one entity alone works unusually, for long, and nobody asked it to."""
    if len({a.entity for a in usage}) > 1 or len(work_factors(every)) >= COMMON:
        return False
    for a in usage:
        asks = (o for o in every if o.series != a.series and _is_demand(o))
        asked_for = work_factors(o for o in asks if o.entity == a.entity)
        risen = _risen(a) or 0.0
        # A sum over the past is no proof that work is unusual now.
        if a.kind in ("shift", "variance") or risen <= asked_for.get(a.entity, 0.0):
            continue
        flood = risen >= FLOOD
        asked = chance.threshold + (FLOODED if flood else USAGE)
        wait = LASTING / 5.0 if flood else LASTING
        if a.surprise >= asked and last_sign(a) - a.since >= wait and a.seen >= YOUNG:
            return True
    return False
