"""Named stories of the shop: one per kind of fault, and the ones that trap a watcher."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from aiops.model import ChangeEvent
from aiops.shop.chance import HOUR, generator
from aiops.shop.faults import Fault
from aiops.shop.shop import Shop

MINUTE = 60.0
DEMO_START = 1_741_068_000.0
"""2025-03-04 06:00 UTC, a Tuesday."""

_QUIET = 7.0 * HOUR
_APPS = ("payment", "inventory", "cart", "catalog", "auth", "checkout", "recommendation")

ROOTS: dict[str, tuple[str, ...]] = {
    "bad_deploy": _APPS,
    "memory_leak": ("checkout", "auth", "cart", "recommendation", "catalog"),
    "dependency_outage": ("postgres", "redis", "payment", "inventory", "auth"),
    "slow_database": ("postgres", "redis"),
    "error_burst": _APPS,
    "silence": ("worker", "mail"),
    "traffic_surge": ("frontend", "gateway"),
    "flash_sale": ("frontend",),
    "disk_full": ("postgres", "redis", "worker", "catalog"),
    "config_error": (*_APPS, "shipping"),
    "certificate_expired": ("payment", "auth", "inventory", "catalog"),
    "queue_backlog": ("worker", "mail"),
    "network_drop": ("payment", "inventory", "redis", "catalog"),
    "crash_loop": _APPS,
    "cpu_saturation": ("recommendation", "catalog", "checkout", "postgres"),
    "log_flood": ("cart", "gateway", "inventory"),
}
"""Kind of fault → services where it makes sense."""

_LENGTH = {"memory_leak": 90.0, "disk_full": 80.0, "queue_backlog": 50.0, "error_burst": 12.0}
_CHANGED = {"bad_deploy": "deploy", "config_error": "config"}


def fault(kind: str, service: str, start: float, minutes: float | None = None) -> Fault:
    """Return a fault of usual length, with the change that causes it where there is one."""
    length = (_LENGTH.get(kind, 25.0) if minutes is None else minutes) * MINUTE
    change = None
    if kind in _CHANGED:
        title = f"{_CHANGED[kind]} {service} v2.{int(start) % 40}.0"
        change = ChangeEvent(start - 15.0, _CHANGED[kind], f"service:{service}", title)
    return Fault(kind, service, start, start + length, change)


def deploy(service: str, at: float, version: str) -> ChangeEvent:
    """Return a deploy that restarts the service and changes nothing else."""
    return ChangeEvent(at, "deploy", f"service:{service}", f"deploy {service} v{version}")


def _root(kind: str, seed: int) -> str:
    roots = ROOTS[kind]
    return roots[int(generator(seed, "root", kind).integers(len(roots)))]


def _shop(seed: int, start: float, faults: Sequence[Fault], *changes: ChangeEvent) -> Shop:
    last = max([f.end for f in faults] + [c.at for c in changes] + [start + _QUIET])
    # An innocent deploy early on: restarts alone must be nothing new later.
    known = deploy("recommendation", start + 2.5 * HOUR, "5.2.0")
    return Shop(seed, start, last + 40 * MINUTE, faults=faults, changes=[known, *changes])


def _quiet(seed: int, start: float) -> Shop:
    return Shop(seed, start, start + 24 * HOUR)


def _innocent_change(seed: int, start: float) -> Shop:
    at = start + _QUIET
    changes = [deploy("cart", at, "2.9.0"), deploy("catalog", at + 20 * MINUTE, "4.1.7")]
    return _shop(seed, start, [], *changes)


def _change_before_fault(seed: int, start: float) -> Shop:
    """A deploy elsewhere, minutes before an unrelated fault, is not its cause."""
    at = start + _QUIET
    innocent = deploy("shipping", at - 4 * MINUTE, "1.23.0")
    return _shop(seed, start, [fault("slow_database", "postgres", at)], innocent)


def _overlap(seed: int, start: float) -> Shop:
    """Two faults that have nothing to do with each other, four minutes apart."""
    at = start + _QUIET
    faults = [fault("queue_backlog", "mail", at), fault("error_burst", "auth", at + 4 * MINUTE)]
    return _shop(seed, start, faults)


def _flap(seed: int, start: float) -> Shop:
    at = start + _QUIET
    return _shop(
        seed, start, [fault("error_burst", "inventory", at + 6 * MINUTE * i, 2.0) for i in range(5)]
    )


def _reopen(seed: int, start: float) -> Shop:
    at = start + _QUIET
    again = fault("error_burst", "payment", at + 26 * MINUTE)
    return _shop(seed, start, [fault("error_burst", "payment", at), again])


def _storm(seed: int, start: float) -> Shop:
    at = start + _QUIET
    kinds = [
        fault("dependency_outage", name, at + i) for i, name in enumerate(["postgres", "redis"])
    ]
    return _shop(seed, start, kinds)


def _same_time(seed: int, start: float) -> Shop:
    """A benign flash sale during a real fault."""
    at = start + _QUIET
    sale = fault("flash_sale", "frontend", at - 20 * MINUTE, 60.0)
    return _shop(seed, start, [sale, fault("network_drop", "payment", at)])


_STORIES: dict[str, Callable[[int, float], Shop]] = {
    "quiet": _quiet,
    "innocent_change": _innocent_change,
    "change_before_fault": _change_before_fault,
    "overlap": _overlap,
    "flap": _flap,
    "reopen": _reopen,
    "storm": _storm,
    "sale_and_fault": _same_time,
}

SCENARIOS: tuple[str, ...] = (*ROOTS, *_STORIES)
"""Every name that ``scenario`` knows."""


def scenario(name: str, seed: int, start: float) -> Shop:
    """Return the shop of a named story; for a kind of fault the seed chooses the root.

    Seven quiet hours come first. Raises ``KeyError`` for a name that is not in ``SCENARIOS``.
    """
    if name in _STORIES:
        return _STORIES[name](seed, start)
    return _shop(seed, start, [fault(name, _root(name, seed), start + _QUIET)])


def demo(seed: int, *, step: float = 60.0, metric_interval: float = 60.0) -> Shop:
    """Return a working day of the shop that ends with a bad deploy of payment and its rollback.

    Four harmless changes lie before it, one of them only minutes before. *step* is how often
    logs are handed over, *metric_interval* how often metrics are measured, in seconds.
    """
    start = DEMO_START
    bad = start + 8 * HOUR + 4 * MINUTE
    change = deploy("payment", bad - 20.0, "3.14.0")
    faults = [Fault("bad_deploy", "payment", bad, bad + 14 * MINUTE, change)]
    rollback = ChangeEvent(
        bad + 14 * MINUTE - 15.0, "rollback", "service:payment", "rollback payment to v3.13.2"
    )
    changes = [
        deploy("cart", start + 1.8 * HOUR, "2.8.1"),
        deploy("payment", start + 3.6 * HOUR, "3.13.2"),
        ChangeEvent(
            start + 5.5 * HOUR, "config", "service:recommendation", "exploration share 2 % -> 3 %"
        ),
        deploy("shipping", bad - 17 * MINUTE, "1.22.0"),
        rollback,
    ]
    return Shop(
        seed,
        start,
        bad + 40 * MINUTE,
        faults=faults,
        changes=changes,
        step=step,
        metric_interval=metric_interval,
    )
