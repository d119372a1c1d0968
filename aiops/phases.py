"""The nouns of a series' life: in which phase it is, and how often it came and went."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    """Where one departure of a series is in its life."""

    PENDING = "pending"
    FIRING = "firing"
    CLEARING = "clearing"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Course:
    """Say how one series goes: its phase, since when, and its departures while it flaps.

    ``times`` counts the departures since ``since`` while it flaps, and when that has just ended;
    else it is 1, and ``since`` (epoch seconds) is when the only one began.
    """

    series: str
    phase: Phase
    since: float
    times: int = 1
    flapping: bool = False
