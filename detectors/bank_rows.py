"""Keep what a bank knows of its rows: two matrices, one field a line, one series a column."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.calibrate import Floats, Selector, Wide

WIDE: Final = ("level", "fast", "origin", "plain", "last_at", "since")
NARROW: Final = (
    "spread",
    "noise",
    "up",
    "down",
    "recent",
    "size",
    "plain_spread",
    "season_spread",
    "seen",
    "weight",
    "offset",
    "pace",
    "quiet",
    "blame",
    "streak",
)
LEVEL, FAST_LEVEL, ORIGIN, PLAIN, LAST_AT, SINCE = range(len(WIDE))
SPREAD, NOISE, UP, DOWN, RECENT, SIZE, PLAIN_SPREAD, SEASON_SPREAD = range(8)
SEEN, WEIGHT, OFFSET, PACE, QUIET, BLAME, STREAK = range(8, len(NARROW))
_START: Final = np.array([[0.0], [0.0], [0.0], [0.0], [-np.inf], [np.nan]])


class BankRows:
    """Hand out columns and keep their fields; differences need float64, the rest float32."""

    def __init__(self) -> None:
        self.top = 0
        self.used: NDArray[np.bool_] = np.zeros(0, np.bool_)
        self.wide: Wide = np.zeros((len(WIDE), 0))
        self.narrow: Floats = np.zeros((len(NARROW), 0), np.float32)

    def take(self, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return *count* columns, and which of them were used before; free ones come first."""
        free = (~self.used[: self.top]).nonzero()[0][:count]
        rows = np.concatenate([free, np.arange(self.top, self.top + count - len(free))])
        return rows.astype(np.int64), free

    def start(self, rows: NDArray[np.int64]) -> None:
        """Make *rows* used and empty; the capacity must already fit."""
        self.top = max(self.top, int(rows.max(initial=-1)) + 1)
        self.used[rows] = True
        self.wide[:, rows] = _START
        self.narrow[:, rows] = 0.0

    @property
    def capacity(self) -> int:
        """Return how many columns there is room for."""
        return len(self.used)

    def grow(self, capacity: int) -> None:
        """Make room for *capacity* columns."""
        old = len(self.used)
        wide, narrow, used = self.wide, self.narrow, self.used
        self.wide = np.repeat(_START, capacity, axis=1)
        self.wide[:, :old] = wide
        self.narrow = np.zeros((len(NARROW), capacity), np.float32)
        self.narrow[:, :old] = narrow
        self.used = np.zeros(capacity, np.bool_)
        self.used[:old] = used

    @property
    def nbytes(self) -> int:
        """Return the bytes all arrays hold, room for growth included."""
        return self.used.nbytes + self.wide.nbytes + self.narrow.nbytes

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return a copy of every field by its name."""
        arrays: dict[str, NDArray[Any]] = {"used": self.used[: self.top].copy()}
        arrays |= {name: self.wide[i, : self.top].copy() for i, name in enumerate(WIDE)}
        arrays |= {name: self.narrow[i, : self.top].copy() for i, name in enumerate(NARROW)}
        return arrays

    def load(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take over fields that ``to_arrays`` returned; the capacity must already fit."""
        self.top = len(arrays["used"])
        self.used[: self.top] = arrays["used"]
        for i, name in enumerate(WIDE):
            self.wide[i, : self.top] = arrays[name]
        for i, name in enumerate(NARROW):
            self.narrow[i, : self.top] = arrays[name]


def selector(rows: NDArray[np.int64]) -> Selector:
    """Return a slice for consecutive rows: views cost nothing, gathering costs a copy."""
    count = len(rows)
    if count and rows[-1] - rows[0] + 1 == count and bool((rows[1:] - rows[:-1] == 1).all()):
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows
