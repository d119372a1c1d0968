"""The tails of one row in plain numbers: what ``TailCalibrator`` does for many, for a few.

On one row numpy costs its overhead and nothing else. The formulas and their order are those of
``detectors.calibrate``; a property test holds the two together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from detectors.calibrate import (
    CLIP,
    DOUBT,
    EDGE_FLOOR,
    HURRY,
    LIGHT_SHAPE,
    MIN_GAIN,
    PRIOR_COUNT,
    PRIOR_SHAPE,
    SHAPE_BOUNDS,
    SHARE_FLOOR,
    TAIL_SHARE,
    TailCalibrator,
)

GIANT: Final = 1e30
FARTHEST: Final = 1e15
MOST_POWER: Final = 60.0
_LN10: Final = math.log(10.0)
_LOG_FLOOR: Final = math.log(EDGE_FLOOR)
_FALL: Final = -TAIL_SHARE * 2.0
_RISE: Final = (1.0 - TAIL_SHARE) * 2.0


class OneTail:
    """Read the tails of one row, judge raw scores by them, learn and write them back."""

    __slots__ = ("_log_edge", "_row", "_share", "_tails", "edges")

    def __init__(self, tails: TailCalibrator, row: int) -> None:
        self._tails = tails
        self._row = row
        self._log_edge: list[float] = tails.log_edge[:, row].tolist()
        self.edges = [math.exp(edge) for edge in self._log_edge]
        unseen = max(1.0 / (tails.count.item(0, row) + 20.0), SHARE_FLOOR)
        shares = tails.share[:, row].tolist()
        self._share = [unseen if s < unseen else min(s, 0.5) for s in shares]

    def together(self, raw: Sequence[float]) -> float:
        """Return the surprise of all members together, up to about 25."""
        total = 0.0
        shares = self._share
        for n, (score, edge) in enumerate(zip(raw, self.edges, strict=True)):
            if score > edge:
                shape, sigma = self._pareto(n)
                far = min(score / edge, FARTHEST)
                power = math.log1p((far * far - 1.0) * shape / sigma) / shape
                total += math.exp(min(power, MOST_POWER)) / shares[n]
            else:
                total += 1.0 / (1.0 - score / edge * (1.0 - shares[n]))
        return math.log10(total / len(raw))

    def each(self, raw: Sequence[float]) -> list[float]:
        """Return the surprise of every member."""
        found = []
        for n, (score, edge) in enumerate(zip(raw, self.edges, strict=True)):
            nats = -math.log(1.0 - (1.0 - self._share[n]) * min(score / edge, 1.0))
            if score > edge:
                shape, sigma = self._pareto(n)
                far = min(min(score, GIANT) / edge, FARTHEST)
                nats += math.log(1.0 + shape * (far * far - 1.0) / sigma) / shape
            found.append(nats / _LN10)
        return found

    def _pareto(self, n: int) -> tuple[float, float]:
        first, second = self._tails.first.item(n, self._row), self._tails.second.item(n, self._row)
        light = min(1.0 - 0.5 / max(1.0 - first * first / second, 1e-3), 0.0)
        shape = min(max(first + light, SHAPE_BOUNDS[0]), SHAPE_BOUNDS[1])
        if n != self._tails.light:
            return shape + (1.0 + shape) * DOUBT, (1.0 - light) * first
        return shape, (1.0 - light) * first * (1.0 + DOUBT)

    def learn(self, raw: Sequence[float], dt: float) -> None:
        """Learn one sample that stands for *dt* seconds."""
        tails, row = self._tails, self._row
        count = tails.count.item(0, row) + 1.0
        forget = dt / tails.memory
        gain = max(4.0 / (count + 40.0), forget, MIN_GAIN)
        shares: list[float] = tails.share[:, row].tolist()
        edges, kept = self._log_edge, 1.0 - gain
        for n, score in enumerate(raw):
            edge = edges[n]
            if score > self.edges[n]:
                self._learn_excess(n, score, count, forget)
                shares[n] += gain * (1.0 - shares[n])
                edge += gain * _RISE
            else:
                shares[n] = share = max(shares[n] * kept, 1e-6)
                fall = TAIL_SHARE / share
                # Plain comparisons: a call of min or max costs five times as much.
                if fall < 1.0:
                    fall = 1.0
                elif fall > HURRY:
                    fall = HURRY
                edge += fall * gain * _FALL
            edges[n] = max(edge, _LOG_FLOOR)
        tails.share[:, row] = shares
        tails.log_edge[:, row] = edges
        tails.count[0, row] = count

    def _learn_excess(self, n: int, score: float, count: float, forget: float) -> None:
        tails, row = self._tails, self._row
        first, second = tails.first.item(n, row), tails.second.item(n, row)
        known = count * TAIL_SHARE + 4.0 * PRIOR_COUNT
        gain = min(max(4.0 / known, forget / TAIL_SHARE), 0.2)
        over = min(2.0 * (math.log(min(score, GIANT)) - self._log_edge[n]), CLIP * first)
        first = max(first + gain * (over - first), 0.02)
        second += gain * (over * over - second)
        if n == tails.light:
            learning = 2.0 * PRIOR_SHAPE * PRIOR_COUNT / (known - 3.0 * PRIOR_COUNT)
            most = max(1.0 + first - LIGHT_SHAPE - learning, 0.51)
            second = min(second, first * first / (1.0 - 0.5 / most))
        tails.first[n, row] = first
        tails.second[n, row] = max(second, 1.02 * first * first)


def combine(each: Sequence[float]) -> float:
    """Return what ``calibrate.combine`` does, for one row."""
    best = max(each)
    agreement = sum(math.exp((one - best) * _LN10) for one in each)
    return max(best + math.log10(agreement / len(each)), 0.0)
