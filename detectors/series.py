"""Score one series of (time, value) rows strictly online, and say when to call somebody.

Three channels look at the series: its value against all it ever was, its seasonal residual over
a dozen samples against the same part of earlier days, and its unrest over four dozen samples.
Each is calibrated by its own tail; Fisher's method (Statistical Methods for Research Workers,
1925) joins the three tail shares into one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import numpy as np

from detectors.base import UNKNOWN, Features, Score
from detectors.calibrate import Wide
from detectors.tail import Tail

ALPHA: Final = 3.0
"""Surprise at which a row of any metric file is an anomaly: one normal sample in a thousand."""

HOLD: Final = 100
"""Rows after an anomaly in which the same incident is not told again …"""

STRONGER: Final = 2.0
"""… unless a row is this many times as surprising as the one told."""

CHANNELS: Final = ("level", "season", "variance")
SHORT: Final = 12
LONG: Final = 48
SLOTS: Final = 48
"""Half hours of a day: fine enough for rhythms of people, coarse enough for hourly series."""

WARMUP: Final = 20
MEMORY: Final = 28 * 86400.0
CLIP: Final = 5.0
"""Deviations beyond this many mean deviations move level and spread no further."""

STILL: Final = 1e-3
"""Smallest deviation that counts as one, as a share of the usual magnitude."""

LARGEST: Final = 1e100
_VERSION: Final = 1
_LN10: Final = math.log(10.0)
_SEASON_GAIN: Final = 0.3
_UNREST_FLOOR: Final = 0.05


class SeriesDetector:
    """Judge the features ``{"value": v, "at": t}`` of one series, *t* in epoch seconds.

    ``score_one`` changes nothing; call ``learn_one`` after it. A sample as old as the last one
    or older is scored and not learned. Memory is 28 days of event time. About 17 KB a series:
    the many belong into a ``SeriesBank``. Raises ``ValueError`` for features that are missing,
    not finite or beyond 1e100.
    """

    def __init__(self) -> None:
        self._seen = 0
        self._last_at = -math.inf
        self._size = 0.0
        self._step = 0.0
        self._ring: list[float] = []
        self._residuals: list[float] = []
        self._slots = np.full((SLOTS, 3), np.nan)
        self._moments = np.zeros((len(CHANNELS), 3))
        self._tails = [Tail(memory=MEMORY) for _ in CHANNELS]

    def score_one(self, x: Features) -> Score:
        value, at = _finite(x)
        if self._seen < WARMUP:
            return UNKNOWN
        channels, residual = self._look(value, at)
        each = [
            tail.surprise(self._distance(i, channel))
            for i, (tail, channel) in enumerate(zip(self._tails, channels, strict=True))
        ]
        known = [s for s in each if s is not None]
        if not known:
            return UNKNOWN
        surprise = fisher(known)
        mean, spread = self._moments[0, 1], max(self._moments[0, 2], STILL * self._size)
        if residual is None:
            expected, reach = mean, spread * self._tails[0].edge
        else:
            expected = value - residual
            reach = max(self._moments[1, 2], STILL * self._size) * self._tails[1].edge
        strongest = max(range(len(each)), key=lambda i: _or_below(each[i]))
        return Score(
            value=surprise,
            expected=float(expected),
            low=float(expected - reach),
            high=float(expected + reach),
            reason=CHANNELS[strongest] if surprise >= 1.0 else "",
        )

    def learn_one(self, x: Features) -> None:
        value, at = _finite(x)
        if at <= self._last_at:
            return
        gap = at - self._last_at if self._seen else 0.0
        self._seen += 1
        self._size += (abs(value) - self._size) / self._seen
        channels, residual = self._look(value, at)
        for i, channel in enumerate(channels):
            if channel is None:
                continue
            if self._moments[i, 0] >= WARMUP:
                self._tails[i].learn(self._distance(i, channel) or 0.0, gap)
            self._follow(i, channel, gap)
        if self._ring:
            self._step += (abs(value - self._ring[-1]) - self._step) / self._seen
        self._ring = [*self._ring[1 - LONG :], value]
        if residual is not None:
            self._residuals = [*self._residuals[1 - SHORT :], residual]
        self._learn_slot(value, at)
        self._last_at = at

    def to_state(self) -> tuple[dict[str, Any], dict[str, Wide]]:
        """Return (plain header, arrays): all that ``from_state`` needs to go on exactly."""
        header = {"version": _VERSION, "seen": self._seen}
        arrays = {
            "scalars": np.array([self._last_at, self._size, self._step]),
            "ring": np.array(self._ring, dtype=np.float64),
            "residuals": np.array(self._residuals, dtype=np.float64),
            "slots": self._slots.copy(),
            "moments": self._moments.copy(),
            "tails": np.stack([tail.to_array() for tail in self._tails]),
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
        detector._ring = [float(v) for v in arrays["ring"]]
        detector._residuals = [float(v) for v in arrays["residuals"]]
        detector._slots = arrays["slots"].copy()
        detector._moments = arrays["moments"].copy()
        for tail, row in zip(detector._tails, arrays["tails"], strict=True):
            tail.load(row)
        return detector

    def _look(self, value: float, at: float) -> tuple[list[float | None], float | None]:
        """Return the three channels as they are with this sample in, and its residual."""
        usual, passes, _ = self._slots[_slot(at)]
        residual = value - float(usual) if passes >= 2.0 else None
        season: float | None = None
        if residual is not None and len(self._residuals) >= SHORT - 1:
            season = (sum(self._residuals[1 - SHORT :]) + residual) / SHORT
        unrest: float | None = None
        if len(self._ring) >= LONG - 1:
            window = [*self._ring[1 - LONG :], value]
            mean = sum(window) / LONG
            square = sum((v - mean) ** 2 for v in window) / LONG
            floor = 0.02 * self._step + 0.1 * STILL * self._size
            total = math.sqrt(square) + floor
            unrest = math.log(total / self._size) if self._size > 0.0 and total > 0.0 else 0.0
        return [value, season, unrest], residual

    def _distance(self, i: int, channel: float | None) -> float | None:
        seen, mean, spread = self._moments[i]
        if channel is None or seen < WARMUP / 2:
            return None
        floor = _UNREST_FLOOR if CHANNELS[i] == "variance" else STILL * self._size
        unit = max(float(spread), floor)
        return abs(channel - float(mean)) / unit if unit > 0.0 else 0.0

    def _follow(self, i: int, channel: float, gap: float) -> None:
        seen, mean, spread = self._moments[i]
        gain = max(1.0 / (seen + 1.0), -math.expm1(-gap / MEMORY))
        error = channel - mean
        if seen >= WARMUP and spread > 0.0:
            error = min(max(error, -CLIP * spread), CLIP * spread)
        self._moments[i] = seen + 1.0, mean + gain * error, spread + gain * (abs(error) - spread)

    def _learn_slot(self, value: float, at: float) -> None:
        slot, day = _slot(at), at // 86400.0
        usual, passes, last_day = self._slots[slot]
        if math.isnan(usual):
            self._slots[slot] = value, 1.0, day
            return
        usual += _SEASON_GAIN * (value - usual)
        self._slots[slot] = usual, passes + (day != last_day), day


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
    gap: unknown, not learned. Within ``HOLD`` rows of an anomaly only a row ``STRONGER`` times
    as surprising is another one.
    """
    detector = SeriesDetector()
    told, since = 0.0, HOLD + 1
    for at, value in rows:
        since += 1
        if value is None or not abs(value) <= LARGEST or not math.isfinite(at):
            yield UNKNOWN, False
            continue
        x = {"value": value, "at": at}
        score = detector.score_one(x)
        detector.learn_one(x)
        anomaly = False
        if score.value is not None and score.value >= alpha:
            anomaly = since > HOLD or score.value >= STRONGER * told
        if anomaly and score.value is not None:
            told, since = score.value, 0
        yield score, anomaly


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


def _slot(at: float) -> int:
    return int(at % 86400.0 / (86400.0 / SLOTS)) % SLOTS
