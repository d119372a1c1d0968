"""What a metric's name says by the conventions people use: which way is bad, and what it measures.

A *symptom* is felt by somebody (errors, waiting, absence); *usage* is only work being done
(requests, processor, memory, connections) and is bad by itself only near its limit.
"""

from __future__ import annotations

import re
from functools import lru_cache

_UP = re.compile(
    r"error|fail|latency|duration|seconds|_ms\b|wait|queue|lag|backlog|drop|reject|timeout|retry|retries"
    r"|pause|gc_|swap|used|usage|busy|pending|saturat|evict|restart|5xx|steal|iowait|load\d?|cpu"
    r"|memory|heap|rss|throttl|stalled|outstanding|age",
    re.IGNORECASE,
)
_DOWN = re.compile(
    r"success|availab|free|healthy|\bup\b|hit_ratio|hits|uptime|ready|remaining|capacity",
    re.IGNORECASE,
)
_FELT = re.compile(
    r"error|fail|latency|duration|response_time|_ms\b|wait|queue|lag|backlog|drop|reject|timeout|retr[iy]"
    r"|pause|evict|restart|5xx|throttl|stall|exception|success|healthy|\bup\b|ready",
    re.IGNORECASE,
)
_WORK = re.compile(
    r"request|\brps|qps|throughput|traffic|cpu|memory|mem_|heap|rss|connection|session|socket|thread"
    r"|goroutine|network|net_|packet|bytes|disk|used|usage|swap|load|busy|processes|fds?\b|rate\b",
    re.IGNORECASE,
)
FULL = 0.95  # of its limit: usage this high is felt


@lru_cache(maxsize=20_000)
def bad_direction(name: str) -> int | None:
    """Return +1 when more is worse, -1 when less is worse, ``None`` when either may be."""
    bare = name.partition("{")[0]
    if _DOWN.search(bare):
        return -1
    return 1 if _UP.search(bare) else None


@lru_cache(maxsize=20_000)
def is_usage(name: str) -> bool:
    """Return whether a metric of this name only says how much work is done."""
    bare = name.partition("{")[0]
    return _FELT.search(bare) is None and _WORK.search(bare) is not None


def is_symptom(name: str, unit: str, actual: float, expected: float | None) -> bool:
    """Return whether this value is felt by somebody: a symptom, full usage, or work that ended."""
    if not is_usage(name):
        return True
    if unit == "%" and actual >= 100.0 * FULL:
        return True
    return expected is not None and expected > 0.0 and actual <= 0.1 * expected
