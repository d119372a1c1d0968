"""Turn raw scores into tail probabilities, row by row, without learning what is flagged.

A raw score is any number that grows with strangeness (a distance in robust deviations, a sum of
departures). Its *surprise* is ``-log10`` of the share of normal samples that would score as high.
Below a tracked quantile the share is read from the tracked quantile itself; above it a
generalised Pareto tail is fitted by the moment estimator of Dekkers, Einmahl and de Haan
(Annals of Statistics 17, 1989), which works on logarithms and so is not ruled by one outlier.
The tail is that of the squared score: the square of a normal score has the exponential tail that
the estimator extrapolates without bias, the score itself has a lighter one that it cannot say.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Wide = NDArray[np.float64]
Selector = slice | NDArray[np.int64]
Kind = TypeVar("Kind", np.float32, np.float64)

TAIL_SHARE: Final = 0.05
"""Share of samples above the tracked quantile: 20 samples make one of the tail."""

PRIOR_EDGE: Final = 3.0
PRIOR_SHAPE: Final = 1.0 / 3.0
PRIOR_COUNT: Final = 20.0
"""The prior is Student's t with 3 degrees of freedom: its 95 % point in mean deviations (2.9),
its tail index (1/3), held with the weight of 20 exceedances (400 samples)."""

SHAPE_BOUNDS: Final = (0.03, 1.6)
"""Of squared scores. A finite end point (negative shape) is never believed; above 1.6 a tail has
no useful end."""

DOUBT: Final = 0.05
"""A tail is told with the standard error of its shape to spare, as it is after 400 exceedances (a
memory of them at five minutes): of ten thousand estimates the boldest would make the alarms. What
is younger leans on the prior, which doubts more. A known shape leaves the error of the scale."""

LIGHT_SHAPE: Final = 0.05
"""A mean of clipped samples has the tail of a normal score, whatever the samples have."""

EDGE_FLOOR: Final = 1.5
"""A series that never moves still needs one and a half deviations to be in its own tail."""

CLIP: Final = 6.0
"""An exceedance teaches at most six mean log excesses: about the point at surprise 4."""

SHARE_FLOOR: Final = 0.002
"""The share above the edge is itself an estimate; below this it would be a guess."""

HURRY: Final = 10.0
"""An edge that nothing passes any more falls this much faster: its series has calmed down."""

MIN_GAIN: Final = 1e-5
_LN10: Final = math.log(10.0)


def fixed(value: float) -> Floats:
    """Return a number as an array: on few rows that is half the cost of a Python float."""
    return np.array(value, np.float32)


ZERO: Final = fixed(0.0)
ONE: Final = fixed(1.0)
LOWEST: Final = fixed(-math.inf)
HIGHEST: Final = fixed(math.inf)
"""Ends of a ``clip`` with one bound: it takes a third of the time of a maximum with one number."""

_QUANTILE_STEP: Final = 2.0
"""One over the density of log scores near the 95 % point, for a normal and for t(3)."""

_HALF: Final = fixed(0.5)
_LIGHTEST: Final = fixed(1e-3)
_SHAPES: Final = (fixed(SHAPE_BOUNDS[0]), fixed(SHAPE_BOUNDS[1]))
_MOST_POWER: Final = fixed(60.0)
_GIANT: Final = fixed(1e30)
_FARTHEST: Final = fixed(1e15)
_PRIOR: Final = fixed(4.0 * PRIOR_COUNT)
_CLIP: Final = fixed(CLIP)
_SMALLEST: Final = fixed(0.02)
_SHORTEST: Final = fixed(0.51)
_JENSEN: Final = fixed(1.02)
_LIGHT: Final = fixed(1.0 - LIGHT_SHAPE)
_LEARNING: Final = fixed(2.0 * PRIOR_SHAPE * PRIOR_COUNT)
_UNCOUNTED: Final = fixed(3.0 * PRIOR_COUNT)
_TWO: Final = fixed(2.0)
_DOUBT: Final = fixed(DOUBT)
_WIDER: Final = fixed(1.0 + DOUBT)
_FOUR: Final = fixed(4.0)
_UNSEEN: Final = fixed(20.0)
_GROWN: Final = fixed(40.0)
_LEAST: Final = fixed(1e-6)
_TAIL: Final = fixed(TAIL_SHARE)
_SHARE_FLOOR: Final = fixed(SHARE_FLOOR)
_HURRY: Final = fixed(HURRY)
_MIN_GAIN: Final = fixed(MIN_GAIN)
_MOST_GAIN: Final = fixed(0.2)
_LOG_FLOOR: Final = fixed(math.log(EDGE_FLOOR))
_FALL: Final = fixed(-TAIL_SHARE * _QUANTILE_STEP)
_RISE: Final = fixed((1.0 - TAIL_SHARE) * _QUANTILE_STEP)


@dataclass(frozen=True, slots=True, eq=False)
class Beyond:
    """Scores above their edges: ``places`` in the flattened raw, sorted, and what is of them.

    ``rows`` are places in the selection, ``kept`` places in a calibrator's flat arrays; ``cuts``
    is where each member begins, and the end.
    """

    places: NDArray[np.intp]
    rows: NDArray[np.intp]
    kept: NDArray[np.intp]
    cuts: list[int]

    def of(self, member: int) -> slice:
        """Return which of the scores are those of *member*."""
        return slice(self.cuts[member], self.cuts[member + 1])


class TailCalibrator:
    """Hold the tails of ``members`` scores for each of many rows, in float32 arrays.

    Arrays are ``(members, rows)``; ``rows`` is chosen by a slice or an index array. ``memory``
    is the time in seconds after which old samples weigh ``1/e``. State is 16 bytes a member and 4.
    The tail of the member *light* is known to be light: its shape falls from the prior to
    ``LIGHT_SHAPE`` as exceedances come in, and is not estimated.
    """

    def __init__(
        self, members: int, *, memory: float = 14 * 86400.0, light: int | None = None
    ) -> None:
        self.members = members
        self.light = light
        self.memory = memory
        self._members = fixed(members)
        self._per_second = fixed(1.0 / memory)
        self.log_edge = np.full((members, 0), math.log(PRIOR_EDGE), np.float32)
        self.first = np.full((members, 0), 2 * PRIOR_SHAPE, np.float32)
        self.second = np.full((members, 0), 8 * PRIOR_SHAPE**2, np.float32)
        self.share = np.full((members, 0), TAIL_SHARE, np.float32)
        # All members of a row learn together: one count is enough.
        self.count = np.zeros((1, 0), np.float32)

    @property
    def nbytes(self) -> int:
        """Return the bytes all arrays hold."""
        return sum(int(getattr(self, name).nbytes) for name in self._prior())

    def grow(self, capacity: int) -> None:
        """Make room for *capacity* rows; new rows hold the prior."""
        more = capacity - self.count.shape[1]
        if more <= 0:
            return
        for name, value in self._prior().items():
            old = getattr(self, name)
            new = np.full((len(old), capacity), value, np.float32)
            new[:, : old.shape[1]] = old
            setattr(self, name, new)

    def reset(self, rows: NDArray[np.int64]) -> None:
        """Forget *rows*: they hold the prior again."""
        for name, value in self._prior().items():
            getattr(self, name)[:, rows] = value

    def surprise(self, sel: Selector, raw: Floats) -> Floats:
        """Return ``-log10`` of the tail share of *raw*, shape ``(members, rows)``; at least 0."""
        edge = np.exp(pick(self.log_edge, sel))
        shape, sigma = _pareto(pick(self.first, sel), pick(self.second, sel))
        doubt = (ONE + shape) * _DOUBT
        if self.light is not None:
            doubt[self.light] = ZERO
            sigma[self.light] *= _WIDER
        shape += doubt
        excess = np.maximum(np.square(np.minimum(raw / edge, _FARTHEST)) - ONE, 0.0)
        beyond = np.log(1.0 + shape * excess / sigma) / shape
        below = -np.log(1.0 - (1.0 - self._share(sel)) * np.minimum(raw / edge, 1.0))
        total: Floats = (beyond + below) * np.float32(1.0 / _LN10)
        return total

    def together(self, sel: Selector, raw: Floats) -> tuple[Floats, Floats, Beyond]:
        """Return ``combine(surprise)`` up to about 25, the edges, and which scores are beyond.

        Only scores beyond their edges need the tail, and only a row needs a logarithm.
        """
        edges: Floats = np.exp(pick(self.log_edge, sel))
        ratio = raw / edges
        places = (ratio > ONE).reshape(-1).nonzero()[0]
        beyond = self.beyond(sel, places, raw.shape[1])
        share = self._share(sel)
        inside = ratio.clip(ZERO, ONE, out=ratio)
        inside *= np.subtract(ONE, share, out=share)
        np.subtract(ONE, inside, out=inside)
        inverse = np.reciprocal(inside, out=inside)
        if len(places):
            kept = beyond.kept
            first, second = self.first.reshape(-1).take(kept), self.second.reshape(-1).take(kept)
            shape, sigma = _pareto(first, second)
            doubt = (ONE + shape) * _DOUBT
            if self.light is not None:
                doubt[beyond.of(self.light)] = ZERO
                sigma[beyond.of(self.light)] *= _WIDER
            shape += doubt
            power = raw.reshape(-1).take(places) / edges.reshape(-1).take(places)
            np.minimum(power, _FARTHEST, out=power)
            power *= power
            power -= ONE
            power *= shape
            power /= sigma
            np.log1p(power, out=power)
            power /= shape
            np.exp(np.minimum(power, _MOST_POWER, out=power), out=power)
            inverse.reshape(-1)[places] *= power
        total: Floats = np.add.reduce(inverse, axis=0)
        total /= self._members
        return np.log10(total, out=total), edges, beyond

    def beyond(self, sel: Selector, places: NDArray[np.intp], rows: int) -> Beyond:
        """Return where the sorted *places* of a flattened ``(members, rows)`` are kept.

        One index into flat memory takes a fifth of the time of two.
        """
        starts = np.arange(self.members + 1)
        cuts = places.searchsorted(rows * starts)
        member = starts[:-1].repeat(cuts[1:] - cuts[:-1])
        row = places - rows * member
        kept = row + sel.start if isinstance(sel, slice) else sel.take(row)
        kept += self.count.shape[1] * member
        return Beyond(places, row, kept, cuts.tolist())

    def _share(self, sel: Selector) -> Floats:
        # Ties and calmed series put another share above the edge than the one aimed at.
        unseen = pick(self.count, sel) + _UNSEEN
        np.divide(ONE, unseen, out=unseen)
        unseen.clip(_SHARE_FLOOR, ONE, out=unseen)
        share: Floats = np.maximum(pick(self.share, sel), unseen)
        return share.clip(ZERO, _HALF, out=share)

    def learn(
        self,
        sel: Selector,
        raw: Floats,
        dt: Floats,
        weight: Floats,
        beyond: Beyond | None = None,
    ) -> None:
        """Learn *raw* where *weight* is 1; *dt* is the time each row's sample stands for.

        Exceedances are clipped, so one giant teaches "this happens", not "giants are normal".
        *dt* and *weight* may be one number for all rows. *beyond* is what of *raw* is above its
        edge, where the caller knows it.
        """
        # Views of a slice are changed where they are, copies of an index put back.
        log_edge, share = pick(self.log_edge, sel), pick(self.share, sel)
        if beyond is None:
            places = (raw > np.exp(log_edge)).reshape(-1).nonzero()[0]
            beyond = self.beyond(sel, places, raw.shape[1])
        count = pick(self.count, sel)
        count += weight
        forget = dt * self._per_second
        gain = count + _GROWN
        np.divide(_FOUR, gain, out=gain)
        np.maximum(gain, np.maximum(forget, _MIN_GAIN), out=gain)
        if weight.ndim:
            gain *= weight
        kept = beyond.kept
        above, edge = self.share.reshape(-1).take(kept), self.log_edge.reshape(-1).take(kept)
        # As if nothing were above its edge: true of nineteen in twenty, who need no mask …
        share *= ONE - gain
        share.clip(_LEAST, ONE, out=share)
        fall = _TAIL / share
        fall.clip(ONE, _HURRY, out=fall)
        fall *= gain * _FALL
        log_edge += fall
        log_edge.clip(_LOG_FLOOR, HIGHEST, out=log_edge)
        if not isinstance(sel, slice):
            self.share[:, sel], self.log_edge[:, sel], self.count[:, sel] = share, log_edge, count
        if not len(kept):
            return
        # … and the others are put right after it.
        place = beyond.rows
        step = gain.reshape(-1).take(place)
        self.share.reshape(-1)[kept] = above + step * (ONE - above)
        self.log_edge.reshape(-1)[kept] = np.maximum(edge + step * _RISE, _LOG_FLOOR)
        seen = count.reshape(-1).take(place) * _TAIL + _PRIOR
        step = np.maximum(_FOUR / seen, (forget[place] if forget.ndim else forget) / _TAIL)
        np.minimum(step, _MOST_GAIN, out=step)
        step *= weight[place] if weight.ndim else weight
        over = np.log(np.minimum(raw.reshape(-1).take(beyond.places), _GIANT)) - edge
        over *= _TWO
        self._learn_excess(beyond, over, step, seen)

    def _learn_excess(self, beyond: Beyond, over: Floats, gain: Floats, seen: Floats) -> None:
        kept = beyond.kept
        first, second = self.first.reshape(-1).take(kept), self.second.reshape(-1).take(kept)
        np.minimum(over, _CLIP * first, out=over)
        first += gain * (over - first)
        np.maximum(first, _SMALLEST, out=first)
        second += gain * (over * over - second)
        if self.light is not None:
            # The second moment at which the estimator says just this shape is the largest.
            # What learns nothing (no gain) is not moved either.
            light = beyond.of(self.light)
            near = first[light]
            most = near + _LIGHT - _LEARNING / (seen[light] - _UNCOUNTED)
            most = near * near / (ONE - _HALF / np.maximum(most, _SHORTEST))
            most = np.minimum(second[light], most)
            second[light] = np.where(gain[light] > ZERO, most, second[light])
        self.first.reshape(-1)[kept] = first
        # Jensen: keeps the estimator defined whatever rounding did.
        self.second.reshape(-1)[kept] = np.maximum(second, _JENSEN * first * first)

    def to_arrays(self, rows: int) -> dict[str, Floats]:
        """Return copies of the first *rows* rows of every array."""
        return {name: getattr(self, name)[:, :rows].copy() for name in self._prior()}

    def load(self, arrays: dict[str, Floats]) -> None:
        """Take over arrays that ``to_arrays`` returned; the capacity must already fit."""
        for name in self._prior():
            mine = getattr(self, name)
            mine[:, : arrays[name].shape[1]] = arrays[name][: len(mine)]

    @staticmethod
    def _prior() -> dict[str, float]:
        return {
            "log_edge": math.log(PRIOR_EDGE),
            "first": 2 * PRIOR_SHAPE,
            "second": 8 * PRIOR_SHAPE**2,
            "share": TAIL_SHARE,
            "count": 0.0,
        }


def _pareto(first: Floats, second: Floats) -> tuple[Floats, Floats]:
    """Return shape and scale of the relative excess, from the moments of its logarithm."""
    light = first * first
    light /= second
    np.subtract(ONE, light, out=light)
    np.maximum(light, _LIGHTEST, out=light)
    np.divide(_HALF, light, out=light)
    # The negative part of the moment estimator also scales the spread of the excess.
    np.subtract(ONE, light, out=light)
    np.minimum(light, ZERO, out=light)
    shape = first + light
    np.maximum(shape, _SHAPES[0], out=shape)
    np.minimum(shape, _SHAPES[1], out=shape)
    sigma = ONE - light
    sigma *= first
    return shape, sigma


def pick(array: NDArray[Kind], sel: Selector) -> NDArray[Kind]:
    """Return the chosen columns: a view, or a copy in which a line lies together."""
    if isinstance(sel, slice):
        return array[:, sel]
    return array.take(sel, axis=1)


def combine(surprises: Floats) -> Floats:
    """Combine dependent tests by the harmonic mean of their tail shares, ``(members, rows)``.

    The harmonic mean (Wilson, PNAS 116, 2019) holds under dependence for small shares, never
    falls below Bonferroni's answer (the best member less ``log10(members)``), and rises above it
    when several members agree.
    """
    best = surprises.max(axis=0)
    agreement = np.exp((surprises - best) * np.float32(_LN10)).sum(axis=0)
    both: Floats = best + np.log10(agreement) - np.float32(math.log10(len(surprises)))
    return np.maximum(both, 0.0)


def budget_threshold(
    budget_per_second: float,
    tests_per_second: float,
    *,
    floor: float = 3.0,
    cap: float = 12.0,
) -> float:
    """Return the surprise at which normal behaviour stays within the budget in the long run.

    ``tests_per_second * 10 ** -threshold <= budget_per_second``. The *floor* keeps one lonely
    series from alarming at every thousandth sample; the *cap* is where a float32 tail stops
    meaning anything. Raises ``ValueError`` for a budget or a rate that is not positive.
    """
    if not (budget_per_second > 0.0 and math.isfinite(budget_per_second)):
        raise ValueError(f"budget_per_second = {budget_per_second!r}: give a positive number")
    if not (tests_per_second >= 0.0 and math.isfinite(tests_per_second)):
        raise ValueError(f"tests_per_second = {tests_per_second!r}: give 0 or a positive number")
    if tests_per_second == 0.0:
        return floor
    return min(max(math.log10(tests_per_second / budget_per_second), floor), cap)
