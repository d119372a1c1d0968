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


def cumulate(up: Floats, down: Floats, z: Floats) -> tuple[Floats, Floats]:
    """Return the two sums after a sample that lies *z* signed deviations from its level."""
    step = np.minimum(np.maximum(z, -STEP), STEP)
    keep = np.where(np.abs(z) < 1.0, np.float32(CALM), np.float32(1.0))
    rise = np.minimum(np.maximum(up * keep + step - ALLOWANCE, 0.0), CEILING)
    fall = np.minimum(np.maximum(down * keep - step - ALLOWANCE, 0.0), CEILING)
    return rise, fall
