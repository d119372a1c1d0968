"""The conditions under which each service works at each moment: rhythm, bursts and trouble."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from aiops.shop.chance import HOUR, drift, generator, key
from aiops.shop.faults import Effect
from aiops.shop.roster import SERVICES, Service

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DAY = np.array(
    [
        *(0.36, 0.29, 0.25, 0.23, 0.23, 0.27, 0.38, 0.56, 0.76, 0.92, 1.02, 1.09),
        *(1.16, 1.10, 1.02, 1.00, 1.03, 1.11, 1.23, 1.36, 1.40, 1.20, 0.86, 0.56, 0.36),
    ]
)
_WEEKEND = np.interp(np.arange(25.0), [0, 8, 10, 15, 21, 24], [1.05, 0.7, 1.0, 1.3, 1.1, 1.0])
_BATCH = {"worker": 2.6, "postgres": 0.7, "inventory": 0.5}
_BATCH_START, _BATCH_END = 7800.0, 9240.0


@dataclass(frozen=True, slots=True)
class Weather:
    """State the conditions of one service at many times; without ``trouble`` all is usual."""

    load: NDArray[np.float64]
    errors: NDArray[np.float64]
    latency: NDArray[np.float64]
    talk: NDArray[np.float64]
    links: NDArray[np.float64]
    cpu: NDArray[np.float64]
    memory: NDArray[np.float64]
    disk: NDArray[np.float64]
    queue: NDArray[np.float64]
    trouble: bool


class Climate:
    """Tell the weather of any service at any time from the seed and the effects alone."""

    def __init__(self, seed: int, effects: Sequence[Effect]) -> None:
        self._seed = seed
        self._slow_noise = key(seed, "shop", "hours")
        self._fast_noise = key(seed, "shop", "minutes")
        self._own = {s.name: key(seed, "load", s.name) for s in SERVICES}
        self._effects: dict[str, list[Effect]] = {s.name: [] for s in SERVICES}
        for effect in effects:
            self._effects[effect.service].append(effect)

    def active(self, service: str, since: float, until: float) -> list[Effect]:
        """Return the effects on *service* that touch the time from *since* to *until*."""
        return [e for e in self._effects[service] if e.start < until and e.over > since]

    def traffic(self, hour: int, at: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the shop's traffic, 1 on an average day's morning, at times within *hour*."""
        of_day = at % 86400.0 / HOUR
        level: NDArray[np.float64] = np.interp(of_day, np.arange(25.0), _DAY)
        # Day 0 of the epoch was a Thursday; the weekend is days 2 and 3 after it.
        weekend = (np.floor(at / 86400.0) % 7 // 2) == 1
        level *= np.where(weekend, np.interp(of_day, np.arange(25.0), _WEEKEND), 1.0)
        level *= np.exp(
            0.06 * drift(self._slow_noise, at, 5400.0) + 0.05 * drift(self._fast_noise, at, 240.0)
        )
        rng = generator(self._seed, "burst", hour)
        chance, middle, width, height = rng.random(4).tolist()
        if chance < 0.07:
            half = 20.0 + 60.0 * width
            # Kept inside the hour, so that no hour needs to know its neighbour's bursts.
            centre = hour + 3.0 * half + middle * (HOUR - 6.0 * half)
            level *= 1.0 + (0.5 + 1.1 * height) * np.exp(-0.5 * ((at - centre) / half) ** 2)
        return level

    def weather(
        self, service: Service, at: NDArray[np.float64], traffic: NDArray[np.float64]
    ) -> Weather:
        """Return the conditions of *service* at these times, given the shop's traffic."""
        load = traffic**service.damp
        load *= np.exp(0.05 * drift(self._own[service.name], at, 600.0))
        if service.name in _BATCH:
            of_day = at % 86400.0
            load += _BATCH[service.name] * ((of_day >= _BATCH_START) & (of_day < _BATCH_END))
        zero, one = np.zeros(len(at)), np.ones(len(at))
        active = self.active(service.name, float(at[0]) - 60.0, float(at[-1]) + 60.0)
        if not active:
            return Weather(load, zero, one, one, one, zero, zero, zero, zero, trouble=False)
        errors, latency, talk, links = zero.copy(), one.copy(), one.copy(), one.copy()
        cpu, memory, disk, queue = zero.copy(), zero.copy(), zero.copy(), zero.copy()
        for effect in active:
            strength = effect.strength(at)
            load *= 1.0 + (effect.load - 1.0) * strength
            errors += effect.errors * strength
            latency *= 1.0 + (effect.latency - 1.0) * strength
            talk *= 1.0 + (effect.talk - 1.0) * strength
            links *= 1.0 + (effect.links - 1.0) * strength
            cpu += effect.cpu * strength
            memory += effect.memory * strength
            disk += effect.disk * strength
            queue += effect.queue * strength
        np.clip(errors, 0.0, 0.97, out=errors)
        return Weather(load, errors, latency, talk, links, cpu, memory, disk, queue, trouble=True)
