"""The nouns and the protocol every detector shares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

Features = Mapping[str, float]
"""Named finite measurements of one sample, as River's estimators take them."""


@dataclass(frozen=True, slots=True)
class Score:
    """State how surprising one sample is and what was expected instead.

    ``value`` is the *surprise*: ``-log10`` of the calibrated tail probability of the sample
    under normal behaviour, at least 0, or ``None`` while the detector does not know yet.
    ``expected``, ``low`` and ``high`` are in the unit of the sample; ``None`` means unknown.
    ``reason`` is a short noun phrase naming what was unusual ("level", "season", "shift").
    """

    value: float | None
    expected: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str = ""


UNKNOWN = Score(value=None)


class Detector(Protocol):
    """Score a sample, then learn it; ``score_one`` never changes the detector.

    The caller scores first and decides whether the sample may be learned. Features must be
    finite; a detector rejects others with ``ValueError``.
    """

    def score_one(self, x: Features) -> Score: ...

    def learn_one(self, x: Features) -> None: ...
