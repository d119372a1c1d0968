"""Know how often alerts of other systems begin by chance, and what a burst of them is worth.

Each of many alerts may fire rarely and all of them together every hour: then two at a time are
a coincidence of the day. What begins within ``APART`` seconds of the first is one burst, and bursts
come as a Poisson process by themselves; the rate forgets slowly. Of *n* alerts within some seconds,
*n* - 1 are expected as often as that process brings so many there (a scan statistic; Naus 1965).
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from scipy.special import gammainc

from aiops.model import Anomaly, Section

APART = 60.0  # seconds after which an alert begins another burst
MEMORY = 30 * 86400.0  # seconds over which the rate forgets
HALF, CREDIT = 0.5, 86400.0  # bursts that a young rate is given, and the time they are of
SHORTEST = 30.0  # seconds: senders wait, so a closer beginning says no more
LONGEST = 300.0  # seconds: what began earlier is no burst with what begins now
DEPENDENT = 0.5  # weight of a further alert of one entity: it shares the cause of the first
COMPANY = 1.0  # decades asked on top: many spans were looked at
_VERSION = 1


class Bursts:
    """Own the rate at which bursts of alerts begin."""

    name = "bursts"  # of its section

    def __init__(self) -> None:
        self._began: float | None = None
        self._last = -math.inf  # when the last burst began
        self._seen = 0.0  # bursts, faded
        self._at = 0.0  # … until then

    def see(self, anomaly: Anomaly) -> None:
        """Count an alert that begins."""
        at = anomaly.at
        if anomaly.kind != "alert" or anomaly.since != at:
            return
        if self._began is None:
            self._began = self._at = at
        if at > self._last + APART:
            self._seen = self._seen * math.exp(-max(at - self._at, 0.0) / MEMORY) + 1.0
            self._at = self._last = at

    @property
    def rate(self) -> float:
        """Return how many bursts begin in a second."""
        watched = 0.0 if self._began is None else min(self._at - self._began, MEMORY)
        return (self._seen + HALF) / (watched + CREDIT)

    def to_section(self) -> Section:
        """Return what ``restore`` takes."""
        header = {"began": self._began, "last": self._last, "seen": self._seen, "at": self._at}
        return Section(self.name, _VERSION, header)

    def restore(self, section: Section) -> None:
        """Take back what ``to_section`` returned; an unknown version stays empty."""
        if section.version == _VERSION:
            saved = section.header
            self._began, self._last = saved["began"], saved["last"]
            self._seen, self._at = saved["seen"], saved["at"]


def is_rare(alerts: Iterable[Anomaly], *, rate: float, near: float, budget: float) -> bool:
    """Return whether so many alerts begin together by chance no oftener than *budget* allows.

    *rate* is how many bursts begin in a second, *near* the share of them that would be linked to
    one of these, *budget* the false incidents a second that are allowed.
    """
    newest_first = sorted(alerts, key=lambda a: (-a.since, a.series.id))
    asked = budget / 10.0**COMPANY
    entities: set[str] = set()
    weight = 0.0
    for alert in newest_first:
        span = newest_first[0].since - alert.since
        if span > LONGEST:
            break
        weight += DEPENDENT if alert.entity in entities else 1.0
        entities.add(alert.entity)
        expected = rate * near * max(span, SHORTEST)
        if weight > 1.0 and rate * float(gammainc(weight - 1.0, expected)) <= asked:
            return True
    return False
