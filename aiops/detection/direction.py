"""Which way a metric is bad, guessed from its name by the conventions people use."""

from __future__ import annotations

import re
from functools import lru_cache

_UP = re.compile(
    r"error|fail|latency|duration|seconds|_ms\b|wait|queue|lag|backlog|drop|reject|timeout|retry|retries"
    r"|pause|gc_|swap|used|usage|busy|pending|saturat|evict|restart|5xx|steal|iowait|load\d?|cpu|memory_used"
    r"|throttl|stalled|outstanding|age",
    re.IGNORECASE,
)
_DOWN = re.compile(
    r"success|availab|free|healthy|\bup\b|hit_ratio|hits|uptime|ready|remaining|capacity", re.IGNORECASE
)


@lru_cache(maxsize=20_000)
def bad_direction(name: str) -> int | None:
    """Return +1 when more is worse, -1 when less is worse, ``None`` when either may be."""
    bare = name.partition("{")[0]
    if _DOWN.search(bare):
        return -1
    return 1 if _UP.search(bare) else None
