"""What people say of metrics themselves: it goes before what a name says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from aiops.detection.direction import bad_direction, is_usage, unit_of
from aiops.model import Severity

if TYPE_CHECKING:
    from aiops.model import Anomaly, Series


@dataclass(frozen=True, slots=True)
class MetricRule:
    """Say of every metric that ``match`` fits what it is; what is empty is guessed.

    ``match`` is a glob over the name, the name with labels, or ``ENTITY/NAME``. ``kind`` is
    gauge, counter, state, heartbeat or ignore. ``direction`` up tells only rises, down only
    drops, both tells either as bad. Departures smaller than ``smallest`` are not told.
    ``limit`` is the value at which it is full. ``smallest`` and ``limit`` are in its own unit.
    ``detector`` names a River class, built with ``params``, that judges it beside the bank.
    """

    match: str
    kind: str = ""
    unit: str = ""
    direction: str = ""
    smallest: float = 0.0
    limit: float | None = None
    detector: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)


class MetricRules:
    """Find the rule of a metric: the first that fits."""

    def __init__(self, rules: Iterable[MetricRule] = ()) -> None:
        self.every = tuple(rules)

    def of(self, series: Series) -> MetricRule | None:
        """Return the rule for a series, ``None`` when nobody said anything."""
        if not self.every:
            return None
        bare = series.name.partition("{")[0]
        names = (bare, series.name, series.id, f"{series.entity}/{bare}")
        for rule in self.every:
            if any(fnmatchcase(name, rule.match) for name in names):
                return rule
        return None

    def kinded(self, series: Series) -> Series:
        """Return the series as counter or gauge, as its rule says, with its unit."""
        rule = self.of(series)
        kind = rule.kind if rule is not None and rule.kind in ("counter", "gauge") else series.kind
        unit = unit_of(series.name, series.unit) if rule is None or not rule.unit else rule.unit
        if kind == series.kind and unit == series.unit:
            return series
        return replace(series, kind=kind, unit=unit)

    def judged(self, anomaly: Anomaly) -> Anomaly | None:
        """Return an anomaly as its rule wants it told, ``None`` when it is not to be told."""
        rule = self.of(anomaly.series)
        if rule is None or anomaly.actual is None or anomaly.expected is None:
            return anomaly
        rise = anomaly.actual - anomaly.expected
        if abs(rise) < rule.smallest or (rule.direction == "up" and rise < 0.0):
            return None
        if rule.direction == "down" and rise > 0.0:
            return None
        if not rule.direction or anomaly.reason == "new normal":
            return anomaly
        # The name said that this way is good news; whoever wrote the rule knows better.
        bad = bad_direction(anomaly.series.name)
        if anomaly.severity is Severity.INFO and bad is not None and (rise > 0.0) != (bad > 0):
            severe = not is_usage(anomaly.series.name)
            return replace(anomaly, severity=Severity.WARNING, severe=severe)
        return anomaly
