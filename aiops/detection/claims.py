"""Read what an info metric claims: whose version it is, and which of its labels are versions.

Prometheus and OpenTelemetry state versions in labels beside a constant 1 (``cart_build_info``,
``kube_pod_container_info``, ``target_info``). Labels that differ between the instances of one
workload say nothing of its version; what is left tells such metrics of one workload apart.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from aiops.entities import as_entity, workload_of_pod

MOST_LABELS = 8  # of one series that are taken as versions
LONGEST = 120  # characters of a version that are remembered
_SHOWN = 40  # … and that are shown

_LABEL = re.compile(r'\s*([^=,{}"]+)="((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r'\\([\\n"])')
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_WORDS = re.compile(r"[^a-z0-9]+")
_NUMBERED = re.compile(r"\d\.\d")
_HEX = re.compile(r"(?:sha\d+:)?([0-9a-f]{12})[0-9a-f]{8,}")
# Words of labels by which the instances of one workload differ, or that change without a reason.
_VARYING = frozenset(
    ("date", "time", "timestamp", "updated", "id", "uid", "uuid", "pid", "ip", "pod", "instance")
) | frozenset(("host", "hostname", "node", "nodename"))
# The better a label names a version to a person, the earlier it stands here.
_PLAIN = ("version", "service_version", "app_version")
_RANKS = {
    word: rank
    for rank, words in enumerate(
        (
            ("tag",),
            ("image",),
            ("version", "gitversion", "goversion", "release"),
            ("revision", "commit", "gitcommit", "sha", "digest", "build"),
            ("branch", "tags", "major", "minor", "patch", "patchlevel"),
        ),
        start=1,
    )
    for word in words
}
# In order of trust: who runs this version, as an entity; the workload and not its instance.
_WHOSE = (
    ("service", as_entity),
    ("service_name", as_entity),
    ("service.name", as_entity),
    ("pod", lambda pod: f"service:{workload_of_pod(pod)}"),
    ("k8s_pod_name", lambda pod: f"service:{workload_of_pod(pod)}"),
    ("node", lambda node: f"host:{node}"),
    ("nodename", lambda node: f"host:{node}"),
    ("exported_job", lambda job: as_entity(job.rpartition("/")[2] or job)),
    ("job", lambda job: as_entity(job.rpartition("/")[2] or job)),
)


class Claim(NamedTuple):
    """State that *entity* runs *value*; ``key`` says in which label of which metric."""

    entity: str
    key: str
    label: str
    value: str


def is_info(bare: str) -> bool:
    """Return whether a metric states something in its labels, beside a constant 1."""
    return bare.endswith("_info")


@lru_cache(maxsize=20_000)
def claims(entity: str, name: str) -> tuple[Claim, ...]:
    """Return the versions that the series *name* of *entity* states, at most ``MOST_LABELS``."""
    bare, _, inside = name.partition("{")
    labels = {m[1].strip(): _plain(m[2]) for m in _LABEL.finditer(inside)}
    whose = next((say(labels[by]) for by, say in _WHOSE if labels.get(by)), entity)
    if whose.startswith("pod:"):
        whose = f"service:{workload_of_pod(whose[4:])}"
    versions = {k: v for k, v in labels.items() if v and rank(k, v) is not None}
    same = ",".join(
        f"{k}={v}" for k, v in sorted(labels.items()) if k not in versions and not _varies(k)
    )
    best = sorted(versions, key=lambda k: (rank(k, versions[k]) or 0, k))[:MOST_LABELS]
    return tuple(
        Claim(whose, f"{whose}|{bare}{{{same}}}|{k}", k, versions[k][:LONGEST]) for k in best
    )


def rank(label: str, value: str) -> int | None:
    """Return how well a label names a version (0 is best), ``None`` when it is none."""
    if label in _PLAIN or "_".join(_words(label)) in _PLAIN:
        return 0
    words = _words(label)
    if _varies(label) or ("release" in words and _NUMBERED.search(value) is None):
        return None
    return min((_RANKS[word] for word in words if word in _RANKS), default=None)


def change_title(label: str, before: str, now: str) -> str:
    """Say from what to what a version changed: ``version 1.2 -> 1.3``."""
    return f"{label} {_short(before)} -> {_short(now)}"


def _short(value: str) -> str:
    value = value.rpartition("/")[2] or value
    value = _HEX.sub(lambda m: m[1], value)
    return value if len(value) <= _SHOWN else value[: _SHOWN - 1] + "…"


def _varies(label: str) -> bool:
    return not _VARYING.isdisjoint(_words(label))


@lru_cache(maxsize=5000)
def _words(label: str) -> tuple[str, ...]:
    return tuple(w for w in _WORDS.split(_CAMEL.sub("_", label).lower()) if w)


def _plain(text: str) -> str:
    return _ESCAPE.sub(lambda m: "\n" if m[1] == "n" else m[1], text)
