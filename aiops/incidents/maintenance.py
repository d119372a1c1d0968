"""Know when work is planned: recurring windows by cron, in a time zone of their own.

The five fields are those of crontab(5): minute, hour, day of month, month, day of week, with lists,
ranges, steps and English names; when both kinds of day are restricted, either is enough. A start
that the spring change of the clock skips happens right after it, one that comes twice in autumn
happens the first time; a window lasts its duration in real time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from aiops.incidents.muting import Silence

LONGEST = 7 * 86400.0
_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 7))
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_AHEAD = 4 * 366 + 40  # days: the 29th of February comes again within them, but for 1900s


@dataclass(frozen=True, slots=True)
class Cron:
    """The five fields, each a set of numbers; Sunday is 0."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either: bool  # both kinds of day are restricted: one of them is enough

    def falls_on(self, day: date) -> bool:
        """Return whether it happens on a calendar day."""
        if day.month not in self.months:
            return False
        by_date, by_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return by_date or by_week if self.either else by_date and by_week


@dataclass(frozen=True, slots=True)
class Window:
    """Expect trouble on the entities that ``match`` for ``duration`` seconds from each start."""

    match: str
    cron: str
    duration: float
    timezone: str = "UTC"
    reason: str = ""

    def silence(self, at: float) -> Silence | None:
        """Return the silence that covers *at*, ``None`` outside of the window."""
        zone = ZoneInfo(self.timezone)
        first, last = _day(at - self.duration, zone), _day(at, zone)
        starts = [
            start
            for day in _days(first - timedelta(days=1), last + timedelta(days=1))
            for start in _starts(self.cron, self.timezone, day)
            if start <= at < start + self.duration
        ]
        if not starts:
            return None
        name = f"maintenance:{self.match}@{min(starts):.0f}"
        reason = self.reason or "maintenance"
        ends = max(starts) + self.duration
        return Silence(name, min(starts), ends, "configuration", reason, self.match)

    def next_start(self, after: float) -> float | None:
        """Return the first start after *after*, ``None`` when there is none for years."""
        first = _day(after, ZoneInfo(self.timezone)) - timedelta(days=1)
        for day in _days(first, first + timedelta(days=_AHEAD)):
            later = [s for s in _starts(self.cron, self.timezone, day) if s > after]
            if later:
                return min(later)
        return None


@lru_cache(maxsize=256)
def read_cron(text: str) -> Cron:
    """Return the fields of a cron expression; raises ``ValueError`` that says what is wrong."""
    parts = text.split()
    if len(parts) != len(_FIELDS):
        msg = f'{len(parts)} fields; write five, such as "0 3 * * sun"'
        raise ValueError(msg)
    minutes, hours, days, months, weekdays = (
        _numbers(part, name, low, high)
        for part, (name, low, high) in zip(parts, _FIELDS, strict=True)
    )
    either = not parts[2].startswith("*") and not parts[4].startswith("*")
    return Cron(minutes, hours, days, months, frozenset(n % 7 for n in weekdays), either)


def _numbers(part: str, name: str, low: int, high: int) -> frozenset[int]:
    found: set[int] = set()
    for piece in part.lower().split(","):
        span, slash, step = piece.partition("/")
        every = _number(step, name, 1, high) if slash else 1
        first, dash, last = span.partition("-")
        if span == "*":
            begin, end = low, high
        else:
            begin = _number(first, name, low, high)
            end = _number(last, name, low, high) if dash else (high if slash else begin)
        if begin > end:
            msg = f"{name} {piece!r}: the range goes backwards"
            raise ValueError(msg)
        found.update(range(begin, end + 1, every))
    return frozenset(found)


def _number(text: str, name: str, low: int, high: int) -> int:
    names = {"month": _MONTHS, "weekday": _DAYS}.get(name, ())
    if text in names:
        return names.index(text) + low
    if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
        msg = f"{name} {text!r}: give {low} to {high}" + (", or a name" if names else "")
        raise ValueError(msg)
    return int(text)


@lru_cache(maxsize=1024)
def _starts(cron: str, timezone: str, day: date) -> tuple[float, ...]:
    """Return when a cron expression happens on a local calendar day, in epoch seconds."""
    fields = read_cron(cron)
    if not fields.falls_on(day):
        return ()
    zone = ZoneInfo(timezone)
    local = (
        datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone)
        for hour in sorted(fields.hours)
        for minute in sorted(fields.minutes)
    )
    return tuple(moment.astimezone(UTC).timestamp() for moment in local)


def _day(at: float, zone: ZoneInfo) -> date:
    return datetime.fromtimestamp(at, zone).date()


def _days(first: date, last: date) -> Iterator[date]:
    for n in range((last - first).days + 1):
        yield first + timedelta(days=n)
