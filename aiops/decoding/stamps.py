"""Find and read the time stamp of log lines.

A stamp is found once per stream (``find_stamp``), then only sliced out of each line and looked up
in a dict of seconds already read: 0.1 to 0.3 microseconds a line. Fractions of a second are not
needed: windows are whole seconds wide.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from operator import add

import numpy as np

from aiops.decoding.formats import BY_NAME, DAY, FORMATS, Parsed, StampFormat, strip_collapsed
from aiops.decoding.remembered import Remembered

__all__ = ["Parsed", "StampReader", "find_stamp", "read_moment", "strip_collapsed"]

_FORESIGHT = 2 * DAY  # no zone is further ahead of UTC than this
_SECOND = {b"%02d" % second: float(second) for second in range(60)}
_ZONED = 19  # bytes of an ISO stamp before its fraction and zone


_ZONE_AFTER = re.compile(rb"(?:[.,:]\d+)?( ?(?:Z|UTC|GMT|[+-]\d\d:?\d\d))?")
_MARKERS = re.compile(rb'(?:\b(?:time|ts|t|timestamp|date)="?|\[)$')
_EDGE = re.compile(rb"[^\s\w]$")  # "INFO:2025-…": words before a stamp differ in length
_ISO_HEAD = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\Z", re.ASCII)
_POINTS = frozenset(".,")
_DIGITS = frozenset("0123456789")
_REPEATED = 10  # characters of a fraction and a zone that come again: milliseconds
# Numbers are epoch seconds, or smaller units of them, of the years 1973 to 2286.
_SCALES = (1.0, 1e3, 1e6, 1e9)
_SINCE, _UNTIL, _END = 1e8, 1e10, 1e19
_FEW = 256  # so few numbers are read before numpy has begun


class _Seconds(Remembered[bytes, Parsed]):
    """Read the stamps of one format: the minute once, then seconds are only added to it."""

    def __init__(self, fmt: StampFormat) -> None:
        super().__init__(lambda piece: _match(fmt, piece))
        self.minutes: Remembered[bytes, Parsed] = Remembered(self._minute)
        # Without a place for seconds none are found there.
        self._at, self._after = (0, 0) if fmt.second is None else (fmt.second, fmt.second + 2)
        self._before = b"" if fmt.name == "digits" else b":"  # the seconds

    def __missing__(self, piece: bytes) -> Parsed:
        at, after = self._at, self._after
        second = _SECOND.get(piece[at:after])
        if second is None:
            return super().__missing__(piece)
        start = self.minutes[piece[:at] + b"00" + piece[after:]]
        if start is not None:
            start += second
            if math.isnan(start):  # its seconds stand somewhere else
                return super().__missing__(piece)
        if len(self) >= self.limit:
            self.clear()
        self[piece] = start
        return start

    def _minute(self, piece: bytes) -> Parsed:
        """Return when a minute begins, NaN when its seconds stand somewhere else."""
        at = self._at
        if self._before and piece[at - 1 : at] != self._before:
            return math.nan
        return self._read(piece)


def _match(fmt: StampFormat, piece: bytes) -> Parsed:
    match = fmt.pattern.match(piece)
    try:
        return None if match is None else fmt.read(match)
    except (ValueError, OverflowError):  # 31 February, or a zone beyond the calendar
        return None


# Reading is a pure function of the bytes, so all streams share what was read.
_SECONDS = {f.name: _Seconds(f) for f in FORMATS}


def clear_caches() -> None:
    """Forget what is only remembered for speed; no later result changes."""
    for known in _SECONDS.values():
        known.minutes.clear()
        known.clear()
    _MOMENTS.clear()
    _TAILS.clear()


class StampReader:
    """Read the second of every line of one stream, whose stamp stands where it once was found.

    A ``naive`` one says no zone: its seconds are those of a clock in UTC.
    ``seconds`` is pure but for incomplete stamps (no year, no date), which mean the repetition
    nearest to ``near``; the caller moves ``near`` along with the stream.
    """

    def __init__(
        self,
        fmt: StampFormat,
        marker: bytes,
        offset: int,
        token: int | None,
        *,
        zoned: bool,
        naive: bool = False,
    ) -> None:
        self.format = fmt
        self.naive = naive
        self.near = 0.0
        self._marker = marker
        self._offset = offset
        self._token = token
        self._zoned = zoned
        whole = fmt.name in ("iso", "slashes") and not zoned
        # Without an offset from UTC the whole second decides.
        self._width = _ZONED if whole else fmt.width

    def to_state(self) -> list[object]:
        name = self.format.name
        return [name, self._marker, self._offset, self._token, self._zoned, self.naive]

    @classmethod
    def from_state(cls, state: list[object]) -> StampReader:
        name, marker, offset, token, zoned, naive = state
        return cls(
            BY_NAME[str(name)],
            bytes(marker),  # type: ignore[call-overload]  # saved as bytes
            int(offset),  # type: ignore[call-overload]  # saved as int
            token,  # type: ignore[arg-type]  # saved as int or None
            zoned=bool(zoned),
            naive=bool(naive),
        )

    def seconds(self, lines: list[bytes]) -> list[Parsed]:
        """Return one time per line, ``None`` for lines without a stamp."""
        found = list(map(_SECONDS[self.format.name].__getitem__, self._slices(lines)))
        if self.format.partial:
            meant = {v: self.complete(v, self.near) for v in set(found)}
            return list(map(meant.__getitem__, found))
        return found

    def complete(self, second: Parsed, near: float, *, first: bool = False) -> Parsed:
        """Return the repetition of an incomplete stamp that is meant: the one nearest to *near*.

        The *first* line of a stream is older than *near* (its arrival, or the last write of its
        file), so a date without a year is then the latest that is not in its future.
        """
        if second is None or not self.format.partial:
            return second
        if self.format.partial == DAY:
            base = near - near % DAY + second % DAY
            return min((base - DAY, base, base + DAY), key=lambda t: abs(t - near))
        moment = datetime.fromtimestamp(second, UTC)
        year = datetime.fromtimestamp(near, UTC).year
        best: Parsed = None
        for y in range(max(year - 8 if first else year - 1, 1), min(year + 1, 9998) + 1):
            try:
                t = moment.replace(year=y).timestamp()
            except ValueError:  # 29 February in another year
                continue
            if first:
                best = t if best is None or t <= near + _FORESIGHT else best
            elif best is None or abs(t - near) < abs(best - near):
                best = t
        return best

    def _slices(self, lines: list[bytes]) -> list[bytes]:
        width = self._width
        if self._token is not None:
            pieces = [self._after_words(line, self._token) for line in lines]
        elif self._marker:
            marker, skip = self._marker, len(self._marker)
            pieces = [
                line[at + skip : at + skip + width] if (at := line.find(marker)) >= 0 else b""
                for line in lines
            ]
        else:
            a, b = self._offset, self._offset + width
            pieces = [line[a:b] for line in lines]
        return [_with_zone(piece) for piece in pieces] if self._zoned else pieces

    def _after_words(self, line: bytes, words: int) -> bytes:
        parts = line[:400].split(None, words + 1)
        # A two-word stamp needs the rest of the line again.
        return b" ".join(parts[words:])[: self._width] if len(parts) > words else b""


def _with_zone(piece: bytes) -> bytes:
    match = _ZONE_AFTER.match(piece, _ZONED)
    return piece[:_ZONED] if match is None else piece[:_ZONED] + (match[1] or b"")


def find_stamp(line: bytes, near: float) -> StampReader | None:
    """Find the first stamp in the first 200 bytes of *line* and how to find it in others.

    *near* is a time close to the line's own (arrival): it completes stamps without a year.
    """
    head = line[:200]
    best: tuple[tuple[bool, int, int], re.Match[bytes], StampFormat] | None = None
    for rank, fmt in enumerate(FORMATS):
        match = fmt.pattern.search(head)
        if match is None:
            continue
        try:
            fmt.read(match)
        except (ValueError, OverflowError):
            continue
        # A complete stamp beats a part of one, except that a line may simply begin with it.
        later = bool(fmt.partial) and (match.start() > 0 or fmt.partial == DAY)
        order = (later, match.start(), rank)
        if best is None or order < best[0]:
            best = (order, match, fmt)
    if best is None:
        return None
    _, match, fmt = best
    start = match.start()
    # "Z" is what a stamp without a zone means anyway.
    zoned = fmt.name in ("iso", "slashes") and match[7] not in (None, b"Z", b"UTC", b"GMT")
    zone = match[7] if match.re.groups >= 7 else None
    naive = not zone and fmt.name != "epoch"
    before = head[:start]
    marker = _MARKERS.search(before) or _EDGE.search(before)
    if start == 0:
        place: tuple[bytes, int, int | None] = (b"", 0, None)
    elif marker is not None and before.count(marker[0]) == 1:
        place = (marker[0], 0, None)
    elif before[-1:].isspace():
        place = (b"", 0, len(before.split()))
    else:
        place = (b"", start, None)
    reader = StampReader(fmt, *place, zoned=zoned, naive=naive)
    reader.near = near
    return reader


def read_moment(value: object) -> Parsed:
    """Read a time from a JSON field: epoch (s, ms, µs, ns) or a string; ``None`` if neither."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        if not _SINCE <= value < _END:  # NaN and infinity too
            return None
        number = float(value)
        for scale in _SCALES:
            if _SINCE <= number / scale < _UNTIL:
                return number / scale
        return None
    if isinstance(value, str):
        raw = value[:100].encode("utf-8", "replace")
        for fmt in FORMATS:
            match = fmt.pattern.match(raw)
            if match is not None and not fmt.partial and fmt.name != "epoch":
                try:
                    return fmt.read(match)
                except (ValueError, OverflowError):
                    return None
        try:
            return read_moment(float(raw))
        except ValueError:
            return None
    return None


