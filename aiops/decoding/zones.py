"""Read stamps that say no zone in the zone of whoever wrote them."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from aiops.decoding.formats import Parsed
from aiops.decoding.remembered import Remembered

_UTC = frozenset(("UTC", "Etc/UTC", "Etc/UCT", "Etc/Universal", "Etc/Zulu", "GMT", "Etc/GMT"))
QUARTER = 900  # seconds: every zone keeps to quarters of an hour


class Zone:
    """Turn local times into UTC; ``name`` is an IANA zone, raises ``ValueError`` for another.

    An hour that comes twice in autumn is read as its first turn, one that spring leaves out as if
    winter went on.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        try:
            self._zone = None if name in _UTC else ZoneInfo(name)
        except (OSError, KeyError, ValueError) as e:  # not found, or no name of a zone at all
            raise ValueError(f"{name!r}: no such time zone; write one like Europe/Berlin") from e
        self._east: Remembered[int, float] = Remembered(self._offset)

    def __bool__(self) -> bool:
        """Return whether this zone changes anything."""
        return self._zone is not None

    def to_utc(self, seconds: list[Parsed]) -> list[Parsed]:
        """Return the same moments in UTC; ``None`` stays."""
        east = self._east
        return [None if s is None else s - east[int(s) // QUARTER] for s in seconds]

    def _offset(self, quarter: int) -> float:
        """Return how many seconds east of UTC the zone is in one quarter of an hour there."""
        local = datetime.fromtimestamp(quarter * QUARTER, UTC).replace(tzinfo=self._zone)
        offset = local.utcoffset()
        return 0.0 if offset is None else offset.total_seconds()


@lru_cache(maxsize=100)
def zone(name: str) -> Zone:
    """Return the zone of that name, shared by all streams; raises ``ValueError``."""
    return Zone(name)
