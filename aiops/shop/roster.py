"""Who works in the shop: services, instances, call graph, usual traffic and usual figures."""

from __future__ import annotations

from dataclasses import dataclass

from aiops.shop.catalogue import backing, edge, goods, orders


@dataclass(frozen=True, slots=True)
class Log:
    """One log that each instance writes: its style, its catalogue and lines a second in all.

    ``family`` is the technology behind it; it decides the words of trouble.
    """

    style: str
    family: str
    catalogue: str
    defects: str
    lines: float
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Service:
    """One service: what it writes and its usual figures at normal load.

    ``rps`` is requests a second, ``p50`` the median duration in ms, ``errors`` the usual share
    of failures, ``memory`` MiB, ``disk`` percent (0: no volume of its own), ``queue`` the usual
    backlog (0: none), ``damp`` how much of the shop's rhythm reaches it.
    """

    name: str
    instances: int
    logs: tuple[Log, ...]
    rps: float
    p50: float
    errors: float
    cpu: float
    memory: float
    connections: float
    disk: float = 0.0
    queue: float = 0.0
    gc: float = 0.0
    damp: float = 1.0
    port: int = 8080

    @property
    def entity(self) -> str:
        return f"service:{self.name}"

    def names(self, log: Log) -> tuple[str, ...]:
        """Return the instance names under which *log* is written."""
        return tuple(f"{self.name}-{i}{log.suffix}" for i in range(1, self.instances + 1))


CALLS: dict[str, list[str]] = {
    "frontend": ["gateway"],
    "gateway": ["auth", "catalog", "cart", "checkout", "recommendation"],
    "checkout": ["cart", "payment", "inventory", "shipping", "postgres"],
    "cart": ["redis", "catalog"],
    "payment": ["postgres"],
    "shipping": ["inventory"],
    "catalog": ["postgres", "redis"],
    "inventory": ["postgres"],
    "recommendation": ["catalog", "redis"],
    "auth": ["redis", "postgres"],
    "worker": ["inventory", "mail", "postgres", "redis"],
    "postgres": [],
    "redis": [],
    "mail": [],
}
"""Caller → callees."""

WEIGHT: dict[tuple[str, str], float] = {
    ("frontend", "gateway"): 0.85,
    ("gateway", "checkout"): 0.5,
    ("gateway", "recommendation"): 0.35,
    ("gateway", "auth"): 0.45,
    ("cart", "catalog"): 0.35,
    ("shipping", "inventory"): 0.3,
    ("recommendation", "redis"): 0.4,
    ("recommendation", "catalog"): 0.4,
    ("catalog", "redis"): 0.45,
    ("checkout", "postgres"): 0.7,
}
"""Share of a callee's trouble that reaches the caller, where it is not ``USUAL_WEIGHT``."""

USUAL_WEIGHT = 0.6

