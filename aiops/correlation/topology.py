"""Who calls whom, as far as somebody said so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from aiops.entities import as_entity

FURTHEST = 3  # calls that trouble is followed along
DEEPEST = 4  # calls that dependence is followed along
MAX_KEPT = 10_000  # answers kept at once; forgetting them changes nothing


class Kin(NamedTuple):
    """Whom an entity has to do with: by calls along one way, else by a shared callee or caller.

    ``below`` are those of ``along`` that it depends on. Nobody is in two of the others; all of
    them are in ``everyone``. Who is of whose is mutual.
    """

    along: Mapping[str, int]
    siblings: frozenset[str]
    together: frozenset[str]
    below: frozenset[str]
    everyone: frozenset[str]


_NONE: frozenset[str] = frozenset()
_NOBODY = Kin({}, _NONE, _NONE, _NONE, _NONE)


class Topology:
    """Answer questions about the call graph; an empty one knows nothing."""

    def __init__(self, calls: Mapping[str, Sequence[str]] | None = None) -> None:
        self._callees: dict[str, frozenset[str]] = {
            as_entity(caller): frozenset(as_entity(c) for c in callees)
            for caller, callees in (calls or {}).items()
        }
        callers: dict[str, set[str]] = {}
        for caller, callees in self._callees.items():
            for callee in callees:
                callers.setdefault(callee, set()).add(caller)
        self._callers = {callee: frozenset(found) for callee, found in callers.items()}
        self._entities = frozenset(self._callees) | frozenset(self._callers)
        self._kin: dict[str, Kin] = {}
        self._needs: dict[str, frozenset[str]] = {}
        self._dependents: dict[str, frozenset[str]] = {}

    @property
    def entities(self) -> frozenset[str]:
        """Return everybody the graph names."""
        return self._entities

    def knows(self, entity: str) -> bool:
        """Return whether the graph says anything about *entity*."""
        return entity in self._entities

    def callees(self, entity: str) -> frozenset[str]:
        return self._callees.get(entity, _NONE)

    def callers(self, entity: str) -> frozenset[str]:
        return self._callers.get(entity, _NONE)

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
        if entity not in self._entities:
            return _NOBODY
        known = self._kin.get(entity)
        if known is None:
            if len(self._kin) >= MAX_KEPT:
                self._kin.clear()
            known = self._kin[entity] = self._find(entity)
        return known

    def _find(self, entity: str) -> Kin:
        below, above = (_steps(entity, ways, FURTHEST) for ways in (self._callees, self._callers))
        along = above | below
        for name in above.keys() & below.keys():
            along[name] = min(above[name], below[name])
        siblings = _next(self.callees(entity), self._callers)
        together = _next(self.callers(entity), self._callees)
        siblings -= {entity, *along}
        together -= {entity, *along, *siblings}
        return Kin(
            along,
            frozenset(siblings),
            frozenset(together),
            frozenset(below),
            frozenset(siblings.union(together, along)),
        )

    def reaches(self, caller: str, callee: str) -> bool:
        """Return whether *caller* depends on *callee*, directly or through others."""
        return callee in self.needs(caller)

    def needs(self, caller: str) -> frozenset[str]:
        """Return everybody that *caller* depends on, directly or through others."""
        return self._followed(caller, self._callees, self._needs)

    def dependents(self, callee: str) -> frozenset[str]:
        """Return everybody that depends on *callee*, directly or through others."""
        return self._followed(callee, self._callers, self._dependents)

    @staticmethod
    def _followed(
        entity: str,
        ways: Mapping[str, frozenset[str]],
        answers: dict[str, frozenset[str]],
    ) -> frozenset[str]:
        if entity not in ways:
            return _NONE
        known = answers.get(entity)
        if known is None:
            if len(answers) >= MAX_KEPT:
                answers.clear()
            edge, seen = {entity}, set[str]()
            for _ in range(DEEPEST):
                edge = _next(edge, ways) - seen
                seen |= edge
            known = answers[entity] = frozenset(seen)
        return known


def _next(entities: Iterable[str], ways: Mapping[str, frozenset[str]]) -> set[str]:
    return set[str]().union(*[ways[e] for e in entities if e in ways])


def _steps(entity: str, ways: Mapping[str, frozenset[str]], most: int) -> dict[str, int]:
    """Return who is reached, and after how many steps of at most so many."""
    found: dict[str, int] = {}
    edge = {entity}
    for steps in range(1, most + 1):
        edge = _next(edge, ways).difference(found, (entity,))
        found |= dict.fromkeys(edge, steps)
    return found
