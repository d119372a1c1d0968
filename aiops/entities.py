"""Say what things are about: one mapping from names and labels to ``KIND:NAME``."""

from __future__ import annotations

import re
from collections.abc import Mapping

# "redis:6379", "https://queue" and "Table::Stage" are names; "host:web-1" says its kind.
_KIND = re.compile(r"[a-z][a-z_-]*:(?![:/]|\d+$)")

# The letters a replica hash may have: no vowels, no 0, 1, 3.
_HASH = "[bcdfghjklmnpqrstvwxz2456789]"
_REPLICA = re.compile(rf"-(?:{_HASH}{{6,10}}|\d{{8,10}})-{_HASH}{{5}}$")
_MEMBER = re.compile(rf"-(?:{_HASH}{{5}}|\d{{1,4}})$")

# In order of trust: the first of these labels that is there says whom a metric or alert is about.
_LABELS = {
    "service": "",
    "service.name": "",
    "service_name": "",
    "host": "host",
    "pod": "pod",
    "entity": "",
    "job": "",
    "instance": "host",
    "node": "host",
    "container": "",
}


def as_entity(name: str) -> str:
    """Turn a bare name into an entity, a service; ``KIND:NAME`` stays."""
    return name if _KIND.match(name) else f"service:{name}"


def split_labels(labels: Mapping[str, str], default: str) -> tuple[str, dict[str, str]]:
    """Return the entity that *labels* name (or *default*), and the labels that are left."""
    for label, kind in _LABELS.items():
        value = labels.get(label)
        if value:
            left = {k: v for k, v in labels.items() if k != label}
            return (f"{kind}:{value}" if kind else as_entity(value)), left
    return default, dict(labels)


def workload_of_pod(pod: str) -> str:
    """Return the name a pod's replicas share: ``cart-7d9f8b6c5d-x2x4z`` is ``cart``."""
    for pattern in (_REPLICA, _MEMBER):
        shorter = pattern.sub("", pod)
        if shorter and shorter != pod:
            return shorter
    return pod
