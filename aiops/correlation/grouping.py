"""Decide to which incident an anomaly belongs: near in time and near in the system.

What counts is when things *began*. That an old trouble is still seen says nothing about a new one,
so links decay with the time between onsets, and an incident that only lasts draws nobody in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import exp, inf
from typing import TYPE_CHECKING

from aiops.correlation.companions import Companions
from aiops.correlation.first_week import FirstWeek
from aiops.correlation.gate import WEAK
from aiops.correlation.nearby import MAX_ENTITIES, STRANGER_SECONDS, Nearby
from aiops.correlation.onsets import Onsets
from aiops.correlation.topology import NOBODY
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
AFAR = SAME - STEP  # the strongest link by way of another entity
SIBLINGS = 0.7  # both call the same one
TOGETHER = 0.5  # somebody calls both
STRANGERS = 0.6  # nobody knows
_INFO = Severity.INFO  # an enumeration's own look-up costs more than the comparison
MAX_KEPT = 10_000  # answers kept at once; forgetting them changes nothing
_VERSION = 3


_Lags = tuple[float, float, float]
"""How links of one anomaly decay, in seconds: with onsets, with what is seen, and at last."""

_NOWHERE: tuple[Sequence[str], str] = ((), "")


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

    def homes(self, anomaly: Anomaly) -> tuple[Sequence[str], str]:
        """Return the ids of the incidents an anomaly belongs to, the strongest link first.

        It makes one of several only where they began within a window and its links are alike:
        a weak link beside a strong one is chance. The second is the open incident that it began
        beside as a wave, "" for none.
        """
        entity, nearby, lags = anomaly.series.entity, self._nearby, self._lags(anomaly)
        tau, sample, window = lags
        kin, company = self.topology.kin(entity), self.companions.of(entity)
        near = nearby.near(entity, anomaly.since, sample, kin, company)
        if not near:
            return _NOWHERE
        found: list[tuple[float, float, str]] = []
        waves: list[tuple[float, float, str]] = []
        prints = map(nearby.prints.__getitem__, near)
        for score, to in self._links(anomaly, prints, lags, kin, company):
            wave = to.growth is not None and is_wave(anomaly, to, tau)
            (waves if wave else found).append((-score, to.started, to.id))
        beside = min(waves)[2] if waves else ""
        if len(found) > 1:
            found.sort()
            least, began = RIVAL * found[0][0], found[0][1]
            names = [n for s, at, n in found if s <= least and abs(at - began) <= window]
            return names, beside
        return [name for _, _, name in found], beside

    def learn(self, anomaly: Anomaly, homes: Sequence[str]) -> None:
        """Learn from where an anomaly belongs: whose company it is, how late its source tells."""
        if anomaly.severity <= _INFO or anomaly.surprise < WEAK:
            return
        entity, since = anomaly.series.entity, anomaly.since
        self.companions.see(entity, since)
        to = self._nearby.prints.get(homes[0]) if homes else None
        if to is None or anomaly.series.id in to.series:
            return
        onsets, own = to.onsets, to.onsets.get(entity)
        apart = [] if own is None else [abs(since - own)]
        if own != since and self.topology.knows(entity):
            near = self.topology.callees(entity), self.topology.callers(entity)
            apart += [abs(since - onsets[e]) for each in near for e in each if e in onsets]
        if apart:
            self.companions.late(anomaly, min(apart))
            self._known_lags.clear()

    def link(self, anomaly: Anomaly, to: Footprint) -> float:
        """Return how strongly an anomaly belongs to an incident, 0 (too weakly to join) to 1."""
        entity, lags = anomaly.series.entity, self._lags(anomaly)
        kin, company = self.topology.kin(entity), self.companions.of(entity)
        return sum([score for score, _ in self._links(anomaly, (to,), lags, kin, company)])

    def _lags(self, anomaly: Anomaly) -> _Lags:
        pace = anomaly.pace
        key = (anomaly.series.kind, anomaly.detector, pace, self.window)
        known = self._known_lags.get(key)
        if known is None:
            if len(self._known_lags) >= MAX_KEPT:
                self._known_lags.clear()
            window = reach(pace, self.window)
            sample = reach(pace / PACES, STRANGER_SECONDS)
            known = self.companions.lag(anomaly, window), sample, window
            self._known_lags[key] = known
        return known

    def _links(
        self,
        anomaly: Anomaly,
        prints: Iterable[Footprint],
        lags: _Lags,
        kin: Kin,
        company: Mapping[str, float],
    ) -> list[tuple[float, Footprint]]:
        """Return the incidents that an anomaly is linked to, each with how strongly."""
        series, at, since = anomaly.series, anomaly.at, anomaly.since
        key, entity = series.id, series.entity
        tau, sample, window = lags
        alone = kin is NOBODY and not company
        found: list[tuple[float, Footprint]] = []
        for to in prints:
            onsets, best, seen = to.onsets, 0.0, to.series.get(key)
            if seen is not None and at - seen <= 2.0 * window:
                if since <= seen:
                    found.append((1.0, to))
                    continue
                best = max(AGAIN * exp((seen - since) / sample), LINK)
            if at - to.started <= MAX_AGE:
                onset = onsets.get(entity)
                if onset is not None:
                    # Its own trouble may go on in other ways, while it is seen in each sample.
                    late = since - to.entities[entity] if since >= onset else inf
                    near = (
                        1.0 if late <= 0.0 else exp(-min(abs(since - onset) / tau, late / sample))
                    )
                    best = max(best, SAME * near)
                if best < AFAR and len(onsets) < MAX_ENTITIES:
                    if not alone:
                        best = self._afar(anomaly, to, lags, best, kin=kin, company=company)
                    elif len(onsets) > (onset is not None):
                        best = max(best, STRANGERS * exp(-abs(since - to.started) / sample))
            if best >= LINK:
                found.append((best, to))
        return found

    def _afar(
        self,
        anomaly: Anomaly,
        to: Footprint,
        lags: _Lags,
        best: float,
        *,
        kin: Kin,
        company: Mapping[str, float],
    ) -> float:
        """Return the strongest link by way of another entity, *best* when none is stronger."""
        entity, since, onsets = anomaly.series.entity, anomaly.since, to.onsets
        tau, sample, _ = lags
        for other in self._nearby.along(entity, kin, to) if kin.along else ():
            strength = SAME - STEP * kin.along[other]
            if strength > best:
                onset = onsets[other]
                near = exp(-abs(since - onset) / tau)
                if since >= onset and other in kin.below:
                    # Who calls it may begin to suffer as long as it is seen in each sample.
                    near = max(near, exp(min(to.entities[other] - since, 0.0) / sample))
                best = max(best, strength * near)
        # What began together, whoever it is: weighed by how well the two are acquainted.
        begun = exp(-abs(since - to.started) / sample)
        if SIBLINGS * begun > best:
            best = max(best, self._acquaintance(entity, onsets, kin) * begun)
        for other in company.keys() & onsets.keys() if company else ():
            if self._is_stranger(entity, other, kin):
                late = abs(since - onsets[other] - self.companions.follows(entity, other))
                best = max(best, company[other] * exp(-late / tau))
        return best

    def _acquaintance(self, entity: str, onsets: Mapping[str, float], kin: Kin) -> float:
        """Return how well an entity knows those that are neither itself nor along its calls."""
        if kin is NOBODY:
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
