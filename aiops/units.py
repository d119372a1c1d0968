"""Write numbers the way a person says them: three digits, a fitting unit."""

from __future__ import annotations

import math

_SECONDS = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1.0),
    **dict.fromkeys(("ms", "millisecond", "milliseconds"), 1e-3),
    **dict.fromkeys(("us", "µs", "microsecond", "microseconds"), 1e-6),
    **dict.fromkeys(("ns", "nanosecond", "nanoseconds"), 1e-9),
    **dict.fromkeys(("min", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hour", "hours"), 3600.0),
}
_BYTES = {
    **dict.fromkeys(("b", "by", "byte", "bytes"), 1.0),
    "kib": 2.0**10,
    "mib": 2.0**20,
    "gib": 2.0**30,
    "kb": 1e3,
    "mb": 1e6,
    "gb": 1e9,
}
_PERCENT = {"%": 1.0, "percent": 1.0, "ratio": 100.0}
_RATES = ("/s", "_per_second", " per second")

_PARTS_OF_SECOND = ((1e-9, "ns"), (1e-6, "µs"), (1e-3, "ms"), (1.0, "s"))
_BINARY = tuple(
    (1024.0**i, unit) for i, unit in enumerate(("B", "KiB", "MiB", "GiB", "TiB", "PiB"))
)
_DECIMAL = tuple((1000.0**i, unit) for i, unit in enumerate(("", "k", "M", "G", "T", "P")))


def quantity(value: float | None, unit: str = "") -> str:
    """Return a number with its unit: ``12.3 k``, ``340 ms``, ``4.1 GiB``, ``85 %``."""
    if value is None:
        return "unknown"
    if not math.isfinite(value):
        return "not a number" if math.isnan(value) else "infinite"
    if abs(value) >= 1e24:
        # Past every prefix, and scaling it further could overflow.
        return f"{value:.2g} {unit}".rstrip()
    if unit in ("1/s", "/s"):
        return f"{quantity(value)}/s"
    if unit == "lines" and value == 1:
        return "1 line"
    for ending in _RATES:
        if unit.endswith(ending):
            return quantity(value, unit.removesuffix(ending)) + "/s"
    if value < 0:
        return "-" + quantity(-value, unit)
    low = unit.lower()
    if low in _SECONDS:
        seconds = value * _SECONDS[low]
        return duration(seconds) if seconds >= 120 else _scaled(seconds, _PARTS_OF_SECOND)
    if low in _BYTES:
        return _scaled(value * _BYTES[low], _BINARY)
    if low in _PERCENT:
        return f"{_digits(value * _PERCENT[low])} %"
    number = f"{value:.0f}" if value < 10_000 and value == int(value) else _scaled(value, _DECIMAL)
    return f"{number} {unit}".rstrip()


def duration(seconds: float) -> str:
    """Return a length of time in at most two units: ``45 s``, ``12 min``, ``3 h 5 min``."""
    whole = round(min(max(seconds, 0.0), 1e15))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return _pair(whole, 60, "min", 1, "s") if whole < 600 else f"{whole // 60} min"
    if whole < 172_800:
        return _pair(whole, 3600, "h", 60, "min")
    return _pair(whole, 86_400, "d", 3600, "h")


def factor(actual: float | None, usual: float | None) -> str:
    """Return how many times the usual value this is, empty where that says nothing."""
    if actual is None or usual is None or not (math.isfinite(actual) and math.isfinite(usual)):
        return ""
    if actual <= 0 or usual <= 0 or 0.8 < actual / usual < 1.25:
        return ""
    times = actual / usual
    return f"{_digits(times)} times usual" if times < 1000 else "over 1000 times usual"


def _pair(whole: int, big: int, big_unit: str, small: int, small_unit: str) -> str:
    rest = whole % big // small
    first = f"{whole // big} {big_unit}"
    return f"{first} {rest} {small_unit}" if rest else first


def _scaled(value: float, steps: tuple[tuple[float, str], ...]) -> str:
    scale, unit = steps[0]
    for size, name in steps:
        # 999.6 ms is "1 s", not "1000 ms": compare what will be written.
        if value >= size * 0.9995:
            scale, unit = size, name
    if value == 0:
        unit = steps[-1][1] if steps is _PARTS_OF_SECOND else steps[0][1]
    return f"{_digits(value / scale)} {unit}".rstrip()


def _digits(value: float) -> str:
    if value == 0:
        return "0"
    if value < 0.001:
        return f"{value:.2g}"
    places = max(0, 2 - math.floor(math.log10(value)))
    text = f"{value:.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
