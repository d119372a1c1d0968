"""Decide to which incident an anomaly belongs: near in time and near in the system.

What counts is when things *began*. That an old trouble is still seen says nothing about a new one,
so links decay with the time between onsets, and an incident that only lasts draws nobody in.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from aiops.correlation.companions import Companions
from aiops.correlation.gate import WEAK
from aiops.correlation.onsets import Onsets
from aiops.model import Anomaly, Section, Severity
from aiops.pace import PACES, reach

if TYPE_CHECKING:
    from aiops.correlation.topology import Kin, Topology
    from aiops.pace import Footprint

LINK = 0.3  # weakest link that joins
RIVAL = 0.6  # share of the strongest link from which another incident has a claim too
STRANGER_SECONDS = 60.0  # entities of unknown relation belong together only this close in time
MAX_ENTITIES = 40  # an incident this wide takes only what it already holds
MAX_AGE = 6 * 3600.0
AGAIN = 0.95  # a series that comes back
SAME = 0.9  # another series of the same entity
STEP = 0.1  # less for every call between two entities
SIBLINGS = 0.7  # both call the same one
TOGETHER = 0.5  # somebody calls both
STRANGERS = 0.6  # nobody knows
BUCKET = 60.0
MAX_KEPT = 10_000  # answers kept at once; forgetting them changes nothing
_VERSION = 1
_NOWHERE: frozenset[str] = frozenset()


class _Lags(NamedTuple):
    """How links of one anomaly decay, in seconds: with onsets, with what is seen, and at last."""

    tau: float
    sample: float
    window: float


class Grouping:
    """Find the homes of anomalies; *window* is how long evidence belongs together, in seconds.

    The index of who is where is a pure cache of the footprints that it was shown.
    """

    name = "grouping"  # of its section

    def __init__(self, topology: Topology, window: float, facts: Counter[str]) -> None:
        self.topology = topology
        self.window = window
        self.companions = Companions(facts)
        self._onsets = Onsets(facts)
        self._prints: dict[str, Footprint] = {}
        self._at: dict[str, set[str]] = {}  # entity: incidents
        self._begun: dict[int, dict[str, None]] = {}  # start in buckets: incidents
        self._kept: dict[str, tuple[set[str], int]] = {}  # incident: where it is in the index
        self._strange: set[str] = set()  # incidents of entities that the graph does not know
        self._around: dict[str, set[str]] = {}  # entity: incidents of it and of its kin
        self._known_lags: dict[tuple[str, str, float, float], _Lags] = {}

    def know(self, topology: Topology) -> None:
        """Take another call graph."""
        self.topology = topology
        self._around.clear()
        self._strange = {
            name
            for name, (known, _) in self._kept.items()
            if not all(topology.knows(entity) for entity in known)
        }

    # --- following the ledger ---------------------------------------------------------------

    def follow(self, changed: Iterable[tuple[str, Footprint | None]]) -> None:
        """Take the footprints that changed; ``None`` for one that takes nothing any more."""
        for name, to in changed:
            if to is None:
                self._drop(name)
                continue
            self._prints[name] = to
            bucket = int(to.started // BUCKET)
            kept = self._kept.get(name)
            if kept is None or kept[1] != bucket:
                if kept is not None:
                    self._leave(kept[1], name)
                self._begun.setdefault(bucket, {})[name] = None
                kept = self._kept[name] = (set() if kept is None else kept[0], bucket)
            known = kept[0]
            if len(known) != len(to.onsets):
                for entity in to.onsets.keys() - known:
                    self._at.setdefault(entity, set()).add(name)
                    known.add(entity)
                    for other in self._cached({entity}):
                        self._around[other].add(name)
                    if not self.topology.knows(entity):
                        self._strange.add(name)

    def _drop(self, name: str) -> None:
        kept = self._kept.pop(name, None)
        if kept is None:
            return
        del self._prints[name]
        self._strange.discard(name)
        self._leave(kept[1], name)
        for other in self._cached(kept[0]):
            self._around[other].discard(name)
        for entity in kept[0]:
            here = self._at[entity]
            here.discard(name)
            if not here:
                del self._at[entity]

    def _cached(self, entities: set[str]) -> AbstractSet[str]:
        """Return of whom it is kept what is around them, as far as these entities are."""
        if not self._around:
            return _NOWHERE
        kin = self.topology.kin
        return self._around.keys() & entities.union(*(kin(e).everyone for e in entities))

    def _leave(self, bucket: int, name: str) -> None:
        here = self._begun[bucket]
        del here[name]
        if not here:
            del self._begun[bucket]

    # --- asking -----------------------------------------------------------------------------

    def dated(self, anomaly: Anomaly) -> Anomaly:
        """Return an anomaly with the moment at which its series began to depart this time."""
        onset = self._onsets.of(anomaly)
        return anomaly if onset == anomaly.since else replace(anomaly, since=onset)

    def homes(self, anomaly: Anomaly) -> list[str]:
        """Return the ids of the incidents an anomaly belongs to, the strongest link first.

        It makes one of several only where they began within a window and its links are alike:
        a weak link beside a strong one is chance.
        """
        near = self._near(anomaly)
        if not near:
            return []
        lags, prints = self._lags(anomaly), self._prints
        key, entity = anomaly.series.id, anomaly.entity
        found: list[tuple[float, float, str]] = []
        for name in near:
            to = prints[name]
            if len(to.onsets) >= MAX_ENTITIES and key not in to.series and entity not in to.onsets:
                continue
            score = self._link(anomaly, key, to, lags)
            if score >= LINK:
                found.append((-score, to.started, name))
        if len(found) < 2:
            return [name for _, _, name in found]
        found.sort()
        least, began = RIVAL * found[0][0], found[0][1]
        return [n for s, at, n in found if s <= least and abs(at - began) <= lags.window]

    def _near(self, anomaly: Anomaly) -> AbstractSet[str]:
        """Return the incidents that a link is possible to."""
        entity = anomaly.entity
        names = self._by_graph(entity)
        for other in self.companions.of(entity):
            if other in self._at:
                names = names | self._at[other]
        strange = not self.topology.knows(entity)
        if not strange and not self._strange:
            return names
        spread = reach(anomaly.pace / PACES, STRANGER_SECONDS)
        first = int((anomaly.since - spread) // BUCKET)
        last = int((anomaly.since + spread) // BUCKET)
        for bucket in range(first, last + 1):
            if bucket in self._begun:
                here = self._begun[bucket]
                names = names | (here.keys() if strange else here.keys() & self._strange)
        return names

    def _by_graph(self, entity: str) -> AbstractSet[str]:
        """Return the incidents of an entity and of those the graph knows it has to do with."""
        known = self._around.get(entity)
        if known is not None:
            return known
        at, everyone = self._at, self.topology.kin(entity).everyone
        own = at.get(entity, _NOWHERE)
        if not everyone:
            return own
        if len(self._around) >= MAX_KEPT:
            self._around.clear()
        found = self._around[entity] = set(own).union(*(at[e] for e in everyone & at.keys()))
        return found

    def learn(self, anomaly: Anomaly, homes: Sequence[str]) -> None:
        """Learn from where an anomaly belongs: whose company it is, how late its source tells."""
        if anomaly.severity <= Severity.INFO or anomaly.surprise < WEAK:
            return
        self.companions.see(anomaly.entity, anomaly.since)
        to = self._prints.get(homes[0]) if homes else None
        if to is None or anomaly.series.id in to.series:
            return
        entity, onsets = anomaly.entity, to.onsets
        near = [entity]
        if self.topology.knows(entity):
            near += [*self.topology.callees(entity), *self.topology.callers(entity)]
        apart = [abs(anomaly.since - onsets[other]) for other in near if other in onsets]
        if apart:
            self.companions.late(anomaly, min(apart))
            self._known_lags.clear()

    def link(self, anomaly: Anomaly, to: Footprint) -> float:
        """Return how strongly an anomaly belongs to an incident, 0 (not at all) to 1."""
        return self._link(anomaly, anomaly.series.id, to, self._lags(anomaly))

    def _lags(self, anomaly: Anomaly) -> _Lags:
        pace = anomaly.pace
        key = (anomaly.series.kind, anomaly.detector, pace, self.window)
        known = self._known_lags.get(key)
        if known is None:
            if len(self._known_lags) >= MAX_KEPT:
                self._known_lags.clear()
            window = reach(pace, self.window)
            sample = reach(pace / PACES, STRANGER_SECONDS)
            known = _Lags(self.companions.lag(anomaly, window), sample, window)
            self._known_lags[key] = known
        return known

    def _link(self, anomaly: Anomaly, key: str, to: Footprint, lags: _Lags) -> float:
        since, entity = anomaly.since, anomaly.series.entity
        best = 0.0
        seen = to.series.get(key)
        if seen is not None and anomaly.at - seen <= 2.0 * lags.window:
            if since <= seen:
                return 1.0
            best = max(AGAIN * math.exp(-(since - seen) / lags.sample), LINK)
        if anomaly.at - to.started > MAX_AGE:
            return best
        onset = to.onsets.get(entity)
        if onset is not None:
            best = max(best, SAME * math.exp(-abs(since - onset) / lags.tau))
            if since >= onset:
                # Its own trouble may go on in other ways, as long as it is seen in each sample.
                late = max(since - to.entities[entity], 0.0)
                best = max(best, SAME * math.exp(-late / lags.sample))
        if len(to.onsets) >= MAX_ENTITIES:
            return best
        return self._afar(since, entity, to, lags, best)

    def _afar(self, since: float, entity: str, to: Footprint, lags: _Lags, best: float) -> float:
        """Return the strongest link by way of another entity, *best* when none is stronger."""
        onsets, kin = to.onsets, self.topology.kin(entity)
        if kin.along:
            for other in onsets.keys() & kin.along.keys():
                onset = onsets[other]
                near = math.exp(-abs(since - onset) / lags.tau)
                if other in kin.below and since >= onset:
                    # Who calls it may begin to suffer as long as it is seen in each sample.
                    late = max(since - to.entities[other], 0.0)
                    near = max(near, math.exp(-late / lags.sample))
                best = max(best, (SAME - STEP * kin.along[other]) * near)
        # What began together, whoever it is: weighed by how well the two are acquainted.
        begun = math.exp(-abs(since - to.started) / lags.sample)
        if SIBLINGS * begun > best:
            best = max(best, self._acquaintance(entity, onsets, kin) * begun)
        company = self.companions.of(entity)
        if company:
            for other in company.keys() & onsets.keys():
                if self._is_stranger(entity, other, kin):
                    late = abs(since - onsets[other] - self.companions.follows(entity, other))
                    best = max(best, company[other] * math.exp(-late / lags.tau))
        return best

    def _acquaintance(self, entity: str, onsets: Mapping[str, float], kin: Kin) -> float:
        """Return how well an entity knows those that are neither itself nor along its calls."""
        if not kin.everyone and not self.topology.knows(entity):
            return STRANGERS if len(onsets) > (entity in onsets) else 0.0
        if kin.siblings and not kin.siblings.isdisjoint(onsets):
            # Who they both call made both suffer at once, or has nothing to do with it.
            return SIBLINGS
        if any(other != entity and self._is_stranger(entity, other, kin) for other in onsets):
            return STRANGERS
        # No graph is whole: what fails at the same moment for one caller is one story.
        return 0.0 if kin.together.isdisjoint(onsets) else TOGETHER

    def _is_stranger(self, entity: str, other: str, kin: Kin) -> bool:
        """Return whether nobody knows if the two are related."""
        if self.topology.knows(entity) and self.topology.knows(other):
            return False
        return other not in kin.along and other not in kin.siblings and other not in kin.together

    # --- saved at a cut ---------------------------------------------------------------------

    def to_section(self) -> Section:
        """Return what was learned and when series began; the index follows from the ledger."""
        header = {"companions": self.companions.to_state(), "onsets": self._onsets.to_state()}
        return Section(self.name, _VERSION, header)

    def restore(self, section: Section) -> None:
        """Take back what ``to_section`` returned; an unknown version stays empty."""
        if section.version == _VERSION:
            self.companions.restore(section.header["companions"])
            self._onsets.restore(section.header["onsets"])
            self._known_lags.clear()
