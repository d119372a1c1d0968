"""The metrics of the shop: what each service's exporters would say every few seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from aiops.model import Series, SeriesSet
from aiops.shop.chance import HOUR, drift, generator, key
from aiops.shop.roster import SERVICES, Service
from aiops.shop.weather import Climate, Weather

if TYPE_CHECKING:
    from numpy.typing import NDArray

MIB = 2.0**20


def _names(service: Service) -> list[tuple[str, str]]:
    names = [
        ("request_rate", "1/s"),
        ("error_ratio", ""),
        ("request_duration_p50_ms", "ms"),
        ("request_duration_p95_ms", "ms"),
        ("request_duration_p99_ms", "ms"),
        ("cpu_percent", "%"),
        ("memory_bytes", "B"),
        ("connections", ""),
    ]
    if service.gc:
        names.append(("gc_pause_ms", "ms"))
    if service.queue:
        names.append(("queue_length", ""))
    if service.disk:
        names.append(("disk_used_percent", "%"))
    return names


class Figures:
    """Compute every series of the shop for one hour at a time."""

    def __init__(self, seed: int, interval: float, climate: Climate) -> None:
        self._seed = seed
        self._interval = interval
        self._climate = climate
        self.columns = SeriesSet(
            tuple(
                Series(service.entity, name, unit=unit)
                for service in SERVICES
                for name, unit in _names(service)
            )
        )

    def hour(
        self, hour: int, traffic: NDArray[np.float64], at: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return one row per time of *at* (all within *hour*) and one column per series."""
        parts: list[NDArray[np.float64]] = []
        for service in SERVICES:
            weather = self._climate.weather(service, at, traffic)
            parts += self._service(service, hour, at, weather)
        return np.ascontiguousarray(np.stack(parts, axis=1))

    def _service(
        self, service: Service, hour: int, at: NDArray[np.float64], w: Weather
    ) -> list[NDArray[np.float64]]:
        rng = generator(self._seed, "figures", service.name, hour)
        n = len(at)
        noise = key(self._seed, "figures", service.name)
        load = w.load
        # Counts: requests are Poisson, failures are a part of them.
        mean = np.maximum(service.rps * load * self._interval, 0.0)
        count = rng.poisson(mean)
        failed = rng.binomial(count, np.clip(service.errors + w.errors, 0.0, 1.0))
        ratio = np.where(count > 0, failed / np.maximum(count, 1), 0.0)
        # Durations: multiplicative, wandering, the higher quantiles with heavier tails.
        wander = np.exp(0.07 * drift(noise + 1, at, 900.0) + 0.04 * drift(noise + 2, at, 90.0))
        crowd = 1.0 + 0.18 * np.maximum(load - 0.6, 0.0)
        p50 = service.p50 * wander * crowd * w.latency**0.8 * np.exp(0.05 * rng.standard_normal(n))
        p95 = 2.6 * p50 * w.latency**0.2 * np.exp(0.10 * rng.standard_normal(n))
        p99 = 1.9 * p95 * np.exp(0.16 * rng.standard_normal(n)) + service.p50 * 0.6 * np.minimum(
            rng.pareto(2.6, n), 12.0
        )
        # Gaussian on top of slow wandering.
        cpu = service.cpu * (0.35 + 0.65 * load) + 1.5 * drift(noise + 3, at, 1200.0)
        cpu = np.clip(cpu + w.cpu + 0.9 * rng.standard_normal(n), 0.3, 100.0)
        memory = service.memory * (
            1.0
            + 0.05 * drift(noise + 4, at, 7 * HOUR)
            + 0.02 * drift(noise + 5, at, 700.0)
            + 0.03 * load
            + w.memory
        )
        if service.gc:
            # The heap fills and is collected: a saw-tooth with a period of minutes.
            memory = memory * (1.0 + 0.08 * (at / 410.0 % 1.0))
        memory = np.round(memory * MIB * (1.0 + 0.001 * rng.standard_normal(n)))
        busy = service.connections * (0.55 + 0.45 * np.minimum(load, 4.0)) * w.links
        links = rng.poisson(np.maximum(busy, 0.0))
        columns = [count / self._interval, ratio, p50, p95, p99, cpu, memory, links.astype(float)]
        if service.gc:
            pause = rng.gamma(2.2, service.gc / 2.2, n) * np.exp(0.3 * drift(noise + 6, at, 1800.0))
            columns.append(
                pause * (1.0 + 0.2 * load) * (1.0 + 9.0 * np.maximum(w.memory - 0.4, 0.0))
            )
        if service.queue:
            waiting = service.queue * load * np.exp(0.25 * drift(noise + 7, at, 300.0))
            columns.append(rng.poisson(waiting + w.queue).astype(float))
        if service.disk:
            # It grows all week and is cleaned on Sunday night.
            week = (at / 604800.0 + 0.57) % 1.0
            used = service.disk + 11.0 * week + 0.15 * drift(noise + 8, at, 3000.0) + w.disk
            columns.append(np.clip(used + 0.02 * rng.standard_normal(n), 0.0, 100.0))
        return columns
