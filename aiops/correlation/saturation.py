"""Say what of an entity is full: by its share, by a forecast, or because its lines say so.

Only what is held can be full (space, memory, descriptors, connections, places in a queue); a busy
processor is work. Utilisation and saturation of a resource are looked at together as in Gregg's
method (Systems Performance, 2nd ed., 2.5.9), and errors that only a full resource gives are those
of POSIX (ENOSPC, EDQUOT, EMFILE, ENFILE, ENOMEM) and of the usual servers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from aiops.model import Anomaly, Severity

FULL: Final = 95.0
"""Percent of a resource from which it is called full."""

MOST: Final = 105.0
"""Percent beyond which a share is none."""

_NEW_LINES: Final = frozenset({"new_template", "rare_template", "error_share"})

_RESOURCES: Final = (
    ("inodes", re.compile(r"inode")),
    ("disk", re.compile(r"disk|filesystem|volume|mount|tablespace|storage|partition")),
    ("file descriptors", re.compile(r"(?<![a-z])fds?(?![a-z])|descriptor|open_?files|filefd")),
    ("connection pool", re.compile(r"pool|connection|conntrack")),
    ("queue", re.compile(r"queue|backlog")),
    ("memory", re.compile(r"memory|heap|swap|(?<![a-z])mem(?![a-z])")),
)
_PERCENT = re.compile(r"percent|pct|%", re.IGNORECASE)
_RATIO = re.compile(r"ratio|share|utili[sz]ation", re.IGNORECASE)
_LEFT = re.compile(r"free|avail|remain|unused|idle", re.IGNORECASE)
_RATE = re.compile(r"cpu|io_time|busy|iops|hit|error|success|latency|seconds|wait", re.IGNORECASE)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

_LINES: Final = tuple(
    (resource, re.compile("|".join(patterns)))
    for resource, patterns in (
        ("disk", ("no space left", "enospc", "disk (?:is )?full", "disk space", "volume is full",
                  "device is full", "(?:disk )?quota exceeded", "edquot")),
        ("file descriptors", ("too many open files", r"\bemfile\b", r"\benfile\b")),
        ("memory", ("out of memory", "outofmemory", "oom[- _]?kill", "cannot allocate memory",
                    "enomem", "java heap space", "memory limit exceeded", "maxmemory")),
        ("connection pool", ("pool (?:is )?(?:exhausted|full)", "too many (?:connections|clients)",
                             "remaining connection slots", "no (?:free|idle) connection")),
        ("queue", ("queue (?:is )?full", "backlog (?:is )?full")),
    )
)  # fmt: skip


def full(own: Iterable[Anomaly], *, lines: bool = True) -> str:
    """Return in words which resource of an entity is full, "" when none is known to be.

    Where its *lines* are about another they say nothing of its own resources.
    """
    every = list(own)
    shares = sorted(found for a in every if a.severe and (found := _share(a)) is not None)
    if shares:
        percent, resource = shares[-1]
        soon = "" if percent >= FULL else " about to be"
        return f"its {resource} {_be(resource)}{soon} full ({percent:.0f} %)"
    if lines:
        said = [text for a in every if a.kind in _NEW_LINES for text in _texts(a)]
        for resource, pattern in _LINES:
            if any(pattern.search(text) for text in said):
                return f"its {resource} {_be(resource)} full, as its lines say"
    return ""


def _share(anomaly: Anomaly) -> tuple[float, str] | None:
    """Return how full a resource is in percent and which one, ``None`` where that is not said."""
    name, value = _CAMEL.sub("_", anomaly.series.name), anomaly.actual
    resource = _resource(name)
    if value is None or not resource:
        return None
    if anomaly.kind == "saturation":
        soon = value >= FULL or anomaly.severity >= Severity.CRITICAL
        return (value, resource) if soon else None
    if anomaly.series.kind == "log" or _RATE.search(name):
        return None
    unit = anomaly.unit or anomaly.series.unit
    if unit in ("%", "percent") or _PERCENT.search(name):
        percent = value
    elif unit == "ratio" or (not unit and _RATIO.search(name)):
        percent = 100.0 * value
    else:
        return None
    percent = 100.0 - percent if _LEFT.search(name) else percent
    return (percent, resource) if FULL <= percent <= MOST else None


def _resource(name: str) -> str:
    lower = name.lower()
    return next((what for what, pattern in _RESOURCES if pattern.search(lower)), "")


def _be(resource: str) -> str:
    return "are" if resource.endswith("s") else "is"


def _texts(anomaly: Anomaly) -> list[str]:
    if anomaly.severity <= Severity.INFO:
        return []
    return [sample.text.lower() for sample in anomaly.samples]
