"""Learn from what happened together: who falls ill with whom, and how late each source tells.

*Co-occurrence.* When an entity begins to depart, those that began within ``NEAR`` seconds are its
company. How much more often two are company than chance would have them is their pointwise mutual
information, shrunk towards none by ``SHRINK`` pseudo-counts (Church and Hanks 1990 count pairs of
words like this); it is worth the share of their onsets that they have in common. Counts fade over
``MEMORY``; the mean lag between the two is kept with them, so a learned edge also says who follows
whom, and after how long.

*Lag.* How far apart the onsets of one trouble are depends on what measures them. Each source
(kind of series and detector) has its own time constant: twice the mean distance of onsets that
surely belong together (one entity, or one call apart), shrunk towards ``PRIOR``.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from aiops.model import Anomaly
from aiops.pace import reach

NEAR = 120.0  # seconds between onsets that are company
APART = 300.0  # seconds after which an entity begins anew
MEMORY = 30 * 86400.0  # counts fade to 1/e over this long
SUPPORT = 5.0  # times together before anything is believed
SHRINK = 3.0  # pseudo-counts of chance
MOST = 0.75  # strength of a certain companion
CROWD = 20  # entities that begin together: that is a storm, it teaches nothing of pairs
PRIOR = 150.0  # seconds: time constant of a source of which nothing is known
PRIOR_COUNT = 20.0  # observations that it weighs
LEAST = 60.0  # seconds: no time constant is shorter
MAX_ENTITIES = 5000
MAX_PAIRS = 20_000
MAX_SOURCES = 200
_NOBODY: Mapping[str, float] = {}


@dataclass(slots=True)
class _Pair:
    """How often two were company (faded), when last, the sum of lags, and how strong that is."""

    count: float
    at: float
    lags: float
    strength: float = 0.0


class Companions:
    """Own what was learned about pairs of entities and about sources; bounded, and it fades."""

    def __init__(self, facts: Counter[str]) -> None:
        self._facts = facts
        self._entities: dict[str, tuple[float, float]] = {}  # faded count, last onset
        self._pairs: dict[tuple[str, str], _Pair] = {}
        self._recent: deque[str] = deque(maxlen=CROWD + 1)  # entities that began, and …
        self._times: deque[float] = deque(maxlen=CROWD + 1)  # … when, and …
        self._turns = 0  # … how many of them are earlier than the one before
        self._sources: dict[str, tuple[float, float]] = {}  # observations, mean distance
        self._began: float | None = None
        self._of: dict[str, dict[str, float]] = {}  # index of the pairs that are believed

    # --- asked ------------------------------------------------------------------------------

    def of(self, entity: str) -> Mapping[str, float]:
        """Return who falls ill with *entity* more often than chance, and how sure that is."""
        return self._of.get(entity, _NOBODY)

    def follows(self, entity: str, other: str) -> float:
        """Return how many seconds after *other* this one begins on average."""
        first, second = sorted((entity, other))
        pair = self._pairs.get((first, second))
        if pair is None:
            return 0.0
        lag = pair.lags / pair.count
        return lag if entity == second else -lag

    def lag(self, anomaly: Anomaly, window: float) -> float:
        """Return the time constant of the source of an anomaly: at most *window*, in seconds."""
        count, mean = self._sources.get(_source(anomaly), (0.0, 0.0))
        tau = (PRIOR_COUNT * PRIOR + count * 2.0 * mean) / (PRIOR_COUNT + count)
        return min(max(tau, reach(anomaly.pace, LEAST)), reach(anomaly.pace, window))

    # --- learning ---------------------------------------------------------------------------

    def late(self, anomaly: Anomaly, distance: float) -> None:
        """Note how far an onset lies from the nearest one that it surely belongs to."""
        source = _source(anomaly)
        count, mean = self._sources.get(source, (0.0, 0.0))
        if not count and len(self._sources) >= MAX_SOURCES:
            self._facts["sources_beyond_bound"] += 1
            return
        # Old observations fade: a mean over the last few hundred follows a changed source.
        count = min(count + 1.0, 10.0 * PRIOR_COUNT)
        self._sources[source] = count, mean + (distance - mean) / count

    def see(self, entity: str, since: float) -> None:
        """Note that *entity* began to depart; repeated within ``APART`` it is the same onset."""
        count, last = self._entities.pop(entity, (0.0, -math.inf))
        if abs(since - last) <= APART or since < last:
            self._entities[entity] = count, last
            return
        self._began = since if self._began is None else self._began
        if len(self._entities) >= MAX_ENTITIES:
            del self._entities[next(iter(self._entities))]
            self._facts["companions_forgotten"] += 1
        self._entities[entity] = 1.0 + _faded(count, since - last), since
        times, company = self._times, list[tuple[float, str]]()
        # A whole crowd began nearby: nobody needs to know who.
        if len(times) <= CROWD or not self._all_near(since):
            recent = zip(times, self._recent, strict=True)
            company = [(t, e) for t, e in recent if -NEAR <= since - t <= NEAR and e != entity]
        self._recent.append(entity)
        self._note(since)
        if len(company) < CROWD:
            for at, other in company:
                self._together(entity, other, since, at)

    def _all_near(self, since: float) -> bool:
        """Return whether all that began lately did so within ``NEAR`` seconds of *since*."""
        times = self._times
        # They come in order but for a few: then the first and the last say it.
        first, last = (min(times), max(times)) if self._turns else (times[0], times[-1])
        return since - first <= NEAR and last - since <= NEAR

    def _note(self, since: float) -> None:
        times = self._times
        if times:
            self._turns += since < times[-1]
            if len(times) > CROWD:
                self._turns -= times[1] < times[0]
        times.append(since)

    def _together(self, entity: str, other: str, since: float, at: float) -> None:
        first, second = sorted((entity, other))
        lag = since - at if entity == second else at - since
        pair = self._pairs.pop((first, second), None)
        if pair is None:
            if len(self._pairs) >= MAX_PAIRS:
                # The pair that was not seen for longest stands first.
                (a, b), _ = next(iter(self._pairs.items()))
                del self._pairs[a, b]
                self._believe(a, b, 0.0)
                self._facts["companions_forgotten"] += 1
            pair = _Pair(0.0, since, 0.0)
        kept = _faded(1.0, since - pair.at)
        pair.count, pair.lags = pair.count * kept + 1.0, pair.lags * kept + lag
        pair.at = max(since, pair.at)
        self._pairs[first, second] = pair
        pair.strength = self._strength(first, second, pair)
        self._believe(first, second, pair.strength)

    def _strength(self, first: str, second: str, pair: _Pair) -> float:
        """Return what a pair is worth as a link, from its shrunken mutual information."""
        began = pair.at if self._began is None else self._began
        if pair.count < SUPPORT:
            return 0.0
        span = max(min(pair.at - began, MEMORY), APART)
        counts = [self._entities.get(e, (1.0, 0.0))[0] for e in (first, second)]
        by_chance = math.prod(counts) * 2.0 * NEAR / span
        lift = (pair.count + SHRINK) / (by_chance + SHRINK)
        share = min(pair.count / max(min(counts), 1.0), 1.0)
        return MOST * share * (1.0 - 1.0 / lift) if lift > 1.0 else 0.0

    def _believe(self, first: str, second: str, strength: float) -> None:
        for one, other in ((first, second), (second, first)):
            if strength > 0.0:
                self._of.setdefault(one, {})[other] = strength
            elif one in self._of:
                self._of[one].pop(other, None)
                if not self._of[one]:
                    del self._of[one]

    # --- saved at a cut ---------------------------------------------------------------------

    def to_state(self) -> dict[str, Any]:
        """Return plain values for ``restore``."""
        return {
            "entities": [[e, *known] for e, known in self._entities.items()],
            "pairs": [[*k, p.count, p.at, p.lags, p.strength] for k, p in self._pairs.items()],
            "recent": [list(one) for one in zip(self._times, self._recent, strict=True)],
            "sources": [[s, *known] for s, known in self._sources.items()],
            "began": self._began,
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take back what ``to_state`` returned."""
        entities = msgspec.convert(saved["entities"], list[tuple[str, float, float]])
        self._entities = {e: (count, at) for e, count, at in entities}
        pairs = msgspec.convert(saved["pairs"], list[tuple[str, str, float, float, float, float]])
        self._pairs = {(a, b): _Pair(*rest) for a, b, *rest in pairs}
        recent = msgspec.convert(saved["recent"], list[tuple[float, str]])
        self._recent = deque([entity for _, entity in recent], maxlen=CROWD + 1)
        self._times.clear()
        self._turns = 0
        for at, _ in recent:
            self._note(at)
        sources = msgspec.convert(saved["sources"], list[tuple[str, float, float]])
        self._sources = {s: (count, mean) for s, count, mean in sources}
        self._began = saved["began"]
        self._of = {}
        for (first, second), pair in self._pairs.items():
            self._believe(first, second, pair.strength)


def _faded(count: float, seconds: float) -> float:
    return count * math.exp(-max(seconds, 0.0) / MEMORY)


def _source(anomaly: Anomaly) -> str:
    return f"{anomaly.series.kind} {anomaly.detector}"
