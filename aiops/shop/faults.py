"""What can go wrong in the shop, and how trouble travels along the call graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from aiops.model import ChangeEvent
from aiops.shop.chance import generator
from aiops.shop.roster import BY_NAME, CALLS, callers, weight

if TYPE_CHECKING:
    from numpy.typing import NDArray

DECOYS = frozenset({"flash_sale"})
"""Kinds that are no fault: unusual, but nobody should be woken."""


@dataclass(frozen=True, slots=True)
class Fault:
    """State the truth about one fault: what kind, where it is rooted, from when to when.

    ``change`` is the change that caused it and is told to the watcher; ``None`` when there was
    none or nobody told. What follows elsewhere starts later and may last a little longer.
    """

    kind: str
    service: str
    start: float
    end: float
    change: ChangeEvent | None = None

    @property
    def entity(self) -> str:
        return f"service:{self.service}"

    @property
    def benign(self) -> bool:
        """Return whether this is a decoy that should not wake anybody."""
        return self.kind in DECOYS


@dataclass(frozen=True, slots=True)
class Effect:
    """State how one service is affected from ``start`` to ``end``; neutral values do nothing.

    The effect rises over ``rise`` seconds and falls over ``fall``. ``errors`` is the extra share
    of failing requests, ``latency``, ``load``, ``talk`` (log volume) and ``links`` (connections)
    multiply; ``cpu`` and ``disk`` add points of percent, ``memory`` a share of the usual memory,
    ``queue`` a backlog. ``symptoms`` are (name, share) of the lines it adds per usual line,
    ``callee`` the service they name, ``hop`` the distance from the root.
    """

    service: str = ""
    start: float = 0.0
    end: float = 0.0
    rise: float = 1.0
    fall: float = 20.0
    errors: float = 0.0
    latency: float = 1.0
    load: float = 1.0
    talk: float = 1.0
    links: float = 1.0
    cpu: float = 0.0
    memory: float = 0.0
    disk: float = 0.0
    queue: float = 0.0
    symptoms: tuple[tuple[str, float], ...] = ()
    callee: str = ""
    hop: int = 0

    def strength(self, at: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how strong the effect is at each time, from 0 to 1."""
        up = (at - self.start) / max(self.rise, 1e-3)
        down = (self.end + self.fall - at) / max(self.fall, 1e-3)
        return np.clip(np.minimum(up, down), 0.0, 1.0)

    @property
    def over(self) -> float:
        """Return when nothing is left of it."""
        return self.end + self.fall


@dataclass(frozen=True, slots=True)
class Kind:
    """Describe one kind of fault at its root.

    ``root`` is the effect while it lasts (times are filled in), ``blame`` what callers say of
    the root, ``restarts`` when the service restarts, as shares of the fault's duration.
    ``spread`` scales how much of it callers feel; ``late`` says that root and callers suffer
    only after that share of the duration (a leak hurts at its end).
    """

    root: Effect
    blame: str = ""
    spread: float = 1.0
    felt: tuple[float, float] | None = None
    late: float = 0.0
    restarts: tuple[float, ...] = ()
    creep: Effect | None = None
    flows: bool = False


