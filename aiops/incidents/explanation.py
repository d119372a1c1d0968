"""Explain an anomaly in one plain sentence, and what the severity of an incident is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiops.incidents.record import WIDESPREAD, counts
from aiops.model import Severity
from aiops.redaction import harmless
from aiops.units import duration, factor, quantity
from aiops.wire import rfc3339

if TYPE_CHECKING:
    from aiops.model import Anomaly, Incident

POINTS = 10  # that a severity is made of and that are listed
RAREST = 15.0  # surprise beyond which nobody cares how much rarer
FEW = 240  # samples: until then the gate asks a series for company


def explained(anomaly: Anomaly) -> str:
    """Say what was measured, what was usual, since when, who found it, why, and how sure that is.

    The text is harmless: redacted, and without control characters.
    """
    unit = anomaly.unit or anomaly.series.unit
    parts = [_named(anomaly)]
    if anomaly.actual is not None:
        parts.append(f"{quantity(anomaly.actual, unit)}{_usual(anomaly, unit)}")
    parts.append(_since(anomaly))
    parts.append(f"found by {anomaly.detector}: {anomaly.reason or anomaly.kind}")
    parts.append(_sure(anomaly))
    return harmless(", ".join(parts))


def weighed(incident: Incident) -> list[str]:
    """Say what makes an incident as severe as it is, the weightiest first; the texts are harmless.

    Each series that counts has a severity, and the worst of them is the incident's; errors on
    ``WIDESPREAD`` entities make it critical. It does not fall before the incident has ended.
    """
    bad = [a for a in incident.anomalies if counts(a)]
    failing = sorted({a.entity for a in bad if a.severe and a.severity >= Severity.ERROR})
    points = []
    if len(failing) >= WIDESPREAD:
        named = ", ".join(failing[:WIDESPREAD])
        more = f" and {len(failing) - WIDESPREAD} more" if len(failing) > WIDESPREAD else ""
        points.append(f"critical: errors on {len(failing)} entities, {named}{more}")
    elif incident.severity > max((a.severity for a in bad), default=incident.severity):
        points.append(f"{incident.severity.label}: it was so before, what showed it is over")
    ranked = sorted(bad, key=lambda a: (-a.severity, -a.severe, -a.surprise, a.series.id))
    for a in ranked[:POINTS]:
        felt = "felt" if a.severe else "unusual work"
        points.append(f"{a.severity.label}: {_named(a)}, {felt}: {a.reason or a.kind}")
    if len(ranked) > POINTS:
        points.append(f"+{len(ranked) - POINTS} more that weigh less")
    return [harmless(point) for point in points]


def _named(anomaly: Anomaly) -> str:
    where = "in" if anomaly.series.kind == "log" else "of"
    return f"{anomaly.series.name} {where} {anomaly.entity}"


def _usual(anomaly: Anomaly, unit: str) -> str:
    if anomaly.expected is None:
        return ""
    words = f" where {quantity(anomaly.expected, unit)}"
    if anomaly.low is not None and anomaly.high is not None and anomaly.low < anomaly.high:
        words += f" ({quantity(anomaly.low, unit)} to {quantity(anomaly.high, unit)})"
    times = factor(anomaly.actual, anomaly.expected)
    return f"{words} is usual" + (f", {times}" if times else "")


def _since(anomaly: Anomaly) -> str:
    lasts = anomaly.at - anomaly.since
    return f"since {rfc3339(anomaly.since)}" + (f" ({duration(lasts)})" if lasts >= 1.0 else "")


def _sure(anomaly: Anomaly) -> str:
    words = f"by chance {_how_rarely(anomaly.surprise)}" if anomaly.surprise else "no chance known"
    seen = f"after {anomaly.seen} sample{'' if anomaly.seen == 1 else 's'}"
    return f"{words}, {seen}" + (" (still young)" if anomaly.seen < FEW else "")


def _how_rarely(surprise: float) -> str:
    """Say a tail probability of 10 to the minus *surprise* in words, to one digit."""
    if surprise > RAREST:
        return f"less than once in {_counted(10.0**RAREST)}"
    return f"once in {_counted(float(f'{10.0**surprise:.1g}'))}"


def _counted(number: float) -> str:
    for size, name in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million")):
        if number >= size:
            return f"{number / size:g} {name}"
    return f"{number:g}"
