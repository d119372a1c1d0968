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
    r"|pause|evict|restart|5xx|throttl|stall|exception|success|healthy|\bup\b|ready"
    r"|(?<!cpu)(?<!uptime)_seconds(?:_mean)?$",
    re.IGNORECASE,
)
_WORK = re.compile(
    r"request|\brps|qps|throughput|traffic|cpu|memory|mem_|heap|rss|connection|session|socket|thread"
    r"|goroutine|network|net_|packet|bytes|disk|used|usage|swap|load|busy|processes|fds?\b|rate\b",
    re.IGNORECASE,
)
# Metrics of 0 and 1 that state something; the name, or the label that says which state, is good
# or bad.
_STATED = re.compile(
    r"(?:^|_)up$|health|_ready(?:_|$)|_alive$|probe_success|_success$|_online$|_active$|_running$"
    r"|_failed$|_down$|_degraded$|_available$|_status_|_state$|_pressure$|_readonly$"
)
_BAD_STATE = re.compile(
    r"unhealthy|not_?ready|fail|down$|degraded|pressure|dead|crash|unavailable|readonly|offline",
    re.IGNORECASE,
)
_GOOD_STATE = re.compile(
    r"(?:^|_)up$|health|ready|alive|success|running|active$|online|available|^ok$", re.IGNORECASE
)
_TRUTH = ("true", "false", "unknown")
_WHICH = re.compile(r'[{,](?:state|condition|phase|status|reason)="([^"]*)"')
FULL = 0.95  # of its limit: usage this high is felt

_SUFFIXES = {
    **dict.fromkeys(("seconds", "bytes", "ratio", "celsius", "volts", "amperes", "joules"), ""),
    **dict.fromkeys(("watts", "hertz", "meters", "grams", "milliseconds", "microseconds"), ""),
    "percent": "%",
    "pct": "%",
    "ms": "ms",
    "us": "us",
    "kib": "KiB",
    "mib": "MiB",
}
# CpuUsageRate(%): people write units so at the heads of columns.
_IN_BRACKETS = re.compile(r"\(([%\w/]{1,12})\)$")
_BRACKETED = {"s": "seconds", "B": "bytes", "Mi": "MiB", "Ki": "KiB", "percent": "%"}
# What OpenTelemetry writes (UCUM) where people write a word, or nothing.
_UCUM = {"1": "", "By": "bytes", "Cel": "celsius", "By/s": "bytes/s"}


def bad_direction(name: str) -> int | None:
    """Return +1 when more is worse, -1 when less is worse, ``None`` when either may be."""
    return _bad_direction(name.partition("{")[0])


# Names are few where label sets are many: what is remembered is remembered of the bare name.
@lru_cache(maxsize=20_000)
def _bad_direction(bare: str) -> int | None:
    if _DOWN.search(bare):
        return -1
    return 1 if _UP.search(bare) else None


def unit_of(name: str, known: str = "") -> str:
    """Return the unit a source gave, in words people use, else what the name ends in."""
    return _unit_of(name.partition("{")[0], known)


@lru_cache(maxsize=20_000)
def _unit_of(bare: str, known: str) -> str:
    if known:
        # {request} and its kin only annotate: a count of requests.
        return _UCUM.get(known, known[1:-1] if known[0] == "{" and known[-1] == "}" else known)
    if (said := _IN_BRACKETS.search(bare)) is not None:
        return _BRACKETED.get(said[1], said[1])
    stem = bare.lower().removesuffix("_total").removesuffix("_sum")
    stem, per, _ = stem.partition("_per_second")
    end = stem.replace(".", "_").rpartition("_")[2]
    unit = (_SUFFIXES[end] or end) if end in _SUFFIXES else ""
    return f"{unit}/s" if per else unit


def bad_state(name: str) -> float | None:
    """Return which of 0 and 1 is bad for a metric that states something, ``None`` for others."""
    bare, _, labels = name.partition("{")
    if (own := f'{bare}="') in labels:
        # OpenMetrics' state set: the label that is called like the metric says which state it is.
        return _said(labels.partition(own)[2].partition('"')[0])
    if (stated := _stated(bare)) is None:
        return None
    return _bad_state(stated, labels)


def _said(state: str) -> float | None:
    if _BAD_STATE.search(state):
        return 1.0
    return 0.0 if _GOOD_STATE.search(state) else None


@lru_cache(maxsize=20_000)
def _stated(bare: str) -> str | None:
    bare = bare.replace(".", "_").lower()
    return None if _STATED.search(bare) is None else bare


def _bad_state(bare: str, labels: str) -> float | None:
    # kube_pod_status_phase{phase="Failed"}: which state it is stands in a label; a label "status"
    # of the condition itself says true, false or unknown.
    states = [one for one in _WHICH.findall("{" + labels) if one not in _TRUTH]
    truth = [one for one in _WHICH.findall("{" + labels) if one in _TRUTH]
    said = states[-1] if states else bare
    bad = _said(said)
    if bad is None or not truth:
        return bad
    return 1.0 - bad if truth[-1] == "false" else bad if truth[-1] == "true" else 1.0


def is_usage(name: str) -> bool:
    """Return whether a metric of this name only says how much work is done."""
    return _is_usage(name.partition("{")[0])


@lru_cache(maxsize=20_000)
def _is_usage(bare: str) -> bool:
    return _FELT.search(bare) is None and _WORK.search(bare) is not None


def is_symptom(name: str, unit: str, actual: float, expected: float | None) -> bool:
    """Return whether this value is felt by somebody: a symptom, full usage, or work that ended."""
    if not is_usage(name):
        return True
    if unit == "%" and actual >= 100.0 * FULL:
        return True
    return expected is not None and expected > 0.0 and actual <= 0.1 * expected
