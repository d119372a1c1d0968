"""The ways in which log lines write a time: what each looks like and how it is read."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_MONTHS = {
    name: number
    for number, name in enumerate(
        (
            b"jan",
            b"feb",
            b"mar",
            b"apr",
            b"may",
            b"jun",
            b"jul",
            b"aug",
            b"sep",
            b"oct",
            b"nov",
            b"dec",
        ),
        start=1,
    )
}
_MON = rb"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_DAY = rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"

Parsed = float | None
"""Epoch seconds, or ``None`` when the bytes are no stamp."""

YEAR = 366 * 86400.0
DAY = 86400.0


@dataclass(frozen=True, slots=True)
class StampFormat:
    """One way to write a time: what it looks like, how long it is, how to read it.

    ``pattern`` matches both a real stamp and one whose digit runs were collapsed to ``0``.
    ``partial`` is the period after which an incomplete stamp repeats (no year: a year, no date:
    a day), 0 when it is complete; the nearest repetition to a known time is meant. ``width`` is
    how many bytes decide the second, ``second`` where its two digits stand when that is fixed.
    """

    name: str
    pattern: re.Pattern[bytes]
    read: Callable[[re.Match[bytes]], float]
    partial: float = 0.0
    width: int = 40
    second: int | None = None


def _utc(*parts: int, offset: float = 0.0) -> float:
    return datetime(*parts, tzinfo=UTC).timestamp() - offset  # type: ignore[arg-type,misc]


def _zone(text: bytes | None) -> float:
    """Return the seconds east of UTC; names other than an offset count as UTC."""
    if not text or text[:1] not in b"+-":
        return 0.0
    sign = -1 if text[:1] == b"-" else 1
    digits = text[1:].replace(b":", b"")
    return sign * float(
        timedelta(hours=int(digits[:2]), minutes=int(digits[2:4] or 0)).total_seconds()
    )


def _iso(m: re.Match[bytes]) -> float:
    return _utc(*(int(m[i]) for i in range(1, 7)), offset=_zone(m[7]))


def _short_year(m: re.Match[bytes]) -> float:
    return _utc(2000 + int(m[1]), *(int(m[i]) for i in range(2, 7)))


def _day_first(m: re.Match[bytes]) -> float:
    month = _MONTHS[m[2].lower()]
    return _utc(int(m[3]), month, int(m[1]), int(m[4]), int(m[5]), int(m[6]), offset=_zone(m[7]))


def _year_last(m: re.Match[bytes]) -> float:
    month = _MONTHS[m[1].lower()]
    return _utc(int(m[6]), month, int(m[2]), int(m[3]), int(m[4]), int(m[5]))


def _no_year(m: re.Match[bytes]) -> float:
    # 1972 is a leap year, so 29 February is read; the year itself is chosen later.
    return _utc(1972, _MONTHS[m[1].lower()], int(m[2]), int(m[3]), int(m[4]), int(m[5]))


def _klog(m: re.Match[bytes]) -> float:
    digits = m[1]
    return _utc(1972, int(digits[:2]), int(digits[2:4]), int(m[2]), int(m[3]), int(m[4]))


def _epoch(m: re.Match[bytes]) -> float:
    return float(m[1][:10])


def _clock(m: re.Match[bytes]) -> float:
    return int(m[1]) * 3600.0 + int(m[2]) * 60.0 + int(m[3])


_TIME = rb"(\d{1,2}):(\d{1,2}):(\d{1,2})"
_ZONE = rb"(?:[.,:]\d+)?(?: ?(Z|UTC|GMT|[+-]\d\d:?\d\d))?"

# The order decides between formats that start at the same byte.
FORMATS = (
    StampFormat(
        "iso",
        re.compile(rb"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)" + _ZONE),
        _iso,
        second=17,
    ),
    StampFormat(
        "iso_compact",
        re.compile(rb"(\d{4})-?(\d\d)-?(\d\d)[-T](\d\d)[:.]?(\d\d)[:.]?(\d\d)()"),
        _iso,
        width=19,
    ),
    StampFormat(
        "slashes",
        re.compile(rb"(\d{4})/(\d\d)/(\d\d) (\d\d):(\d\d):(\d\d)" + _ZONE),
        _iso,
        second=17,
    ),
    StampFormat(
        "access",
        re.compile(rb"(\d\d)/(" + _MON + rb")/(\d{4}):(\d\d):(\d\d):(\d\d)(?: ([+-]\d{4}))?"),
        _day_first,
        width=26,
        second=18,
    ),
    StampFormat(
        "day_month_year",
        re.compile(rb"(\d{1,2})[ -](" + _MON + rb")[ -](\d{4}) (\d\d):(\d\d):(\d\d)" + _ZONE),
        _day_first,
    ),
    StampFormat(
        "ctime",
        re.compile(_DAY + rb" (" + _MON + rb") +(\d{1,2}) " + _TIME + rb"(?:\.\d+)? (\d{4})"),
        _year_last,
    ),
    StampFormat(
        "syslog",
        re.compile(rb"(" + _MON + rb") +(\d{1,2}) " + _TIME),
        _no_year,
        YEAR,
        width=15,
        second=13,
    ),
    StampFormat(
        "klog",
        re.compile(rb"[IWEF](\d{4}) (\d\d):(\d\d):(\d\d)"),
        _klog,
        YEAR,
        width=14,
        second=12,
    ),
    StampFormat(
        "log4j_short",
        re.compile(rb"(\d\d)/(\d\d)/(\d\d) (\d\d):(\d\d):(\d\d)"),
        _short_year,
        width=17,
        second=15,
    ),
    StampFormat(
        "digits",
        re.compile(rb"(\d\d)(\d\d)(\d\d) (\d\d)(\d\d)(\d\d)(?= )"),
        _short_year,
        width=14,
        second=11,
    ),
    StampFormat(
        "epoch",
        re.compile(rb"(?<![\w.])(1[0-9]{9})(?:\d{3}|\d{6}|\d{9})?(?:\.\d+)?(?![\w])"),
        _epoch,
        width=20,
    ),
    StampFormat(
        "clock",
        re.compile(rb"(?<!\d)(\d\d):(\d\d):(\d\d)(?=[.,\] ])"),
        _clock,
        DAY,
        width=9,
        second=6,
    ),
)
BY_NAME = {f.name: f for f in FORMATS}

_COLLAPSED = re.compile(
    rb"\[?(?:"
    rb"0-0-0[T ]0:0:0(?:[.,:]0)?(?: ?(?:Z|UTC|GMT|[+-]0:?0?))?"
    rb"|0/0/0 0:0:0(?:[.,]0)?"
    rb"|0/" + _MON + rb"/0:0:0:0(?: [+-]0)?"
    rb"|0[ -]" + _MON + rb"[ -]0 0:0:0(?:[.,]0)?(?: [+-]0)?"
    rb"|" + _DAY + rb" " + _MON + rb" +0 0:0:0(?:\.0)? 0"
    rb"|" + _MON + rb" +0 0:0:0"
    rb"|0-0:0:0(?::0)?"
    rb"|0-0-0-0\.0\.0(?:\.0)?"
    rb"|[IWEF]0 0:0:0(?:\.0)?"
    rb"|0T0(?:\.0)?Z?"
    rb"|0:0:0(?:[.,]0)?"
    rb")\]?"
)


_COLLAPSED_DIGITS = re.compile(rb"0 0(?= )")


def strip_collapsed(key: bytes, fmt: StampFormat | None, reach: int = 160) -> bytes:
    """Cut the first stamp out of a digit-collapsed line; what stood before it stays."""
    if fmt is not None and fmt.name == "digits":
        match = _COLLAPSED_DIGITS.match(key)
    else:
        match = _COLLAPSED.search(key, 0, reach)
    if match is None:
        return key
    return (key[: match.start()] + key[match.end() :]).strip()


def collapsed_stamp(key: bytes, fmt: StampFormat | None) -> bytes:
    """Return the stamp with which a digit-collapsed line begins, empty when it begins otherwise.

    Of a line that begins with the same bytes and goes on with a blank and no zone
    ``strip_collapsed`` cuts the same.
    """
    if (fmt is not None and fmt.name == "digits") or key[:1] != b"0":
        return b""
    match = _COLLAPSED.match(key)
    return b"" if match is None else match[0]