def _whole(value: object) -> Parsed:
    at = read_moment(value)
    return None if at is None else float(int(at))


def _without_fraction(tail: str) -> str:
    if tail[:1] not in _POINTS or tail[1:2] not in _DIGITS:
        return tail
    return tail[1:].lstrip("0123456789")


_MOMENTS: Remembered[str, Parsed] = Remembered(_whole)
_TAILS: Remembered[str, str] = Remembered(_without_fraction, longest=_REPEATED)


def read_second(value: object) -> Parsed:
    """Read a time as ``read_moment`` does, in whole seconds; strings are remembered."""
    if not isinstance(value, str):
        return _whole(value)
    # Only where the fraction has its place may it be left out of what is remembered.
    head = value[:_ZONED]
    return _MOMENTS[head + _TAILS[value[_ZONED:]] if _ISO_HEAD.match(head) else value]


def read_seconds(values: list[str] | list[int] | list[float]) -> list[Parsed]:
    """Return ``read_second`` of each of many values of one type, in less time."""
    if not values:
        return []
    if isinstance(values[0], str):
        texts: list[str] = values
        heads = [text[:_ZONED] for text in texts]
        if all(map(_ISO_HEAD.match, set(heads))):
            tails = [text[_ZONED:] for text in texts]
            short = len(tails[0]) <= _REPEATED
            rests = map(_TAILS.__getitem__ if short else _without_fraction, tails)
            return list(map(_MOMENTS.__getitem__, map(add, heads, rests)))
        return list(map(read_second, texts))
    low, high = min(values), max(values)
    if low >= _SINCE and high < _END:
        for scale in _SCALES:
            if low / scale >= _SINCE and high / scale < _UNTIL:
                seconds: list[Parsed]
                if len(values) < _FEW:
                    seconds = [value / scale // 1.0 for value in values]
                else:
                    seconds = np.floor(np.array(values, dtype=np.float64) / scale).tolist()
                # NaN hides from the comparisons above.
                if not math.isnan(sum(seconds)):  # type: ignore[arg-type]  # no None in it
                    return seconds
    return list(map(read_second, values))
