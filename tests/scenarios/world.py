"""A small world of alerts and time: what each receiver is told, and when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from aiops.delivery import Route, plan_batch
from aiops.engine import Engine, EngineSettings
from aiops.incidents.ledger import LedgerSettings
from aiops.model import (
    Alert,
    ChangeEvent,
    Command,
    Incident,
    Input,
    Points,
    Series,
    SeriesSet,
    Severity,
    State,
    Tick,
    Transition,
)

T = 1_767_600_000.0  # 2026-01-05 08:00 UTC, a Monday
STEP = 10.0
LIVE = (State.OPEN, State.ACKNOWLEDGED)


class World:
    """Drive an engine by alerts, commands and the clock; seconds count from ``T``."""

    def __init__(
        self,
        *routes: Route,
        ledger: LedgerSettings | None = None,
        calls: Mapping[str, Sequence[str]] | None = None,
        budget: float = 1 / 3600,
    ) -> None:
        settings = ledger or LedgerSettings()
        self.settings = EngineSettings(
            budget=budget, multivariate="", drift="", ledger=settings, calls=calls or {}
        )
        self.engine = Engine(self.settings)
        self.routes: Sequence[Route] = routes or (Route(name="chat"),)
        self.said: list[Transition] = []
        self.told: list[tuple[float, str, str]] = []
        self.knows: dict[str, set[str]] = {}
        self.at = 0.0
        self._seq = 0
        self.until(0.0)

    def fire(self, service: str, name: str = "Errors", severity: str = "error") -> None:
        """Let an alert of a service begin."""
        what = Severity[severity.upper()]
        self._take(self.engine.feed(Alert(T + self.at, f"service:{service}", name, True, what)))

    def end(self, service: str, name: str = "Errors") -> None:
        """Let it end."""
        alert = Alert(T + self.at, f"service:{service}", name, False, Severity.ERROR)
        self._take(self.engine.feed(alert))

    def change(self, entity: str, title: str, at: float) -> None:
        """Tell now of a deploy that was made then."""
        self._take(self.engine.feed(ChangeEvent(T + at, "deploy", entity, title)))

    def state(self, service: str, *names: str) -> None:
        """Scrape metrics of a service that are 1, as those that state something are."""
        columns = SeriesSet(tuple(Series(f"service:{service}", name) for name in names))
        ones = np.ones(len(names))
        self._take(self.engine.feed(Points(f"scrape:{service}", T + self.at, columns, ones, STEP)))

    def give(self, item: Input) -> None:
        """Feed anything else."""
        self._take(self.engine.feed(item))

    def until(self, at: float) -> None:
        """Let time pass."""
        while self.at < at or self._seq == 0:
            self.at = min(self.at + STEP, at)
            self._seq = max(self._seq, 1)
            self._take(self.engine.feed(Tick(T + self.at)))

    def say(self, kind: str, target: str = "", by: str = "kim", **args: str) -> int:
        """Give a command; returns the number of its row."""
        self._seq += 1
        self._take(self.engine.feed(Command(self._seq, kind, target, T + self.at, by, args)))
        return self._seq

    def restart(self) -> None:
        """Save everything, forget it, and go on."""
        sections = self.engine.to_sections()
        self.engine = Engine(self.settings)
        assert self.engine.restore(sections) == []

    @property
    def live(self) -> list[Incident]:
        return [i for i in self.engine.incidents() if i.state in LIVE]

    @property
    def only(self) -> str:
        (incident,) = self.live
        return incident.id

    @property
    def notes(self) -> list[str]:
        """Return the notes of what was told."""
        return [t.note for t in self.said if t.tell]

    def _take(self, found: list[Transition]) -> None:
        self.said += found
        for n in plan_batch(
            found, self.routes, told=self.knows, title=lambda _: "", body=lambda _: ""
        ):
            t = n.transition
            self.knows.setdefault(t.incident.id, set()).add(n.receiver)
            self.told.append((t.at - T, n.receiver, t.kind.value))


def until(at: float) -> str:
    """Return a time of the world as a command has it."""
    return repr(T + at)
