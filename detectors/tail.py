"""Hold the tail of one raw score: what share of normal samples would score as high."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from detectors.calibrate import Wide

SHARE: Final = 0.02
"""Share of samples above the edge: fifty make one of the tail."""

PRIOR_SHAPE: Final = 0.2
"""Mean excess of log scores above the edge before any was seen: the tail of Student's t with five
degrees of freedom. `benchmarks/tails.py` compares it with others on families of noise …"""

PRIOR_COUNT: Final = 20.0
"""… and exceedances that it weighs."""

_LN10: Final = math.log(10.0)


class Tail:
    """Hold the tail of one score in 500 fixed bins of ``log(1 + score)``, about 4 KB.

    Exact counts below the edge that *share* of the samples pass, an exponential (Pareto in the
    raw score) above it, whose mean excess is shrunk to *shape*. Forgets in seconds of *memory*.
    """

    BINS: Final = 500
    WIDTH: Final = 0.02
    LEAST: Final = 20.0

    def __init__(
        self, *, memory: float = 28 * 86400.0, share: float = SHARE, shape: float = PRIOR_SHAPE
    ) -> None:
        self.memory = memory
        self._share = share
        self._shape = shape
        self._counts: Wide = np.zeros(self.BINS)
        self._middle: Wide = self.WIDTH * (np.arange(self.BINS, dtype=np.float64) + 0.5)
        self._total = 0.0
        self._edge = 0
        self._pending = 0.0
        self._learned = 0

    @property
    def edge(self) -> float:
        """Return the raw score that the share of samples passes."""
        return math.expm1(max(self._edge, 1) * self.WIDTH)

    def surprise(self, raw: float | None) -> float | None:
        """Return ``-log10`` of the tail share of *raw*; ``None`` before 20 samples."""
        if raw is None or self._total < self.LEAST:
            return None
        y = math.log1p(raw)
        edge = self._edge * self.WIDTH
        if y < edge:
            above = float(self._counts[self._bin(y) :].sum())
            return max(-math.log10((above + 1.0) / (self._total + 1.0)), 0.0)
        tail = self._counts[self._edge :]
        count = float(tail.sum())
        excess = float(tail @ (self._middle[self._edge :] - edge))
        mean = (excess + PRIOR_COUNT * self._shape) / (count + PRIOR_COUNT)
        share = (count + 1.0) / (self._total + 1.0)
        return max(-math.log10(share), 0.0) + (y - edge) / mean / _LN10

    def learn(self, raw: float, dt: float) -> None:
        """Count *raw*; *dt* is the time in seconds since the last sample."""
        self._pending += dt
        if self._pending > self.memory / 64.0:
            # In steps, so that a step costs nothing on most samples.
            self._counts *= math.exp(-self._pending / self.memory)
            self._total = float(self._counts.sum())
            self._pending = 0.0
        self._counts[self._bin(math.log1p(raw))] += 1.0
        self._total += 1.0
        self._learned += 1
        if self._learned < 200 or self._learned % 16 == 0:
            above = np.cumsum(self._counts[::-1])[::-1]
            self._edge = int(np.searchsorted(-above, -self._share * self._total))

    def to_array(self) -> Wide:
        """Return the state as one array."""
        extra = [self._total, self._edge, self._pending, self._learned]
        return np.concatenate([self._counts, extra])

    def load(self, array: Wide) -> None:
        """Take over what ``to_array`` returned."""
        self._counts = array[: self.BINS].copy()
        self._total, self._pending = float(array[-4]), float(array[-2])
        self._edge, self._learned = int(array[-3]), int(array[-1])

    def _bin(self, y: float) -> int:
        return min(int(y / self.WIDTH), self.BINS - 1)
