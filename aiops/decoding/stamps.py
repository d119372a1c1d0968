"""Find and read the time stamp of log lines.

A stamp is found once per stream (``find_stamp``), then only sliced out of each line and looked up
in a dict of seconds already read: 0.1 to 0.3 microseconds a line. Fractions of a second are not
needed: windows are whole seconds wide.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from aiops.decoding.formats import BY_NAME, DAY, FORMATS, Parsed, StampFormat, strip_collapsed

__all__ = ["Parsed", "StampReader", "find_stamp", "read_moment", "strip_collapsed"]

_CACHE_LIMIT = 20_000
_LONGEST_CACHED = 64
_FORESIGHT = 2 * DAY  # no zone is further ahead of UTC than this
_ZONED = 19  # bytes of an ISO stamp before its fraction and zone

_UNSEEN = object()

_ZONE_AFTER = re.compile(rb"(?:[.,:]\d+)?( ?(?:Z|UTC|GMT|[+-]\d\d:?\d\d))?")
_MARKERS = re.compile(rb'(?:\b(?:time|ts|t|timestamp|date)="?|\[)$')
_EDGE = re.compile(rb"[^\s\w]$")  # "INFO:2025-…": words before a stamp differ in length
_ISO_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.,]\d+")


class _Seconds(dict[bytes, Parsed]):
    """Read the stamps of one format once; bounded, and a full one is cleared."""

    def __init__(self, fmt: StampFormat) -> None:
        self._format = fmt
        self._minutes: dict[bytes, Parsed] = {}

    def __missing__(self, piece: bytes) -> Parsed:
        value = self._second_of_minute(piece)
        if len(piece) <= _LONGEST_CACHED:
            if len(self) >= _CACHE_LIMIT:
                self.clear()
            self[piece] = value
        return value

    def clear(self) -> None:
        super().clear()
        self._minutes.clear()

    def _second_of_minute(self, piece: bytes) -> Parsed:
        """Read the minute once, then only add seconds to it."""
        at = self._format.second
        if at is None:
            return _match(self._format, piece)
        digits = piece[at : at + 2]
        if len(digits) < 2 or not digits.isdigit() or digits >= b"60":
            return _match(self._format, piece)
        if self._format.name != "digits" and piece[at - 1 : at] != b":":
            return _match(self._format, piece)
        minute = piece[:at] + b"00" + piece[at + 2 :]
        start = self._minutes.get(minute, _UNSEEN)
        if start is _UNSEEN:
            if len(self._minutes) >= _CACHE_LIMIT:
                self._minutes.clear()
            start = self._minutes[minute] = _match(self._format, minute)
        return None if start is None else start + int(digits)  # type: ignore[operator]


def _match(fmt: StampFormat, piece: bytes) -> Parsed:
    match = fmt.pattern.match(piece)
    try:
        return None if match is None else fmt.read(match)
    except (ValueError, OverflowError):  # 31 February, or a zone beyond the calendar
        return None


# Reading is a pure function of the bytes, so all streams share what was read.
_SECONDS = {f.name: _Seconds(f) for f in FORMATS}
_MOMENTS: dict[str, Parsed] = {}


def clear_caches() -> None:
    """Forget what is only remembered for speed; no later result changes."""
    for known in _SECONDS.values():
        known.clear()
    _MOMENTS.clear()


class StampReader:
    """Read the second of every line of one stream, whose stamp stands where it once was found.

    ``seconds`` is pure but for incomplete stamps (no year, no date), which mean the repetition
    nearest to ``near``; the caller moves ``near`` along with the stream.
    """

    def __init__(
        self, fmt: StampFormat, marker: bytes, offset: int, token: int | None, *, zoned: bool
    ) -> None:
        self.format = fmt
        self.near = 0.0
        self._marker = marker
        self._offset = offset
        self._token = token
        self._zoned = zoned
        whole = fmt.name in ("iso", "slashes") and not zoned
        # Without an offset from UTC the whole second decides.
        self._width = _ZONED if whole else fmt.width

    def to_state(self) -> list[object]:
        return [self.format.name, self._marker, self._offset, self._token, self._zoned]

    @classmethod
    def from_state(cls, state: list[object]) -> StampReader:
        name, marker, offset, token, zoned = state
        return cls(
            BY_NAME[str(name)],
            bytes(marker),  # type: ignore[call-overload]  # saved as bytes
            int(offset),  # type: ignore[call-overload]  # saved as int
            token,  # type: ignore[arg-type]  # saved as int or None
            zoned=bool(zoned),
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
    before = head[:start]
    marker = _MARKERS.search(before) or _EDGE.search(before)
    if start == 0:
        reader = StampReader(fmt, b"", 0, None, zoned=zoned)
    elif marker is not None and before.count(marker[0]) == 1:
        reader = StampReader(fmt, marker[0], 0, None, zoned=zoned)
    elif before[-1:].isspace():
        reader = StampReader(fmt, b"", 0, len(before.split()), zoned=zoned)
    else:
        reader = StampReader(fmt, b"", start, None, zoned=zoned)
    reader.near = near
    return reader


def read_moment(value: object) -> Parsed:
    """Read a time from a JSON field: epoch (s, ms, µs, ns) or a string; ``None`` if neither."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        if not 1e8 <= value < 1e19:  # NaN and infinity too
            return None
        number = float(value)
        for scale in (1.0, 1e3, 1e6, 1e9):
            if 1e8 <= number / scale < 1e10:
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


def read_second(value: object) -> Parsed:
    """Read a time as ``read_moment`` does, in whole seconds; strings are remembered."""
    if not isinstance(value, str):
        at = read_moment(value)
        return None if at is None else float(int(at))
    # Only where the fraction has its place may it be left out of what is remembered.
    fraction = _ISO_MOMENT.match(value)
    key = value if fraction is None else value[:_ZONED] + value[fraction.end() :]
    if key in _MOMENTS:
        return _MOMENTS[key]
    at = read_moment(value)
    at = None if at is None else float(int(at))
    if len(key) <= _LONGEST_CACHED:
        if len(_MOMENTS) >= _CACHE_LIMIT:
            _MOMENTS.clear()
        _MOMENTS[key] = at
    return at
