"""Keep who is where: the incidents that an anomaly could belong to, among all that live.

Everything here follows from the footprints that were shown and from the call graph. What is kept
of answers is forgotten with every change, which costs less than to carry each change into them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from aiops.correlation.topology import NOBODY

if TYPE_CHECKING:
    from aiops.correlation.topology import Kin, Topology
    from aiops.pace import Footprint

MAX_ENTITIES = 40  # an incident this wide takes only what it already holds
STRANGER_SECONDS = 60.0  # entities of unknown relation belong together only this close in time
MAX_KEPT = 10_000  # answers kept at once; forgetting them changes nothing
_WHOLE = 60.0  # seconds: in whole ones of these it is asked when incidents began


@dataclass(slots=True)
class _Place:
    """Where one incident is in the index; a *wide* one is found by what it holds alone.

    ``noted`` are those of ``here`` at whom it is found, in their order.
    """

    started: float
    wide: bool
    here: dict[str, float]
    noted: list[str] = field(default_factory=list)


class Nearby:
    """Find incidents by their entities, by the kin of these, and by when they began."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self.prints: dict[str, Footprint] = {}
        self._places: dict[str, _Place] = {}
        self._at: dict[str, set[str]] = {}  # entity: incidents that may take others, too
        self._held: dict[str, set[str]] = {}  # entity: wide incidents
        self._starts: list[float] = []  # when those that may take others began, in order, and …
        self._begun: list[str] = []  # … which they are
        self._strange: set[str] = set()  # incidents of entities that the graph does not know
        self._around: dict[str, set[str]] = {}  # entity: incidents of it and of its kin
        self._along: dict[tuple[str, str, int], tuple[str, ...]] = {}

    def know(self, topology: Topology) -> None:
        """Take another call graph."""
        prints = list(self.prints.items())
        for name, _ in prints:
            self._drop(name, self._places[name])
        self.topology = topology
        self.follow(prints)

    def follow(self, changed: Iterable[tuple[str, Footprint | None]]) -> None:
        """Take the footprints that changed; ``None`` for one that takes nothing any more."""
        places = self._places
        for name, to in changed:
            place = places.get(name)
            if to is None:
                if place is not None:
                    self._drop(name, place)
                continue
            wide = len(to.onsets) >= MAX_ENTITIES
            here = to.entities if wide else to.onsets
            if place is not None and place.here is not here:
                self._drop(name, place)
                place = None
            if place is None:
                place = places[name] = _Place(to.started, wide, here)
                self._begin(name, place)
            elif place.started != to.started:
                self._end(name, place)
                place.started = to.started
                self._begin(name, place)
            self.prints[name] = to
            if len(here) != len(place.noted):
                self._spread(name, place)

    def _begin(self, name: str, place: _Place) -> None:
        if not place.wide:
            first = bisect_left(self._starts, place.started)
            self._starts.insert(first, place.started)
            self._begun.insert(first, name)

    def _end(self, name: str, place: _Place) -> None:
        if not place.wide:
            found = self._begun.index(name, bisect_left(self._starts, place.started))
            del self._starts[found], self._begun[found]

    def _spread(self, name: str, place: _Place) -> None:
        """Note an incident at the entities that are new in it."""
        here, noted, wide = place.here, place.noted, place.wide
        at, graph = self._held if wide else self._at, self.topology.entities
        self._around.clear()
        for entity in islice(reversed(here), len(here) - len(noted)):
            noted.append(entity)
            if entity in at:
                at[entity].add(name)
            else:
                at[entity] = {name}
            if entity not in graph and not wide:
                self._strange.add(name)

    def _drop(self, name: str, place: _Place) -> None:
        self._end(name, place)
        del self.prints[name], self._places[name]
        self._strange.discard(name)
        self._around.clear()
        self._along.clear()
        at = self._held if place.wide else self._at
        for entity in place.noted:
            here = at[entity]
            here.discard(name)
            if not here:
                del at[entity]

    # --- asking -----------------------------------------------------------------------------

    def near(
        self, entity: str, since: float, spread: float, kin: Kin, company: Collection[str]
    ) -> Collection[str]:
        """Return the incidents that a link is possible to; *company* falls ill with *entity*.

        Where nobody knows, it is what began within *spread* seconds of *since*, or little more.
        """
        at, strange = self._at, entity not in self.topology.entities
        if not (strange or company or self._strange):
            return self._by_graph(entity, kin)
        begun: Collection[str] = ()
        if strange or self._strange:
            first = bisect_left(self._starts, (since - spread) // _WHOLE * _WHOLE)
            last = bisect_left(self._starts, ((since + spread) // _WHOLE + 1.0) * _WHOLE, first)
            begun = self._begun[first:last]
            if not strange:
                begun = self._strange.intersection(begun)
        if kin is not NOBODY:
            names = self._by_graph(entity, kin).union(begun)
        elif company or entity in at or entity in self._held:
            names = {*begun, *at.get(entity, ()), *self._held.get(entity, ())}
        else:
            return begun
        for other in company:
            if other in at:
                names |= at[other]
        return names

    def along(self, entity: str, kin: Kin, to: Footprint) -> tuple[str, ...]:
        """Return who of an incident calls *entity* or is called by it, directly or not."""
        asked = entity, to.id, len(to.onsets)
        found = self._along.get(asked)
        if found is None:
            if len(self._along) >= MAX_KEPT:
                self._along.clear()
            found = tuple(to.onsets.keys() & kin.along.keys())
            self._along[asked] = found
        return found

    def _by_graph(self, entity: str, kin: Kin) -> set[str]:
        """Return the incidents of an entity and of those the graph knows it has to do with."""
        found = self._around.get(entity)
        if found is None:
            found = set(self._held.get(entity, ()))
            found.update(*filter(None, map(self._at.get, kin.everyone)))
            if len(self._around) >= MAX_KEPT:
                self._around.clear()
            self._around[entity] = found
        return found
