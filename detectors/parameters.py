"""Find the numbers of a template that are measurements: durations, sizes, counts, not ids.

A masked line marks its variable parts; what stands there in a raw line is read off between the
words that do not change, from the right, because whatever precedes a message is on its left.
"""

from __future__ import annotations

import math
import re
from collections.abc import Container, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Final

WILD: Final = "<*>"
STUDY: Final = 40
"""Lines that are looked at before it is decided which of their numbers are measurements."""

FEWEST_VALUES: Final = 4
"""Different values that a measurement shows among these."""

MATCHING: Final = 0.95
"""Share of lines in which a measurement can be read."""

SINKING: Final = 0.05
"""Share of values that are lower than the one before; a counter's never are."""

LARGEST_COUNT: Final = 1e6
"""A bare whole number beyond this is taken for an id."""

_SECONDS: Final = {
    "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "millis": 1e-3, "msec": 1e-3,
    "s": 1.0, "sec": 1.0, "secs": 1.0, "seconds": 1.0, "min": 60.0, "h": 3600.0,
}  # fmt: skip
_BYTES: Final = {
    "B": 1.0, "bytes": 1.0, "kB": 1e3, "KB": 1e3, "KiB": 1024.0, "MB": 1e6, "MiB": 1048576.0,
    "GB": 1e9, "GiB": 1073741824.0,
}  # fmt: skip
_UNITS: Final = _SECONDS | _BYTES | {"%": 1.0}
_NUMBER: Final = re.compile(r"(-?\d{1,15}(?:\.\d{1,9})?)([A-Za-zµ%]{0,7})(?![\w:.-])")
_AFTER: Final = re.compile(r"\s?([A-Za-zµ%]+)")
_KEY: Final = re.compile(r"_(ns|us|ms|s|sec|secs|seconds|bytes|millis)[\"']?[=:]\s*[\"']?$")


@dataclass(frozen=True, slots=True)
class Reading:
    """State one number as it was written: its value, its unit ("" when none) and whether whole."""

    value: float
    unit: str
    whole: bool


@dataclass(frozen=True, slots=True)
class Measure:
    """Name one variable part that is a measurement: which one, its unit, its usual size."""

    place: int
    unit: str
    scale: float

    @property
    def is_duration(self) -> bool:
        return self.unit in _SECONDS

    def value_of(self, reading: Reading) -> float:
        """Return a reading in the unit of this measure."""
        own, its = _UNITS.get(self.unit), _UNITS.get(reading.unit)
        return reading.value if own is None or its is None else reading.value * its / own

    def squeeze(self, value: float) -> float:
        """Return a value on the scale on which it is judged: a logarithm that knows zero."""
        return math.asinh(value / self.scale)

    def back(self, squeezed: float) -> float:
        """Undo ``squeeze``."""
        return math.sinh(squeezed) * self.scale


def read(
    masked: str, line: str, places: Container[int] | None = None
) -> list[Reading | None] | None:
    """Return what stands at each variable part of *line*, ``None`` when it does not fit.

    Only what stands at *places* is read where they are given.
    """
    words = masked.split(WILD)
    if len(words) < 2:
        return None
    last = words[-1].rstrip()
    end = line.rfind(last) if last else len(line)
    found: list[Reading | None] = []
    for n in range(len(words) - 2, -1, -1):
        if end < 0:
            return None
        word = words[n]
        at = line.rfind(word, 0, end) if word else -1
        if word and at < 0:
            return None
        # What a line begins with cannot be told from what its logger wrote before it.
        asked = word and (places is None or n in places)
        found.append(_reading(line[at + len(word) : end], word, words[n + 1]) if asked else None)
        end = at if word else end
    found.reverse()
    return found


def _reading(text: str, before: str, after: str) -> Reading | None:
    match = _NUMBER.match(text)
    if match is None:
        return None
    number, unit = match[1], match[2]
    if unit and unit not in _UNITS:
        return None
    if not unit and (follows := _AFTER.match(after)) is not None and follows[1] in _UNITS:
        unit = follows[1]
    if not unit and (key := _KEY.search(before)) is not None:
        unit = key[1]
    return Reading(float(number), unit, "." not in number)


def measures(lines: Sequence[Sequence[Reading | None]]) -> list[Measure]:
    """Return which variable parts of the studied *lines* are measurements that vary.

    A number with a unit or a fraction is one. A bare whole number is one when values come again
    and do not only grow: ids are nearly all different, counters of requests only grow.
    """
    found: list[Measure] = []
    studied, lines = len(lines), [line for line in lines if line]
    if len(lines) < MATCHING * studied:
        return []
    for place in range(min((len(line) for line in lines), default=0)):
        readings = [r for line in lines if (r := line[place]) is not None]
        if len(readings) < MATCHING * len(lines):
            continue
        unit = readings[0].unit
        values = [Measure(place, unit, 1.0).value_of(r) for r in readings]
        different = len(set(values))
        if different < FEWEST_VALUES:
            continue
        if not unit and all(r.whole for r in readings):
            falls = sum(b < a for a, b in pairwise(values))
            ids = different > 0.7 * len(values) or max(values) > LARGEST_COUNT
            if ids or falls < SINKING * len(values):
                continue
        usual = median(abs(v) for v in values) or max(abs(v) for v in values)
        found.append(Measure(place, unit, usual / 10.0))
    return found
