"""Find lasting shifts: a chart of the moving mean (Roberts, Technometrics 1, 1959)."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from detectors.calibrate import HIGHEST, ZERO, Floats, fixed

SHARE: Final = 0.15
"""Weight of one sample in the mean: memory of about half a dozen samples."""

STEP: Final = 5.0
"""One sample counts as at most this many deviations, so a single spike is not a shift, and the
mean has a light tail whatever the samples have."""

ROOM: Final = math.sqrt((2.0 - SHARE) / SHARE)
"""One over the spread of the mean of independent samples: it is told in its own deviations."""

_STEP: Final = fixed(STEP)
_BACK: Final = fixed(-STEP)
_NEW: Final = fixed(SHARE * ROOM)
_KEEP: Final = fixed(1.0 - SHARE)


def average(means: Floats, z: Floats) -> Floats:
    """Return the mean above and below the level, one of them 0, after *z* signed deviations."""
    step = z.clip(_BACK, _STEP)
    step *= _NEW
    moved: Floats = means * _KEEP
    step += moved[0]
    step -= moved[1]
    step.clip(ZERO, HIGHEST, out=moved[0])
    np.subtract(moved[0], step, out=moved[1])
    return moved
