"""Find lasting shifts: two one-sided cumulative sums (Page, Biometrika 41, 1954)."""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors.calibrate import ONE, ZERO, Floats, fixed

ALLOWANCE: Final = 1.0
"""Deviations a sample may be off without adding to the sum: shifts above twice that add fast."""

STEP: Final = 5.0
"""One sample adds at most this much, so a single spike is not a shift."""

CEILING: Final = 1000.0
"""Sums stop here: after hundreds of samples in a row more of them say nothing new."""

CALM: Final = 0.8
"""Factor a sum shrinks by at a sample within one deviation: the past shift is forgotten fast."""

_STEP: Final = fixed(STEP)
_BACK: Final = fixed(-STEP)
_WEAR: Final = fixed(CALM - 1.0)
_ALLOWANCE: Final = fixed(ALLOWANCE)
_CEILING: Final = fixed(CEILING)


def cumulate(sums: Floats, z: Floats) -> Floats:
    """Return both sums, upwards and downwards, after a sample *z* signed deviations off."""
    step = np.minimum(z, _STEP)
    np.maximum(step, _BACK, out=step)
    # Arithmetic, not np.where: a mask without pattern costs ten times as much.
    keep = (np.abs(z) < ONE) * _WEAR
    keep += ONE
    moved: Floats = sums * keep
    moved[0] += step
    moved[1] -= step
    moved -= _ALLOWANCE
    np.maximum(moved, ZERO, out=moved)
    return np.minimum(moved, _CEILING, out=moved)
