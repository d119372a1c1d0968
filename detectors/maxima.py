"""Correct a surprise by its own maxima: what is loud every day is not one in a thousand."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from detectors.calibrate import Wide

BLOCK: Final = 200
"""Samples of which the most surprising one counts: longer than any one incident's echo."""

EXPECTED: Final = math.log10(BLOCK) + 0.2507
"""The mean of the largest of ``BLOCK`` calibrated surprises, which are exponential in theory
(Gumbel's law: Euler's constant over ln 10 above the logarithm of their number)."""

PRIOR: Final = 20.0
"""Blocks that the theory weighs."""

KEPT: Final = 200.0
"""Blocks after which old ones weigh ``1/e``."""

FAR: Final = 3.0
"""A block teaches at most this much above the mean: an incident is not the usual maximum."""

MORE: Final = 0.5
"""A quiet series is made at most this much more surprising: half an order of magnitude."""


class Maxima:
    """Follow the mean maximum of blocks of surprises; dependence and drift show up there.

    Joining dependent tests as if they were independent overstates, and so does a tail fitted
    to bursts. Both raise the maxima above ``EXPECTED``; the difference is taken off again.
    """

    def __init__(self) -> None:
        self._rows = 0.0
        self._highest = 0.0
        self._mean = EXPECTED
        self._blocks = PRIOR

    def corrected(self, surprise: float) -> float:
        """Return *surprise* less what its maxima are too high by; 0 stays 0, order is kept."""
        excess = self._mean - EXPECTED
        if excess >= 0.0:
            return max(surprise - excess, 0.0)
        return surprise + min(-excess, MORE, surprise)

    def learn(self, surprise: float) -> None:
        """Count the uncorrected *surprise*."""
        self._highest = max(self._highest, surprise)
        self._rows += 1.0
        if self._rows == BLOCK:
            self._blocks = min(self._blocks + 1.0, KEPT)
            highest = min(self._highest, self._mean + FAR)
            self._mean += (highest - self._mean) / self._blocks
            self._rows = self._highest = 0.0

    def to_array(self) -> Wide:
        """Return the state as one array of four numbers."""
        return np.array([self._rows, self._highest, self._mean, self._blocks])

    def load(self, array: Wide) -> None:
        """Take over what ``to_array`` returned."""
        self._rows, self._highest, self._mean, self._blocks = map(float, array)
