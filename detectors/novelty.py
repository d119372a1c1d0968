"""How often something never seen before appears, so that a first sight can be weighed."""

from __future__ import annotations

import math
from typing import Any

PRIOR_EVENTS = 0.5
PRIOR_WINDOWS = 30.0
WARMUP_WINDOWS = 30
BURST = 60.0  # seconds: what repeats faster is one event said several times
MOST_RECURRENCE = 6.0


class NoveltyRate:
    """Estimate the chance that a window holds a novelty, per class.

    A gamma prior over a Poisson rate (Jeffreys' half event over ``PRIOR_WINDOWS`` windows) with
    counts that are forgotten exponentially over *memory* seconds of event time. Good and Turing's
    view of unseen species, in time: systems that keep saying new things get used to it.

    Parameters
    ----------
    classes
        Number of classes; a novelty of class c also counts for every class below c.
    memory
        Seconds after which a novelty has lost 1/e of its weight.
    """

    def __init__(self, classes: int, *, memory: float = 7 * 86400.0) -> None:
        self.memory = memory
        self.windows = 0.0
        self.began: float | None = None
        self._events = [0.0] * classes
        self._at: float | None = None

    def surprise(self, kind: int) -> float | None:
        """Return -log10 P(a window holds a novelty of class *kind* or higher), ``None`` early."""
        if self.windows < WARMUP_WINDOWS:
            return None
        rate = (self._events[kind] + PRIOR_EVENTS) / (self.windows + PRIOR_WINDOWS)
        return -math.log10(-math.expm1(-rate))

    def watched(self, at: float) -> float:
        """Return the seconds in which nothing of a new kind was seen, at most the memory."""
        return 0.0 if self.began is None else min(max(at - self.began, 0.0), self.memory)

    def learn(self, at: float, highest: int | None) -> None:
        """Learn one window that ended at *at* and the highest class that was new in it."""
        self.began = at if self.began is None else self.began
        if self._at is not None and at > self._at:
            kept = math.exp(-(at - self._at) / self.memory)
            self.windows *= kept
            self._events = [n * kept for n in self._events]
        self._at = at if self._at is None else max(at, self._at)
        self.windows += 1.0
        if highest is not None:
            for kind in range(highest + 1):
                self._events[kind] += 1.0

    def to_state(self) -> list[Any]:
        """Return plain values for ``from_state``."""
        return [self.memory, self.windows, list(self._events), self._at, self.began]

    @classmethod
    def from_state(cls, state: list[Any]) -> NoveltyRate:
        """Rebuild exactly what ``to_state`` described."""
        memory, windows, events, at, began = state
        self = cls(len(events), memory=memory)
        self.windows, self._events, self._at, self.began = windows, list(events), at, began
        return self


def recurrence(count: float, elapsed: float, watched: float, instances: float = 1.0) -> float:
    """Return the surprise of seeing something again and again soon after its first sight.

    What stayed unseen for *watched* seconds has a rate of about one in that time; with an
    exponential prior on the rate, each further sight within *elapsed* seconds has the chance
    ``elapsed / (elapsed + watched)``. Sights of one instance come in bursts, so only each
    doubling of its count counts; further *instances* are sights of their own. *elapsed* is at
    least ``BURST``.
    """
    if count <= 1.0:
        return 0.0
    elapsed = max(elapsed, BURST)
    each = math.log10((elapsed + watched) / elapsed)
    places = min(max(instances, 1.0), count)
    return min((places - 1.0 + math.log2(count / places)) * each, MOST_RECURRENCE)
