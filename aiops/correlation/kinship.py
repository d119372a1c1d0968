"""Link what nothing else links: lines of one service that say the same, and one change in many.

*Words.* A new line of a service whose words are those of a line that an incident already holds goes
on telling its story, also minutes later: ``cannot reach redis: timed out`` after ``cannot reach
redis: refused``. Words are weighed by how few of the service's lines have them (inverse document
frequency), as in the search for documents.

*Change.* What is rolled out to several entities within minutes, under one title, is one change. Who
departs after it belongs with the others that did, whatever the call graph knows.

Neither of them is asked where a nearer link was found.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Final

import msgspec

from aiops.entities import as_entity
from aiops.model import Anomaly, ChangeEvent, Section, Severity
from aiops.pace import Footprint, reach

ALIKE: Final = 0.5
"""Share of the weight of all their words that two lines have in common."""

FEWEST: Final = 2
"""Words of a line: fewer say nothing of it."""

LATELY: Final = 900.0
"""Seconds for which an incident is told on by lines like those it was seen with."""

ROLLOUT: Final = 600.0
"""Seconds in which one change reaches all its entities."""

FOLLOWS: Final = 1800.0
"""Seconds after a change in which trouble may be its."""

MOST_LINES: Final = 50
MOST_ENTITIES: Final = 2000
MOST_CHANGES: Final = 200

_VERSION: Final = 1
_WORD = re.compile(r"[a-z][a-z_]{2,}")
_INFO = Severity.INFO


class Kinship:
    """Remember the words of lines by service, and the changes of late; bounded."""

    name = "kinship"  # of its section

    def __init__(self, facts: Counter[str]) -> None:
        self._facts = facts
        self._lines: dict[str, dict[str, frozenset[str]]] = {}  # entity: series: words
        self._changes: list[ChangeEvent] = []

    def change(self, event: ChangeEvent) -> None:
        """Remember a change, once."""
        if event not in self._changes:
            self._changes = [*self._changes, event][-MOST_CHANGES:]

    def see(self, anomaly: Anomaly) -> None:
        """Remember the words of a line."""
        if anomaly.series.kind != "log" or not anomaly.samples or anomaly.severity <= _INFO:
            return
        entity, series = anomaly.series.entity, anomaly.series.id
        lines = self._lines.get(entity)
        if lines is None:
            if len(self._lines) >= MOST_ENTITIES:
                # The one that said nothing new for longest stands first.
                del self._lines[next(iter(self._lines))]
                self._facts["lines_forgotten"] += 1
            lines = self._lines[entity] = {}
        if series in lines:
            return
        if len(lines) >= MOST_LINES:
            del lines[next(iter(lines))]
            self._facts["lines_forgotten"] += 1
        lines[series] = words(anomaly.samples[0].text)
        self._lines[entity] = self._lines.pop(entity)

    def home(self, anomaly: Anomaly, prints: Mapping[str, Footprint]) -> str:
        """Return the incident that an anomaly is kin to, "" for none; the oldest of several."""
        if anomaly.severity <= _INFO:
            return ""
        found = [*self._of_words(anomaly, prints.values())]
        if self._changes:
            found += self._of_change(anomaly, prints.values())
        return min(((to.started, to.id) for to in found), default=(0.0, ""))[1]

    def _of_words(self, anomaly: Anomaly, prints: Iterable[Footprint]) -> list[Footprint]:
        lines = self._lines.get(anomaly.series.entity)
        if not lines or (own := lines.get(anomaly.series.id)) is None or len(own) < FEWEST:
            return []
        known = Counter(word for line in lines.values() for word in line)
        alike = [
            series
            for series, line in lines.items()
            if series != anomaly.series.id and likeness(own, line, known, len(lines)) >= ALIKE
        ]
        since = anomaly.at - reach(anomaly.pace, LATELY)
        never = -math.inf
        return [to for to in prints if any(to.series.get(s, never) >= since for s in alike)]

    def _of_change(self, anomaly: Anomaly, prints: Iterable[Footprint]) -> list[Footprint]:
        entity, since = anomaly.series.entity, anomaly.since
        own = [c for c in self._changes if as_entity(c.entity) == entity and _precedes(c, since)]
        others = {
            as_entity(c.entity): c.at
            for mine in own
            for c in self._changes
            if as_entity(c.entity) != entity and is_one(mine, c)
        }
        if not others:
            return []
        return [
            to
            for to in prints
            if any(0.0 <= to.onsets.get(e, -math.inf) - at <= FOLLOWS for e, at in others.items())
        ]

    # --- saved at a cut ---------------------------------------------------------------------

    def to_section(self) -> Section:
        """Return the words and the changes that are remembered."""
        lines = [
            [entity, [[series, sorted(line)] for series, line in kept.items()]]
            for entity, kept in self._lines.items()
        ]
        changes: list[Any] = msgspec.to_builtins(self._changes)
        return Section(self.name, _VERSION, {"lines": lines, "changes": changes})

    def restore(self, section: Section) -> None:
        """Take back what ``to_section`` returned; an unknown version stays empty."""
        if section.version != _VERSION:
            return
        kept = msgspec.convert(
            section.header["lines"], list[tuple[str, list[tuple[str, list[str]]]]]
        )
        self._lines = {e: {s: frozenset(line) for s, line in lines} for e, lines in kept}
        self._changes = msgspec.convert(section.header["changes"], list[ChangeEvent])


def words(line: str) -> frozenset[str]:
    """Return the words of a line, without its numbers and short ones."""
    return frozenset(_WORD.findall(line.lower()))


def likeness(
    one: AbstractSet[str], other: AbstractSet[str], known: Mapping[str, int], lines: int
) -> float:
    """Return the weighed share of words that two lines have in common, 0 to 1.

    *known* says how many of all *lines*, these two among them, have a word: a Jaccard index
    weighed by how rare words are in the others.
    """

    def weight(of: AbstractSet[str]) -> float:
        return sum(
            math.log1p(lines / (1 + known.get(word, 0) - (word in one) - (word in other)))
            for word in sorted(of)
        )

    every = weight(one | other)
    return weight(one & other) / every if every > 0.0 else 0.0


def is_one(change: ChangeEvent, other: ChangeEvent) -> bool:
    """Return whether two changes are one that reaches several entities."""
    near = abs(change.at - other.at) <= ROLLOUT
    return near and change.kind == other.kind and _bare(change) == _bare(other)


def _bare(change: ChangeEvent) -> str:
    name = change.entity.rpartition(":")[2]
    return change.title.replace(name, "*") if name else change.title


def _precedes(change: ChangeEvent, since: float) -> bool:
    return 0.0 <= since - change.at <= FOLLOWS
