"""Read the values of the series that incidents speak of once more, as rows for plots."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from aiops.cli.plot import Dot, few

if TYPE_CHECKING:
    from aiops.model import Anomaly, Incident, Points

EACH = 4  # plots of one incident
ALL = 60  # plots in all
MOST = 600  # rows of one plot
SHORTEST, LONGEST = 1800.0, 12 * 3600.0  # seconds of an incident that are drawn


class Window(NamedTuple):
    """What to draw of one series: from when to when, and the anomaly that stands in it."""

    since: float
    until: float
    anomaly: Anomaly


Key = tuple[str, str]  # incident, series


def wanted(incidents: Sequence[Incident]) -> dict[Key, Window]:
    """Return the windows to draw: of each incident its first metric series, bounded in all."""
    found: dict[Key, Window] = {}
    for incident in incidents:
        metrics = [a for a in incident.anomalies if a.series.kind in ("gauge", "counter")]
        for anomaly in metrics[:EACH]:
            end = max(incident.resolved_at or incident.updated_at, anomaly.at)
            span = min(max(end - anomaly.since, SHORTEST), LONGEST)
            window = Window(anomaly.since - span, anomaly.since + 1.2 * span, anomaly)
            if len(found) < ALL:
                found[incident.id, anomaly.series.id] = window
    return found


def collect(points: Iterable[Points], windows: Mapping[Key, Window]) -> dict[Key, list[Dot]]:
    """Return the rows of every window that has any; counters as increases a second."""
    by_series: dict[str, list[Key]] = {}
    for key in windows:
        by_series.setdefault(key[1], []).append(key)
    found: dict[Key, list[tuple[float, float]]] = {key: [] for key in windows}
    columns: dict[int, tuple[object, list[tuple[int, str, bool]]]] = {}
    last: dict[tuple[str, str], tuple[float, float]] = {}
    for item in points:
        known = columns.get(id(item.columns))
        if known is None:
            names = [
                (n, s.id, s.kind == "counter")
                for n, s in enumerate(item.columns.series)
                if s.id in by_series
            ]
            # Held here, so that no other set of columns takes its place in memory.
            known = columns[id(item.columns)] = (item.columns, names)
        for n, series, rises in known[1]:
            value = float(item.values[n])
            if rises:
                before = last.get((item.source, series))
                last[item.source, series] = (item.at, value)
                value = _rate(before, item.at, value)
            if math.isnan(value):
                continue
            for key in by_series[series]:
                if windows[key].since <= item.at <= windows[key].until:
                    found[key].append((item.at, value))
    return {key: _dots(windows[key].anomaly, rows) for key, rows in found.items() if rows}


def _rate(before: tuple[float, float] | None, at: float, value: float) -> float:
    if before is None or at <= before[0] or value < before[1]:
        return math.nan
    return (value - before[1]) / (at - before[0])


def _dots(anomaly: Anomaly, rows: list[tuple[float, float]]) -> list[Dot]:
    """Return rows with the band that was usual when the anomaly was judged, and its mark."""
    rows.sort()
    nearest = min(range(len(rows)), key=lambda n: abs(rows[n][0] - anomaly.at))
    low, high = anomaly.low, anomaly.high
    if low is None or high is None:
        low = high = None
    dots = [Dot(at, value, low, high, n == nearest) for n, (at, value) in enumerate(rows)]
    return few(dots, MOST)
