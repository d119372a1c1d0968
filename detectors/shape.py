"""Find shapes never seen before: the distance of the last samples to their nearest neighbour.

The left matrix profile (Yeh et al., ICDM 2016; Lu et al., DAMP, KDD 2022) of one series over a
bounded past, without normalising, so that a known shape at an unknown height is new too.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors.calibrate import Wide

LENGTH: Final = 12
"""Samples that make a shape."""

PAST: Final = 1024
"""Samples in which a neighbour is looked for: three and a half days of every five minutes."""

LEAST: Final = 4 * LENGTH
"""Samples before a distance means anything."""


class Shape:
    """Hold the last ``PAST`` samples of one series, in 16 KB.

    The distances are summed anew for each sample: what is cheaper carries sums along, and those
    never recover from one giant value.
    """

    def __init__(self) -> None:
        self._ring: Wide = np.zeros(2 * PAST)
        self._end = 0

    def distance(self, value: float) -> float | None:
        """Return the root mean square distance of the last shape, *value* its end; or ``None``.

        Shapes that overlap it are no neighbours: they would always be close.
        """
        if self._end < LEAST:
            return None
        start, end = max(self._end - PAST, 0), self._end + 2 - 2 * LENGTH
        now = np.append(self._ring[self._end + 1 - LENGTH : self._end], value)
        step = self._ring.itemsize
        # Every shape of the past at once, without a copy; numpy's own view costs ten times more.
        shapes: Wide = np.ndarray(
            (end - start, LENGTH), np.float64, self._ring, start * step, (step, step)
        )
        apart = shapes - now
        return float(np.sqrt(np.einsum("ij,ij->i", apart, apart).min() / LENGTH))

    def learn(self, value: float) -> None:
        """Append *value* to the past."""
        if self._end == len(self._ring):
            self._ring[:PAST] = self._ring[PAST:]
            self._end = PAST
        self._ring[self._end] = value
        self._end += 1

    def to_array(self) -> Wide:
        """Return the past, oldest sample first."""
        return self._ring[max(self._end - PAST, 0) : self._end].copy()

    def load(self, array: Wide) -> None:
        """Take over what ``to_array`` returned."""
        self._end = len(array)
        self._ring[: self._end] = array
