"""Read times as people and programs write them."""

from __future__ import annotations

import math
from datetime import UTC, datetime

_LAST = 253_402_300_799.0  # the end of the year 9999: no calendar goes further


def read_time(text: str) -> float | None:
    """Return epoch seconds from epoch seconds or RFC 3339, ``None`` when it is neither.

    A time without a zone is UTC.
    """
    try:
        at = float(text)
    except ValueError:
        pass
    else:
        return at if math.isfinite(at) and abs(at) <= _LAST else None
    try:
        moment = datetime.fromisoformat(text.strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