KINDS: dict[str, Kind] = {
    "bad_deploy": Kind(
        Effect(rise=30.0, errors=0.35, latency=3.5, cpu=14.0, symptoms=(("defect", 2.0),)),
        blame="unavailable",
    ),
    "memory_leak": Kind(
        Effect(rise=60.0, errors=0.15, latency=2.6, cpu=18.0, symptoms=(("heap", 0.6),)),
        blame="timeout",
        spread=0.6,
        late=0.7,
        restarts=(1.0,),
        creep=Effect(memory=1.6, symptoms=(("heap", 0.15),), fall=4.0),
    ),
    "dependency_outage": Kind(
        Effect(errors=0.9, load=0.08, links=0.05, cpu=-15.0, talk=0.05),
        blame="refused",
        felt=(0.75, 1.3),
        restarts=(1.0,),
    ),
    "slow_database": Kind(
        Effect(rise=40.0, latency=9.0, links=1.9, cpu=38.0, symptoms=(("slow", 2.5),)),
        blame="timeout",
        spread=0.8,
    ),
    "error_burst": Kind(
        Effect(errors=0.45, latency=1.2, symptoms=(("defect", 2.5),)), blame="unavailable"
    ),
    "silence": Kind(Effect(talk=0.0, load=0.0, cpu=-100.0, links=0.4, queue=900.0, rise=3.0)),
    "traffic_surge": Kind(
        Effect(
            rise=90.0,
            fall=90.0,
            load=4.5,
            errors=0.09,
            latency=3.0,
            cpu=25.0,
            links=2.0,
            symptoms=(("overload", 0.5),),
        ),
        blame="timeout",
        spread=0.4,
        flows=True,
    ),
    "flash_sale": Kind(Effect(rise=300.0, fall=300.0, load=1.9, latency=1.1), flows=True),
    "disk_full": Kind(
        Effect(rise=20.0, errors=0.3, latency=1.6, symptoms=(("disk", 2.0),)),
        blame="unavailable",
        late=0.5,
        creep=Effect(disk=100.0, fall=30.0),
    ),
    "config_error": Kind(
        Effect(errors=0.28, rise=5.0, symptoms=(("config", 1.6),)), blame="unavailable"
    ),
    "certificate_expired": Kind(
        Effect(errors=0.6, load=0.35, links=0.5, symptoms=(("handshake", 2.0),)),
        blame="tls",
        felt=(0.7, 1.1),
    ),
    "queue_backlog": Kind(
        Effect(rise=60.0, latency=4.0, cpu=20.0, symptoms=(("backlog", 0.5),)),
        blame="timeout",
        spread=0.5,
        creep=Effect(queue=4000.0, fall=240.0),
    ),
    "network_drop": Kind(
        Effect(errors=0.12, latency=2.2, load=0.5, links=0.6), blame="reset", felt=(0.5, 3.0)
    ),
    "crash_loop": Kind(
        Effect(errors=0.6, load=0.4, links=0.4, symptoms=(("defect", 0.8),)),
        blame="refused",
        felt=(0.45, 1.5),
        restarts=tuple(n / 10 for n in range(1, 10)),
    ),
    "cpu_saturation": Kind(Effect(rise=30.0, latency=3.2, cpu=95.0), blame="timeout", spread=0.7),
    "log_flood": Kind(Effect(talk=1.0, cpu=4.0, symptoms=(("flood", 25.0),))),
}
"""Every kind of fault by name."""


@dataclass(frozen=True, slots=True)
class Restart:
    """One restart of a service: its instances go down and come up one after the other."""

    service: str
    at: float
    version: str
    clean: bool = True


def effects(fault: Fault, seed: int) -> list[Effect]:
    """Return everything *fault* does: at its root, to callers and to callees.

    Raises ``KeyError`` for a kind or service the shop does not know.
    """
    kind = KINDS[fault.kind]
    service = BY_NAME[fault.service]
    rng = generator(seed, "spread", fault.kind, fault.service, round(fault.start))
    length = fault.end - fault.start
    hurt = fault.start + kind.late * length
    root = replace(kind.root, service=service.name, start=hurt, end=fault.end)
    if root.queue and not service.queue:
        root = replace(root, queue=0.0)
    elif root.queue:
        # A stuck worker's backlog grows while it lasts and is worked off afterwards.
        creep = Effect(service=service.name, start=hurt, end=fault.end, rise=length, fall=200.0)
        yielded = replace(creep, queue=root.queue)
        root = replace(root, queue=0.0)
        return [root, yielded, *_spread(fault, kind, root, rng)]
    found = [root, *_spread(fault, kind, root, rng)]
    if kind.creep is not None:
        creep = replace(kind.creep, service=service.name, start=fault.start, end=fault.end)
        rise = (kind.late or 1.0) * length
        found.append(replace(creep, rise=rise))
    return found


