"""Keep how often sessions hold each event, and read one session against it.

Per event a table of counts with exponential forgetting: its column's share is the event's
surprise. Two readings come of them. *single* is the largest surprise in standard deviations of
the event's own usual surprise (a little more when several are alike): so a step that is nearly
always there once weighs more than one that comes in any number. *whole* is the sum of all
surprises less their usual sum, in nats: the log likelihood of the session less the entropy.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

MAX_EVENTS: Final = 2000
"""Events with a table of their own; further ones share one."""

REST: Final = ""
NORM: Final = 8
"""Power of the norm that makes one reading of all deviations: nearly the largest, but two of the
same size are more than one."""

GONE: Final = 0.05
"""Weight below which an event may make room: unseen for three memories."""

_EXACT: Final = 16
_TWICE: Final = 2
_NOTHING: Final = (0.0, 0.0)
_RESCALE: Final = 1e12
Wide = NDArray[np.float64]


class Reading(NamedTuple):
    """What the counts of one session say.

    ``single`` in standard deviations, ``whole`` in nats; ``z`` and ``nats`` hold the same for
    every known event, by place, ``unseen`` what was never seen before.
    """

    single: float
    whole: float
    z: Wide
    nats: Wide
    unseen: tuple[str, ...]


class EventTables:
    """Count, per event, how many of the last sessions held it how often.

    Parameters
    ----------
    memory
        Sessions after which one has lost 1/e of its weight.
    """

    def __init__(self, memory: float) -> None:
        self.memory = memory
        self.sessions = 0
        self.refused = 0
        self.places: dict[str, int] = {}
        self._events: list[str] = []
        # Weights are kept in units of the newest session's, which grows: only it is touched.
        self._unit = 1.0
        self._total = 0.0
        self._tables: list[dict[int, tuple[float, float]]] = []
        self._sights: list[int] = []
        self._once = 0
        self._cleared = 0
        self._seen, self._first, self._second = (np.zeros(64) for _ in range(3))

    @property
    def total(self) -> float:
        """Return the weight of all sessions, in sessions."""
        return self._total / self._unit

    def seen(self, events: Iterable[str]) -> dict[str, float]:
        """Return, per known event of *events*, the weight of sessions that held it."""
        known = [event for event in events if event in self.places]
        weights = self._seen[[self.places[event] for event in known]] / self._unit
        return dict(zip(known, weights.tolist(), strict=True))

    def name(self, place: int) -> str:
        """Return the event at *place*."""
        return self._events[place]

    def usual(self, event: str) -> int:
        """Return the count most sessions have; 0 is one too."""
        place = self.places.get(event)
        if place is None:
            return 0
        absent = max(self._total - float(self._seen[place]), 0.0)
        table = self._tables[place]
        bucket = max(table, key=lambda b: (table[b][0], -b))
        return 0 if absent > table[bucket][0] else _count_of(bucket)

    def fold(self, counts: Mapping[str, float]) -> Mapping[str, float]:
        """Return the counts with events that find no table any more added up as one."""
        room = MAX_EVENTS - len(self.places)
        if room >= len(counts):
            return counts
        strange = [event for event in counts if event not in self.places][max(room, 0) :]
        if not strange:
            return counts
        rest = sum(counts[event] for event in strange)
        over = set(strange)
        kept = {event: count for event, count in counts.items() if event not in over}
        return kept | {REST: kept.get(REST, 0.0) + rest}

    def read(self, counts: Mapping[str, float]) -> Reading:
        """Read one session; at least one must have been learned."""
        size, unit, weight = len(self._tables), self._unit, self._total
        total = weight / unit
        log_total = math.log(total + 1.0)
        seen, first = self._seen[:size], self._first[:size]
        # All in units of the newest session, so that nothing is scaled but the numbers.
        absent = weight - seen
        gone = log_total + math.log(unit) - np.log(absent + 0.5 * unit)
        rare = absent * gone
        present = seen * log_total - first
        mean = (rare + present) / weight
        square = rare * gone + log_total * (present - first) + self._second[:size]
        surprise = gone
        unseen = []
        for event, count in counts.items():
            place = self.places.get(event)
            if place is None:
                unseen.append(event)
            else:
                bucket = int(count) if 1.0 <= count <= _EXACT else bucket_of(count)
                tail = self._tail(self._tables[place], bucket)
                surprise[place] = log_total - math.log(tail + 0.5)
        nats = surprise - mean
        # One session that is surprising by a nat more counts as seen: nothing is quite certain.
        own = np.maximum(square / weight - mean * mean, 0.0)
        z = nats / np.sqrt(own + (surprise * surprise + 1.0) / (total + 1.0))
        power, whole = float((np.maximum(z, 0.0) ** NORM).sum()), float(nats.sum())
        if unseen:
            new, new_z = self._news(total, log_total)
            power, whole = power + new_z**NORM * len(unseen), whole + new * len(unseen)
        return Reading(power ** (1.0 / NORM), whole, z, nats, tuple(unseen))

    def _tail(self, table: dict[int, tuple[float, float]], bucket: int) -> float:
        """Return the weight of sessions that had as many or more, or as few or fewer."""
        here = table.get(bucket, _NOTHING)[0]
        if len(table) == 1 or 2.0 * here > self._total:
            return here / self._unit
        above = 0.0
        for other, (weight, _) in table.items():
            if other >= bucket:
                above += weight
        return max(min(above, self._total - above + here), 0.0) / self._unit

    def _news(self, total: float, log_total: float) -> tuple[float, float]:
        """Return (nats, standard deviations) of an event never seen, after Good and Turing.

        The chance of something new is the share of events seen in one session only.
        """
        share = (self._once + 0.5) / (self.sessions + 1.0)
        weight = max(0.5, share * total)
        nats = log_total - math.log(weight)
        spread = (nats**2 * weight + 1.0) / (total + 1.0)
        return nats, nats / math.sqrt(spread)

    def learn(self, counts: Mapping[str, float]) -> None:
        """Learn one session; every count must be over 0."""
        if len(self.places) >= MAX_EVENTS and self.sessions - self._cleared >= self.memory:
            self._clear()
        folded = self.fold(counts)
        self.refused += len(counts) - len(folded)
        unit = self._unit
        self.sessions += 1
        self._total += unit
        places, first, second = [], [], []
        for event, count in folded.items():
            place = self.places.get(event)
            if place is None:
                place = self._place(event)
            sights = self._sights[place] = self._sights[place] + 1
            if sights <= _TWICE:
                self._once += 1 if sights == 1 else -1
            table = self._tables[place]
            bucket = int(count) if 1.0 <= count <= _EXACT else bucket_of(count)
            old, log = table.get(bucket, _NOTHING)
            weight = old + unit
            new = math.log(weight / unit + 0.5)
            table[bucket] = weight, new
            places.append(place)
            first.append(weight * new - old * log)
            second.append(weight * new * new - old * log * log)
        where = np.array(places, np.intp)
        self._seen[where] += unit
        self._first[where] += first
        self._second[where] += second
        self._unit *= 1.0 / (1.0 - 1.0 / self.memory)
        if self._unit > _RESCALE:
            self._rescale()

    def _place(self, event: str) -> int:
        place = self.places[event] = len(self._tables)
        self._events.append(event)
        self._tables.append({})
        self._sights.append(0)
        if place >= len(self._seen):
            self._seen, self._first, self._second = (
                np.concatenate([a, np.zeros(len(a))])
                for a in (self._seen, self._first, self._second)
            )
        return place

    def _rescale(self) -> None:
        by = 1.0 / self._unit
        self._seen *= by
        self._first *= by
        self._second *= by
        self._tables = [{b: (w * by, log) for b, (w, log) in t.items()} for t in self._tables]
        self._total *= by
        self._unit = 1.0

    def _clear(self) -> None:
        """Make room: forget events that no session has held for long."""
        self._cleared = self.sessions
        least = GONE * self._unit
        kept = [p for p in range(len(self._tables)) if self._seen[p] >= least]
        if len(kept) < len(self._tables):
            self._keep(kept)

    def _keep(self, kept: Iterable[int]) -> None:
        kept = list(kept)
        self._once = sum(self._sights[p] == 1 for p in kept)
        for name in ("_seen", "_first", "_second"):
            old = getattr(self, name)
            new = np.zeros(max(64, len(old)))
            new[: len(kept)] = old[kept]
            setattr(self, name, new)
        self._tables = [self._tables[p] for p in kept]
        self._sights = [self._sights[p] for p in kept]
        self._events = [self._events[p] for p in kept]
        self.places = {event: p for p, event in enumerate(self._events)}

    # --- saved at a cut ---------------------------------------------------------------------

    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return (plain header, arrays) for ``from_state``."""
        size = len(self._tables)
        cells = [(p, b, w, a) for p, t in enumerate(self._tables) for b, (w, a) in t.items()]
        header = {
            "events": self._events,
            "numbers": [self.sessions, self.refused, self._once, self._cleared],
            "weights": [self.memory, self._unit, self._total],
        }
        return header, {
            "sights": np.array(self._sights, np.int64),
            "sums": np.stack([a[:size] for a in (self._seen, self._first, self._second)]),
            "cells": np.array(cells, np.float64).reshape(-1, 4),
        }

    @classmethod
    def from_state(cls, header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> EventTables:
        """Rebuild exactly what ``to_state`` described."""
        memory, unit, total = header["weights"]
        self = cls(memory)
        self._unit, self._total = unit, total
        self.sessions, self.refused, self._once, self._cleared = header["numbers"]
        self._events = list(header["events"])
        self.places = {event: p for p, event in enumerate(self._events)}
        self._sights = [int(n) for n in arrays["sights"]]
        size = len(self._events)
        room = max(64, 2 * size)
        sums = np.zeros((3, room))
        sums[:, :size] = arrays["sums"]
        self._seen, self._first, self._second = (row.copy() for row in sums)
        self._tables = [{} for _ in self._events]
        for place, bucket, weight, log in arrays["cells"].tolist():
            self._tables[int(place)][int(bucket)] = weight, log
        return self


def bucket_of(count: float) -> int:
    """Return which column of the table a count belongs to: exact at first, then by quarters."""
    if count <= _EXACT:
        return max(int(count), 1)
    return _EXACT + int(4.0 * math.log2(count / _EXACT))


def _count_of(bucket: int) -> int:
    return bucket if bucket <= _EXACT else int(_EXACT * 2.0 ** ((bucket - _EXACT) / 4.0))
