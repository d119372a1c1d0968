"""Know when many entities leave their usual level at hours of the week that none has seen.

A service that sleeps at the weekend leaves its level on its first Friday night, and so do all the
others: that is the calendar, which nobody can know in the first week, and no fault of each. It is
known by how many do so together. A fault that is as wide shows by more than slow shifts, and who is
felt to fail otherwise shifts for that reason.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import Any, Final

import msgspec

from aiops.model import Anomaly, Severity

WEEK: Final = 7 * 86400.0  # seconds: watched for less, a series has not seen these hours before
NIGHT: Final = 4 * 3600.0  # seconds in which evenings of several services begin
MANY: Final = 6  # other entities: within NIGHT calibrated evidence comes about once by chance
MAX_ENTITIES: Final = 10_000


class FirstWeek:
    """Remember which entities shifted lately in their first week; bounded."""

    def __init__(self, facts: Counter[str]) -> None:
        self._facts = facts
        self._shifted: dict[str, float] = {}  # entity: when last, the longest ago first
        self._failing: dict[str, float] = {}  # entity: when it was last felt otherwise

    def weigh(self, anomaly: Anomaly) -> Anomaly:
        """Return an anomaly as evidence alone while ``MANY`` others shift for the first time.

        Only sums over the past (``shift``) of series in their first week are meant: a spike, a
        level far off and anything in a log are never the calendar's.
        """
        if anomaly.kind != "shift":
            if anomaly.severe and anomaly.surprise >= anomaly.threshold:
                self._fails(anomaly.entity, anomaly.at)
            return anomaly
        if not 0.0 < anomaly.seen * anomaly.pace < WEEK:
            return anomaly
        shifted, entity, at = self._shifted, anomaly.entity, anomaly.at
        if at - self._failing.get(entity, -math.inf) <= NIGHT:
            # The calendar fails nobody: what shifts here is what is felt here.
            return anomaly
        last = shifted.pop(entity, at)
        while shifted and shifted[oldest := next(iter(shifted))] < at - NIGHT:
            del shifted[oldest]
        if len(shifted) >= MAX_ENTITIES:
            del shifted[next(iter(shifted))]
            self._facts["first_week_forgotten"] += 1
        others = len(shifted)
        shifted[entity] = max(at, last)
        if others < MANY or not anomaly.severe or anomaly.severity >= Severity.CRITICAL:
            return anomaly
        self._facts["first_week_shifts"] += 1
        reason = f"{anomaly.reason}, as many others do at hours of the week not seen before"
        return replace(anomaly, severe=False, reason=reason)

    def _fails(self, entity: str, at: float) -> None:
        self._shifted.pop(entity, None)
        last = self._failing.pop(entity, at)
        if len(self._failing) >= MAX_ENTITIES:
            del self._failing[next(iter(self._failing))]
            self._facts["first_week_forgotten"] += 1
        self._failing[entity] = max(at, last)

    def to_state(self) -> dict[str, list[tuple[str, float]]]:
        """Return plain values for ``restore``, the longest ago first."""
        shifted, failing = self._shifted.items(), self._failing.items()
        return {"shifted": list(shifted), "failing": list(failing)}

    def restore(self, state: Any) -> None:
        """Take back what ``to_state`` returned."""
        kept = msgspec.convert(state, dict[str, list[tuple[str, float]]])
        self._shifted, self._failing = dict(kept["shifted"]), dict(kept["failing"])
