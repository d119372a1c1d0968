"""Find and read the time stamp of log lines.

A stamp is found once per stream (``find_stamp``), then only sliced out of each line and looked up
in a dict of seconds already read: 0.1 to 0.3 microseconds a line. Fractions of a second are not
needed: windows are whole seconds wide.
"""

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
_CACHE_LIMIT = 20_000


@dataclass(frozen=True, slots=True)
class StampFormat:
    """One way to write a time: what it looks like, how long it is, how to read it.

    ``pattern`` matches both a real stamp and one whose digit runs were collapsed to ``0``.
    ``partial`` is the period after which an incomplete stamp repeats (no year: a year, no date:
    a day), 0 when it is complete; the nearest repetition to a known time is meant.
    """

    name: str
    pattern: re.Pattern[bytes]
    read: Callable[[re.Match[bytes]], float]
    partial: float = 0.0


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
    StampFormat("iso", re.compile(rb"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)" + _ZONE), _iso),
    StampFormat(
        "iso_compact",
        re.compile(rb"(\d{4})-?(\d\d)-?(\d\d)[-T](\d\d)[:.]?(\d\d)[:.]?(\d\d)()"),
        _iso,
    ),
    StampFormat(
        "slashes", re.compile(rb"(\d{4})/(\d\d)/(\d\d) (\d\d):(\d\d):(\d\d)" + _ZONE), _iso
    ),
    StampFormat(
        "access",
        re.compile(rb"(\d\d)/(" + _MON + rb")/(\d{4}):(\d\d):(\d\d):(\d\d)(?: ([+-]\d{4}))?"),
        _day_first,
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
    StampFormat("syslog", re.compile(rb"(" + _MON + rb") +(\d{1,2}) " + _TIME), _no_year, YEAR),
    StampFormat("klog", re.compile(rb"[IWEF](\d{4}) (\d\d):(\d\d):(\d\d)"), _klog, YEAR),
    StampFormat(
        "log4j_short", re.compile(rb"(\d\d)/(\d\d)/(\d\d) (\d\d):(\d\d):(\d\d)"), _short_year
    ),
    StampFormat("digits", re.compile(rb"(\d\d)(\d\d)(\d\d) (\d\d)(\d\d)(\d\d)(?= )"), _short_year),
    StampFormat(
        "epoch",
        re.compile(rb"(?<![\w.])(1[0-9]{9})(?:\d{3}|\d{6}|\d{9})?(?:\.\d+)?(?![\w])"),
        _epoch,
    ),
    StampFormat("clock", re.compile(rb"(?<!\d)(\d\d):(\d\d):(\d\d)(?=[.,\] ])"), _clock, DAY),
)
_BY_NAME = {f.name: f for f in FORMATS}

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


class StampReader:
    """Read the second of every line of one stream, whose stamp stands where it once was found.

    ``seconds`` is pure but for incomplete stamps (no year, no date), which mean the repetition
    nearest to ``near``; the caller moves ``near`` along with the stream.
    """

    def __init__(self, fmt: StampFormat, marker: bytes, offset: int, token: int | None) -> None:
        self.format = fmt
        self._marker = marker
        self._offset = offset
        self._token = token
        self._cache: dict[bytes, Parsed] = {}
        self._width = _WIDTHS.get(fmt.name, 40)
        self.near = 0.0

    def to_state(self) -> list[object]:
        return [self.format.name, self._marker, self._offset, self._token, self.near]

    @classmethod
    def from_state(cls, state: list[object]) -> StampReader:
        name, marker, offset, token, near = state
        reader = cls(_BY_NAME[str(name)], bytes(marker), int(offset), token)  # type: ignore[arg-type,call-overload]
        reader.near = float(near)  # type: ignore[arg-type]
        return reader

    def seconds(self, lines: list[bytes]) -> list[Parsed]:
        """Return one time per line, ``None`` for lines without a stamp."""
        pieces = self._slices(lines)
        get = self._cache.get
        found = [get(piece, _UNSEEN) for piece in pieces]
        if _UNSEEN in found:
            for i, value in enumerate(found):
                if value is _UNSEEN:
                    found[i] = self._read(pieces[i])
        if self.format.partial:
            return [None if v is None else self._nearest(v) for v in found]  # type: ignore[arg-type]
        return found  # type: ignore[return-value]

    def _slices(self, lines: list[bytes]) -> list[bytes]:
        width = self._width
        if self._token is not None:
            k = self._token
            out = []
            for line in lines:
                parts = line.split(None, k + 1)
                # A two-word stamp needs the rest of the line again.
                out.append(b" ".join(parts[k:])[:width] if len(parts) > k else b"")
            return out
        if self._marker:
            marker, skip = self._marker, len(self._marker)
            return [
                line[at + skip : at + skip + width] if (at := line.find(marker)) >= 0 else b""
                for line in lines
            ]
        a, b = self._offset, self._offset + width
        return [line[a:b] for line in lines]

    def _read(self, piece: bytes) -> Parsed:
        match = self.format.pattern.match(piece)
        value: Parsed = None
        if match is not None:
            try:
                value = self.format.read(match)
            except ValueError:  # 31 February
                value = None
        if len(self._cache) >= _CACHE_LIMIT:
            self._cache.clear()
        self._cache[piece] = value
        return value

    def _nearest(self, value: float) -> float:
        if self.format.partial == DAY:
            base = self.near - self.near % DAY
            return min(
                (base + d * DAY + value for d in (-1, 0, 1)), key=lambda t: abs(t - self.near)
            )
        moment = datetime.fromtimestamp(value, UTC)
        year = datetime.fromtimestamp(self.near, UTC).year
        best: float | None = None
        for y in (year - 1, year, year + 1):
            try:
                t = moment.replace(year=y).timestamp()
            except ValueError:  # 29 February in another year
                continue
            if best is None or abs(t - self.near) < abs(best - self.near):
                best = t
        return value if best is None else best


