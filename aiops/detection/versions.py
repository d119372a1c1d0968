"""Tell deploys from metrics that state a version: a version never seen there is a change.

A rolling update shows two versions at once, a page behind a load balancer shows them in turn, and
one deploy shows in several metrics: it is told once, when the first of them states something new.
A version that gives way to an earlier one is told, too: somebody rolled back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from aiops.detection.claims import Claim, change_title, claims, is_info, rank
from aiops.model import ChangeEvent, Section

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

    from aiops.model import Series

AROUND = 300.0  # seconds for which a version that was seen is still taken to run
TOGETHER = 600.0  # seconds in which other labels of an entity tell of the same deploy
RESTLESS = 24.0  # changes a day from which a label is no version
MOST_VALUES = 8  # versions of one workload at a time
DAY = 86400.0
_VERSION = 1


@dataclass(frozen=True, slots=True, eq=False)
class Stating:
    """Say which columns state versions; ``where`` are each one's places in ``claims``."""

    of: NDArray[np.intp]
    where: tuple[tuple[int, ...], ...]
    claims: tuple[Claim, ...]


@dataclass(slots=True)
class _Label:
    """The versions one label of a workload had of late, and the one that came last."""

    current: str
    at: float
    seen: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class _Told:
    """When an entity's last change was told, by which label, and how many a day there are."""

    at: float
    key: str
    often: float = 0.0


class Versions:
    """Remember the versions that up to *most* labels state."""

    def __init__(self, most: int = 10_000) -> None:
        self.changes: list[ChangeEvent] = []
        self._most = most
        self._labels: dict[str, _Label] = {}
        self._told: dict[str, _Told] = {}
        self._refused = 0
        self._full_until = -math.inf

    def bind(self, series: Sequence[Series], skip: Collection[int]) -> Stating:
        """Find the columns that state versions; *skip* are those that are to be ignored."""
        places: dict[Claim, int] = {}
        of, where = [], []
        for i, one in enumerate(series):
            if i in skip or not is_info(one.name.partition("{")[0]):
                continue
            if stated := claims(one.entity, one.name):
                of.append(i)
                where.append(tuple(places.setdefault(claim, len(places)) for claim in stated))
        return Stating(np.array(of, np.intp), tuple(where), tuple(places))

    def see(self, stating: Stating, at: float, values: NDArray[np.float64]) -> None:
        """Learn one scrape; what is new goes to ``changes``."""
        here = np.flatnonzero(values[stating.of] > 0.0)
        if not len(here):
            return
        stated: dict[str, list[Claim]] = {}
        for place in sorted({n for i in here.tolist() for n in stating.where[i]}):
            claim = stating.claims[place]
            stated.setdefault(claim.key, []).append(claim)
        found: dict[str, list[tuple[int, str, ChangeEvent]]] = {}
        for key, group in sorted(stated.items()):
            entity, label = group[0].entity, group[0].label
            if (moved := self._learn(key, sorted({c.value for c in group}), at)) is not None:
                before, now, when = moved
                event = ChangeEvent(when, "deploy", entity, change_title(label, before, now))
                found.setdefault(entity, []).append((rank(label, now) or 0, key, event))
        for entity, several in sorted(found.items()):
            # What told the last deploy tells the next one, the others are about the same.
            last = self._told[entity].key if entity in self._told else ""
            _, key, event = min(several, key=lambda one: (one[1] != last, *one[:2]))
            self._tell(entity, key, event)

    def _learn(self, key: str, values: Sequence[str], at: float) -> tuple[str, str, float] | None:
        """Return from what to what a label changed and when, ``None`` when it did not."""
        label = self._labels.get(key)
        if label is None:
            if self._has_room(at):
                recent = dict.fromkeys(values[-MOST_VALUES:], at)
                self._labels[key] = _Label(values[-1], at, recent)
            return None
        seen = label.seen
        if at - label.at > AROUND:
            # Nobody looked meanwhile: what ran then may run still, and is waited for.
            unseen = at - label.at - AROUND / 2.0
            seen.update({v: last + unseen for v, last in seen.items()})
        label.at = at
        before, gone, many = label.current, seen[label.current], len(seen) >= MOST_VALUES
        new = [v for v in values if v != before and seen.get(v, -math.inf) < at - AROUND]
        seen.update(dict.fromkeys(values, at))
        when = at
        if new:
            label.current = new[-1]
        elif seen[before] < at - AROUND:
            label.current, when = max(values, key=lambda v: (seen[v], v)), gone
        for v in sorted(seen, key=lambda v: (seen[v], v)):
            if v != label.current and (seen[v] < at - AROUND or len(seen) > MOST_VALUES):
                del seen[v]
        # Who has so many at a time counts something else with them.
        return None if many or label.current == before else (before, label.current, when)

    def _tell(self, entity: str, key: str, event: ChangeEvent) -> None:
        told = self._told.get(entity)
        if told is None:
            told = self._told[entity] = _Told(-math.inf, key)
        elif told.key != key and event.at - told.at <= TOGETHER:
            return
        since = max(event.at - told.at, 0.0)
        told.often = 1.0 + (told.often * math.exp(-since / DAY) if told.often else 0.0)
        told.at, told.key = max(event.at, told.at), key
        if told.often > RESTLESS:
            self._refused += 1
            return
        self.changes.append(event)

    def _has_room(self, at: float) -> bool:
        if len(self._labels) >= self._most and at >= self._full_until:
            self._labels = {k: one for k, one in self._labels.items() if one.at >= at - DAY}
            self._told = {e: one for e, one in self._told.items() if one.at >= at - DAY}
            self._full_until = at + AROUND
        room = len(self._labels) < self._most
        self._refused += not room
        return room

    def take_refused(self) -> int:
        """Return how many labels and changes were refused since the last call."""
        refused, self._refused = self._refused, 0
        return refused

    @property
    def taken(self) -> int:
        """Return 0: nothing here has a row that could change hands."""
        return 0

    # --- saved at a cut ---------------------------------------------------------------------

    def to_section(self) -> Section:
        """Return every label's versions, and what was told of whom."""
        labels: list[list[Any]] = [
            [key, one.current, one.at, list(one.seen.items())] for key, one in self._labels.items()
        ]
        told = [[entity, one.at, one.key, one.often] for entity, one in self._told.items()]
        header = {"labels": labels, "told": told, "full_until": self._full_until}
        return Section("versions", _VERSION, header)

    def restore(self, section: Section) -> None:
        """Take back what ``to_section`` returned; another version starts cold."""
        if section.version != _VERSION:
            return
        self._labels = {
            key: _Label(current, at, dict(seen))
            for key, current, at, seen in section.header["labels"]
        }
        self._told = {
            entity: _Told(at, key, often) for entity, at, key, often in section.header["told"]
        }
        self._full_until = section.header["full_until"]
