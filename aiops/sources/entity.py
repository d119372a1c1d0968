"""Say what a file is about: one mapping from path and labels to (entity, workload, instance)."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from aiops.entities import workload_of_pod

if TYPE_CHECKING:
    from collections.abc import Mapping

# Names that say what kind of text a file holds, not whose; the directory says whose.
# fmt: off
_GENERIC = frozenset(
    (
        "access", "access_log", "app", "application", "audit", "container", "console",
        "current", "daemon", "debug", "default", "err", "error", "error_log", "errors",
        "exception", "exceptions", "info", "log", "logs", "main", "messages", "out",
        "output", "process", "root", "server", "service", "slow", "stderr", "stdout",
        "syslog", "trace", "warn", "warning",
    )
)
# fmt: on
# Directories that hold everybody's logs name nobody.
_ANYBODY = frozenset(("", "/", "log", "logs", "var", "tmp", "data", "opt", "srv", "home", "usr"))

_ENDINGS = re.compile(
    r"(?:\.(?:log|txt|out|err|json|jsonl|ndjson|gz|old|bak|\d{1,4})"
    r"|[._-]\d{4}-?\d{2}-?\d{2}(?:[T._-]?\d{2,6}(?:[:-]?\d{2}){0,2})?(?:[.-]\d{1,4})?)$",
    re.IGNORECASE,
)
_STREAM = re.compile(r"[._-](?:access|error|stderr|stdout|out|err)$", re.IGNORECASE)

_PODS = re.compile(r"/pods/([^/_]+)_([^/_]+)_([^/]+)/([^/]+)/[^/]+$")
_CONTAINERS = re.compile(r"/containers/([^/_]+)_([^/_]+)_([^/]+)-[0-9a-f]{64}\.log[^/]*$")

# cart-1.log and cart-2.log are two instances of cart; 8080 is a port, not an instance.
_INSTANCE = re.compile(r"(.*[A-Za-z])[-_](\d{1,3})")


def entity_of(path: str, labels: Mapping[str, str]) -> tuple[str, str, str]:
    """Return (entity, workload, instance) of the lines of *path*.

    A ``service`` label wins, then ``host``, then Kubernetes' path, then the file's own name
    without its endings; a name that says only "access" or "error" gives way to its directory,
    and a number at its end tells instances of one service apart.
    """
    instance = labels.get("instance") or labels.get("pod") or ""
    if service := labels.get("service"):
        entity = f"service:{service}"
        return entity, entity, instance or labels.get("host", "")
    if host := labels.get("host"):
        return f"host:{host}", f"host:{host}", instance
    if match := _PODS.search(path):
        _, pod, _, container = match.groups()
        return _of_pod(pod, container)
    if match := _CONTAINERS.search(path):
        pod, _, container = match.groups()
        return _of_pod(pod, container)
    name = _name_of(path)
    numbered = _INSTANCE.fullmatch(name)
    if numbered is not None:
        name, instance = numbered[1], instance or name
    entity = f"service:{name}"
    return entity, entity, instance


def plain_name(name: str) -> str:
    """Return a file name without the endings of logs, rotation and compression."""
    while (shorter := _ENDINGS.sub("", name)) and shorter != name:
        name = shorter
    return name


def _of_pod(pod: str, container: str) -> tuple[str, str, str]:
    service = workload_of_pod(pod)
    entity = f"service:{service}"
    # A side-car speaks another language than the service it sits beside: own templates.
    own = container == service or container.lower() in _GENERIC
    return entity, entity if own else f"{entity}/{container}", pod


def _name_of(path: str) -> str:
    where = PurePosixPath(path)
    name = plain_name(where.name)
    name = _STREAM.sub("", name) or name
    if name.lower() not in _GENERIC and not name.isdigit():
        return name
    for parent in where.parents:
        if parent.name.lower() not in _ANYBODY | _GENERIC:
            return parent.name
    return name