_UNSEEN = object()

# Bytes of a line that decide its second; zone included where the format carries one.
_WIDTHS = {
    "iso_compact": 19,
    "access": 26,
    "syslog": 15,
    "klog": 14,
    "log4j_short": 17,
    "digits": 14,
    "epoch": 10,
    "clock": 9,
}

_MARKERS = re.compile(rb'(?:\b(?:time|ts|t|timestamp|date)="?|\[)$')


def find_stamp(line: bytes, near: float) -> StampReader | None:
    """Find the first stamp in the first 200 bytes of *line* and how to find it in others.

    *near* is a time close to the line's own (arrival): it completes stamps without a year.
    """
    head = line[:200]
    best: tuple[tuple[bool, int, int], int, StampFormat] | None = None
    for rank, fmt in enumerate(FORMATS):
        match = fmt.pattern.search(head)
        if match is None:
            continue
        try:
            fmt.read(match)
        except ValueError:
            continue
        # A complete stamp beats a part of one, except that a line may simply begin with it.
        later = bool(fmt.partial) and (match.start() > 0 or fmt.partial == DAY)
        order = (later, match.start(), rank)
        if best is None or order < best[0]:
            best = (order, match.start(), fmt)
    if best is None:
        return None
    _, start, fmt = best
    before = head[:start]
    marker = _MARKERS.search(before)
    if start == 0:
        reader = StampReader(fmt, b"", 0, None)
    elif marker is not None and before.count(marker[0]) == 1:
        reader = StampReader(fmt, marker[0], 0, None)
    elif before[-1:].isspace():
        reader = StampReader(fmt, b"", 0, len(before.split()))
    else:
        reader = StampReader(fmt, b"", start, None)
    reader.near = near
    if fmt.name in ("iso", "slashes", "day_month_year", "ctime"):
        match = fmt.pattern.match(head, start)
        zoned = (
            match is not None
            and match.lastindex == 7
            and match[7] not in (None, b"Z", b"UTC", b"GMT")
        )
        if not zoned and fmt.name in ("iso", "slashes"):
            reader._width = 19  # noqa: SLF001 - without an offset the whole second decides
    return reader


def read_moment(value: object) -> Parsed:
    """Read a time from a JSON field: epoch (s, ms, µs, ns) or a string; ``None`` if neither."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        number = float(value)
        for scale in (1.0, 1e3, 1e6, 1e9):
            if 1e8 <= number / scale < 1e10:
                return number / scale
        return None
    if isinstance(value, str):
        raw = value.encode("utf-8", "replace")
        for fmt in FORMATS:
            match = fmt.pattern.match(raw)
            if match is not None and not fmt.partial:
                try:
                    return fmt.read(match)
                except ValueError:
                    return None
        try:
            return read_moment(float(value))
        except ValueError:
            return None
    return None
