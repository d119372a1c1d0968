"""Weigh lines that are known and hardly ever seen: who comes back after days says something.

Only lines of warning and above are followed. What they say in one go is an *episode*: it ends
when the line stays away for half an hour. An episode that begins after hours of absence, of a
template whose episodes are that far apart on average too, is a *return*. How rare returns are in a
workload is learned as for first sights; how much it means that this one comes in numbers or from
several instances is measured against its own earlier episodes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiops.model import Severity
from detectors.novelty import PRIOR_EVENTS, PRIOR_WINDOWS, WARMUP_WINDOWS, recurrence

APART = 1800.0
"""Seconds without a line that end an episode."""

RARE = 6 * 3600.0
"""Seconds between episodes, and since the last one, from which on a template is rare."""

MEMORY = 28 * 86400.0
"""Seconds after which an episode has lost 1/e of its weight."""

MAX_KNOWN = 2000
"""Templates of a workload whose episodes are remembered; those away longest make room."""


@dataclass(slots=True)
class Episode:
    """How often a template was seen and what it says now; times in epoch seconds.

    ``base`` is the surprise of the return that began this episode, ``None`` when it is none.
    ``most`` and ``wide`` are the lines and the instances of the largest earlier episode.
    """

    first: float
    last: float
    began: float
    episodes: float = 1.0
    count: float = 0.0
    instances: set[str] = field(default_factory=set)
    most: float = 1.0
    wide: float = 1.0
    away: float = 0.0
    base: float | None = None

    @property
    def interval(self) -> float:
        """Return the mean time between episodes up to the present one."""
        return min(self.began - self.first, MEMORY) / max(self.episodes - 1.0, 1.0)

    def surprise(self, at: float, again: float) -> float:
        """Return how surprising the return is by now; *again* weighs its numbers."""
        spread = len(self.instances) / self.wide
        more = recurrence(self.count / self.most, at - self.began, self._quiet, spread)
        return (self.base or 0.0) + again * more

    def reason(self) -> str:
        """Say how rare the line is and who says it now."""
        times = round(self.episodes) - 1
        seen = f"seen {times} time{'s' * (times != 1)} in {span(self.began - self.first)}"
        wide = len(self.instances)
        spread = f", on {wide} instances" if wide > max(self.wide, 1.0) else ""
        return f"rare line came back after {span(self.away)}, {seen}{spread}"

    @property
    def _quiet(self) -> float:
        return min(self.away, self.interval)

    def begin(self, at: float) -> None:
        """End the present episode and begin the next one."""
        self.away = at - self.last
        kept = math.exp(-self.away / MEMORY)
        self.most = max(self.count, self.most * kept, 1.0)
        self.wide = max(float(len(self.instances)), self.wide * kept, 1.0)
        self.episodes = self.episodes * kept + 1.0
        self.began, self.count, self.base = at, 0.0, None
        self.instances = set()


def span(seconds: float) -> str:
    """Say how long in whole hours or days."""
    hours = round(seconds / 3600.0)
    return f"{hours} hours" if hours < 72 else f"{round(seconds / 86400.0)} days"


class Returns:
    """Follow the rare templates of one workload."""

    def __init__(self) -> None:
        self.known: dict[str, Episode] = {}
        self._events = [0.0] * (max(Severity) + 1)
        self._at = 0.0
        self.dropped = 0

    def __len__(self) -> int:
        return len(self.known)

    def see(self, template: str, count: int, *, instance: str, at: float) -> Episode | None:
        """Count the lines of one window; return the episode when it is new, and rare so far."""
        episode = self.known.get(template)
        if episode is None:
            if len(self.known) >= MAX_KNOWN:
                self._make_room()
            episode = self.known[template] = Episode(at, at, at)
        elif at - episode.last >= APART:
            episode.begin(at)
        episode.last = max(episode.last, at)
        episode.count += count
        episode.instances.add(instance)
        if at - episode.began > APART or min(episode.away, episode.interval) < RARE:
            return None
        return episode

    def weigh(self, episode: Episode, severity: Severity, windows: float, width: float) -> bool:
        """Give a return the surprise it begins with; false while too little is known."""
        if episode.base is not None:
            return True
        if windows < WARMUP_WINDOWS:
            return False
        rate = (self._events[severity] + PRIOR_EVENTS) / (windows + PRIOR_WINDOWS)
        own = math.log10(max(episode.interval / width, 1.0))
        episode.base = min(-math.log10(-math.expm1(-rate)), own)
        return True

    def learn(self, severity: Severity, at: float, memory: float) -> None:
        """Count one return for its severity and all below it, forgotten over *memory*."""
        kept = math.exp(-max(at - self._at, 0.0) / memory)
        self._at = max(self._at, at)
        for n in range(len(self._events)):
            self._events[n] = self._events[n] * kept + float(n <= severity)

    def begins(self, template: str, at: float) -> bool:
        """Return whether a line at *at* is the first of an episode."""
        known = self.known.get(template)
        return known is None or at - known.last >= APART

    def settle(self, resolve: Callable[[str], str]) -> None:
        """Give what is known of templates that were merged to those they are now."""
        for old in [template for template in self.known if resolve(template) != template]:
            gone = self.known.pop(old)
            kept = self.known.setdefault(resolve(old), gone)
            kept.first, kept.last = min(kept.first, gone.first), max(kept.last, gone.last)
            kept.most, kept.wide = max(kept.most, gone.most), max(kept.wide, gone.wide)
            kept.episodes = max(kept.episodes, gone.episodes)

    def _make_room(self) -> None:
        by_age = sorted(self.known, key=lambda template: (self.known[template].last, template))
        for template in by_age[: MAX_KNOWN // 4]:
            del self.known[template]
        self.dropped += MAX_KNOWN // 4

    def to_state(self) -> list[Any]:
        """Return plain values for ``from_state``."""
        known = [
            [t, e.first, e.last, e.began, e.episodes, e.count, sorted(e.instances),
             e.most, e.wide, e.away, e.base]
            for t, e in self.known.items()
        ]  # fmt: skip
        return [known, list(self._events), self._at]

    @classmethod
    def from_state(cls, state: list[Any]) -> Returns:
        """Rebuild exactly what ``to_state`` described."""
        self = cls()
        known, self._events, self._at = state
        self._events = list(self._events)
        for template, first, last, began, episodes, count, instances, *rest in known:
            self.known[template] = Episode(
                first, last, began, episodes, count, set(instances), *rest
            )
        return self
