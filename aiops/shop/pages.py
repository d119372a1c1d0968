"""The log lines of one stream, one hour at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from aiops.model import Stream
from aiops.shop.catalogue.trouble import TROUBLE
from aiops.shop.chance import HOUR, generator
from aiops.shop.draws import Sheet
from aiops.shop.faults import Effect, Restart
from aiops.shop.roster import BY_NAME, Log, Service
from aiops.shop.styles import STYLES, Message, Template, lay_out, parse
from aiops.shop.weather import Weather

if TYPE_CHECKING:
    from numpy.typing import NDArray

CELL = 10.0
"""Seconds within which the rate of lines is constant."""

CELLS = int(HOUR / CELL)

_FEWER_WHEN_FAILING = 0.8


@dataclass(frozen=True, slots=True)
class Page:
    """The entries of one stream within one hour, sorted by time; each ends in a newline."""

    at: NDArray[np.float64]
    entries: list[str]


class Writer:
    """Write the log of one instance; what an hour holds depends on seed, stream and hour alone."""

    def __init__(
        self,
        seed: int,
        service: Service,
        log: Log,
        number: int,
        rate: float,
        effects: Sequence[Effect] = (),
        restarts: Sequence[Restart] = (),
    ) -> None:
        instance = service.names(log)[number]
        self.stream = Stream(
            id=f"shop:{instance}",
            source="shop",
            entity=service.entity,
            workload=service.entity,
            instance=instance,
        )
        self.service = service
        self.log = log
        self.number = number
        self._seed = seed
        self._style = STYLES[log.style]
        self._lines = log.lines * rate / service.instances
        # A log without traffic of its own still tells of trouble at the pace of its service.
        self._trouble = max(0.08, service.logs[0].lines) * rate / service.instances
        self._words = {"host": instance, "service": service.name}
        self._templates: list[Template] = []
        self._known: dict[tuple[str, str, str], tuple[list[int], NDArray[np.float64]]] = {}
        catalogue = parse(log.catalogue)
        self._traffic, self._shares = self._add([m for m in catalogue if m.weight])
        self._rare = [m for m in catalogue if m.daily]
        self._rare_at, _ = self._add(self._rare)
        self._timetable = [m for m in catalogue if m.every]
        self._timetable_at, _ = self._add(self._timetable)
        # Laid out before the first hour: the order of templates is the order of draws.
        for effect in effects:
            for name, _ in effect.symptoms:
                self._symptom(name, effect.callee, "")
        for restart in restarts:
            self._symptom("stop" if restart.clean else "oom", "", restart.version)
            self._symptom("start", "", restart.version)

    def page(
        self,
        hour: int,
        weather: Weather,
        effects: Sequence[Effect],
        restarts: Sequence[Restart],
        traces: Sequence[str],
    ) -> Page:
        """Return all entries of *hour*; *weather* has one value per cell."""
        rng = generator(self._seed, "lines", self.stream.id, hour)
        times: list[NDArray[np.float64]] = []
        picks: list[NDArray[np.intp]] = []
        self._write_traffic(rng, weather, times, picks)
        self._write_routine(rng, hour, weather, times, picks)
        for effect in effects:
            self._write_symptoms(rng, hour, effect, weather, times, picks)
        for restart in restarts:
            self._write_restart(hour, restart, times, picks)
        at, pick = np.concatenate(times), np.concatenate(picks)
        order = np.argsort(at, kind="stable")
        at, pick = at[order], pick[order]
        return Page(hour + at, self._render(rng, hour, at, pick, weather, traces))

    def _add(self, messages: Sequence[Message]) -> tuple[list[int], NDArray[np.float64]]:
        first = len(self._templates)
        self._templates += [lay_out(self._style, m, self._words) for m in messages]
        weights = np.array([m.weight for m in messages])
        shares = np.cumsum(weights) / weights.sum() if weights.sum() else weights
        return list(range(first, len(self._templates))), shares

    def _symptom(self, name: str, callee: str, version: str) -> tuple[list[int], NDArray[np.float64]]:
        known = self._known.get((name, callee, version))
        if known is None:
            table = self.log.defects if name == "defect" else TROUBLE[self.log.family].get(name, "")
            port = str(BY_NAME[callee].port) if callee else ""
            old, words = self._words, {"callee": callee, "callee_port": port, "version": version}
            self._words = {**old, **words, "target": f"{callee}:{port}"}
            known = self._add(parse(table))
            self._words = old
            self._known[name, callee, version] = known
        return known

    def _write_traffic(
        self,
        rng: np.random.Generator,
        weather: Weather,
        times: list[NDArray[np.float64]],
        picks: list[NDArray[np.intp]],
    ) -> None:
        rate = self._lines * CELL * weather.load * weather.talk
        rate *= 1.0 - _FEWER_WHEN_FAILING * weather.errors
        counts = rng.poisson(np.maximum(rate, 0.0)) if self._traffic else np.zeros(CELLS, np.int64)
        cell = np.repeat(np.arange(CELLS) * CELL, counts)
        times.append(cell + rng.random(len(cell)) * CELL)
        chosen = np.searchsorted(self._shares, rng.random(len(cell)), side="right")
        picks.append(chosen.astype(np.intp))

    def _write_routine(
        self,
        rng: np.random.Generator,
        hour: int,
        weather: Weather,
        times: list[NDArray[np.float64]],
        picks: list[NDArray[np.intp]],
    ) -> None:
        of_day = hour % 86400
        found: list[tuple[float, int]] = []
        for message, place in zip(self._timetable, self._timetable_at, strict=True):
            first = -(-(of_day - message.offset) // message.every) * message.every + message.offset
            while first < of_day + HOUR:
                found.append((first - of_day + self.number * 0.35, place))
                first += message.every
        counts = rng.poisson([m.daily * HOUR / 86400.0 for m in self._rare]).tolist()
        for place, count in zip(self._rare_at, counts, strict=True):
            found += [(u * HOUR, place) for u in rng.random(count).tolist()]
        jitter = rng.random(len(found)) * 0.05
        at = np.minimum(np.array([f[0] for f in found]) + jitter, HOUR - 0.001)
        # Who does not talk does not keep its timetable either.
        keep = weather.talk[(at / CELL).astype(np.intp)] > 0.5
        times.append(at[keep])
        picks.append(np.array([f[1] for f in found], dtype=np.intp)[keep])

    def _write_symptoms(
        self,
        rng: np.random.Generator,
        hour: int,
        effect: Effect,
        weather: Weather,
        times: list[NDArray[np.float64]],
        picks: list[NDArray[np.intp]],
    ) -> None:
        strength = effect.strength(hour + (np.arange(CELLS) + 0.5) * CELL)
        for name, share in effect.symptoms:
            places, shares = self._symptom(name, effect.callee, "")
            if not places:
                continue
            rate = self._trouble * CELL * share * strength * np.sqrt(np.maximum(weather.load, 0.2))
            counts = rng.poisson(rate)
            cell = np.repeat(np.arange(CELLS) * CELL, counts)
            times.append(cell + rng.random(len(cell)) * CELL)
            chosen = np.searchsorted(shares, rng.random(len(cell)), side="right")
            picks.append(np.array(places, dtype=np.intp)[chosen])

    def _write_restart(
        self,
        hour: int,
        restart: Restart,
        times: list[NDArray[np.float64]],
        picks: list[NDArray[np.intp]],
    ) -> None:
        begin = restart.at + 9.0 * self.number
        stop, _ = self._symptom("stop" if restart.clean else "oom", "", restart.version)
        start, _ = self._symptom("start", "", restart.version)
        found = [(begin + 0.8 * i, place) for i, place in enumerate(stop)]
        found += [(begin + 3.1 + 0.7 * i, place) for i, place in enumerate(start)]
        kept = [(at - hour, place) for at, place in found if 0.0 <= at - hour < HOUR]
        times.append(np.array([at for at, _ in kept], dtype=np.float64))
        picks.append(np.array([place for _, place in kept], dtype=np.intp))

    def _render(
        self,
        rng: np.random.Generator,
        hour: int,
        at: NDArray[np.float64],
        pick: NDArray[np.intp],
        weather: Weather,
        traces: Sequence[str],
    ) -> list[str]:
        cell = (at / CELL).astype(np.intp)
        shared = (at * (len(traces) / HOUR)).astype(np.intp).tolist()
        sheet = Sheet(
            rng,
            self._style.stamps(hour, at),
            [traces[i] for i in shared],
            weather.latency[cell] if weather.trouble else None,
        )
        entries = [""] * len(at)
        # One format and one batch of draws per template, whatever its place in time.
        order = np.argsort(pick, kind="stable")
        sorted_picks = pick[order]
        edges = np.flatnonzero(np.diff(sorted_picks)) + 1
        bounds = [0, *edges.tolist(), len(order)]
        for a, b in zip(bounds[:-1], bounds[1:], strict=True):
            if a == b:
                continue
            lines = order[a:b]
            texts = self._templates[int(sorted_picks[a])].render(sheet, lines)
            for place, text in zip(lines.tolist(), texts, strict=True):
                entries[place] = text
        return entries