SERVICES: tuple[Service, ...] = (
    Service(
        "frontend",
        2,
        (
            Log("access", "edge", edge.ACCESS, edge.ACCESS_FAILED, 0.5),
            Log("nginx-error", "nginx", edge.NGINX_ERROR, "", 0.0, "-error"),
        ),
        rps=46.0,
        p50=24.0,
        errors=0.002,
        cpu=9.0,
        memory=210.0,
        connections=180.0,
    ),
    Service(
        "gateway",
        2,
        (Log("logfmt", "go", edge.GATEWAY, edge.GATEWAY_DEFECTS, 0.42),),
        rps=34.0,
        p50=19.0,
        errors=0.003,
        cpu=17.0,
        memory=340.0,
        connections=95.0,
    ),
    Service(
        "checkout",
        2,
        (Log("logback", "jvm", orders.CHECKOUT, orders.CHECKOUT_DEFECTS, 0.22),),
        rps=3.4,
        p50=85.0,
        errors=0.006,
        cpu=22.0,
        memory=1150.0,
        connections=24.0,
        gc=9.0,
    ),
    Service(
        "cart",
        2,
        (Log("python", "python", orders.CART, orders.CART_DEFECTS, 0.26),),
        rps=9.0,
        p50=11.0,
        errors=0.004,
        cpu=19.0,
        memory=420.0,
        connections=30.0,
    ),
    Service(
        "payment",
        1,
        (Log("pino", "node", orders.PAYMENT, orders.PAYMENT_DEFECTS, 0.13),),
        rps=2.1,
        p50=140.0,
        errors=0.007,
        cpu=12.0,
        memory=310.0,
        connections=14.0,
    ),
    Service(
        "catalog",
        2,
        (Log("zap", "go", goods.CATALOG, goods.CATALOG_DEFECTS, 0.3),),
        rps=21.0,
        p50=8.0,
        errors=0.002,
        cpu=24.0,
        memory=690.0,
        connections=40.0,
        disk=47.0,
    ),
    Service(
        "inventory",
        1,
        (Log("bunyan", "node", goods.INVENTORY, goods.INVENTORY_DEFECTS, 0.13),),
        rps=5.2,
        p50=13.0,
        errors=0.003,
        cpu=14.0,
        memory=280.0,
        connections=18.0,
    ),
    Service(
        "shipping",
        1,
        (Log("klog", "go", orders.SHIPPING, orders.SHIPPING_DEFECTS, 0.09),),
        rps=2.6,
        p50=46.0,
        errors=0.005,
        cpu=7.0,
        memory=120.0,
        connections=9.0,
    ),
    Service(
        "recommendation",
        1,
        (Log("python", "python", goods.RECOMMENDATION, goods.RECOMMENDATION_DEFECTS, 0.12),),
        rps=8.0,
        p50=32.0,
        errors=0.003,
        cpu=34.0,
        memory=1900.0,
        connections=16.0,
    ),
    Service(
        "auth",
        1,
        (Log("logback", "jvm", goods.AUTH, goods.AUTH_DEFECTS, 0.15),),
        rps=6.5,
        p50=21.0,
        errors=0.008,
        cpu=13.0,
        memory=820.0,
        connections=20.0,
        gc=7.0,
    ),
    Service(
        "worker",
        2,
        (Log("python", "python", backing.WORKER, backing.WORKER_DEFECTS, 0.15),),
        rps=1.6,
        p50=900.0,
        errors=0.01,
        cpu=31.0,
        memory=560.0,
        connections=12.0,
        disk=38.0,
        queue=14.0,
        damp=0.6,
    ),
    Service(
        "mail",
        1,
        (Log("syslog", "mail", backing.MAIL, backing.MAIL_DEFECTS, 0.1),),
        rps=0.4,
        p50=380.0,
        errors=0.012,
        cpu=3.0,
        memory=90.0,
        connections=6.0,
        disk=29.0,
        queue=5.0,
        damp=0.6,
        port=25,
    ),
    Service(
        "postgres",
        1,
        (Log("postgres", "postgres", backing.POSTGRES, backing.POSTGRES_DEFECTS, 0.13),),
        rps=95.0,
        p50=3.2,
        errors=0.001,
        cpu=28.0,
        memory=6100.0,
        connections=74.0,
        disk=56.0,
        damp=0.85,
        port=5432,
    ),
    Service(
        "redis",
        1,
        (Log("redis", "redis", backing.REDIS, backing.REDIS_DEFECTS, 0.04),),
        rps=210.0,
        p50=0.4,
        errors=0.0002,
        cpu=11.0,
        memory=1400.0,
        connections=52.0,
        disk=21.0,
        damp=0.9,
        port=6379,
    ),
)
"""Every service of the shop, edge first."""

BY_NAME: dict[str, Service] = {service.name: service for service in SERVICES}


def callers(name: str) -> list[str]:
    """Return the services that call *name*."""
    return [caller for caller, callees in CALLS.items() if name in callees]


def weight(caller: str, callee: str) -> float:
    """Return the share of the callee's trouble that reaches the caller."""
    return WEIGHT.get((caller, callee), USUAL_WEIGHT)
