"""Know when a series began to depart this time.

A detector may remember the beginning of a departure over minutes in which nothing was unusual, and
so may say that what begins now began an hour ago. A series that was silent for ``SILENT`` seconds
(or a few samples) begins anew; what began in the silence began then.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec

from aiops.model import Anomaly
from aiops.pace import reach

SILENT = 120.0
MAX_SERIES = 20_000


class Onsets:
    """Remember of each series when it was heard of last and when that began; bounded."""

    def __init__(self, facts: Counter[str]) -> None:
        self._facts = facts
        self._known: dict[str, tuple[float, float]] = {}  # last, onset

    def of(self, anomaly: Anomaly) -> float:
        """Return when the departure that an anomaly is a sign of began, and remember the sign."""
        key, at, since = anomaly.series.id, anomaly.at, anomaly.since
        known = self._known.pop(key, None)
        if known is None:
            if len(self._known) >= MAX_SERIES:
                # The one without a sign for longest stands first.
                del self._known[next(iter(self._known))]
                self._facts["onsets_forgotten"] += 1
            onset = since
        else:
            last, onset = known
            if since > last:
                onset = since
            elif at - last > reach(anomaly.pace, SILENT):
                onset = at
            at = max(at, last)
        self._known[key] = at, onset
        return onset

    def to_state(self) -> list[tuple[str, float, float]]:
        """Return plain values for ``restore``, in the order of the last signs."""
        return [(key, last, onset) for key, (last, onset) in self._known.items()]

    def restore(self, state: Any) -> None:
        """Take back what ``to_state`` returned."""
        saved = msgspec.convert(state, list[tuple[str, float, float]])
        self._known = {key: (last, onset) for key, last, onset in saved}
