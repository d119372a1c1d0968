"""Say how large series usually are at a time of the day, as far as that scales what they do.

Half the traffic of a weekend is half of a high noon and half of a low night: differences of such a
series are in proportion to it, those of a temperature are not. The power with which its noise
grows with its level says which of the two a series is, and everything in between.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.calibrate import ONE, ZERO, Floats, Selector, fixed
from detectors.level import TINY
from detectors.season import SeasonTable

NEAR: Final = 2.0
"""Mean deviations of its day that a series is large at least: nearer to 0 it has no proportions."""

LEAST: Final = 0.125
"""Share of its usual size that a series has at least in any part of the day."""

PLACES: Final = 4
"""Times within a part of the week at which its size is read: half an hour apart."""

_NEAR: Final = fixed(NEAR)
_LEAST: Final = fixed(LEAST)
_TINY: Final = fixed(TINY)
_PLACES: Final = fixed(PLACES)
_NEVER: Final = np.uint32(0)


@dataclass(frozen=True, slots=True, eq=False)
class Proportion:
    """Hold what the size of a block's rows follows from.

    ``size`` is how large they are on average, negative below 0; ``season`` is added around
    ``plain`` with ``weight``: that is ``now`` at this time and was ``then`` at the last sample.
    """

    season: SeasonTable
    size: Floats
    plain: Floats
    weight: Floats
    now: Floats
    then: Floats

    def within(
        self, begin: float, width: float, rows: Selector, places: NDArray[np.intp], share: Floats
    ) -> Floats:
        """Return how large *rows*, at *places* of the block, are on average in a part of a day."""
        plain = self.plain[places]
        total = np.zeros(len(places), np.float32)
        for n in range(PLACES):
            slot = self.season.slot(begin + (n + 0.5) / PLACES * width)
            values, passes = self.season.read(slot, rows)
            values -= plain
            if np.count_nonzero(passes) < len(passes):
                values *= passes != _NEVER
            total += values
        total *= self.weight[places] / _PLACES
        found = lifted(total, share[places])
        return np.maximum(found, _LEAST, out=found)


@dataclass(frozen=True, slots=True)
class OneProportion:
    """Hold what the size of one row follows from, as ``Proportion`` does of many."""

    season: SeasonTable
    row: int
    size: float
    plain: float
    weight: float
    now: float
    then: float

    def lifted(self, offset: float, power: float) -> float:
        """Return what the function of this name does, for one row."""
        return 1.0 + power / self.size * offset

    def within(self, begin: float, width: float, power: float) -> float:
        """Return how large the row is on average in a part of a day."""
        total = 0.0
        for n in range(PLACES):
            slot = self.season.slot(begin + (n + 0.5) / PLACES * width)
            value, passes = self.season.read_one(slot, self.row)
            if passes:
                total += value - self.plain
        return max(self.lifted(total * self.weight / PLACES, power), LEAST)


def sizes(mean: Floats, spread: Floats) -> Floats:
    """Return how large rows are that are *mean* on average, their day *spread* around it."""
    found: Floats = np.abs(mean)
    np.maximum(found, _NEAR * spread, out=found)
    np.maximum(found, _TINY, out=found)
    if np.count_nonzero(below := mean < ZERO):
        found[below] *= -ONE
    return found


def lifted(offset: Floats, share: Floats) -> Floats:
    """Return how large rows are, in their usual size, where the day adds *offset*.

    *share* is the power with which noise grows, over the size.
    """
    found: Floats = offset * share
    found += ONE
    return found
