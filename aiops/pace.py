"""Say how far apart in time evidence may be, and where and when an incident was last seen."""

from __future__ import annotations

from dataclasses import dataclass

PACES = 3.0  # samples: what is seen rarely belongs together over a longer time …
SLOWEST = 900.0  # … but no longer than samples this many seconds apart ask for


@dataclass(slots=True)
class Growth:
    """When the newest departure of an incident began."""

    at: float


@dataclass(frozen=True, slots=True)
class Footprint:
    """Where and when an incident was seen: what correlation needs to know of it.

    ``entities`` and ``series`` say when each was last seen, ``onsets`` when the newest series of
    each entity began to depart, as far as it counts; ``growth`` when the newest departure of an
    open incident did, ``None`` while it is not open. All of them go on with the incident, so
    another one is needed only when ``started`` changes or it opens.
    """

    id: str
    started: float
    entities: dict[str, float]
    series: dict[str, float]
    onsets: dict[str, float]
    growth: Growth | None = None


def reach(pace: float, window: float) -> float:
    """Return over how many seconds evidence of this pace belongs together: *window* or longer."""
    if PACES * pace <= window:
        return window
    return max(window, PACES * min(pace, SLOWEST))
