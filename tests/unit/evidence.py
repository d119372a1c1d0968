"""Anomalies, lines and windows made by hand, for tests of what happens to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiops.detection.facts import anomaly_id
from aiops.model import Anomaly, LineKind, LogWindow, SampleLine, Series, Severity, Stream

T = 1_700_000_040.0  # a whole minute


def anomaly(
    entity: str = "service:cart",
    name: str = "error_ratio",
    at: float = T,
    *,
    kind: str = "level",
    line: str = "",
    log: bool = False,
    **fields: Any,
) -> Anomaly:
    """Make a strong symptom; give fields to make another anomaly."""
    series = Series(entity, name, "log" if log or line else "gauge")
    known = {
        "since": at,
        "surprise": 8.0,
        "threshold": 6.0,
        "severity": Severity.ERROR,
        "reason": "level",
        "detector": "bank",
        "severe": True,
        "seen": 1000,
    } | fields
    samples = (SampleLine(at, entity, line),) if line else ()
    return Anomaly(
        id=anomaly_id(series.id, kind, known["since"]),
        series=series,
        kind=kind,
        at=at,
        samples=samples,
        **known,
    )


def first_sight(line: str, entity: str = "service:cart", at: float = T, **fields: Any) -> Anomaly:
    """Make a new error line."""
    return anomaly(entity, f"template {line}", at, kind="new_template", line=line, **fields)


STREAM = Stream("file:cart.log", "file", "service:cart", "service:cart")


def window(
    lines: Mapping[str, int],
    end: float = T,
    *,
    severity: Severity = Severity.INFO,
    stream: Stream = STREAM,
    width: float = 10.0,
) -> LogWindow:
    """Make a closed window of lines of one severity: text -> count."""
    kinds = {LineKind("", severity, text.encode()): n for text, n in lines.items()}
    samples = {k: SampleLine(end - width, stream.id, k.masked.decode()) for k in kinds}
    total = sum(lines.values())
    return LogWindow(stream, end - width, end, kinds, samples, total, 0, 0)
