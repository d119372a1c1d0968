"""Who calls whom, as far as somebody said so, and as far as it was learned.

What is declared wins: whoever is declared to call somebody calls nobody else. What is learned adds
to it and rules nothing out, for it is never whole: whom it alone names is not *known*, so he may
still have to do with anybody. In links it counts as one call more between two; among suspects it
counts in full, for less of it costs hits (`docs/detection.md`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from aiops.entities import as_entity

FURTHEST = 3  # calls that trouble is followed along
DEEPEST = 4  # calls that dependence is followed along
MAX_KEPT = 10_000  # answers kept at once; forgetting them changes nothing


class Kin(NamedTuple):
    """Whom an entity has to do with: by calls along one way, else by a shared callee or caller.

    ``below`` are those of ``along`` that it depends on. Nobody is in two of the others; all of
    them, and the entity itself, are in ``everyone``. Who is of whose is mutual.
    """

    along: Mapping[str, int]
    siblings: AbstractSet[str]
    together: AbstractSet[str]
    below: AbstractSet[str]
    everyone: AbstractSet[str]


_NONE: frozenset[str] = frozenset()
NOBODY = Kin({}, _NONE, _NONE, _NONE, _NONE)


class Topology:
    """Answer questions about the call graph; an empty one knows nothing.

    *calls* is what is declared, caller by caller; *learned* are pairs of caller and callee.
    ``entities`` is everybody the declared graph names.
    """

    def __init__(
        self,
        calls: Mapping[str, Sequence[str]] | None = None,
        learned: Iterable[tuple[str, str]] = (),
    ) -> None:
        self.calls = {
            as_entity(caller): frozenset(as_entity(c) for c in called)
            for caller, called in (calls or {}).items()
        }
        self.entities = frozenset(self.calls).union(*self.calls.values())
        self.learned = tuple(
            (caller, callee)
            for caller, callee in sorted(set(learned))
            if caller not in self.calls and caller != callee
        )
        callees = {caller: set(called) for caller, called in self.calls.items()}
        for caller, callee in self.learned:
            callees.setdefault(caller, set()).add(callee)
        self._below, self._above = _both_ways(callees)
        self._declared = _both_ways(self.calls) if self.learned else (self._below, self._above)
        self._named = self.entities.union(*self.learned)
        self._kin: dict[str, Kin] = {}

    def taught(self, learned: Iterable[tuple[str, str]]) -> Topology:
        """Return the same declared graph with other learned calls."""
        return Topology({a: sorted(b) for a, b in self.calls.items()}, learned)

    def knows(self, entity: str) -> bool:
        """Return whether the declared graph says anything about *entity*."""
        return entity in self.entities

    def callees(self, entity: str) -> frozenset[str]:
        return self._below.direct.get(entity, _NONE)

    def callers(self, entity: str) -> frozenset[str]:
        return self._above.direct.get(entity, _NONE)

    def distance(self, a: str, b: str, limit: int = 3) -> int | None:
        """Return the number of calls between two entities, ``None`` beyond *limit*."""
        if a == b:
            return 0
        seen, edge = {a}, {a}
        for steps in range(1, limit + 1):
            edge = {n for e in edge for n in self.callees(e) | self.callers(e)} - seen
            if b in edge:
                return steps
            seen |= edge
        return None

    def along(self, a: str, b: str) -> int | None:
        """Return how far trouble travels between two entities, ``None`` when it does not.

        It follows calls, one way or the other. Paths that turn join everything to everything
        through shared stores.
        """
        return 0 if a == b else self.kin(a).along.get(b)

    def siblings(self, a: str, b: str) -> bool:
        """Return whether both call the same one."""
        return not self.callees(a).isdisjoint(self.callees(b))

    def called_together(self, a: str, b: str) -> bool:
        """Return whether somebody calls both."""
        return not self.callers(a).isdisjoint(self.callers(b))

    def kin(self, entity: str) -> Kin:
        """Return whom *entity* has to do with."""
        known = self._kin.get(entity)
        if known is None:
            if entity not in self._named:
                return NOBODY
            if len(self._kin) >= MAX_KEPT:
                self._kin.clear()
            known = self._kin[entity] = self._find(entity)
        return known

    def _find(self, entity: str) -> Kin:
        below, above = self._below.steps(entity), self._above.steps(entity)
        along = {**above, **below}
        for name in above.keys() & below.keys():
            along[name] = min(above[name], below[name])
        if self.learned:
            said = {name for ways in self._declared for name in ways.steps(entity)}
            along |= {name: along[name] + 1 for name in along.keys() - said}
        siblings = set[str]().union(*[self.callers(c) for c in self.callees(entity)])
        together = set[str]().union(*[self.callees(c) for c in self.callers(entity)])
        siblings.difference_update(along, (entity,))
        together.difference_update(along, siblings, (entity,))
        everyone = {entity}.union(along, siblings, together)
        return Kin(along, siblings, together, below.keys(), everyone)

    def reaches(self, caller: str, callee: str) -> bool:
        """Return whether *caller* depends on *callee*, directly or through others."""
        return callee in self.needs(caller)

    def needs(self, caller: str) -> frozenset[str]:
        """Return everybody that *caller* depends on, directly or through others."""
        return self._below.within(caller, DEEPEST)

    def dependents(self, callee: str) -> frozenset[str]:
        """Return everybody that depends on *callee*, directly or through others."""
        return self._above.within(callee, DEEPEST)


def _both_ways(callees: Mapping[str, Iterable[str]]) -> tuple[_Ways, _Ways]:
    callers: dict[str, set[str]] = {}
    for caller, called in callees.items():
        for callee in called:
            callers.setdefault(callee, set()).add(caller)
    below = {caller: frozenset(called) for caller, called in callees.items()}
    above = {callee: frozenset(found) for callee, found in callers.items()}
    return _Ways(below), _Ways(above)


class _Ways:
    """Follow calls one way; what was found within a few of them is kept."""

    def __init__(self, direct: Mapping[str, frozenset[str]]) -> None:
        self.direct = direct
        self._kept: dict[tuple[str, int], frozenset[str]] = {}

    def steps(self, entity: str) -> dict[str, int]:
        """Return who is reached within ``FURTHEST`` calls, and after how many at least."""
        direct, edge, found = self.direct, {entity}, dict[str, int]()
        for steps in range(1, FURTHEST + 1):
            edge = set[str]().union(*[direct[each] for each in edge if each in direct])
            edge.difference_update(found, (entity,))
            found.update(dict.fromkeys(edge, steps))
        return found

    def within(self, entity: str, steps: int) -> frozenset[str]:
        """Return who is reached in one to so many steps; oneself only around a circle."""
        direct = self.direct.get(entity, _NONE)
        if steps == 1 or not direct:
            return direct
        known = self._kept.get((entity, steps))
        if known is None:
            known = direct.union(*[self.within(each, steps - 1) for each in direct])
            if len(self._kept) >= MAX_KEPT:
                self._kept.clear()
            self._kept[entity, steps] = known
        return known
