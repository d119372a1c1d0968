"""Follow every series through its departures, so that one that comes and goes is one fact.

A departure is *pending* until its signs have come for ``PERSISTS`` seconds (or a sample of its
series), *firing* while they come, *clearing* when they stay away, *resolved* after a whole hold
without any. Holds stretch with the pace of the series.

Flapping is told as Nagios does (its service defaults): the last ``STATES`` states, one a hold, and
the share of them that differ from the one before, newer ones weighing more. At ``HIGH`` a series
begins to flap; it ends below ``LOW``, or sooner, once it was calm for ``CALM`` times its longest
pause. All of it is a function of the signs and of the time asked for: asking changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from aiops.model import Anomaly
from aiops.pace import reach
from aiops.phases import Course, Phase

PERSISTS = 60.0  # seconds of signs, or one sample: what is shorter may be a blip
QUIET = 1.5  # paces without a sign, and PERSISTS at least: it seems to be over
STATES = 21
HIGH, LOW = 0.20, 0.05
NEW, OLD = 1.2, 0.8  # weights of the newest and the oldest change of state
FEWEST = HIGH * (STATES - 1) / NEW  # changes of state: fewer are no flapping, however new
CALM = 2.0
FORGETS = 4.0  # departures over which the usual length is a mean
LASTS = 2.0  # times its usual length: a departure that has outlasted it
SHOWN = 20
MAX_SERIES = 5000
MAX_TURNS = 2 * STATES - 1  # odd: it begins and ends with a beginning

_Saved = tuple[str, float, float, float, float, list[float], float | None, float | None, int]


@dataclass(slots=True)
class _Series:
    """One series: its departure that goes on (or was the last), and what came before it.

    ``turns`` are the moments at which earlier departures ended and later ones began, in turn;
    the oldest is a beginning. ``usual`` is the mean length of those that are over.
    """

    since: float
    last: float
    hold: float
    pace: float = 0.0
    turns: list[float] = field(default_factory=list)
    usual: float | None = None
    flaps_since: float | None = None
    times: int = 1

    @property
    def departures(self) -> int:
        return len(self.turns) // 2 + 1

    def is_over(self, at: float) -> bool:
        return at - self.last > self.hold

    def patience(self) -> float:
        """Return how many seconds without a sign are no calm yet, by the pauses there were."""
        # Turns begin with a beginning: pauses lie between every second pair.
        pauses = [b - a for a, b in zip(self.turns[1::2], self.turns[2::2], strict=True)]
        return max(self.hold, CALM * max(pauses, default=0.0))

    def calm_after(self) -> float:
        """Return after how many seconds without a sign it does not flap any more."""
        return max(self.hold, min(self.patience(), self._until_below(LOW)))

    def _until_below(self, low: float) -> float:
        """Return after how many seconds without a sign the share of changes is below *low*."""
        holds = next(n for n in range(STATES + 1) if self.share(self.last + n * self.hold) < low)
        return holds * self.hold

    def flaps(self, at: float) -> bool:
        """Return whether it comes and goes at *at*, and may come back any moment."""
        if len(self.turns) < 3 or self.share(at) < (HIGH if self.flaps_since is None else LOW):
            return False
        return at - self.last < self.patience()

    def share(self, at: float) -> float:
        """Return the weighed share of the last states that differ from the one before."""
        most = STATES - 1
        total = 0.0
        for turn in [*self.turns, *([self.last] if self.is_over(at) else [])]:
            age = int((at - turn) // self.hold)
            if age < most:
                total += NEW - (NEW - OLD) * age / (most - 1)
        return total / most


class Firing:
    """Own the states of all series, bounded by ``MAX_SERIES``; *hold* is in seconds."""

    def __init__(self, facts: Counter[str]) -> None:
        self._facts = facts
        self._known: dict[str, _Series] = {}

    def see(self, anomaly: Anomaly, hold: float) -> None:
        """Take a sign of a series; *hold* is how long without one resolves it."""
        key, at = anomaly.series.id, anomaly.at
        known = self._known.pop(key, None)
        if known is None:
            if len(self._known) >= MAX_SERIES:
                # The one without a sign for longest stands first.
                del self._known[next(iter(self._known))]
                self._facts["series_forgotten"] += 1
            known = _Series(at, at, hold, 0.0, [at])
        elif at - known.last > known.hold:
            self._begin(known, at)
        self._known[key] = known
        known.last = max(known.last, at)
        known.hold = reach(anomaly.pace, hold)
        known.pace = anomaly.pace

    def _begin(self, known: _Series, at: float) -> None:
        """Begin another departure of a series that had resolved."""
        lasted = known.last - known.since
        usual = lasted if known.usual is None else known.usual
        known.usual = usual + (lasted - usual) / FORGETS
        if known.flaps_since is not None and not known.flaps(at):
            known.flaps_since = None
        turns = [*known.turns, known.last, at]
        oldest = at - STATES * known.hold
        while len(turns) > 2 and turns[1] < oldest:
            del turns[:2]
        known.turns, known.since, known.last = turns[-MAX_TURNS:], at, at
        if known.flaps_since is not None:
            known.times += 1
        elif len(known.turns) >= FEWEST and known.share(at) >= HIGH:
            known.flaps_since, known.times = known.turns[0], known.departures
            self._facts["series_flapping"] += 1

    # --- asked at any time ------------------------------------------------------------------

    def course(self, series: str, at: float) -> Course | None:
        """Return how a series goes at *at*, ``None`` when it never showed a sign."""
        known = self._known.get(series)
        if known is None:
            return None
        phase = _phase(known, at)
        flapping = known.flaps(at)
        if known.flaps_since is not None:
            # Also when it has just ended: that is when people hear how often it was.
            return Course(series, phase, known.flaps_since, known.times, flapping=flapping)
        if flapping:
            return Course(series, phase, known.turns[0], known.departures, flapping=True)
        return Course(series, phase, known.since)

    def courses(self, anomalies: Iterable[Anomaly], at: float) -> tuple[Course, ...]:
        """Return how the series of these anomalies go, the restless first; at most ``SHOWN``."""
        known = (self.course(a.series.id, at) for a in anomalies)
        found = [course for course in known if course is not None]
        found.sort(key=lambda course: -course.times)
        return tuple(found[:SHOWN])

    def flaps(self, series: str, at: float) -> bool:
        """Return whether a series is one that comes and goes, and may come back any moment."""
        known = self._known.get(series)
        return known is not None and known.flaps(at)

    def goes_on(self, series: str, at: float) -> bool:
        """Return whether a series still departs at *at*, not only seems to have ended."""
        known = self._known.get(series)
        return known is not None and _phase(known, at) in (Phase.PENDING, Phase.FIRING)

    def calm_at(self, series: str) -> float:
        """Return when a series that shows no further sign does not flap any more."""
        known = self._known.get(series)
        return 0.0 if known is None else known.last + known.calm_after()

    def last_sign(self, anomaly: Anomaly) -> float:
        """Return when the series of an anomaly was seen to depart last."""
        known = self._known.get(anomaly.series.id)
        return anomaly.at if known is None else max(anomaly.at, known.last)

    def has_outlasted(self, anomaly: Anomaly, least: float) -> bool:
        """Return whether a departure is longer than *least* seconds and than its usual ones."""
        known = self._known.get(anomaly.series.id)
        if known is None:
            return False
        asked = reach(anomaly.pace, least)
        if known.usual is not None:
            asked = max(asked, LASTS * known.usual)
        return known.last - known.since >= asked

    def is_confirmed(self, anomaly: Anomaly) -> bool:
        """Return whether a departure was seen in more than one sample.

        Samples further apart than ``PERSISTS`` are waited for by nobody: each is a mean of much.
        """
        known, pace = self._known.get(anomaly.series.id), anomaly.pace
        if known is None or not 0.0 < pace <= PERSISTS:
            return True
        return known.last - anomaly.since >= pace

    # --- saved at a cut ---------------------------------------------------------------------

    def to_state(self) -> list[_Saved]:
        """Return plain values for ``restore``, in the order of the last signs."""
        return [
            (k, s.since, s.last, s.hold, s.pace, s.turns[:], s.usual, s.flaps_since, s.times)
            for k, s in self._known.items()
        ]

    def restore(self, state: Sequence[Any]) -> None:
        """Take back what ``to_state`` returned."""
        saved = msgspec.convert(state, list[_Saved])
        self._known = {one[0]: _Series(*one[1:]) for one in saved}


def _phase(known: _Series, at: float) -> Phase:
    persists = max(PERSISTS, known.pace)
    silent = at - known.last
    if silent > known.hold:
        return Phase.RESOLVED
    if silent > max(PERSISTS, QUIET * known.pace):
        return Phase.CLEARING
    return Phase.FIRING if known.last - known.since >= persists else Phase.PENDING
