"""Measure how incidents went: how soon somebody took them, how long they lasted, what they cost."""

from __future__ import annotations

import math
from collections.abc import Iterable

from prometheus_client import Counter

from aiops.model import Transition, TransitionKind
from aiops.telemetry import Telemetry


def measure(telemetry: Telemetry, transitions: Iterable[Transition]) -> None:
    """Count what *transitions* say of incidents that people were told of."""
    for t in transitions:
        incident = t.incident
        if not incident.told:
            continue
        if t.kind is TransitionKind.ACKNOWLEDGED:
            telemetry.to_acknowledge.observe(max(t.at - incident.opened_at, 0.0))
        elif t.kind is TransitionKind.RESOLVED:
            telemetry.to_resolve.observe(max(t.at - incident.opened_at, 0.0))
            # The picture was taken before this last one was told.
            telemetry.told_times.observe(len(incident.notified_at) + t.tell)
            telemetry.evidence.observe(len(incident.anomalies))


def noise_reduction(telemetry: Telemetry) -> float:
    """Return the share of anomalies that opened no told incident, NaN before there were any."""
    found, told = _sum(telemetry.anomalies), _sum(telemetry.opened)
    return 1.0 - min(told / found, 1.0) if found else math.nan


def _sum(counter: Counter) -> float:
    return sum(sample.value for family in counter.collect() for sample in family.samples)
