"""Know the usual day and the usual week of one series, and use whichever tells more."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from detectors.calibrate import Wide

DAY: Final = 86400.0
SLOT: Final = 1800.0
"""Half hours: fine enough for rhythms of people, coarse enough for hourly series."""

PERIODS: Final = (DAY, 7 * DAY)
TRUSTED: Final = 2.0
"""Passes of a slot before it is believed."""

GAIN: Final = 0.3
"""Weight of one sample in its slot: a slot remembers about three of them."""

BETTER: Final = 0.9
"""The week is believed where it leaves less than this share of what the day leaves: it has seven
times fewer samples a slot and is told apart by noise alone otherwise."""

MEMORY: Final = 1000.0
"""Samples over which day and week are compared …"""

COMPARED: Final = 48.0
"""… and samples before they are."""


class Rhythm:
    """Hold a slot for every half hour of the day and of the week (UTC), about 10 KB.

    A time zone or a change to summer time moves slots and is learned again in three passes.
    """

    def __init__(self) -> None:
        lengths = [round(period / SLOT) for period in PERIODS]
        # Value, passes, number of the last pass.
        self._slots = [[[math.nan, 0.0, 0.0] for _ in range(n)] for n in lengths]
        self._left = [0.0, 0.0]
        self._compared = 0.0

    def residual(self, value: float, at: float) -> float | None:
        """Return what the rhythm leaves of *value* at *at*; ``None`` before two passes."""
        day, week = self._residuals(value, at)
        if week is not None and self._compared >= COMPARED:
            left_by_day, left_by_week = self._left
            if left_by_week < BETTER * left_by_day:
                return week
        return day

    def learn(self, value: float, at: float) -> None:
        """Learn *value* at *at*, in epoch seconds."""
        day, week = self._residuals(value, at)
        if day is not None and week is not None:
            self._compared += 1.0
            gain = max(1.0 / self._compared, 1.0 / MEMORY)
            for i, error in enumerate((day, week)):
                self._left[i] += gain * (abs(error) - self._left[i])
        for slots, period in zip(self._slots, PERIODS, strict=True):
            slot = slots[_slot(at, period)]
            usual, passes, last = slot
            now = at // period
            if math.isnan(usual):
                slot[:] = value, 1.0, now
            else:
                slot[:] = usual + GAIN * (value - usual), passes + (now != last), now

    def to_array(self) -> Wide:
        """Return the state as one array of shape ``(385, 3)``."""
        slots = [slot for slots in self._slots for slot in slots]
        return np.array([*slots, [*self._left, self._compared]])

    def load(self, array: Wide) -> None:
        """Take over what ``to_array`` returned."""
        rows = array.tolist()
        *self._left, self._compared = rows.pop()
        for slots in self._slots:
            slots[:] = rows[: len(slots)]
            rows = rows[len(slots) :]

    def _residuals(self, value: float, at: float) -> list[float | None]:
        found: list[float | None] = []
        for slots, period in zip(self._slots, PERIODS, strict=True):
            usual, passes, _ = slots[_slot(at, period)]
            found.append(value - usual if passes >= TRUSTED else None)
        return found


def _slot(at: float, period: float) -> int:
    return min(int(at % period / SLOT), round(period / SLOT) - 1)
