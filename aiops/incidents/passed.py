"""Keep the candidates that came nearest to being told, for whoever asks why they were not."""

from __future__ import annotations

from aiops.incidents.record import Record, counts
from aiops.model import Incident

MOST = 20


class Passed:
    """Remember the ``MOST`` nearest misses of one run; nothing is decided by it, nor saved."""

    def __init__(self) -> None:
        self._near: list[tuple[float, Record]] = []

    def note(self, record: Record) -> None:
        """Take a candidate that nobody changes any more; kept when nearer than the others."""
        how_near = nearness(record)
        if how_near <= 0.0 or (len(self._near) >= MOST and how_near <= self._near[-1][0]):
            return
        self._near.append((how_near, record))
        self._near.sort(key=lambda pair: (-pair[0], pair[1].updated, pair[1].id))
        del self._near[MOST:]

    @property
    def pictures(self) -> list[Incident]:
        """Return the nearest misses, the nearest first."""
        return [record.picture() for _, record in self._near]


def nearness(record: Record) -> float:
    """Return the strongest surprise as a share of what was asked of it alone."""
    every = (a for a in record.anomalies.values() if counts(a))
    return max((a.surprise / max(a.threshold, 1e-9) for a in every), default=0.0)


def why_not(incident: Incident) -> str:
    """Say in one sentence why a candidate was not told."""
    bad = [a for a in incident.anomalies if counts(a)]
    if not bad:
        return "nothing in it was both bad and rare"
    strongest = max(bad, key=lambda a: (a.surprise, a.series.id))
    asked = f"its surprise of {strongest.surprise:.1f} against the {strongest.threshold:.1f} asked"
    if not any(a.severe for a in bad):
        return f"only more or less work than usual, felt by nobody; {asked}"
    if strongest.surprise < strongest.threshold:
        alone = (
            "nothing else confirmed it" if len(bad) == 1 else f"{len(bad)} signs did not suffice"
        )
        return f"{asked} by the budget, and {alone}"
    return f"{asked}, but too little of this series had been seen, or it passed at once"
