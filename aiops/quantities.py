"""Durations, sizes and budgets as people write them in a configuration."""

from __future__ import annotations

import re
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field

_DURATION = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_SIZE = {"": 1, "b": 1, "kb": 1000, "kib": 1024, "mb": 10**6, "mib": 2**20, "gb": 10**9}
_SIZE |= {"gib": 2**30}


def parse_duration(value: object) -> object:
    """Turn ``"15s"``, ``"5m"``, ``"1h30m"`` or plain seconds into seconds."""
    if not isinstance(value, str):
        return value
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)", value.strip())
    if not parts or "".join(a + b for a, b in parts) != value.replace(" ", ""):
        msg = 'write a duration like "15s", "5m" or "1h30m"'
        raise ValueError(msg)
    return sum(float(number) * _DURATION[unit] for number, unit in parts)


def parse_size(value: object) -> object:
    """Turn ``"256MiB"`` or plain bytes into bytes."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-zA-Z]*)", value.strip())
    if match is None or match[2].lower() not in _SIZE:
        msg = 'write a size like "64KiB", "256MiB" or a number of bytes'
        raise ValueError(msg)
    return int(float(match[1]) * _SIZE[match[2].lower()])


def parse_budget(value: object) -> object:
    """Turn ``"2/week"`` or ``"1/day"`` into expected false notifications per second."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*/\s*(hour|day|week|month)", value.strip())
    if match is None:
        msg = 'write a budget like "2/week" (per hour, day, week or month)'
        raise ValueError(msg)
    seconds = {"hour": 3600.0, "day": 86400.0, "week": 604800.0, "month": 2592000.0}
    return float(match[1]) / seconds[match[2]]


def parse_zone(value: object) -> object:
    """Take the IANA name of a time zone, or ``local``."""
    if not isinstance(value, str) or value in ("local", "UTC"):
        return value
    try:
        return ZoneInfo(value).key
    except (OSError, KeyError, ValueError) as e:
        msg = 'write a time zone like "Europe/Berlin", "UTC" or "local"'
        raise ValueError(msg) from e


Duration = Annotated[float, BeforeValidator(parse_duration), Field(ge=0)]
Size = Annotated[int, BeforeValidator(parse_size), Field(ge=0)]
Budget = Annotated[float, BeforeValidator(parse_budget), Field(gt=0)]
TimeZone = Annotated[str, BeforeValidator(parse_zone)]
