"""Tell one story when hundreds begin: a storm with a digest, until it calms.

More stories than usual, about many entities, are one event to whoever must act. While it lasts new
ones are tracked and shown, not told, but for critical ones; what is still open afterwards is told.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from aiops.model import (
    Command,
    Incident,
    SampleLine,
    Severity,
    State,
    Transition,
    TransitionKind,
)

WINDOW = 600.0  # seconds over which beginnings are counted
FLOOR = 10  # stories in a window that a person can follow, however quiet it usually is
TIMES = 3.0  # or so many times the usual number
ENTITIES = 5  # fewer are a bad day of somebody, not a storm
MEMORY = 144  # windows, a day: how fast the usual number is learned
DIGEST = 900.0  # seconds to the first digest; each later one takes four times as long
SHOWN = 5
CALM = 3600.0  # what is open so long after the last beginning is no storm any more
MAX_ENTITIES = 100
MAX_STORIES = 1000
_NUMBERS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class _Story:
    """When one incident began, about whom, and what it was but for names and numbers."""

    at: float
    id: str
    entity: str
    what: str
    severity: Severity


@dataclass(slots=True)
class _Storm:
    """One storm: its own incident, and what every story in it is about."""

    incident: Incident
    stories: dict[str, _Story] = field(default_factory=dict)
    total: int = 0
    said: int = 0
    said_at: float = 0.0
    wait: float = DIGEST

    def add(self, story: _Story) -> None:
        """Count a story; the digest is of the first ``MAX_STORIES``."""
        if story.id in self.stories:
            return
        self.total += 1
        worst = max(self.incident.severity, story.severity)
        self.incident = replace(self.incident, severity=worst, updated_at=story.at)
        if len(self.stories) < MAX_STORIES:
            self.stories[story.id] = story


@dataclass(slots=True)
class Weather:
    """Count how many stories begin, and hold one storm while they are too many."""

    recent: list[_Story] = field(default_factory=list)
    usual: float = 0.0  # stories a window
    count: int = 0  # stories of this window
    window: int | None = None
    storm: _Storm | None = None

    @property
    def limit(self) -> float:
        """Return how many stories in a window are no storm."""
        return max(FLOOR, TIMES * self.usual)

    @property
    def picture(self) -> Incident | None:
        """Return the storm's incident while it lasts."""
        return None if self.storm is None else self.storm.incident

    def see(self, fresh: Sequence[Transition]) -> list[Transition]:
        """Count stories that begin together; the storm that they make is told before them."""
        if not fresh:
            return []
        at = fresh[0].at
        self.recent = [s for s in self.recent if s.at > at - WINDOW]
        self.recent = [*self.recent, *map(_story, fresh)][-MAX_STORIES:]
        self.count += len(fresh)
        about = {story.entity for story in self.recent}
        if self.storm is not None or len(self.recent) <= self.limit or len(about) < ENTITIES:
            return []
        name = hashlib.blake2b(f"{fresh[0].incident.id}@{at:.3f}".encode(), digest_size=6)
        self.storm = _Storm(
            Incident(f"storm_{name.hexdigest()}", 0, State.OPEN, Severity.WARNING, "", at, at),
            said_at=at,
        )
        for story in self.recent:
            self.storm.add(story)
        return [self._say(self.storm, TransitionKind.OPENED, at)]

    def holds(self, t: Transition) -> bool:
        """Return whether a story that nobody knows of yet is left to the digest."""
        if self.storm is None or t.incident.severity >= Severity.CRITICAL:
            return False
        self.storm.add(_story(t))
        return True

    def keeps(self, incident: Incident) -> bool:
        """Return whether a story that was held back still is."""
        return self.storm is not None and incident.severity < Severity.CRITICAL

    def command(self, command: Command) -> list[Transition]:
        """Acknowledge the storm or end it by hand; nothing else can be decided about it."""
        storm = self.storm
        if storm is None or command.kind not in ("ack", "resolve"):
            return []
        if command.kind == "resolve":
            return [self._end(storm, command.at)]
        by = command.by
        storm.incident = replace(storm.incident, state=State.ACKNOWLEDGED, acknowledged_by=by)
        return [self._say(storm, TransitionKind.ACKNOWLEDGED, command.at)]

    def advance(self, at: float, waiting: int) -> list[Transition]:
        """Learn what is usual, tell the digest, end the storm.

        *waiting* is how many of its stories are still open: it ends once they are as few as a
        person can follow, or when nothing new began for ``CALM`` seconds.
        """
        self._learn(int(at // WINDOW))
        storm = self.storm
        if storm is None:
            return []
        calm = at - max((story.at for story in self.recent), default=at)
        lately = sum(story.at > at - WINDOW for story in self.recent)
        if calm >= CALM or (lately <= self.limit / 2 and waiting <= self.limit):
            return [self._end(storm, at)]
        if storm.total == storm.said or at - storm.said_at < storm.wait:
            return []
        storm.wait *= 4.0
        return [self._say(storm, TransitionKind.UPDATED, at)]

    def to_state(self) -> dict[str, Any]:
        """Return plain values for ``from_state``."""
        state: dict[str, Any] = msgspec.to_builtins(self)
        return state

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Weather:
        """Rebuild exactly what ``to_state`` described."""
        return msgspec.convert(state, cls)

    # --- the storm's own story --------------------------------------------------------------

    def _learn(self, number: int) -> None:
        if self.window is None:
            self.window = number
        passed = number - self.window
        if passed <= 0:
            return
        if self.storm is None:
            # A storm is not usual, however long it lasts; windows without a story are.
            self.usual += (self.count - self.usual) / MEMORY
            self.usual *= (1.0 - 1.0 / MEMORY) ** (passed - 1)
        self.window, self.count = number, 0

    def _end(self, storm: _Storm, at: float) -> Transition:
        self.storm = None
        storm.incident = replace(storm.incident, state=State.RESOLVED, resolved_at=at)
        return self._say(storm, TransitionKind.RESOLVED, at)

    @staticmethod
    def _say(storm: _Storm, kind: TransitionKind, at: float) -> Transition:
        """Return what happened to the storm, with its digest."""
        entities = Counter(story.entity for story in storm.stories.values())
        common = Counter(story.what for story in storm.stories.values())
        title = f"storm: {storm.total} stories about {len(entities)} entities"
        ranked = sorted(entities, key=lambda e: (-entities[e], e))
        lines = sorted(common, key=lambda w: (-common[w], w))[:SHOWN]
        storm.said, storm.said_at = storm.total, at
        storm.incident = replace(
            storm.incident,
            seq=storm.incident.seq + 1,
            title=title,
            told=True,
            entities=tuple(ranked[:MAX_ENTITIES]),
            samples=tuple(SampleLine(at, "storm", f"{common[w]} x {w}") for w in lines),
            notified_at=(*storm.incident.notified_at, at)[-20:],
        )
        return Transition(kind, storm.incident, at)


def _story(t: Transition) -> _Story:
    incident = t.incident
    entity = next(iter(incident.entities), "")
    bare = entity.partition(":")[2]
    what = incident.title.replace(bare, "*") if bare else incident.title
    return _Story(t.at, incident.id, entity, _NUMBERS.sub("0", what), incident.severity)
