"""Find what can be full: a share of something, or a pair of what is used and how much there is.

Names follow the conventions of exporters: ``node_filesystem_avail_bytes`` beside
``node_filesystem_size_bytes``, ``process_open_fds`` beside ``process_max_fds``. Only what is
held counts (space, memory, descriptors), not what is done: a processor is never used up.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiops.detection.rules import MetricRules
    from aiops.model import Series

_SHARE = ("utilization", "utilisation")  # of one, by OpenTelemetry
_USED = ("used", "usage", "inuse", "allocated", "open", "active", "current", *_SHARE)
_FREE = ("avail", "available", "remaining", "free", "unused")
_LIMIT = ("limit", "size", "capacity", "max", "maximum", "total", "hard", "quota")
_HELD = re.compile(
    r"disk|filesystem|volume|mount|memory|swap|heap|storage|space|inode|quota|fds?\b|descriptor"
    r"|conntrack|pool|buffer|capacity|tablespace|partition"
)
_DONE = re.compile(r"cpu|busy|iowait|bandwidth|rate\b|per_second|hit|request|error|success|throttl")
# Families whose two names do not differ by one word.
_IRREGULAR = {
    "container_memory_working_set_bytes": "container_memory",
    "container_spec_memory_limit_bytes": "container_memory",
    "container_memory_usage_bytes": "container_memory_other",
    "redis_memory_used_bytes": "redis_memory",
    "redis_memory_max_bytes": "redis_memory",
}
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class Bound:
    """Say how one series is known to fill up, by positions in the columns.

    Used is the value at ``of``, or what is left of the whole when ``free``. The whole is the
    value at ``whole``, or ``size`` when that is -1. A value far above a bound that was guessed
    says that the guess is wrong; one above a limit that was ``said`` is over it.
    """

    of: int
    free: bool
    whole: int
    size: float = 1.0
    said: bool = False


def bounds(series: Sequence[Series], rules: MetricRules) -> list[Bound]:
    """Return what of these series can be full, one entry a thing, in order of the columns."""
    found = []
    roles: dict[tuple[str, str, str], dict[str, int]] = {}
    for i, one in enumerate(series):
        rule = rules.of(one)
        if rule is not None and rule.limit is not None:
            found.append(Bound(i, False, -1, rule.limit, said=True))
            continue
        if one.kind != "gauge" or (rule is not None and rule.kind not in ("", "gauge")):
            continue
        bare, _, labels = one.name.partition("{")
        name, role, stem = _role(bare)
        if one.unit in ("ratio", "%") or name.endswith(("_ratio", "_percent", "_pct", *_SHARE)):
            if role in ("used", "free") and _HELD.search(name) and not _DONE.search(name):
                percent = one.unit == "%" or name.endswith(("_percent", "_pct"))
                found.append(Bound(i, role == "free", -1, 100.0 if percent else 1.0))
            continue
        known = roles.setdefault((one.entity, stem, labels), {})
        known.setdefault(role, i)
    for known in roles.values():
        pair = _pair(known)
        if pair is not None:
            found.append(pair)
    return sorted(found, key=lambda b: b.of)


def _pair(known: dict[str, int]) -> Bound | None:
    limit = known.get("limit", -1)
    if limit >= 0:
        for role, free in (("avail", True), ("used", False), ("free", True), ("", False)):
            if role in known:
                return Bound(known[role], free, limit)
    if "" in known:
        for role in ("avail", "free"):
            if role in known:
                return Bound(known[role], True, known[""])
    return None


@lru_cache(maxsize=20_000)
def _role(bare: str) -> tuple[str, str, str]:
    """Return the name in words, what a value is (used, avail, free, limit or "") and of what."""
    name = _CAMEL.sub("_", bare).lower().replace(".", "_")
    if name in _IRREGULAR:
        return name, ("limit" if "limit" in name or "max" in name else "used"), _IRREGULAR[name]
    words = name.split("_")
    for group, role in ((_FREE, "free"), (_USED, "used"), (_LIMIT, "limit")):
        for word in group:
            if word in words:
                at = words.index(word)
                exact = "avail" if word in _FREE[:3] else role
                return name, exact, "_".join(words[:at] + words[at + 1 :])
    return name, "", name
