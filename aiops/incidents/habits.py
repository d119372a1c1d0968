"""Know what departs at the same hour every day, or many times a day: that is how it always is."""

from __future__ import annotations

from scipy.special import bdtrc

DAY = 86400.0
SAME_HOUR = 1200.0  # seconds either side that are the same time of day
DAYS = 2  # earlier days that make a habit …
CHANCE = 0.01  # … unless a series that departs so often at any hour meets this one as easily
OFTEN = 12  # departures within a day that make a series chronic
APART = 600.0  # onsets nearer than this are one departure
KEPT = 24
MAX_SERIES = 5000


class Habits:
    """Remember the last onsets of each series, bounded by ``MAX_SERIES``."""

    def __init__(self) -> None:
        self._onsets: dict[str, list[float]] = {}

    def learn(self, series: str, onset: float) -> None:
        """Note that a departure of *series* began at *onset*."""
        known = self._onsets.pop(series, None)
        if known is None:
            known = [onset]
        elif onset - known[-1] > APART:
            known = [*known, onset][-KEPT:]
        self._onsets[series] = known
        if len(self._onsets) > MAX_SERIES:
            del self._onsets[next(iter(self._onsets))]

    def usual(self, series: str, onset: float) -> bool:
        """Return whether a departure that begins at *onset* is a habit of *series*."""
        known = self._onsets.get(series)
        if known is None or (len(known) < OFTEN and onset - known[0] <= DAY / 2):
            return False  # nothing to compare with: onsets are kept in order
        earlier = [at for at in known if onset - at > APART]
        if sum(onset - at <= DAY for at in earlier) >= OFTEN:
            return True
        days = {
            round((onset - at) / DAY)
            for at in earlier
            if onset - at > DAY / 2 and abs((onset - at + DAY / 2) % DAY - DAY / 2) <= SAME_HOUR
        }
        if len(days) < DAYS:
            return False
        span = max(round((onset - min(earlier)) / DAY), len(days))
        a_day = min(1.0, len(earlier) / span * 2.0 * SAME_HOUR / DAY)
        return bool(bdtrc(len(days) - 1, span, a_day) < CHANCE)

    def to_state(self) -> list[tuple[str, list[float]]]:
        """Return plain values for ``from_state``."""
        return list(self._onsets.items())

    @classmethod
    def from_state(cls, state: list[tuple[str, list[float]]]) -> Habits:
        """Rebuild exactly what ``to_state`` described."""
        self = cls()
        self._onsets = {series: list(onsets) for series, onsets in state}
        return self
