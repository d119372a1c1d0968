"""Say what a look at a bank's rows found: surprise, expectation and reason, one entry a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.bank_look import Look, members_of
from detectors.bank_rows import NOISE, SEEN, SINCE, WEIGHT
from detectors.calibrate import Wide

REASONS: Final = ("", "level", "spike", "season", "shift", "variance", "flat", "new normal")
"""What ``BankScores.reason`` counts into; "" is a sample like the others."""

LEVEL, SPIKE, SEASON, SHIFT, VARIANCE, FLAT, NEW_NORMAL = range(1, 8)

LOUD: Final = 2.0
"""Surprise from which a sample gets a reason."""

BY_MEMBER: Final = np.array([LEVEL, SPIKE, SHIFT, VARIANCE], np.uint8)
"""The reason for which each member of a look stands."""


class Told(NamedTuple):
    """What ``BankScores`` holds of one row."""

    surprise: float
    expected: float
    low: float
    high: float
    reason: int
    since: float
    seen: int


@dataclass(frozen=True, slots=True, eq=False)
class BankScores:
    """Hold one entry per asked row; NaN is "don't know" in every float array.

    ``surprise`` is ``-log10`` of the calibrated tail probability, ``expected``, ``low`` and
    ``high`` are in the unit of the series, ``reason`` indexes ``REASONS``, ``since`` is when the
    present departure began, ``seen`` counts learned samples.
    """

    surprise: Wide
    expected: Wide
    low: Wide
    high: Wide
    reason: NDArray[np.uint8]
    since: Wide
    seen: NDArray[np.int64]

    @classmethod
    def empty(cls, count: int) -> BankScores:
        """Return room for *count* entries."""
        # Taken one by one: to unpack a matrix costs twice as much.
        room = np.empty((5, count))
        reason, seen = np.zeros(count, np.uint8), np.empty(count, np.int64)
        return cls(room[0], room[1], room[2], room[3], reason, room[4], seen)

    @classmethod
    def of(cls, told: Sequence[Told]) -> BankScores:
        """Return the entries of rows that were told one by one."""
        scores = cls.empty(len(told))
        surprise, expected, low, high = scores.surprise, scores.expected, scores.low, scores.high
        reason, since, seen = scores.reason, scores.since, scores.seen
        for i, one in enumerate(told):
            surprise[i], expected[i], low[i], high[i], reason[i], since[i], seen[i] = one
        return scores


def describe(j: Look, scores: BankScores, part: slice) -> None:
    """Write what one look found into *part* of the scores."""
    loud = j.hot[j.surprise[j.hot] >= LOUD]
    scores.surprise[part] = j.surprise
    centre = j.value - j.off[0] * j.grown
    reach = j.edges[0] * j.unit[0] * j.grown
    scores.since[part] = j.wide[SINCE]
    scores.seen[part] = j.narrow[SEEN]
    if len(loud):
        best = members_of(j, loud).argmax(axis=0)
        # The forecast explains a spike; everything else is told against the usual level.
        quick = loud[best == 1]
        grown = j.grown[quick] if j.grown.ndim else j.grown
        centre[quick] = j.value[quick] - j.off[1, quick] * grown
        reach[quick] = j.edges[1, quick] * j.unit[1, quick] * grown
        reason = BY_MEMBER[best]
        reason[(reason == SPIKE) & (j.narrow[WEIGHT, loud] > 0.5)] = SEASON
        reason[(reason == VARIANCE) & (j.recent[loud] < j.narrow[NOISE, loud])] = FLAT
        scores.reason[part][loud] = reason
    scores.expected[part] = centre
    wide = reach.astype(np.float64)
    np.subtract(centre, wide, out=scores.low[part])
    np.add(centre, wide, out=scores.high[part])
    if len(j.events):
        scores.reason[part][j.events[j.accepted]] = NEW_NORMAL
        scores.since[part][j.events[j.flagged & ~j.lasting]] = j.at
    scores.surprise[part][j.missing] = np.nan
    if len(young := j.young):
        for found in (scores.surprise, scores.expected, scores.low, scores.high):
            found[part][young] = np.nan
        scores.reason[part][young] = 0
