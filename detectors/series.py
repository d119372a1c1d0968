"""Score one series of (time, value) rows strictly online, and say when to call somebody.

Four members look at the series: its value against all it ever was, what its rhythm of day and
week leaves over a dozen samples, the shape of the last dozen samples, and its unrest over four
dozen. Each is calibrated by its own tail. Fisher's method (Statistical Methods for Research
Workers, 1925) joins level, season and shape, so that small departures add up; a weighted harmonic
mean of tail shares (Wilson, PNAS 116, 2019) of that and of each member alone keeps the whole from
being much less sure than its surest member. What dependence and drift leave wrong in the sum
is taken off by its own maxima.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from detectors.base import UNKNOWN, Features, Score
from detectors.calibrate import Wide
from detectors.maxima import Maxima
from detectors.refractory import Refractory
from detectors.rhythm import Rhythm
from detectors.shape import LENGTH, Shape
from detectors.tail import Tail

ALPHA: Final = 3.0
"""Surprise at which a row of any metric file is an anomaly: one normal sample in a thousand."""

MEMBERS: Final = ("level", "season", "shape", "variance")
LEVEL, SEASON, SHAPE, VARIANCE = range(len(MEMBERS))
TOGETHER: Final = (LEVEL, SEASON, SHAPE)
"""Members whose surprises add up; unrest follows from each of them and would count twice."""

JOINED: Final = 0.8
"""Weight of level, season and shape together; the rest is shared by the members alone, so the
whole stays within 1.3 of its most surprising member."""

SHORT: Final = LENGTH
LONG: Final = 48
WARMUP: Final = 20
MEMORY: Final = 28 * 86400.0
CLIP: Final = 5.0
"""Deviations beyond this many mean deviations move level and spread no further."""

STILL: Final = 1e-3
"""Smallest deviation that counts as one, as a share of the usual magnitude."""

LARGEST: Final = 1e100
_VERSION: Final = 2
_LN10: Final = math.log(10.0)
_UNREST_FLOOR: Final = 0.05


@dataclass(frozen=True, slots=True)
class _Look:
    """State what the detector saw in one sample: everything is from before it is learned."""

    channels: tuple[float | None, ...]
    distances: tuple[float | None, ...]
    surprises: tuple[float | None, ...]
    residual: float | None
    joint: float | None


class SeriesDetector:
    """Judge the features ``{"value": v, "at": t}`` of one series, *t* in epoch seconds.

    ``score_one`` changes nothing; call ``learn_one`` after it. A sample as old as the last one
    or older is scored and not learned. Memory is 28 days of event time, 1024 samples for
    shapes. About 50 KB a series: the many belong into a ``SeriesBank``. Raises ``ValueError``
    for features that are missing, not finite or beyond 1e100.
    """

    def __init__(self) -> None:
        self._seen = 0
        self._last_at = -math.inf
        self._size = 0.0
        self._step = 0.0
        self._ring: list[float] = []
        self._residuals: list[float] = []
        self._rhythm = Rhythm()
        self._shape = Shape()
        self._moments = [[0.0, 0.0, 0.0] for _ in MEMBERS]
        self._tails = [Tail(memory=MEMORY) for _ in MEMBERS]
        self._maxima = Maxima()
        # A pure cache: scoring and learning look at the same sample.
        self._last_look: tuple[float, float, _Look] | None = None

    def score_one(self, x: Features) -> Score:
        value, at = _finite(x)
        look = self._look(value, at)
        if look.joint is None:
            return UNKNOWN
        surprise = self._maxima.corrected(look.joint)
        still = STILL * self._size
        if look.residual is None:
            expected = self._moments[LEVEL][1]
            reach = max(self._moments[LEVEL][2], still) * self._tails[LEVEL].edge
        else:
            expected = value - look.residual
            reach = max(self._moments[SEASON][2], still) * self._tails[SEASON].edge
        strongest = max(range(len(MEMBERS)), key=lambda i: _or_below(look.surprises[i]))
        return Score(
            value=surprise,
            expected=expected,
            low=expected - reach,
            high=expected + reach,
            reason=MEMBERS[strongest] if surprise >= 1.0 else "",
        )

    def members_one(self, x: Features) -> dict[str, float]:
        """Return the surprise of each member that knows one, by its name; changes nothing."""
        look = self._look(*_finite(x))
        found = zip(MEMBERS, look.surprises, strict=True)
        return {name: surprise for name, surprise in found if surprise is not None}

    def learn_one(self, x: Features) -> None:
        value, at = _finite(x)
        if at <= self._last_at:
            return
        look = self._look(value, at)
        self._last_look = None
        gap = at - self._last_at if self._seen else 0.0
        self._seen += 1
        self._size += (abs(value) - self._size) / self._seen
        if look.joint is not None:
            self._maxima.learn(look.joint)
        for i, channel in enumerate(look.channels):
            if channel is None:
                continue
            if self._moments[i][0] >= WARMUP:
                self._tails[i].learn(look.distances[i] or 0.0, gap)
            self._follow(i, channel, gap)
        if self._ring:
            self._step += (abs(value - self._ring[-1]) - self._step) / self._seen
        self._ring = [*self._ring[1 - LONG :], value]
        if look.residual is not None:
            self._residuals = [*self._residuals[1 - SHORT :], look.residual]
        self._rhythm.learn(value, at)
        self._shape.learn(value)
        self._last_at = at

    def to_state(self) -> tuple[dict[str, Any], dict[str, Wide]]:
        """Return (plain header, arrays): all that ``from_state`` needs to go on exactly."""
        header = {"version": _VERSION, "seen": self._seen}
        arrays = {
            "scalars": np.array([self._last_at, self._size, self._step]),
            "ring": np.array(self._ring, dtype=np.float64),
            "residuals": np.array(self._residuals, dtype=np.float64),
            "rhythm": self._rhythm.to_array(),
            "shape": self._shape.to_array(),
            "moments": np.array(self._moments),
            "tails": np.stack([tail.to_array() for tail in self._tails]),
            "maxima": self._maxima.to_array(),
        }
        return header, arrays

    @classmethod
    def from_state(cls, header: Mapping[str, Any], arrays: Mapping[str, Wide]) -> SeriesDetector:
        """Return the detector ``to_state`` described; raise ``ValueError`` for another version."""
        if header.get("version") != _VERSION:
            raise ValueError(f"version = {header.get('version')!r}: this code reads {_VERSION}")
        detector = cls()
        detector._seen = int(header["seen"])
        detector._last_at, detector._size, detector._step = map(float, arrays["scalars"])
        detector._ring = arrays["ring"].tolist()
        detector._residuals = arrays["residuals"].tolist()
        detector._rhythm.load(arrays["rhythm"])
        detector._shape.load(arrays["shape"])
        detector._moments = arrays["moments"].tolist()
        for tail, row in zip(detector._tails, arrays["tails"], strict=True):
            tail.load(row)
        detector._maxima.load(arrays["maxima"])
        return detector

    def _look(self, value: float, at: float) -> _Look:
        last = self._last_look
        if last is not None and last[0] == value and last[1] == at:
            return last[2]
        residual = self._rhythm.residual(value, at)
        season: float | None = None
        if residual is not None and len(self._residuals) >= SHORT - 1:
            season = (sum(self._residuals[1 - SHORT :]) + residual) / SHORT
        channels = (value, season, self._shape.distance(value), self._unrest(value))
        distances = tuple(self._distance(i, channel) for i, channel in enumerate(channels))
        surprises: tuple[float | None, ...] = (None,) * len(MEMBERS)
        if self._seen >= WARMUP:
            tails = zip(self._tails, distances, strict=True)
            surprises = tuple(tail.surprise(distance) for tail, distance in tails)
        look = _Look(channels, distances, surprises, residual, joined(surprises))
        self._last_look = value, at, look
        return look

    def _unrest(self, value: float) -> float | None:
        if len(self._ring) < LONG - 1 or not self._size > 0.0:
            return None
        window = [*self._ring[1 - LONG :], value]
        mean = sum(window) / LONG
        square = sum((v - mean) ** 2 for v in window) / LONG
        total = math.sqrt(square) + 0.02 * self._step + 0.1 * STILL * self._size
        return math.log(total / self._size)

    def _distance(self, i: int, channel: float | None) -> float | None:
        seen, mean, spread = self._moments[i]
        if channel is None or seen < WARMUP / 2:
            return None
        unit = max(spread, _UNREST_FLOOR if i == VARIANCE else STILL * self._size)
        if unit <= 0.0:
            return 0.0
        # A shape closer to the past than usual is nothing strange.
        return max((channel - mean) / unit, 0.0) if i == SHAPE else abs(channel - mean) / unit

    def _follow(self, i: int, channel: float, gap: float) -> None:
        seen, mean, spread = self._moments[i]
        gain = max(1.0 / (seen + 1.0), -math.expm1(-gap / MEMORY))
        error = channel - mean
        if seen >= WARMUP and spread > 0.0:
            error = min(max(error, -CLIP * spread), CLIP * spread)
        self._moments[i] = [seen + 1.0, mean + gain * error, spread + gain * (abs(error) - spread)]


def joined(surprises: Sequence[float | None], together: Sequence[int] = TOGETHER) -> float | None:
    """Return the surprise of the members of ``MEMBERS`` as one; ``None`` if none knows.

    *together* are the places of those that add up. The result is never below the highest of all
    less ``log10(4 / (1 - JOINED))``, which is 1.3.
    """
    known = [s for i in together if (s := surprises[i]) is not None]
    if not known:
        return None
    sure = fisher(known)
    best = max(sure, *(_or_below(s) for s in surprises))
    share = (1.0 - JOINED) / len(MEMBERS)
    total = JOINED * 10.0 ** (sure - best)
    total += sum(share * 10.0 ** ((s or 0.0) - best) for s in surprises)
    return max(best + math.log10(total), 0.0)


def fisher(surprises: list[float]) -> float:
    """Return the surprise of several independent ones together (Fisher's method).

    The sum of *n* ``-ln p`` has a gamma distribution of shape *n*, whose tail has a closed form.
    """
    x = sum(surprises) * _LN10
    term, total = 1.0, 1.0
    for k in range(1, len(surprises)):
        term *= x / k
        total += term
    return max((x - math.log(total)) / _LN10, 0.0)


def score_rows(
    rows: Iterable[tuple[float, float | None]], *, alpha: float = ALPHA
) -> Iterator[tuple[Score, bool]]:
    """Yield a score and "is this an anomaly to tell" for every (time, value) row, in order.

    Row *t* is judged by the rows up to *t* alone. ``None`` or a value that is not finite is a
    gap: unknown, not learned. What ``Refractory`` holds back is the same incident, or too little
    from a series that called too often.
    """
    detector, refractory = SeriesDetector(), Refractory(alpha)
    for row, (at, value) in enumerate(rows):
        if value is None or not abs(value) <= LARGEST or not math.isfinite(at):
            yield UNKNOWN, False
            continue
        x = {"value": value, "at": at}
        score = detector.score_one(x)
        detector.learn_one(x)
        yield score, score.value is not None and refractory.told(row, at, score.value)


def _finite(x: Features) -> tuple[float, float]:
    try:
        value, at = x["value"], x["at"]
    except KeyError as e:
        raise ValueError(f"feature {e} is missing; give value and at") from None
    if not abs(value) <= LARGEST:
        raise ValueError(f"value = {value!r}: give a finite number of at most {LARGEST}")
    if not math.isfinite(at):
        raise ValueError(f"at = {at!r}: give epoch seconds")
    return value, at


def _or_below(surprise: float | None) -> float:
    return -1.0 if surprise is None else surprise
