"""Keep who is where: the incidents that an anomaly could belong to, among all that live.

Everything here follows from the footprints that were shown and from the call graph. What is kept
of answers is forgotten with every change, which costs less than to carry each change into them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiops.model import Anomaly
from aiops.pace import PACES, reach

if TYPE_CHECKING:
    from aiops.correlation.topology import Topology
    from aiops.pace import Footprint

MAX_ENTITIES = 40  # an incident this wide takes only what it already holds
STRANGER_SECONDS = 60.0  # entities of unknown relation belong together only this close in time
MAX_KEPT = 10_000  # answers kept at once; forgetting them changes nothing
_BUCKET = 60.0


@dataclass(slots=True)
class _Place:
    """Where one incident is in the index; a *wide* one is found by what it holds alone."""

    bucket: int
    wide: bool
    entities: set[str] = field(default_factory=set)


class Nearby:
    """Find incidents by their entities, by the kin of these, and by when they began."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self.prints: dict[str, Footprint] = {}
        self._places: dict[str, _Place] = {}
        self._at: dict[str, set[str]] = {}  # entity: incidents that may take others, too
        self._held: dict[str, set[str]] = {}  # entity: wide incidents
        self._begun: dict[int, dict[str, None]] = {}  # start in buckets: incidents
        self._strange: set[str] = set()  # incidents of entities that the graph does not know
        self._around: dict[str, set[str]] = {}  # entity: incidents of it and of its kin
        self._along: dict[tuple[str, str, int], tuple[str, ...]] = {}

    def know(self, topology: Topology) -> None:
        """Take another call graph."""
        self.topology = topology
        prints = list(self.prints.items())
        for name, _ in prints:
            self._drop(name)
        self.follow(prints)

    def follow(self, changed: Iterable[tuple[str, Footprint | None]]) -> None:
        """Take the footprints that changed; ``None`` for one that takes nothing any more."""
        for name, to in changed:
            place = self._places.get(name)
            if to is None:
                if place is not None:
                    self._drop(name)
                continue
            wide, bucket = len(to.onsets) >= MAX_ENTITIES, int(to.started // _BUCKET)
            if place is not None and (place.wide is not wide or place.bucket != bucket):
                self._drop(name)
                place = None
            if place is None:
                place = self._places[name] = _Place(bucket, wide)
                if not wide:
                    self._begun.setdefault(bucket, {})[name] = None
            self.prints[name] = to
            here = to.entities if wide else to.onsets
            if len(here) != len(place.entities):
                self._spread(name, place, here)

    def _spread(self, name: str, place: _Place, here: dict[str, float]) -> None:
        """Note an incident at the entities that are new in it."""
        self._forget_answers()
        known, at = place.entities, self._held if place.wide else self._at
        graph = self.topology.entities
        newest = next(reversed(here), "")
        # One more is the rule, and sooner found.
        one = len(here) == len(known) + 1 and newest not in known
        for entity in (newest,) if one else here.keys() - known:
            known.add(entity)
            if entity in at:
                at[entity].add(name)
            else:
                at[entity] = {name}
            if entity not in graph and not place.wide:
                self._strange.add(name)

    def _drop(self, name: str) -> None:
        self._forget_answers()
        place = self._places.pop(name)
        del self.prints[name]
        self._strange.discard(name)
        if not place.wide:
            begun = self._begun[place.bucket]
            del begun[name]
            if not begun:
                del self._begun[place.bucket]
        at = self._held if place.wide else self._at
        for entity in place.entities:
            here = at[entity]
            here.discard(name)
            if not here:
                del at[entity]

    # --- asking -----------------------------------------------------------------------------

    def near(self, anomaly: Anomaly, company: Collection[str]) -> Collection[str]:
        """Return the incidents that a link is possible to; *company* falls ill with its entity."""
        entity, at, begun = anomaly.series.entity, self._at, self._begun
        strange = entity not in self.topology.entities
        if not (strange or company or self._strange):
            return self._by_graph(entity)
        names = set(self._by_graph(entity))
        for other in company:
            if other in at:
                names |= at[other]
        if strange or self._strange:
            spread = reach(anomaly.pace / PACES, STRANGER_SECONDS)
            first = int((anomaly.since - spread) // _BUCKET)
            last = int((anomaly.since + spread) // _BUCKET)
            for bucket in range(first, last + 1):
                if bucket in begun:
                    here = begun[bucket]
                    names.update(here if strange else here.keys() & self._strange)
        return names

    def along(self, entity: str, to: Footprint) -> tuple[str, ...]:
        """Return who of an incident calls *entity* or is called by it, directly or not."""
        asked = entity, to.id, len(to.onsets)
        found = self._along.get(asked)
        if found is None:
            if len(self._along) >= MAX_KEPT:
                self._along.clear()
            found = tuple(to.onsets.keys() & self.topology.kin(entity).along.keys())
            self._along[asked] = found
        return found

    def _forget_answers(self) -> None:
        self._around.clear()
        self._along.clear()

    def _by_graph(self, entity: str) -> set[str]:
        """Return the incidents of an entity and of those the graph knows it has to do with."""
        found = self._around.get(entity)
        if found is None:
            at = self._at
            found = {*at.get(entity, ()), *self._held.get(entity, ())}
            everyone = self.topology.kin(entity).everyone
            # Of two, a frozenset looks through whatever it is given.
            here = everyone.intersection(at) if len(at) < len(everyone) else at.keys() & everyone
            found.update(*[at[e] for e in here])
            if len(self._around) >= MAX_KEPT:
                self._around.clear()
            self._around[entity] = found
        return found
