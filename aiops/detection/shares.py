"""Judge a share of successes by its failures: from 100 % down to 97 % is from nothing to a lot.

Availability sits at its bound for weeks. In its own size a loss of 3 % is small, in failures it
is without precedent (the error side of a ratio).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from aiops.model import Section

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from aiops.model import Series

_SHARE: Final = re.compile(
    r"availability|success_?(?:rate|ratio|share|percent|pct)|uptime_?(?:ratio|percent|pct)",
    re.IGNORECASE,
)
WHOLES: Final = (1.0, 100.0)
_VERSION: Final = 1


@lru_cache(maxsize=20_000)
def _is_share(bare: str) -> bool:
    return _SHARE.search(bare) is not None


class Shares:
    """Remember of each share of successes whether its whole is 1 or 100."""

    def __init__(self, most: int = 100_000) -> None:
        self._most = most
        self._whole: dict[str, float] = {}

    def bind(self, series: Sequence[Series]) -> NDArray[np.intp]:
        """Return the places of the series whose name says that they are such a share."""
        named = [
            i
            for i, one in enumerate(series)
            if one.kind == "gauge" and _is_share(one.name.partition("{")[0])
        ]
        return np.array(named, np.intp)

    def failures(
        self, series: Sequence[Series], places: NDArray[np.intp], values: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return *values* with failures instead of successes at *places*; changes nothing else."""
        if not len(places):
            return values
        turned = values.copy()
        for i in places.tolist():
            whole = self._known(series[i].id, float(values[i]))
            if whole:
                turned[i] = max(whole - values[i], 0.0) if values[i] == values[i] else np.nan
        return turned

    def whole(self, series: Series) -> float:
        """Return 1 or 100, or 0 for a series that is judged as it is."""
        return self._whole.get(series.id, 0.0)

    def _known(self, name: str, value: float) -> float:
        known = self._whole.get(name)
        if known is not None or not 0.0 <= value <= WHOLES[-1] or len(self._whole) >= self._most:
            # The first value decides: a series that changed its side would be another series.
            return known or 0.0
        self._whole[name] = WHOLES[0] if value <= WHOLES[0] else WHOLES[1]
        return self._whole[name]

    def to_section(self) -> Section:
        """Return the whole of every share."""
        return Section("shares", _VERSION, {"whole": dict(self._whole)})

    def restore(self, section: Section) -> None:
        """Take back what ``to_section`` returned; an unknown version stays empty."""
        if section.version == _VERSION:
            self._whole = dict(section.header["whole"])
