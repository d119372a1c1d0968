"""Columns of repeated measurements: which series stands where, for as long as it lives."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np

from aiops.model import SeriesSet

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from aiops.model import Series


class Columns:
    """Give every series a column and keep one ``SeriesSet`` while none comes or goes.

    A series that was missing from *patience* measurements in a row loses its column, so a source
    whose series churn stays as wide as what it measures now.
    """

    def __init__(self, patience: int = 20) -> None:
        self._patience = patience
        self._series: list[Series] = []
        self._places: dict[str, int] = {}
        self._missed: NDArray[np.int64] = np.zeros(0, np.int64)
        self._pinned = 0
        self._set: SeriesSet | None = None

    def __len__(self) -> int:
        return len(self._series)

    @property
    def current(self) -> SeriesSet:
        """The columns of now; the same object until a series comes or goes."""
        if self._set is None:
            self._set = SeriesSet(tuple(self._series))
        return self._set

    def pin(self, series: Series) -> int:
        """Place a series that is always measured; pin all before the first ``place``."""
        place = self.place(series)
        self._pinned = max(self._pinned, place + 1)
        return place

    def place(self, series: Series) -> int:
        """Return the column of a series, a new one when it has none."""
        place = self._places.get(series.id)
        if place is None:
            # Every part that knows a series keys it by its id: one text for all of them.
            place = self._places[sys.intern(series.id)] = len(self._series)
            self._series.append(series)
            self._set = None
        elif self._series[place] != series:
            self._series[place] = series
            self._set = None
        return place

    def age(self, present: NDArray[np.bool_]) -> NDArray[np.int64] | None:
        """Note which columns were measured; drop those missing for too long.

        Returns ``None`` while nothing was dropped, else the new column of every old one, -1 for
        the dropped.
        """
        grown = len(self._series) - len(self._missed)
        if grown:
            self._missed = np.concatenate([self._missed, np.zeros(grown, np.int64)])
        self._missed = np.where(present, 0, self._missed + 1)
        self._missed[: self._pinned] = 0
        stays = self._missed < self._patience
        if stays.all():
            return None
        moved = np.where(stays, np.cumsum(stays) - 1, -1)
        self._series = [s for s, keep in zip(self._series, stays, strict=True) if keep]
        self._places = {sys.intern(s.id): place for place, s in enumerate(self._series)}
        self._missed = self._missed[stays]
        self._set = None
        return moved
