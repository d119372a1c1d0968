"""Know what people were told of an incident, when there is more to say, and to whom.

What sends a reader elsewhere or makes them run is told once the first message was read: another
first suspect, and what became critical. That more suffer, or suffer more, while the same people
look at it, is progress: it waits for the next update. Only who hears from this severity on, and
was told nothing yet, hears of it at once.
"""

from __future__ import annotations

import math
from enum import Enum

from aiops.incidents.record import Record
from aiops.model import Severity, TransitionKind
from aiops.pace import reach

LATELY = 120.0  # without a sign for longer, it seems to be over
SETTLE = 180.0  # the first message is being read
FURTHER = 4  # times the wait before: each later update


class Hears(Enum):
    """Who is told that an incident became worse."""

    NOBODY = "nobody"
    NEWCOMERS = "newcomers"
    EVERYONE = "everyone"


def note_told(record: Record, at: float) -> None:
    """Note that people were told at *at*: the picture they have is this one."""
    record.asked_at = record.asked_at if record.told else max(record.asked_at, at)
    record.told = True
    record.told_at = at
    record.told_severity = record.severity
    record.notified = [*record.notified, at][-20:]
    record.gist = record.now_gist()
    record.behind = False


def who_hears(record: Record, at: float) -> Hears:
    """Return whom to tell at once that an incident became worse, and count it as told."""
    if not record.told or record.severity <= record.told_severity:
        return Hears.NOBODY
    if record.severity >= Severity.CRITICAL:
        if at - record.told_at < SETTLE:
            return Hears.NOBODY
        record.updates += 1
    else:
        record.behind = True
    # Others of the same moment must not say it again.
    record.told_severity = record.severity
    return Hears.EVERYONE if record.severity >= Severity.CRITICAL else Hears.NEWCOMERS


def is_due(record: Record, at: float, interval: float) -> bool:
    """Return whether what changed may be worth a message by now, the shortest wait being over."""
    if not record.told or not (record.dirty or record.behind):
        return False
    since = at - record.told_at
    return since >= _patience(record, interval) or (
        record.dirty and record.updates == 0 and since >= SETTLE
    )


def what_is_new(record: Record, at: float, interval: float) -> TransitionKind | None:
    """Return as what to tell now how an incident differs from what was told; ``None``: not now."""
    suspect, wide, severity = record.now_gist()
    before, width, known = record.gist
    record.behind = wide > width or severity > known
    critical = severity > record.told_severity and severity >= Severity.CRITICAL
    if not critical and suspect == before:
        progress = record.behind and _goes_on(record, at)
        if not progress or at - record.told_at < _patience(record, interval):
            return None
    record.updates += 1
    record.told_severity = max(record.told_severity, severity)
    return TransitionKind.ESCALATED if critical else TransitionKind.UPDATED


def _goes_on(record: Record, at: float) -> bool:
    """Return whether it was seen lately: what went quiet makes no progress but to its end."""
    return at - record.updated <= reach(record.pace, LATELY)


def _patience(record: Record, interval: float) -> float:
    """Return how many seconds after the last message progress is worth another one."""
    return interval * math.pow(FURTHER, max(record.updates - 1, 0))