def restarts(fault: Fault) -> list[Restart]:
    """Return the restarts that *fault* causes by itself (those of a deploy are the change's)."""
    kind = KINDS[fault.kind]
    length = fault.end - fault.start
    clean = fault.kind not in {"memory_leak", "crash_loop"}
    return [
        Restart(fault.service, fault.start + share * length, "1.0.0", clean=clean)
        for share in kind.restarts
    ]


def _spread(fault: Fault, kind: Kind, root: Effect, rng: np.random.Generator) -> list[Effect]:
    """Walk from the root to callers (errors, slowness) and callees (load), weaker by the hop."""
    found: list[Effect] = []
    errors, latency = kind.felt or (root.errors, root.latency)
    errors, slow = errors * kind.spread, (latency - 1.0) * kind.spread
    seen = {root.service}
    edge: list[tuple[str, float, float, float]] = [(root.service, errors, slow, root.start)]
    hop = 0
    while edge and kind.blame:
        hop += 1
        reached: list[tuple[str, float, float, float]] = []
        for callee, bad, late, begin in edge:
            for caller in callers(callee):
                share = weight(caller, callee)
                delay = float(np.exp(np.log(7.0) + 0.5 * rng.standard_normal()))
                if caller in seen or (bad * share < 0.015 and late * share < 0.12):
                    continue
                seen.add(caller)
                start = begin + delay
                effect = Effect(
                    caller,
                    start,
                    fault.end + delay,
                    rise=12.0,
                    errors=bad * share,
                    latency=1.0 + late * share,
                    links=1.0 + 0.3 * min(late * share, 2.0),
                    cpu=3.0,
                    symptoms=_said(kind.blame if hop == 1 else "unavailable", bad, late, share),
                    callee=callee,
                    hop=hop,
                )
                found.append(effect)
                reached.append((caller, bad * share, late * share, start))
        edge = reached
    found += _load(fault, root, flows=kind.flows, taken=seen)
    return found


def _said(blame: str, bad: float, late: float, share: float) -> tuple[tuple[str, float], ...]:
    """Return what a caller logs: failures by its errors, timeouts when it mostly waits."""
    said: list[tuple[str, float]] = []
    if blame == "timeout" or bad * share < 0.015:
        said.append(("timeout", 0.12 * min(late * share, 4.0) + bad * share))
    else:
        said.append((blame, 1.6 * bad * share))
        if late * share > 0.8:
            said.append(("timeout", 0.4 * bad * share))
    return tuple(said)


def _load(fault: Fault, root: Effect, *, flows: bool, taken: set[str]) -> list[Effect]:
    """Return what reaches the callees: more requests in a surge, fewer when requests fail."""
    lost = 1.0 - min(root.load, 1.0) if root.load < 1.0 else 0.6 * root.errors
    factor = root.load - 1.0 if flows else -lost
    found: list[Effect] = []
    edge, seen, reach = [root.service], set(taken), 0.85
    if flows:
        seen = {root.service}
    while edge and abs(factor) * reach > 0.05:
        below = sorted({c for name in edge for c in CALLS[name]} - seen)
        for name in below:
            # A shared dependency has other callers, which go on as before.
            others = 1.0 if flows else 1.0 / len(callers(name))
            change = factor * reach * others
            found.append(
                Effect(
                    name,
                    fault.start + 3.0 if flows else root.start + 3.0,
                    fault.end + 3.0,
                    rise=max(root.rise, 8.0),
                    fall=root.fall,
                    load=1.0 + change,
                    cpu=6.0 * max(change, 0.0),
                    hop=-1,
                )
            )
        seen |= set(below)
        edge, reach = below, reach * (0.9 if flows else 0.6)
    return found


def story(faults: Sequence[Fault], seed: int) -> tuple[Effect, ...]:
    """Return the effects of all faults in order of their start."""
    found = [effect for fault in faults for effect in effects(fault, seed)]
    return tuple(sorted(found, key=lambda e: (e.start, e.service, e.hop, e.callee)))
