"""Decide to which incident an anomaly belongs: near in time and near in the system.

What counts is when things *began*. That an old trouble is still seen says nothing about a new one,
so links decay with the time between onsets, and an incident that only lasts draws nobody in.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from aiops.correlation.companions import Companions
from aiops.correlation.first_week import FirstWeek
from aiops.correlation.gate import WEAK
from aiops.correlation.nearby import MAX_ENTITIES, STRANGER_SECONDS, Nearby
from aiops.correlation.onsets import Onsets
from aiops.correlation.waves import is_wave
from aiops.model import Anomaly, Section, Severity
from aiops.pace import PACES, reach

if TYPE_CHECKING:
    from aiops.correlation.topology import Kin, Topology
    from aiops.pace import Footprint

LINK = 0.3  # weakest link that joins
RIVAL = 0.6  # share of the strongest link from which another incident has a claim too
MAX_AGE = 6 * 3600.0
AGAIN = 0.95  # a series that comes back
SAME = 0.9  # another series of the same entity
STEP = 0.1  # less for every call between two entities
SIBLINGS = 0.7  # both call the same one
TOGETHER = 0.5  # somebody calls both
STRANGERS = 0.6  # nobody knows
_INFO = Severity.INFO  # an enumeration's own look-up costs more than the comparison
MAX_KEPT = 10_000  # answers kept at once; forgetting them changes nothing
_VERSION = 3


class _Lags(NamedTuple):
    """How links of one anomaly decay, in seconds: with onsets, with what is seen, and at last."""

    tau: float
    sample: float
    window: float


class Homes(NamedTuple):
    """Where an anomaly belongs, and *beside* which open incident it began as a wave, if any."""

    names: Sequence[str]
    beside: str = ""


_NOWHERE = Homes(())


class Grouping:
    """Find the homes of anomalies; *window* is how long evidence belongs together, in seconds."""

    name = "grouping"  # of its section

    def __init__(self, topology: Topology, window: float, facts: Counter[str]) -> None:
        self.topology = topology
        self.window = window
        self._nearby = Nearby(topology)
        self.companions = Companions(facts)
        self._onsets = Onsets(facts)
        self._first_week = FirstWeek(facts)
        self._known_lags: dict[tuple[str, str, float, float], _Lags] = {}

    def know(self, topology: Topology) -> None:
        """Take another call graph."""
        self.topology = topology
        self._nearby.know(topology)

    @property
    def prints(self) -> Mapping[str, Footprint]:
        """Return the incidents that were shown, by their ids."""
        return self._nearby.prints

    def follow(self, changed: Iterable[tuple[str, Footprint | None]]) -> None:
        """Take the footprints that changed; ``None`` for one that takes nothing any more."""
        self._nearby.follow(changed)

    # --- asking -----------------------------------------------------------------------------

    def dated(self, anomaly: Anomaly) -> Anomaly:
        """Return an anomaly with the moment at which its series began to depart this time."""
        onset, anomaly = self._onsets.of(anomaly), self._first_week.weigh(anomaly)
        return anomaly if onset == anomaly.since else replace(anomaly, since=onset)

    def homes(self, anomaly: Anomaly) -> Homes:
        """Return the ids of the incidents an anomaly belongs to, the strongest link first.

        It makes one of several only where they began within a window and its links are alike:
        a weak link beside a strong one is chance.
        """
        key, entity = anomaly.series.id, anomaly.series.entity
        near = self._nearby.near(anomaly, self.companions.of(entity))
        if not near:
            return _NOWHERE
        lags, prints = self._lags(anomaly), self._nearby.prints
        found: list[tuple[float, float, str]] = []
        waves: list[tuple[float, float, str]] = []
        for name in near:
            to = prints[name]
            if len(to.onsets) >= MAX_ENTITIES and key not in to.series and entity not in to.onsets:
                continue
            score = self._link(anomaly, key, to, lags)
            if score >= LINK:
                wave = to.growth is not None and is_wave(anomaly, to, lags.tau)
                (waves if wave else found).append((-score, to.started, name))
        beside = min(waves)[2] if waves else ""
        if len(found) < 2:
            return Homes([name for _, _, name in found], beside)
        found.sort()
        least, began = RIVAL * found[0][0], found[0][1]
        names = [n for s, at, n in found if s <= least and abs(at - began) <= lags.window]
        return Homes(names, beside)

    def learn(self, anomaly: Anomaly, homes: Sequence[str]) -> None:
        """Learn from where an anomaly belongs: whose company it is, how late its source tells."""
        if anomaly.severity <= _INFO or anomaly.surprise < WEAK:
            return
        entity = anomaly.series.entity
        self.companions.see(entity, anomaly.since)
        to = self._nearby.prints.get(homes[0]) if homes else None
        if to is None or anomaly.series.id in to.series:
            return
        onsets = to.onsets
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
            for other in self._nearby.along(entity, to):
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
        if not self.topology.entities.issuperset(onsets):
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
        header = {
            "companions": self.companions.to_state(),
            "onsets": self._onsets.to_state(),
            "first_week": self._first_week.to_state(),
        }
        return Section(self.name, _VERSION, header)

    def restore(self, section: Section) -> None:
        """Take back what ``to_section`` returned; an unknown version stays empty."""
        if section.version == _VERSION:
            self.companions.restore(section.header["companions"])
            self._onsets.restore(section.header["onsets"])
            self._first_week.restore(section.header["first_week"])
            self._known_lags.clear()
