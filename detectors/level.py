"""Follow the level and the spread of many series robustly, forgetting in wall time."""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors.calibrate import HIGHEST, ONE, ZERO, Floats, fixed

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

_STILL: Final = fixed(STILL)
_MOVING: Final = fixed(MOVING)
_OUTLIER: Final = fixed(OUTLIER)
_TINY: Final = fixed(TINY)
_FAR: Final = fixed(1e9)
_EIGHT: Final = fixed(8.0)
_FOUR: Final = fixed(4.0)
_QUARTERED: Final = fixed(24.0)


def gain(seen: Floats, dt: Floats, memory: Floats | float) -> Floats:
    """Return the weight of a new sample: an average at first, then a memory that grows with age.

    A young series forgets over a quarter of its age, so a slow climb in its first hours stays
    within its own spread; from then on ``dt / (memory + dt)`` rules.
    """
    weight: Floats = _FOUR / (seen + _QUARTERED)
    np.maximum(weight, ONE / seen.clip(ONE, HIGHEST), out=weight)
    share = dt / (dt + memory)
    if share.ndim:
        return np.maximum(weight, share, out=weight)
    return weight.clip(share, ONE, out=weight)


def scale(spread: Floats, size: Floats, seen: Floats) -> Floats:
    """Return the deviation that counts as one, never 0 for a finite series.

    *spread* is the mean absolute deviation, *size* the magnitude of level and value. All terms
    are of first order in the unit, so a change of unit changes no ratio. Few samples widen it.
    """
    size = size.clip(_TINY, HIGHEST)
    still = spread / (_MOVING * size)
    still.clip(ZERO, _FAR, out=still)
    still *= still
    still += ONE
    np.divide(_STILL * size, still, out=still)
    few = seen + ONE
    np.divide(_EIGHT, few, out=few)
    few += ONE
    still += spread * few
    return still


def limited(error: Floats, unit: Floats) -> Floats:
    """Return *error* cut at ``OUTLIER`` units; the ``FIRST`` samples are not cut by the caller."""
    reach = _OUTLIER * unit
    cut: Floats = np.minimum(error, reach)
    np.maximum(cut, np.negative(reach, out=reach), out=cut)
    return cut
