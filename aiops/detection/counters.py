"""Turn counters into rates: restarts, gaps and clock jumps never make one up."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from aiops.model import Section, SeriesSet

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_VERSION = 1


class CounterRates:
    """Remember one source's last counter values; make one for every ``Points.source``.

    A rate needs two values next to each other: after a missing value, a gap, a clock that went
    back or a pause over *longest* seconds the first rate is NaN, never a guess.
    """

    def __init__(self, longest: float = 300.0) -> None:
        self._longest = longest
        self._at = math.nan
        self._columns: SeriesSet | None = None
        self._counts: NDArray[np.bool_] = np.zeros(0, np.bool_)
        self._last: NDArray[np.float64] = np.zeros(0)
        self._loaded: Mapping[str, float] = {}
        self.restarted = False
        self.elapsed = 0.0

    def rates(
        self, columns: SeriesSet, at: float, values: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return *values* with every counter replaced by its increase per second since before.

        A value below the one before means that the counter restarted from 0. Gauges pass as
        they are; the array handed in is not changed. ``restarted`` then says whether any did, and
        ``elapsed`` how long the rates are over, 0 when there are none.
        """
        if columns is not self._columns:
            self._turn_to(columns)
        elapsed = at - self._at
        if not 0 < elapsed <= self._longest:
            self._last = np.full(len(values), np.nan)
            elapsed = math.nan
        fell = values < self._last
        self.restarted = bool(fell.any())
        self.elapsed = 0.0 if math.isnan(elapsed) else elapsed
        increase = np.where(fell, values, values - self._last)
        self._at = at
        # Infinity is no count: the next difference would be NaN or infinite too.
        self._last = np.where(self._counts & np.isfinite(values), values, np.nan)
        increase[~np.isfinite(increase)] = np.nan
        return np.where(self._counts, increase / elapsed, values)

    def gap(self) -> None:
        """Forget all values: the source did not watch for a while."""
        self._last = np.full(len(self._last), np.nan)
        self._loaded = {}

    def to_state(self, name: str) -> Section:
        """Return what is remembered, by series id."""
        known = dict(self._remembered())
        return Section(
            name,
            _VERSION,
            {"ids": list(known), "at": None if math.isnan(self._at) else self._at},
            {"last": np.array(list(known.values()), np.float64)},
        )

    @classmethod
    def from_state(cls, section: Section, longest: float = 300.0) -> CounterRates:
        """Return a copy of what was saved; a section of another version starts cold."""
        rates = cls(longest)
        if section.version == _VERSION and section.header["at"] is not None:
            rates._at = float(section.header["at"])
            values = section.arrays["last"].tolist()
            rates._loaded = dict(zip(section.header["ids"], values, strict=True))
        return rates

    def _turn_to(self, columns: SeriesSet) -> None:
        known = dict(self._remembered())
        self._columns, self._loaded = columns, {}
        self._counts = np.array([s.kind == "counter" for s in columns.series], np.bool_)
        self._last = np.array([known.get(s.id, math.nan) for s in columns.series], np.float64)

    def _remembered(self) -> list[tuple[str, float]]:
        if self._columns is None:
            return list(self._loaded.items())
        pairs = zip(self._columns.series, self._last.tolist(), strict=True)
        return [(series.id, value) for series, value in pairs if not math.isnan(value)]
