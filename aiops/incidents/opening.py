"""Ask whether what a candidate shows is enough to open an incident."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass

from aiops.incidents.lessons import Lessons
from aiops.incidents.record import LIVE, Record, counts
from aiops.model import Anomaly, State
from aiops.pace import reach

LATELY = 120.0  # a departure without a sign for longer has ended, or its row decides
TOGETHER = 300.0  # evidence older than this is no coincidence with what is seen now

Opens = Callable[[Iterable[Anomaly]], bool]


def candidate(anomaly: Anomaly, taken: Container[str]) -> Record:
    """Return a candidate that begins with an anomaly, under a name that follows from it."""
    name = "inc_" + hashlib.blake2b(anomaly.id.encode(), digest_size=6).hexdigest()
    if name in taken:
        # The departure that began a resolved incident goes on: it is another incident.
        again = f"{anomaly.id}@{anomaly.at:.3f}".encode()
        name = "inc_" + hashlib.blake2b(again, digest_size=6).hexdigest()
    return Record(name, State.CANDIDATE, anomaly.since, anomaly.at)


def longest_waiting(records: Mapping[str, Record], most: int) -> Record | None:
    """Return the candidate without a sign for longest when there are *most*, ``None`` else."""
    if len(records) < most:
        return None
    waiting = [r for r in records.values() if r.state is State.CANDIDATE]
    return min(waiting, key=lambda r: (r.updated, r.id)) if len(waiting) >= most else None


def vouched(records: Iterable[Record], at: float) -> list[str]:
    """Return the series that depart at *at* in open incidents, where more than one does.

    What one series says alone may be a chance of its own tail, which that has to learn.
    """
    since = at - LATELY
    confirmed = (
        r.last
        for r in records
        if r.state in LIVE and r.updated >= since and sum(map(counts, r.anomalies.values())) > 1
    )
    return [series for last in confirmed for series, at in last.items() if at >= since]


def _always(_: object) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Gate:
    """Say whether evidence is enough to open an incident.

    ``could`` is asked first: whether such surprises, the strongest first, could be enough at all;
    then ``might``, whether what is bad lately could, in any order. Each is an upper bound of the
    next and costs less.
    """

    opens: Opens
    might: Callable[[Sequence[Anomaly]], bool] = _always
    could: Callable[[Sequence[float]], bool] = _always


def is_enough(record: Record, at: float, gate: Gate, lessons: Lessons) -> bool:
    """Return whether what a candidate showed lately, seen from *at*, opens it."""
    since = at - reach(record.pace, TOGETHER)
    # Most are far from it: then nobody needs to know what else they are. What people taught
    # takes from a surprise and adds to none.
    if not gate.could(record.strongest) or not gate.might(record.bad(since)):
        return False
    return gate.opens(lessons.asked(record.recent(since)))
