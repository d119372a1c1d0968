"""Read times as people and programs write them."""

from __future__ import annotations

import math
import os
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

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


def local_zone() -> str:
    """Return the IANA name of this host's time zone, UTC where nothing says it."""
    named = os.environ.get("TZ", "").lstrip(":")
    if not named:
        try:
            named = str(Path("/etc/localtime").resolve()).partition("/zoneinfo/")[2]
        except OSError:
            named = ""
    try:
        return ZoneInfo(named).key if named else "UTC"
    except (OSError, KeyError, ValueError):
        return "UTC"
