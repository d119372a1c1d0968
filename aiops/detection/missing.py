"""Say which metrics of a source no longer come while its others still do.

Metrics are watched by name, not by label set: label sets come and go. A scrape that failed says
nothing, and a restart (counters that begin again) forgets what has not been counted yet.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from aiops.detection.facts import anomaly_id
from aiops.detection.table import Table
from aiops.model import Anomaly, Section, Series, Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MISSED = 3.0  # scrapes in a row, and …
FOR = 60.0  # … seconds that make a metric missing
KNOWN = 60.0  # scrapes it must have come in
DAY = 86400.0
ACCEPT = 7200.0  # what is missing for so long is gone
BEYOND = 0.5  # decades above the threshold: a fact that is rare enough
NAMED = 3
_OWN = ("up", "scrape_duration_seconds")  # what we say of a target ourselves
_VERSION = 1


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """Say which names a source has, those of before included: ``at`` places columns in ``rows``."""

    rows: NDArray[np.intp]
    place: NDArray[np.intp]
    own: NDArray[np.bool_]
    up: int
    names: tuple[tuple[str, str], ...]


class Missing:
    """Remember up to *most* names of metrics and when each came last."""

    def __init__(self, most: int = 20_000) -> None:
        self._table = Table(
            most,
            {
                "began": ((), math.nan),
                "came_at": ((), 0.0),
                "seen": ((), 0.0),
                "missed": ((), 0.0),
                "absences": ((), 0.0),
            },
        )
        self._blind: set[str] = set()  # sources whose last scrape failed
        self._ids: dict[str, dict[str, None]] = {}  # a cache: the names of each source

    def bind(self, source: str, series: Sequence[Series], at: float) -> Expected:
        """Place every column under its name, and remember the names that came before."""
        ids = [f"{source}\x00{s.entity}\x00{s.name.partition('{')[0]}" for s in series]
        taken = self._table.taken
        self._table.rows_of(ids, at)
        if self._table.taken != taken:
            self._ids.clear()
        known = self._ids.get(source)
        if known is None:
            own = f"{source}\x00"
            known = {one: None for one, _ in self._table.items() if one.startswith(own)}
        known |= {one: None for one in dict.fromkeys(ids) if self._table.row(one) >= 0}
        self._ids[source] = known
        mine = [(one, self._table.row(one)) for one in known]
        places = {one: n for n, (one, _) in enumerate(mine)}
        names = [tuple(one.split("\x00")[1:]) for one, _ in mine]
        ups = [i for i, one in enumerate(series) if one.name.partition("{")[0] == "up"]
        return Expected(
            rows=np.array([row for _, row in mine], np.intp),
            place=np.array([places.get(one, -1) for one in ids], np.intp),
            own=np.array([name in _OWN for _, name in names], np.bool_),
            up=ups[0] if len(ups) == 1 else -1,
            names=tuple((entity, name) for entity, name in names),
        )

    def gap(self, source: str) -> None:
        """Excuse what is absent next: the source did not watch for a while."""
        self._blind.add(source)

    def see(
        self,
        source: str,
        expected: Expected,
        at: float,
        values: NDArray[np.float64],
        threshold: float,
        *,
        restarted: bool,
    ) -> list[Anomaly]:
        """Learn which names came, and return one fact an entity about those that did not."""
        t, rows = self._table, expected.rows
        if (t["seen_at"][rows] > at).any():
            return []
        came = np.zeros(len(rows), np.bool_)
        placed = expected.place >= 0
        came[expected.place[placed & ~np.isnan(values)]] = True
        down = expected.up >= 0 and values[expected.up] == 0.0
        if down or not (came & ~expected.own).any():
            self._blind.add(source)
            return []
        t["seen_at"][rows] = at
        absent = ~came
        if restarted or source in self._blind:
            self._blind.discard(source)
            t["seen"][rows[absent]] = 0.0
        here = rows[came]
        back = t["missed"][here] >= MISSED
        t["absences"][here[back]] += 1.0
        t["missed"][here] = 0.0
        t["seen"][here] += 1.0
        t["came_at"][here] = at
        t["began"][here] = np.where(np.isnan(t["began"][here]), at, t["began"][here])
        if not absent.any():
            return []
        gone = rows[absent]
        t["missed"][gone] += 1.0
        away = at - t["came_at"][rows]
        missing = absent & (t["missed"][rows] >= MISSED) & (away >= FOR) & (away < ACCEPT)
        missing &= t["seen"][rows] >= KNOWN
        forgotten = rows[absent & (away >= ACCEPT)]
        t["seen"][forgotten] = 0.0
        t["missed"][forgotten] = 0.0
        missing &= t["absences"][rows] * DAY <= t["came_at"][rows] - t["began"][rows]
        entities: dict[str, list[int]] = {}
        for i in np.flatnonzero(missing).tolist():
            entities.setdefault(expected.names[i][0], []).append(i)
        return [
            self._told(entity, members, expected, came=came, at=at, threshold=threshold)
            for entity, members in sorted(entities.items())
        ]

    def _told(
        self,
        entity: str,
        members: Sequence[int],
        expected: Expected,
        *,
        came: NDArray[np.bool_],
        at: float,
        threshold: float,
    ) -> Anomaly:
        t = self._table
        rows = expected.rows[list(members)]
        since = float(t["came_at"][rows].min())
        here = sum(
            1
            for i, (of, _) in enumerate(expected.names)
            if of == entity and came[i] and not expected.own[i]
        )
        usual = here + len(members)
        names = sorted(expected.names[i][1] for i in members)
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        series = Series(entity, "metrics", "gauge")
        pace = max(at - since, 1.0) / float(t["missed"][rows].max() + 1.0)
        watched = float((t["came_at"][rows] - t["began"][rows]).min())
        chance = (float(t["absences"][rows].max()) + 0.5) / (watched + 7 * DAY) * pace
        return Anomaly(
            id=anomaly_id(series.id, "missing", since),
            series=series,
            kind="missing",
            at=at,
            since=since,
            surprise=round(max(-math.log10(min(chance, 1.0)), threshold + BEYOND), 3),
            threshold=round(threshold, 3),
            severity=Severity.WARNING,
            reason=f"missing, {len(names)} of {usual}, while the others come:"
            f" {', '.join(names[:NAMED])}{more}",
            detector="missing",
            actual=float(here),
            expected=float(usual),
            low=float(usual),
            high=float(usual),
            severe=True,
            seen=int(t["seen"][rows].min()),
        )

    @property
    def taken(self) -> int:
        """Return how many rows changed hands."""
        return self._table.taken

    def take_refused(self) -> int:
        """Return how many rows were refused since the last call."""
        refused, self._table.refused = self._table.refused, 0
        return refused

    # --- saved at a cut ---------------------------------------------------------------------

    def to_section(self) -> Section:
        """Return all memories."""
        ids, arrays = self._table.to_state()
        return Section("missing", _VERSION, {"ids": ids, "blind": sorted(self._blind)}, arrays)

    def restore(self, section: Section) -> None:
        """Take back what ``to_section`` returned; another version starts cold."""
        if section.version == _VERSION:
            self._table.load(section.header["ids"], section.arrays)
            self._ids.clear()
            self._blind = set(section.header["blind"])
