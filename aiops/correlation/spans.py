"""Learn who calls whom from the spans that lines were written in.

A line says "this is span s of trace t, and span p called for it" (``aiops/decoding/spans.py``).
Who writes lines in p calls who writes lines in s: one such pair of spans is one call that was seen.
An edge is believed from ``SUPPORT`` of them on; counts fade over ``MEMORY``, so a call that nobody
makes any more is forgotten. Lines that share a trace and no parent say nothing of who called.

Both ends come in any order, within ``NEAR`` seconds. What a circle within one entity shows is no
call to another.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from aiops.model import LogWindow, Section

NEAR: Final = 120.0
"""Seconds between lines of a span and of one that it called for."""

SUPPORT: Final = 5.0
"""Calls that were seen before an edge is believed."""

MEMORY: Final = 30 * 86400.0
"""Seconds over which counts fade to 1/e."""

MOST_SPANS: Final = 20_000
MOST_EDGES: Final = 5000
MOST_CALLEES: Final = 50
"""Entities that one span is remembered to have called."""

_SWEEP: Final = 3600.0
_MOST: Final = 1000.0  # calls: one that is seen all day is forgotten after months, not years
_VERSION: Final = 1


@dataclass(slots=True)
class _Span:
    """When a span was heard of first, whose it is ("" while nobody knows), and whom it called."""

    at: float
    owner: str
    callees: list[str]


class Spans:
    """Own the calls that were learned; bounded, and they fade."""

    name = "spans"  # of its section

    def __init__(self, facts: Counter[str]) -> None:
        self._facts = facts
        self._spans: dict[str, _Span] = {}
        self._edges: dict[tuple[str, str], tuple[float, float]] = {}  # calls (faded), last seen
        self._believed: dict[tuple[str, str], None] = {}
        self._swept = -math.inf
        self.version = 0  # changes with what is believed

    @property
    def edges(self) -> Iterator[tuple[str, str]]:
        """Return the edges that are believed, as (caller, callee)."""
        return iter(self._believed)

    def told(self, at: float) -> tuple[tuple[str, str, float], ...]:
        """Return (caller, callee, calls that are not faded at *at*) of what is believed."""
        seen = ((edge, *self._edges[edge]) for edge in sorted(self._believed))
        return tuple((*edge, round(count * _left(at - last), 1)) for edge, count, last in seen)

    def forget(self) -> None:
        """Forget everything that was learned."""
        self._spans.clear()
        self._edges.clear()
        self._believed.clear()
        self.version += 1

    # --- learning ---------------------------------------------------------------------------

    def learn(self, window: LogWindow) -> None:
        """Take the spans that the lines of a window were written in."""
        at = window.end
        if at - self._swept >= _SWEEP:
            self._sweep(at)
        for name, trace, span, parent in window.spans:
            entity = name or window.stream.entity
            if span:
                self._own(f"{trace}/{span}", entity, at)
            if parent:
                self._called(f"{trace}/{parent}", entity, at)

    def _own(self, key: str, entity: str, at: float) -> None:
        span = self._span(key, at)
        if not span.owner:
            span.owner = entity
            for callee in span.callees:
                self._count(entity, callee, at)

    def _called(self, key: str, callee: str, at: float) -> None:
        span = self._span(key, at)
        if callee in span.callees or len(span.callees) >= MOST_CALLEES:
            return  # its other lines say the same again
        span.callees.append(callee)
        if span.owner:
            self._count(span.owner, callee, at)

    def _span(self, key: str, at: float) -> _Span:
        span = self._spans.get(key)
        if span is None:
            self._drop_old(at)
            span = self._spans[key] = _Span(at, "", [])
        return span

    def _drop_old(self, at: float) -> None:
        """Drop the spans whose time is over, at least one of them when there are too many."""
        spans = self._spans
        while spans:
            first = next(iter(spans))
            if at - spans[first].at > NEAR:
                del spans[first]
            elif len(spans) >= MOST_SPANS:
                del spans[first]
                self._facts["spans_forgotten"] += 1
            else:
                return

    def _count(self, caller: str, callee: str, at: float) -> None:
        if caller == callee:
            return
        edge = caller, callee
        count, last = self._edges.pop(edge, (0.0, at))
        if len(self._edges) >= MOST_EDGES:
            # The one that was not seen for longest stands first.
            gone = next(iter(self._edges))
            del self._edges[gone]
            self._doubt(gone)
            self._facts["edges_forgotten"] += 1
        count = min(count * _left(at - last) + 1.0, _MOST)
        self._edges[edge] = count, max(at, last)
        if count >= SUPPORT and edge not in self._believed:
            self._believed[edge] = None
            self.version += 1

    def _sweep(self, at: float) -> None:
        """Let go of the edges of which too little is left."""
        self._swept = at
        for edge, (count, last) in list(self._edges.items()):
            left = count * _left(at - last)
            if left < SUPPORT and edge in self._believed:
                self._doubt(edge)
            if left < 1.0 / math.e:
                del self._edges[edge]

    def _doubt(self, edge: tuple[str, str]) -> None:
        if edge in self._believed:
            del self._believed[edge]
            self.version += 1

    # --- saved at a cut ---------------------------------------------------------------------

    def to_section(self) -> Section:
        """Return what was seen and what is believed."""
        header: dict[str, Any] = {
            "spans": [[k, s.at, s.owner, list(s.callees)] for k, s in self._spans.items()],
            "edges": [[*edge, *seen] for edge, seen in self._edges.items()],
            "believed": [list(edge) for edge in self._believed],
            "swept": self._swept,
        }
        return Section(self.name, _VERSION, header)

    def restore(self, section: Section) -> None:
        """Take back what ``to_section`` returned; an unknown version stays empty."""
        if section.version != _VERSION:
            return
        saved: Mapping[str, Any] = section.header
        spans = msgspec.convert(saved["spans"], list[tuple[str, float, str, list[str]]])
        self._spans = {key: _Span(at, owner, called) for key, at, owner, called in spans}
        edges = msgspec.convert(saved["edges"], list[tuple[str, str, float, float]])
        self._edges = {(a, b): (count, at) for a, b, count, at in edges}
        self._believed = dict.fromkeys(msgspec.convert(saved["believed"], list[tuple[str, str]]))
        self._swept = saved["swept"]
        self.version += 1


def _left(seconds: float) -> float:
    return math.exp(-max(seconds, 0.0) / MEMORY)
