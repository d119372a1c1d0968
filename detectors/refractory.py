"""Tell an incident once: which of the surprising rows of one series are news."""

from __future__ import annotations

import math
from typing import Final

HOLD: Final = 100
"""Rows after an anomaly in which the same incident is not told again …"""

STRONGER: Final = 2.0
"""… unless a row is this many times as surprising as the one told."""

RISE: Final = 0.1
"""Share by which each anomaly told raises the bar for the next: who calls often must have more
to say …"""

FORGET: Final = 14 * 86400.0
"""… and seconds after which ``1/e`` of that is left."""


class Refractory:
    """Pick the rows to tell about: at least *alpha*, risen by what was told before.

    *rise* and *forget* are ``RISE`` and ``FORGET``; a rise of 0 leaves the bar where it is.
    """

    def __init__(self, alpha: float, *, rise: float = RISE, forget: float = FORGET) -> None:
        self._alpha = alpha
        self._rise = rise
        self._forget = forget
        self._raised = 0.0
        self._told_at = math.nan
        self._told = 0.0
        self._row = -HOLD - 1

    def told(self, row: int, at: float, surprise: float) -> bool:
        """Say whether *row* is an anomaly to tell; rows come in order, *at* in epoch seconds.

        Rows below *alpha* need not be shown. A time that goes back does not raise the bar.
        """
        if surprise < self._alpha:
            return False
        raised = self._raised
        if raised:
            raised *= math.exp(-max(at - self._told_at, 0.0) / self._forget)
        fresh = row - self._row > HOLD or surprise >= STRONGER * self._told
        if not fresh or surprise < self._alpha * (1.0 + raised):
            return False
        self._raised = raised + self._rise
        self._told_at, self._told, self._row = at, surprise, row
        return True
