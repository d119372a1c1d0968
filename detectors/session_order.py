"""Keep which event follows which in a session, and how long sessions take.

Order: for every step from one event to the next (and from the start, and to the end), how rarely
sessions that hold both make it. Only whether a session makes a step counts, not how often, so a
loop is one step. Duration: how far its logarithm lies beyond the usual ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.session_tail import YOUNG, Window

Step = tuple[str | None, str | None]
"""From an event to the next; ``None`` is the start or the end of the session."""

MAX_STEPS: Final = 20_000
_RESCALE: Final = 1e12
_LIVELY: Final = 0.5
_TENTH: Final = 0.1
_NOTHING: Final[dict[str | None, float]] = {}


class OddStep(NamedTuple):
    """The rarest step of a session, and the logarithm of how many did without it for each."""

    reading: float
    step: Step


class Transitions:
    """Count, per step, how many of the last sessions made it; at most ``MAX_STEPS`` steps."""

    def __init__(self, memory: float) -> None:
        self.memory = memory
        self.refused = 0
        self._weights: dict[str | None, dict[str | None, float]] = {}
        self._size = 0
        self._unit = 1.0

    def read(self, steps: Iterable[Step], seen: Mapping[str | None, float]) -> OddStep:
        """Return the rarest of *steps*; *seen* is how many sessions held an event, or all."""
        weights, unit = self._weights, self._unit
        rarest: float = 0.0
        found: Step = (None, None)
        for step in steps:
            one, other = seen.get(step[0], 0.0), seen.get(step[1], 0.0)
            both = min(other, one)
            made = weights.get(step[0], _NOTHING).get(step[1], 0.0)
            ratio = (both + 1.0) / (made / unit + 0.5)
            if ratio > rarest:
                rarest, found = ratio, step
        return OddStep(math.log1p(rarest), found)

    def after(self, event: str | None) -> str | None:
        """Return what most often follows *event*, ``None`` when it is mostly the end."""
        following = self._weights.get(event)
        return max(following, key=lambda other: following[other]) if following else None

    def learn(self, steps: Iterable[Step]) -> None:
        """Learn the steps of one session."""
        weights, unit = self._weights, self._unit
        for one, other in steps:
            following = weights.get(one)
            if following is not None and other in following:
                following[other] += unit
            elif self._size < MAX_STEPS:
                weights.setdefault(one, {})[other] = unit
                self._size += 1
            else:
                self.refused += 1
        self._unit *= 1.0 / (1.0 - 1.0 / self.memory)
        if self._unit > _RESCALE or (self._size >= MAX_STEPS and self._crowded()):
            self._tidy()

    def _crowded(self) -> bool:
        """Return whether it is time to look for room: rarely, for it looks at every step."""
        return self.refused % MAX_STEPS == 0

    def _tidy(self) -> None:
        by = 1.0 / self._unit
        least = _LIVELY if self._size >= MAX_STEPS else 0.0
        kept = {
            one: {other: w * by for other, w in following.items() if w * by >= least}
            for one, following in self._weights.items()
        }
        self._weights = {one: following for one, following in kept.items() if following}
        self._size = sum(map(len, self._weights.values()))
        self._unit = 1.0

    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return (plain header, arrays) for ``from_state``."""
        header = {
            "steps": [(one, list(following)) for one, following in self._weights.items()],
            "numbers": [self.memory, self._unit, self.refused],
        }
        weights = [w for following in self._weights.values() for w in following.values()]
        return header, {"weights": np.array(weights, np.float64)}

    @classmethod
    def from_state(cls, header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Transitions:
        """Rebuild exactly what ``to_state`` described."""
        memory, unit, refused = header["numbers"]
        self = cls(memory)
        self._unit, self.refused = unit, int(refused)
        weights = iter(arrays["weights"].tolist())
        self._weights = {
            one: {other: next(weights) for other in others} for one, others in header["steps"]
        }
        self._size = len(arrays["weights"])
        return self


def steps_of(events: Sequence[str]) -> dict[Step, None]:
    """Return the different steps of a session, in the order in which they first come."""
    return dict.fromkeys(zip(chain((None,), events), chain(events, (None,)), strict=True))


class Durations:
    """Know how long sessions usually take.

    A reading is the logarithm of how many usual half ranges a duration lies outside: what takes
    long takes very long at times, and drifts.
    """

    def __init__(self) -> None:
        self.window = Window()

    def read(self, seconds: float) -> float:
        """Return how far *seconds* lies outside the middle four fifths; 0 inside."""
        if len(self.window) < YOUNG:
            return 0.0
        low, middle, high = (self.window.quantile(q) for q in (_TENTH, 0.5, 1.0 - _TENTH))
        x = math.log1p(seconds)
        # A tenth more or less is no difference, however regular the system is.
        over = (x - high) / (high - middle + _TENTH)
        under = (low - x) / (middle - low + _TENTH)
        return math.log1p(max(over, under, 0.0))

    def usual(self) -> tuple[float, float] | None:
        """Return the range of the middle four fifths in seconds, ``None`` before it is known."""
        if len(self.window) < YOUNG:
            return None
        low, high = (math.expm1(self.window.quantile(q)) for q in (_TENTH, 1.0 - _TENTH))
        return low, high

    def learn(self, seconds: float) -> None:
        """Learn one duration of at least 0."""
        self.window.learn(math.log1p(seconds))
