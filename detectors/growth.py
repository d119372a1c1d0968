"""Learn how noise grows with the level: not at all, as its root, or in proportion to it."""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors.calibrate import HIGHEST, LOWEST, ONE, ZERO, Floats, fixed

SPEED: Final = 4.0
"""How much faster than the level the power is learned: a day's wave of half the level settles it
in about its own memory."""

REACH: Final = 2.0
"""Natural logarithms from the usual level within which the power is used and learned."""

FAR: Final = 3.0
"""An error teaches at most as three mean errors: one outlier at the top is no rule."""

TINY: Final = 1e-30

_SPEED: Final = fixed(SPEED)
_REACH: Final = fixed(REACH)
_BACK: Final = fixed(-REACH)
_FAR: Final = fixed(FAR)
_TINY: Final = fixed(TINY)


def height(expected: Floats, spread: Floats) -> Floats:
    """Return the logarithm of how large a series is expected to be, at least its *spread*.

    Nearer to 0 than its noise a series has no height: it is about 0, above or below.
    """
    found: Floats = np.abs(expected)
    np.maximum(found, spread, out=found)
    found.clip(_TINY, HIGHEST, out=found)
    return np.log(found, out=found)


def above(height: Floats, centre: Floats) -> Floats:
    """Return how far *height* is above the usual one, within ``REACH``."""
    found: Floats = height - centre
    return found.clip(_BACK, _REACH, out=found)


def learned(power: Floats, over: Floats, error: Floats, weight: Floats) -> Floats:
    """Return the power after an *error* in mean errors, *over* the usual height (NLMS)."""
    wide = error.clip(LOWEST, _FAR)
    wide -= ONE
    wide *= over
    wide *= weight
    wide *= _SPEED
    wide += power
    return wide.clip(ZERO, ONE, out=wide)
