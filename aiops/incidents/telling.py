"""Know what people were told of an incident, and when there is more to say."""

from __future__ import annotations

from aiops.incidents.record import Record
from aiops.model import Severity

SETTLE = 180.0  # the one update waits this long for the rest of the story
FURTHER = 4  # times the wait before: each later update


def note_told(record: Record, at: float) -> None:
    """Note that people were told at *at*: the picture they have is this one."""
    record.asked_at = record.asked_at if record.told else max(record.asked_at, at)
    record.told = True
    record.told_at = at
    record.told_severity = record.severity
    record.notified = [*record.notified, at][-20:]
    record.gist = record.now_gist()


def becomes_critical(record: Record, at: float) -> bool:
    """Return whether to tell at once of what became critical, and count it as told.

    Not while the first message is still being read.
    """
    if not record.told or record.severity < Severity.CRITICAL:
        return False
    if record.severity <= record.told_severity or at - record.told_at < SETTLE:
        return False
    record.updates += 1
    # Others of the same moment must not say it again.
    record.told_severity = record.severity
    return True


def is_due(record: Record, at: float, interval: float) -> bool:
    """Return whether something changed and people had time for what they were told last."""
    wait = SETTLE if record.updates == 0 else interval
    wait *= FURTHER ** max(record.updates - 1, 0)
    return record.told and record.dirty and at - record.told_at >= wait
