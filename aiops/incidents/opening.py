"""Ask whether what a candidate shows is enough to open an incident."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from aiops.incidents.lessons import Lessons
from aiops.incidents.record import Record
from aiops.model import Anomaly
from aiops.pace import reach

TOGETHER = 300.0  # evidence older than this is no coincidence with what is seen now

Opens = Callable[[Iterable[Anomaly]], bool]


def _always(_: list[float]) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Gate:
    """Say whether evidence is enough to open an incident.

    ``might`` is asked first: whether such surprises, in any order, could be enough at all. It is
    an upper bound of ``opens`` and costs less.
    """

    opens: Opens
    might: Callable[[list[float]], bool] = _always


def is_enough(record: Record, at: float, gate: Gate, lessons: Lessons) -> bool:
    """Return whether what a candidate showed lately, seen from *at*, opens it."""
    since = at - reach(record.pace, TOGETHER)
    # Most are far from it: then nobody needs to know what else they are. What people taught
    # takes from a surprise and adds to none.
    if not gate.might(record.surprises(since)):
        return False
    return gate.opens(lessons.asked(record.recent(since)))
