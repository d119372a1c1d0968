"""Weigh alerts of other systems: what fires rarely says more than what fires every day.

An alert that fires lambda times a second by itself costs as many false incidents if it may open
one; so its surprise is that of a test of ours which is wrong as often: at the threshold of the
alert budget, plus log10(budget / lambda). Alerts that fire more rarely than the budget allows
open incidents alone, chronic ones only join. While an alert fires it is evidence.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

from aiops.detection.facts import anomaly_id
from aiops.model import Alert, Anomaly, SampleLine, Section, Series, Severity

MEMORY = 30 * 86400.0  # seconds: habits are forgotten over about this long
HALF = 0.5  # firings that one never seen is given, in the time watched …
CREDIT = 86400.0  # … and a day
PERIOD = 60.0  # an alert that goes on firing is evidence again this often
STALE = 6 * 3600.0  # without news for so long it does not fire any more
_VERSION = 1


@dataclass(slots=True)
class _Series:
    """What is known of one alert: how often it fired (forgetting), and whether it does now."""

    entity: str
    name: str
    fired: float = 0.0
    last: float = -math.inf
    since: float | None = None
    severity: int = int(Severity.WARNING)
    title: str = ""
    surprise: float = 0.0


class AlertDetection:
    """Own the habits of all alerts that other systems send."""

    name = "alerts"  # of its section

    def __init__(self, max_series: int = 20_000) -> None:
        self.facts: Counter[str] = Counter()
        self.max_series = max_series
        self._known: dict[str, _Series] = {}
        self._firing: dict[str, None] = {}
        self._began: float | None = None
        self._next = -math.inf

    def __len__(self) -> int:
        return len(self._known)

    @property
    def tests_per_second(self) -> float:
        """Return how many judgements a second the known alerts stand for."""
        return len(self._known) / PERIOD

    def judge(self, alert: Alert, threshold: float, budget: float) -> list[Anomaly]:
        """Take one alert; return the anomaly when it begins to fire.

        *threshold* is the surprise an anomaly needs alone, *budget* the false incidents a second.
        """
        at = alert.at
        self._began = at if self._began is None else min(self._began, at)
        known = self._known.get(alert.id)
        if known is None:
            if not alert.firing:
                return []
            if len(self._known) >= self.max_series:
                self._make_room()
            known = self._known[alert.id] = _Series(alert.entity, alert.name)
        if not alert.firing:
            known.since = None
            self._firing.pop(alert.id, None)
            return []
        if known.since is not None:
            known.last = max(known.last, at)  # told again: it still fires
            return []
        watched = min(at - self._began, MEMORY) + CREDIT
        gone = max(at - known.last, 0.0) if known.fired else 0.0
        known.fired *= math.exp(-gone / MEMORY)
        rate = (known.fired + HALF) / watched
        known.surprise = max(threshold + math.log10(budget / rate), 0.0)
        known.fired += 1.0
        known.since, known.last = at, at
        known.severity, known.title = int(alert.severity), alert.title
        self._firing[alert.id] = None
        self._next = at + PERIOD if len(self._firing) == 1 else self._next
        return [_anomaly(known, at, threshold)]

    @property
    def due(self) -> float:
        """Return when ``roll`` is due next; infinity while nothing fires."""
        return self._next if self._firing else math.inf

    def roll(self, at: float, threshold: float) -> list[Anomaly]:
        """Return the evidence of all that goes on firing."""
        self._next = at + PERIOD
        for name in [n for n in self._firing if at - self._known[n].last > STALE]:
            self.facts["alerts_stale"] += 1
            self._known[name].since = None
            del self._firing[name]
        return [_anomaly(self._known[name], at, threshold) for name in self._firing]

    def _make_room(self) -> None:
        """Forget what has been quiet longest."""
        self.facts["alerts_forgotten"] += 1
        oldest = min(self._known, key=lambda n: (self._known[n].last, n))
        del self._known[oldest]
        self._firing.pop(oldest, None)

    def to_section(self) -> Section:
        """Return the habits of every alert."""
        series = [
            [s.entity, s.name, s.fired, s.last, s.since, s.severity, s.title, s.surprise]
            for s in self._known.values()
        ]
        firing = list(self._firing)
        header = {"series": series, "firing": firing, "began": self._began, "next": self._next}
        return Section(self.name, _VERSION, header)

    def restore(self, section: Section) -> None:
        """Take back what ``to_section`` returned; an unknown version stays empty."""
        if section.version != _VERSION:
            return
        for state in section.header["series"]:
            known = _Series(*state)
            self._known[f"{known.entity}/{known.name}"] = known
        self._firing = dict.fromkeys(section.header["firing"])
        self._began, self._next = section.header["began"], section.header["next"]


def _anomaly(known: _Series, at: float, threshold: float) -> Anomaly:
    series = Series(known.entity, f"alert {known.name}", "alert")
    since = at if known.since is None else known.since
    severity = Severity(known.severity)
    text = known.title or f"{known.name} fires"
    return Anomaly(
        id=anomaly_id(series.id, "alert", since),
        series=series,
        kind="alert",
        at=at,
        since=since,
        surprise=round(known.surprise, 3),
        threshold=round(threshold, 3),
        severity=severity,
        reason="alert fires",
        detector="alerts",
        actual=1.0,
        expected=0.0,
        low=0.0,
        high=0.0,
        severe=severity > Severity.INFO,
        seen=int(known.fired),
        samples=(SampleLine(since, "alerts", text),),
    )
