"""Find lasting shifts: two one-sided cumulative sums (Page, Biometrika 41, 1954)."""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors.calibrate import Floats

ALLOWANCE: Final = 1.0
"""Deviations a sample may be off without adding to the sum: shifts above twice that add fast."""

STEP: Final = 5.0
"""One sample adds at most this much, so a single spike is not a shift."""

CEILING: Final = 1000.0
"""Sums stop here: after hundreds of samples in a row more of them say nothing new."""

CALM: Final = 0.8
"""Factor a sum shrinks by at a sample within one deviation: the past shift is forgotten fast."""


def cumulate(sums: Floats, z: Floats) -> Floats:
    """Return both sums, upwards and downwards, after a sample *z* signed deviations off."""
    step = np.minimum(z, STEP)
    np.maximum(step, -STEP, out=step)
    # Arithmetic, not np.where: a mask without pattern costs ten times as much.
    keep = np.multiply(np.abs(z) < 1.0, z.dtype.type(CALM - 1.0))
    keep += 1.0
    moved: Floats = sums * keep
    moved[0] += step
    moved[1] -= step
    moved -= ALLOWANCE
    np.maximum(moved, 0.0, out=moved)
    return np.minimum(moved, CEILING, out=moved)
