"""Who calls whom, as far as somebody said so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


_NOBODY = Kin({}, frozenset(), frozenset(), frozenset(), frozenset())


class Topology:
    """Answer questions about the call graph; an empty one knows nothing."""

    def __init__(self, calls: Mapping[str, Sequence[str]] | None = None) -> None:
        self._callees: dict[str, frozenset[str]] = {
            as_entity(caller): frozenset(as_entity(c) for c in callees)
            for caller, callees in (calls or {}).items()
        }
        self._callers: dict[str, set[str]] = {}
        for caller, callees in self._callees.items():
            for callee in callees:
                self._callers.setdefault(callee, set()).add(caller)
        self._entities = frozenset(self._callees) | frozenset(self._callers)
        self._kin: dict[str, Kin] = {}
        self._needs: dict[str, frozenset[str]] = {}

    @property
    def entities(self) -> frozenset[str]:
        """Return everybody the graph names."""
        return self._entities

    def knows(self, entity: str) -> bool:
        """Return whether the graph says anything about *entity*."""
        return entity in self._entities

    def callees(self, entity: str) -> frozenset[str]:
        return self._callees.get(entity, frozenset())

    def callers(self, entity: str) -> frozenset[str]:
        return frozenset(self._callers.get(entity, ()))

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
        return not self._callers.get(a, set()).isdisjoint(self._callers.get(b, ()))

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
        along: dict[str, int] = {}
        below: set[str] = set()
        for ways in (self._callees, self._callers):
            edge, seen = {entity}, {entity}
            for steps in range(1, FURTHEST + 1):
                edge = {n for e in edge for n in ways.get(e, ())} - seen
                seen |= edge
                if ways is self._callees:
                    below |= edge
                for name in edge:
                    along[name] = min(steps, along.get(name, steps))
        siblings = {c for callee in self.callees(entity) for c in self._callers[callee]}
        together = {c for caller in self.callers(entity) for c in self._callees[caller]}
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
        if caller not in self._callees:
            return False
        needs = self._needs.get(caller)
        if needs is None:
            if len(self._needs) >= MAX_KEPT:
                self._needs.clear()
            edge, seen = {caller}, set[str]()
            for _ in range(DEEPEST):
                edge = {n for e in edge for n in self.callees(e)} - seen
                seen |= edge
            needs = self._needs[caller] = frozenset(seen)
        return callee in needs
