"""How surprising a small count is, given how many there were to be expected."""

from __future__ import annotations

import math
from typing import Any

from scipy.special import betainc

PRIOR_EVENTS = 0.5
PRIOR_TRIALS = 100.0
PRIOR_DISPERSION = 1.0
PRIOR_WEIGHT = 20.0
DISPERSION_BOUNDS = (0.05, 5.0)
CAP = 30.0


class ShareTail:
    """Judge how many of *trials* were events: the tail of a negative binomial count.

    The share is a beta mean with exponential forgetting; the dispersion (1 / size of the gamma
    that mixes the Poisson) is estimated from squared residuals and shrunk to a heavy-tailed prior,
    so one event among many quiet periods is rare but not absurd. A period that stands out is
    learned only as far as it was to be expected (clipped), so an incident does not become normal.

    Parameters
    ----------
    memory
        Seconds after which a period has lost 1/e of its weight.
    """

    def __init__(self, *, memory: float = 86400.0) -> None:
        self.memory = memory
        self.events = 0.0
        self.trials = 0.0
        self.dispersion = PRIOR_DISPERSION
        self.periods = 0.0
        self._at: float | None = None

    @property
    def share(self) -> float:
        """Return the usual share of events."""
        return (self.events + PRIOR_EVENTS) / (self.trials + PRIOR_TRIALS)

    def surprise(self, events: int, trials: int) -> float:
        """Return -log10 P(at least *events* of *trials*), 0 for no events."""
        if events <= 0 or trials <= 0:
            return 0.0
        expected = trials * self.share
        size = 1.0 / self.dispersion
        tail = float(betainc(events, size, expected / (size + expected)))
        return min(-math.log10(tail), CAP) if tail > 0.0 else CAP

    def high(self, trials: int) -> float:
        """Return the share that one period in a thousand exceeds (normal approximation)."""
        expected = trials * self.share
        spread = math.sqrt(expected + self.dispersion * expected**2)
        return min((expected + 3.1 * spread + 1.0) / max(trials, 1), 1.0)

    def learn(self, events: int, trials: int, at: float) -> None:
        """Learn one period that ended at *at*."""
        if self._at is not None and at > self._at:
            kept = math.exp(-(at - self._at) / self.memory)
            self.events *= kept
            self.trials *= kept
            self.periods *= kept
        self._at = at
        if trials <= 0:
            return
        expected = trials * self.share
        clipped = min(float(events), 3.0 * expected + 1.0)
        if expected > 0.05:
            seen = ((clipped - expected) ** 2 - expected) / expected**2
            self.periods += 1.0
            gain = 1.0 / (self.periods + PRIOR_WEIGHT)
            low, high = DISPERSION_BOUNDS
            self.dispersion += gain * (min(max(seen, 0.0), 10.0) - self.dispersion)
            self.dispersion = min(max(self.dispersion, low), high)
        self.events += clipped
        self.trials += trials

    def to_state(self) -> list[Any]:
        """Return plain values for ``from_state``."""
        return [self.memory, self.events, self.trials, self.dispersion, self.periods, self._at]

    @classmethod
    def from_state(cls, state: list[Any]) -> ShareTail:
        """Rebuild exactly what ``to_state`` described."""
        self = cls(memory=state[0])
        _, self.events, self.trials, self.dispersion, self.periods, self._at = state
        return self
