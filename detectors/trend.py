"""Robust lines through recent values, and when they reach a bound.

The slope is the median of the slopes of all pairs (Theil 1950), its interval their order
statistics by Kendall's distribution (Sen 1968). Real growth changes its pace, which that interval
does not know: it is widened to the slopes of the earlier and the later half.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.special import stdtr

if TYPE_CHECKING:
    from numpy.typing import NDArray

NORMAL_90: Final = 1.645
"""Deviations that hold 90 % of a normal distribution, both sides."""

MOST: Final = 12.0
"""Decades of surprise at most: a handful of values proves no more."""


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """Hold one line per row; slopes are per unit of time, NaN where there were too few values.

    ``slow`` and ``fast`` bound the slope (90 %), ``late`` is the slope of the last third,
    ``level`` the line's value at the last time, ``first`` at the first one, ``noise`` the robust
    deviation around it. ``surprise`` is ``-log10`` of the chance that steps without direction
    (a random walk) lead as far up.
    """

    slope: NDArray[np.float64]
    slow: NDArray[np.float64]
    fast: NDArray[np.float64]
    late: NDArray[np.float64]
    level: NDArray[np.float64]
    first: NDArray[np.float64]
    noise: NDArray[np.float64]
    surprise: NDArray[np.float64]


def lines(values: NDArray[np.float64], step: float) -> Lines:
    """Fit a line to each row of *values*, equally spaced by *step*, NaN where missing.

    Shape (rows, n) with n of at least 6; takes rows * n * n floats of memory while it runs.
    """
    n = values.shape[1]
    at = np.arange(n) * step
    i, j = np.triu_indices(n, 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        slopes = (values[:, j] - values[:, i]) / (at[j] - at[i])
        slope = _middle(slopes)
        known = np.count_nonzero(~np.isnan(values), axis=1).astype(np.float64)
        pairs = known * (known - 1.0) / 2.0
        reach = NORMAL_90 * np.sqrt(known * (known - 1.0) * (2.0 * known + 5.0) / 18.0)
        low = np.clip((pairs - reach) / (2.0 * pairs), 0.0, 0.5)
        slow, fast = _at_share(slopes, low), _at_share(slopes, 1.0 - low)
        early = _middle(slopes[:, j < n // 2])
        later = _middle(slopes[:, i >= n // 2])
        slow = np.fmin(slow, np.fmin(early, later))
        fast = np.fmax(fast, np.fmax(early, later))
        last = _middle(slopes[:, i >= n - max(n // 3, 3)])
        offset = _middle(values - slope[:, None] * at)
        rest = np.abs(values - slope[:, None] * at - offset[:, None])
        return Lines(
            slope,
            slow,
            fast,
            last,
            offset + slope * at[-1],
            offset,
            1.4826 * _middle(rest),
            _surprise(values),
        )


def slopes(values: NDArray[np.float64], step: float) -> NDArray[np.float64]:
    """Return the least-squares slope of each row, NaN with fewer than three values."""
    known = ~np.isnan(values)
    at = np.where(known, np.arange(values.shape[1]) * step, 0.0)
    filled = np.where(known, values, 0.0)
    count = np.count_nonzero(known, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        middle, mean = at.sum(axis=1) / count, filled.sum(axis=1) / count
        away = np.where(known, at - middle[:, None], 0.0)
        found = (away * (filled - mean[:, None])).sum(axis=1) / (away**2).sum(axis=1)
    found[count < 3] = np.nan
    return np.asarray(found, np.float64)


def _surprise(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Test the steps between neighbours against a mean of zero (Student)."""
    steps = np.diff(values, axis=1)
    count = np.count_nonzero(~np.isnan(steps), axis=1).astype(np.float64)
    total = np.nansum(steps, axis=1)
    mean = total / count
    spread = np.sqrt(np.nansum((steps - mean[:, None]) ** 2, axis=1) / (count - 1.0))
    t = mean * np.sqrt(count) / np.maximum(spread, 1e-12 + 1e-6 * np.abs(mean))
    share = stdtr(np.maximum(count - 1.0, 1.0), -t)
    found = -np.log10(np.maximum(share, 10.0**-MOST))
    found[~(count >= 3.0)] = np.nan
    return np.asarray(found, np.float64)


def _middle(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return _at_share(values, np.full(len(values), 0.5))


def _at_share(values: NDArray[np.float64], share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each row's quantile of what is not NaN, between neighbours, NaN where nothing is."""
    ordered = np.sort(values, axis=1)  # NaN goes last
    known = np.count_nonzero(~np.isnan(ordered), axis=1)
    place = share * np.maximum(known - 1, 0)
    place = np.where(np.isnan(place), 0.0, place)
    below = np.floor(place).astype(np.intp)
    above = np.minimum(below + 1, np.maximum(known - 1, 0))
    rows = np.arange(len(ordered))
    left, right = ordered[rows, below], ordered[rows, above]
    return np.asarray(left + (place - below) * (right - left), np.float64)
