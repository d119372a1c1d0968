"""Know which series say the same: the statistics of one histogram are one measure, not five."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from aiops.model import Anomaly

# latency_p99, latency_Average, request_duration_seconds_mean{quantile="0.5"}, cpu_max, Sum
_STATISTIC = re.compile(
    r"(?:^|[_.\-\s]+)(?:p\d{1,3}(?:[._]\d+)?|q\d{1,3}|\d{1,3}th|percentiles?|quantiles?"
    r"|avg|average|mean|median|max(?:imum)?|min(?:imum)?|sum|std(?:dev)?)$",
    re.IGNORECASE,
)
_WHICH = re.compile(r'(?:^|,)(?:quantile|percentile|le|stat|statistic|aggregation)="[^"]*"')
# What looks at several series of one entity together says nothing beside them.
DERIVED = frozenset({"joint", "drift"})


@lru_cache(maxsize=20_000)
def measure(name: str) -> str:
    """Return what a series measures, whatever statistic of it: its name without that."""
    bare, brace, labels = name.partition("{")
    while (shorter := _STATISTIC.sub("", bare)) != bare and shorter:
        bare = shorter
    if not brace:
        return bare
    left = _WHICH.sub("", labels.removesuffix("}")).lstrip(",")
    return f"{bare}{{{left}}}" if left else bare


class Figure(NamedTuple):
    """A raw figure: what is measured of whom; without a measure, several of them together."""

    entity: str
    measure: str = ""

    @property
    def joint(self) -> bool:
        return not self.measure


def figure(anomaly: Anomaly) -> Figure:
    """Return the raw figure that an anomaly is of: anomalies of one figure are one piece."""
    joint = anomaly.kind in DERIVED
    return Figure(anomaly.entity, "" if joint else measure(anomaly.series.name))
