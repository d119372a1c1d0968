"""Explain one anomaly in one plain sentence, made of what it carries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiops.redaction import harmless
from aiops.units import duration, factor, quantity
from aiops.wire import rfc3339

if TYPE_CHECKING:
    from aiops.model import Anomaly

FEW = 240  # samples: until then the gate asks a series for company


def explained(anomaly: Anomaly) -> str:
    """Say what was measured, what was usual, since when, who found it, why, and how sure that is.

    The text is harmless: redacted, and without control characters.
    """
    unit = anomaly.unit or anomaly.series.unit
    log = anomaly.series.kind == "log"
    parts = [f"{anomaly.series.name} {'in' if log else 'of'} {anomaly.entity}"]
    if anomaly.actual is not None:
        parts.append(f"{quantity(anomaly.actual, unit)}{_usual(anomaly, unit)}")
    parts.append(_since(anomaly))
    parts.append(f"found by {anomaly.detector}: {anomaly.reason or anomaly.kind}")
    parts.append(_sure(anomaly))
    return harmless(", ".join(parts))


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
    chance = quantity(float(f"{10.0 ** min(anomaly.surprise, 20.0):.1g}"))
    words = f"by chance once in {chance}" if anomaly.surprise > 0.0 else "no chance known"
    seen = f"after {anomaly.seen} sample{'' if anomaly.seen == 1 else 's'}"
    return f"{words}, {seen}" + (" (still young)" if anomaly.seen < FEW else "")
