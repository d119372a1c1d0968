"""Judge sessions by how often they hold each event: what is rare, missing or too many.

Two readings of one table of counts: the rarest tail of any single event, which is a share of
sessions as it stands, and how rare the whole session is taken together, set against what earlier
sessions were. The louder one speaks. The scale of the second is read from the ordinary half of
the past, so that the share of bad sessions does not become the measure of what is normal.
"""

from __future__ import annotations

import bisect
import math
from collections import Counter, deque
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.base import UNKNOWN, Features, Score

SESSION_ALPHA: Final = 2.0
"""Surprise at which a session of any file is an anomaly: one normal session in a hundred."""

WARMUP: Final = 50
MEMORY: Final = 4096
"""Sessions whose readings set the scale; older ones leave."""

MAX_EVENTS: Final = 10_000
"""Events with a table of their own; further ones share one."""

REST: Final = ""
_EXACT: Final = 16
_MIDDLE: Final = 0.5
_HIGH: Final = 0.8
_LEAST: Final = 1e-3


class SessionDetector:
    """Score the counts of one session's events, ``{event: count}``; absent means 0.

    ``score_one`` changes nothing. Unknown before ``WARMUP`` sessions. Raises ``ValueError`` for
    a count that is negative or not finite.
    """

    def __init__(self) -> None:
        self.sessions = 0
        self.refused = 0
        self._places: dict[str, int] = {}
        self._tables: list[Counter[int]] = []
        self._seen: NDArray[np.float64] = np.zeros(0)
        self._whole = _Past()

    def score_one(self, x: Features) -> Score:
        single, whole, reason = self._look(self._folded(_checked(x)))
        if self.sessions < WARMUP:
            return UNKNOWN
        together = self._whole.surprise(whole)
        value = max(single, together, 0.0)
        if value < 1.0:
            return Score(value=value)
        return Score(value=value, reason=reason if single >= together else "many unusual counts")

    def learn_one(self, x: Features) -> None:
        given = _checked(x)
        counts = self._folded(given)
        self.refused += len(given) - len(counts)
        if self.sessions:
            _, whole, _ = self._look(counts)
            self._whole.learn(whole)
        self.sessions += 1
        for event, count in counts.items():
            place = self._places.get(event)
            if place is None:
                place = self._place(event)
            self._tables[place][_bucket(count)] += 1
            self._seen[place] += 1.0

    def _folded(self, counts: dict[str, float]) -> dict[str, float]:
        """Return the counts with events that find no table any more added up as one."""
        room = MAX_EVENTS - len(self._places)
        strange = [event for event in counts if event not in self._places][max(room, 0) :]
        if not strange:
            return counts
        rest = sum(counts[event] for event in strange)
        kept = {event: count for event, count in counts.items() if event not in set(strange)}
        return kept | {REST: kept.get(REST, 0.0) + rest}

    def _place(self, event: str) -> int:
        place = self._places[event] = len(self._tables)
        self._tables.append(Counter())
        if place >= len(self._seen):
            self._seen = np.concatenate([self._seen, np.zeros(max(64, place))])
        return place

    def _look(self, counts: dict[str, float]) -> tuple[float, float, str]:
        """Return the rarest single reading, the sum of all, and what is rare."""
        total = self.sessions + 1.0
        size = len(self._tables)
        absent = -np.log10((self.sessions - self._seen[:size] + 0.5) / total)
        single, whole, reason = 0.0, 0.0, ""
        present = []
        for event, count in counts.items():
            place = self._places.get(event)
            if place is None:
                cell = tail = -math.log10(0.5 / total)
                why = "unseen event"
            else:
                present.append(place)
                cell, tail, why = self._cell(place, _bucket(count), total)
            whole += cell
            if tail > single:
                single, reason = tail, f"{why} {event}"
        absent[present] = 0.0
        whole += float(absent.sum())
        if size and float(absent.max()) > single:
            place = int(absent.argmax())
            single, reason = float(absent[place]), f"missing {list(self._places)[place]}"
        return single, whole, reason

    def _cell(self, place: int, bucket: int, total: float) -> tuple[float, float, str]:
        table = self._tables[place]
        here = table.get(bucket, 0)
        above = sum(n for other, n in table.items() if other >= bucket)
        below = total - 1.0 - above + here
        cell = -math.log10((here + 0.5) / total)
        tail = -math.log10((min(below, above) + 0.5) / total)
        return cell, tail, "many" if above < below else "few"


class _Past:
    """Remember the last readings in order, and say how far beyond them one lies.

    An exponential tail through the middle and the 80 % point: what lies above those, which may
    be as many as a fifth, has no say.
    """

    def __init__(self) -> None:
        self._order: list[float] = []
        self._age: deque[float] = deque()

    def surprise(self, reading: float) -> float:
        if not self._order:
            return 0.0
        last = len(self._order) - 1
        middle, high = self._order[int(_MIDDLE * last)], self._order[int(_HIGH * last)]
        if reading <= middle:
            return 0.0
        scale = (high - middle) / math.log((1.0 - _MIDDLE) / (1.0 - _HIGH))
        scale = max(scale, 0.05 * middle, _LEAST)
        return -math.log10(1.0 - _MIDDLE) + (reading - middle) / scale / math.log(10.0)

    def learn(self, reading: float) -> None:
        bisect.insort(self._order, reading)
        self._age.append(reading)
        if len(self._age) > MEMORY:
            del self._order[bisect.bisect_left(self._order, self._age.popleft())]


def _bucket(count: float) -> int:
    """Return which column of the table a count belongs to: exact at first, then by quarters."""
    if count <= _EXACT:
        return int(count)
    return _EXACT + int(4.0 * math.log2(count / _EXACT))


def _checked(x: Features) -> dict[str, float]:
    for event, count in x.items():
        if not (count >= 0.0 and math.isfinite(count)):
            raise ValueError(f"{event} = {count!r}: give how often the event happened")
    return {event: count for event, count in x.items() if count}
