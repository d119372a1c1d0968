"""Remember the levels of many series over several spans, and how steeply they usually rise."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import stdtr

from detectors.trend import MOST

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from aiops.detection.table import Table

WIDTHS = (30.0, 120.0, 480.0, 1920.0)  # seconds of a bucket, one memory each
BUCKETS = 24
SPANS = (12, 24)  # buckets that a line goes through
MEMORY = 7 * 86400.0  # over which usual slopes are forgotten
CLIP = 9.0  # times the usual square that one line teaches at most
KEEP_PEAK = 14 * 86400.0
_S = len(WIDTHS)

FIELDS = {
    "sum": ((_S,), 0.0),
    "count": ((_S,), 0.0),
    "bucket": ((_S,), math.nan),
    "ring": ((_S, BUCKETS), math.nan),
    "square": ((_S, len(SPANS)), 0.0),
    "lines": ((_S, len(SPANS)), 0.0),
    "peak": ((_S,), math.nan),
    "peak_at": ((_S,), math.nan),
}
"""What a ``Table`` must hold for ``Levels``."""


class Levels:
    """Keep four rings of means for each row of *table*, and the peaks that left them."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def turn(self, rows: NDArray[np.intp], s: int, at: float) -> NDArray[np.intp]:
        """Let time reach *at* in the rings of one width; return the rows whose bucket is over."""
        now = math.floor(at / WIDTHS[s])
        # What comes too late joins the open bucket.
        new = np.asarray(rows[~(self._table["bucket"][rows, s] >= now)], np.intp)
        if len(new):
            self._close(new, s, now, at)
        return new

    def add(self, rows: NDArray[np.intp], s: int, level: NDArray[np.float64]) -> None:
        """Put one level a row into the open bucket."""
        self._table["sum"][rows, s] += level
        self._table["count"][rows, s] += 1.0

    def before(self, row: int, s: int, span: float) -> NDArray[np.float64]:
        """Return the levels that this width and the wider ones hold from before a line."""
        rings = self._table["ring"][row]
        kept = [
            rings[r, : BUCKETS - math.ceil(span / WIDTHS[r])]
            for r in range(s, _S)
            if span < BUCKETS * WIDTHS[r]
        ]
        return np.concatenate([np.zeros(0), *kept])

    def usual(
        self,
        rows: NDArray[np.intp],
        s: int,
        k: int,
        slope: NDArray[np.float64],
        told: NDArray[np.bool_],
    ) -> NDArray[np.float64]:
        """Return how surprising these slopes are beside the series' own past, and learn them."""
        t = self._table
        square, count = t["square"][rows, s, k], t["lines"][rows, s, k]
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = slope / np.sqrt(square)
            # Lines overlap: as many are independent as fit beside each other.
            share = stdtr(np.maximum(count / SPANS[k], 1.0), -ratio)
        surprise = -np.log10(np.maximum(share, 10.0**-MOST))
        surprise[~((count >= SPANS[k]) & (square > 0.0))] = 0.0
        learn = ~np.isnan(slope) & ~told
        seen = np.minimum(count[learn] + 1.0, MEMORY / WIDTHS[s])
        new = slope[learn] ** 2
        old = square[learn]
        new = np.where(seen > SPANS[k], np.minimum(new, CLIP * old), new)
        t["square"][rows[learn], s, k] = old + (new - old) / seen
        t["lines"][rows[learn], s, k] = seen
        return np.asarray(surprise, np.float64)

    def _close(self, rows: NDArray[np.intp], s: int, now: int, at: float) -> None:
        """Move finished buckets into the ring; those in which nothing came are unknown."""
        t = self._table
        before = t["bucket"][rows, s]
        gone = np.where(np.isnan(before), 1.0, np.clip(now - before, 1.0, BUCKETS)).astype(int)
        ring = t["ring"][rows, s]
        with np.errstate(invalid="ignore", divide="ignore"):
            done = t["sum"][rows, s] / t["count"][rows, s]
        for _ in range(int(gone.max())):
            step = gone > 0
            self._leave(rows[step], s, ring[step, 0], at)
            ring[step] = np.concatenate([ring[step, 1:], done[step, None]], axis=1)
            done[step] = np.nan
            gone[step] -= 1
        t["ring"][rows, s] = ring
        t["sum"][rows, s] = 0.0
        t["count"][rows, s] = 0.0
        t["bucket"][rows, s] = now

    def _leave(self, rows: NDArray[np.intp], s: int, level: NDArray[np.float64], at: float) -> None:
        t = self._table
        peak, old = t["peak"][rows, s], t["peak_at"][rows, s]
        with np.errstate(invalid="ignore"):
            higher = (level >= peak) | (np.isnan(peak) & ~np.isnan(level))
            higher |= (at - old > KEEP_PEAK) & ~np.isnan(level)
        t["peak"][rows[higher], s] = level[higher]
        t["peak_at"][rows[higher], s] = at
