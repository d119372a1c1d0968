"""Link departures whose sample lines are of the same request: they name the same trace.

Two services that log of one trace, request or correlation id within a short time have served the
same caller, whatever the call graph knows. A value that comes with many series, or again much
later, is no request; it links nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import msgspec

from aiops.correlation.nearby import MAX_ENTITIES
from aiops.model import Anomaly, Section, Severity
from aiops.pace import Footprint

NEAR: Final = 120.0
"""Seconds between two lines of one request."""

WIDEST: Final = 8
"""Series that one request shows in; what is in more is a constant."""

MOST: Final = 5000
"""Requests remembered; the oldest make room."""

MOST_EACH: Final = 4
"""Requests that are taken from the samples of one departure."""

_VERSION: Final = 1
_ID = re.compile(
    r'(?:trace|request|correlation|transaction|\breq)[-_. ]?id\\?"?\s{0,2}[:=]\s{0,2}\\?"?'
    r"([A-Za-z0-9][A-Za-z0-9_:./-]{7,127})|\b00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}\b",
    re.IGNORECASE,
)
_DIGIT = re.compile(r"\d")
_WORDS: Final = ("trace", "req", "correlation", "transaction", "00-")


@dataclass(slots=True)
class _Request:
    """When lines of a request were seen first, and in which series."""

    at: float
    series: list[str]


class Requests:
    """Remember in which series each request was seen."""

    name = "requests"  # of its section

    def __init__(self, facts: Counter[str]) -> None:
        self._facts = facts
        self._known: dict[str, _Request] = {}

    def home(self, anomaly: Anomaly, prints: Mapping[str, Footprint]) -> str:
        """Return which of *prints* shows a request of *anomaly*, "" for none; and remember them.

        Of several it is the incident that began first.
        """
        if anomaly.series.kind != "log" or anomaly.severity <= Severity.INFO:
            return ""
        found = ""
        for request, at in requests_of(anomaly):
            found = found or _holder(self._seen(request, at, anomaly.series.id), prints)
        return found

    def _seen(self, request: str, at: float, series: str) -> list[str]:
        """Return the other series of a request, and note that it is in *series*."""
        known = self._known.get(request)
        if known is None:
            if len(self._known) >= MOST:
                del self._known[next(iter(self._known))]
                self._facts["requests_forgotten"] += 1
            self._known[request] = _Request(at, [series])
            return []
        others = [one for one in known.series if one != series]
        if series not in known.series and len(known.series) <= WIDEST:
            known.series.append(series)
        if len(known.series) > WIDEST or abs(at - known.at) > NEAR:
            return []
        return others

    # --- saved at a cut ---------------------------------------------------------------------

    def to_section(self) -> Section:
        """Return which requests were seen where."""
        known: list[list[Any]] = [[name, r.at, r.series] for name, r in self._known.items()]
        return Section(self.name, _VERSION, {"requests": known})

    def restore(self, section: Section) -> None:
        """Take back what ``to_section`` returned; an unknown version stays empty."""
        if section.version == _VERSION:
            saved = msgspec.convert(section.header["requests"], list[tuple[str, float, list[str]]])
            self._known = {name: _Request(at, series) for name, at, series in saved}


def _holder(series: list[str], prints: Mapping[str, Footprint]) -> str:
    """Return the incident that holds one of *series*, the one that began first; "" for none."""
    if not series:
        return ""
    holding = [
        (to.started, to.id)
        for to in prints.values()
        if len(to.onsets) < MAX_ENTITIES and any(one in to.series for one in series)
    ]
    return min(holding, default=(0.0, ""))[1]


def requests_of(anomaly: Anomaly) -> list[tuple[str, float]]:
    """Return the requests that the samples of a departure are of, each with its time."""
    found = {name: sample.at for sample in anomaly.samples for name in _named(sample.text)}
    return list(found.items())[:MOST_EACH]


@lru_cache(maxsize=10_000)
def _named(text: str) -> tuple[str, ...]:
    lower = text.lower()
    # Most lines name none, and looking for a word is cheaper than for a pattern.
    if not any(word in lower for word in _WORDS):
        return ()
    matches = (match for match in _ID.finditer(text) if _DIGIT.search(match[0]))
    return tuple(match[1] or match[2] for match in matches)
