"""The log lines of one stream, one hour at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from aiops.model import Stream
from aiops.shop.catalogue.trouble import TROUBLE
from aiops.shop.chance import CELL, CELLS, HOUR, cells, generator
from aiops.shop.draws import Sheet
from aiops.shop.faults import Effect, Restart
from aiops.shop.roster import BY_NAME, Log, Service
from aiops.shop.styles import STYLES, Message, Template, lay_out, parse
from aiops.shop.weather import Weather

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FEWER_WHEN_FAILING = 0.8


@dataclass(frozen=True, slots=True)
class Page:
    """The entries of one stream within one hour, sorted by time; each ends in a newline."""

    at: NDArray[np.float64]
    entries: list[str]


class _Draft:
    """Gather what an hour will hold: times within the hour and which template is due."""

    def __init__(self, rng: np.random.Generator, hour: int, weather: Weather) -> None:
        self.rng = rng
        self.hour = hour
        self.weather = weather
        self._times: list[NDArray[np.float64]] = []
        self._picks: list[NDArray[np.intp]] = []

    def add(self, times: NDArray[np.float64], picks: NDArray[np.intp]) -> None:
        self._times.append(times)
        self._picks.append(picks)

    def add_random(
        self, rate: NDArray[np.float64], places: Sequence[int], shares: NDArray[np.float64]
    ) -> None:
        """Add entries at random times, *rate* of them per cell, shared out over templates."""
        counts = self.rng.poisson(np.maximum(rate, 0.0))
        cell = np.repeat(np.arange(CELLS) * CELL, counts)
        chosen = np.searchsorted(shares, self.rng.random(len(cell)), side="right")
        times = cell + self.rng.random(len(cell)) * CELL
        self.add(times, np.array(places, dtype=np.intp)[chosen])

    def in_order(self) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        at, pick = np.concatenate(self._times), np.concatenate(self._picks)
        order = np.argsort(at, kind="stable")
        return at[order], pick[order]


class Writer:
    """Write the log of one instance; what an hour holds depends on seed, stream and hour alone."""

    def __init__(
        self,
        seed: int,
        service: Service,
        log: Log,
        number: int,
        *,
        rate: float = 1.0,
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
        draft = _Draft(rng, hour, weather)
        if self._traffic:
            rate = self._lines * CELL * weather.load * weather.talk
            rate = rate * (1.0 - _FEWER_WHEN_FAILING * weather.errors)
            draft.add_random(rate, self._traffic, self._shares)
        self._write_routine(draft)
        for effect in effects:
            self._write_symptoms(draft, effect)
        for restart in restarts:
            self._write_restart(draft, restart)
        at, pick = draft.in_order()
        return Page(hour + at, self._render(draft, at, pick, traces))

    def _add(self, messages: Sequence[Message]) -> tuple[list[int], NDArray[np.float64]]:
        first = len(self._templates)
        self._templates += [lay_out(self._style, m, self._words) for m in messages]
        weights = np.array([m.weight for m in messages])
        shares = np.cumsum(weights) / weights.sum() if weights.sum() else weights
        return list(range(first, len(self._templates))), shares

    def _symptom(
        self, name: str, callee: str, version: str
    ) -> tuple[list[int], NDArray[np.float64]]:
        known = self._known.get((name, callee, version))
        if known is None:
            table = self.log.defects if name == "defect" else TROUBLE[self.log.family].get(name, "")
            port = str(BY_NAME[callee].port) if callee else ""
            old = self._words
            self._words = {
                **old,
                "callee": callee,
                "Callee": callee.title(),
                "callee_port": port,
                "target": f"{callee}:{port}",
                "version": version,
            }
            known = self._add(parse(table))
            self._words = old
            self._known[name, callee, version] = known
        return known

    def _write_routine(self, draft: _Draft) -> None:
        rng, of_day = draft.rng, draft.hour % 86400
        found: list[tuple[float, int]] = []
        for message, place in zip(self._timetable, self._timetable_at, strict=True):
            every, offset = message.every, message.offset
            first = -(-(of_day - offset) // every) * every + offset
            while first < of_day + HOUR:
                found.append((first - of_day + self.number * 0.35, place))
                first += every
        counts = rng.poisson([m.daily * HOUR / 86400.0 for m in self._rare]).tolist()
        for place, count in zip(self._rare_at, counts, strict=True):
            found += [(u * HOUR, place) for u in rng.random(count).tolist()]
        jitter = rng.random(len(found)) * 0.05
        at = np.minimum(np.array([f[0] for f in found]) + jitter, HOUR - 0.001)
        # Who does not talk does not keep its timetable either.
        keep = draft.weather.talk[(at / CELL).astype(np.intp)] > 0.5
        draft.add(at[keep], np.array([f[1] for f in found], dtype=np.intp)[keep])

    def _write_symptoms(self, draft: _Draft, effect: Effect) -> None:
        strength = effect.strength(cells(draft.hour)) * CELL * self._trouble
        strength = strength * np.sqrt(np.maximum(draft.weather.load, 0.2))
        for name, share in effect.symptoms:
            places, shares = self._symptom(name, effect.callee, "")
            if places:
                draft.add_random(strength * share, places, shares)

    def _write_restart(self, draft: _Draft, restart: Restart) -> None:
        begin = restart.at - draft.hour + 9.0 * self.number
        stop, _ = self._symptom("stop" if restart.clean else "oom", "", restart.version)
        start, _ = self._symptom("start", "", restart.version)
        found = [(begin + 0.8 * i, place) for i, place in enumerate(stop)]
        found += [(begin + 3.1 + 0.7 * i, place) for i, place in enumerate(start)]
        kept = [(at, place) for at, place in found if 0.0 <= at < HOUR]
        times = np.array([at for at, _ in kept], dtype=np.float64)
        draft.add(times, np.array([place for _, place in kept], dtype=np.intp))

    def _render(
        self,
        draft: _Draft,
        at: NDArray[np.float64],
        pick: NDArray[np.intp],
        traces: Sequence[str],
    ) -> list[str]:
        cell = (at / CELL).astype(np.intp)
        shared = (at * (len(traces) / HOUR)).astype(np.intp).tolist()
        weather = draft.weather
        sheet = Sheet(
            draft.rng,
            self._style.stamps(draft.hour, at),
            [traces[i] for i in shared],
            weather.latency[cell] if weather.trouble else None,
        )
        # One format and one batch of draws per template, whatever its place in time.
        order = np.argsort(pick, kind="stable")
        sorted_picks = pick[order]
        edges = (np.flatnonzero(np.diff(sorted_picks)) + 1).tolist()
        texts: list[str] = []
        for a, b in zip([0, *edges], [*edges, len(order)], strict=True):
            if a < b:
                texts += self._templates[int(sorted_picks[a])].render(sheet, order[a:b])
        place = np.empty(len(order), dtype=np.intp)
        place[order] = np.arange(len(order))
        return [texts[i] for i in place.tolist()]
