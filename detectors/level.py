"""Follow the level and the spread of many series robustly, forgetting in wall time."""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors.calibrate import Floats

STILL: Final = 0.2
"""A series that never moved is judged in steps of a fifth of its size: a first event after
silence is five steps, worth a look and no call, while a doubling that stays adds up …"""

MOVING: Final = 1e-4
"""… until it has shown deviations well above a ten-thousandth of it."""

OUTLIER: Final = 4.0
"""A value farther out than this many mean deviations moves the estimates no more than that."""

TINY: Final = 1e-30

FIRST: Final = 8.0
"""Samples that are taken as they are, however far out: there is nothing yet to cut them by."""


def gain(seen: Floats, dt: Floats, memory: float) -> Floats:
    """Return the weight of a new sample: an average at first, then a memory that grows with age.

    A young series forgets over a quarter of its age, so a slow climb in its first hours stays
    within its own spread; from then on ``dt / (memory + dt)`` rules.
    """
    young = np.maximum(1.0 / np.maximum(seen, 1.0), 4.0 / (seen + 24.0))
    weight: Floats = np.maximum(young, dt / (dt + memory))
    return weight


def scale(spread: Floats, size: Floats, seen: Floats) -> Floats:
    """Return the deviation that counts as one, never 0 for a finite series.

    *spread* is the mean absolute deviation, *size* the magnitude of level and value. All terms
    are of first order in the unit, so a change of unit changes no ratio. Few samples widen it.
    """
    size = np.maximum(size, TINY)
    still = spread / (MOVING * size)
    np.minimum(still, 1e9, out=still)
    still *= still
    still += 1.0
    np.divide(STILL * size, still, out=still)
    still += spread * (1.0 + 8.0 / (seen + 1.0))
    return still


def limited(error: Floats, unit: Floats) -> Floats:
    """Return *error* cut at ``OUTLIER`` units; the ``FIRST`` samples are not cut by the caller."""
    reach = OUTLIER * unit
    cut: Floats = np.minimum(error, reach)
    np.maximum(cut, np.negative(reach, out=reach), out=cut)
    return cut
