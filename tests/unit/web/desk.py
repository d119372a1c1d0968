"""A desk that remembers what it was asked, with incidents to show."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from aiops.cases import Case
from aiops.config import Settings
from aiops.incidents.muting import Silence
from aiops.links import Links
from aiops.model import (
    Anomaly,
    ChangeEvent,
    Command,
    Incident,
    SampleLine,
    Series,
    Severity,
    State,
)
from aiops.storage import DeadLetter, Once, SpentError, StoreError

T0 = 1_700_000_000.0


def incident(name: str, at: float = T0, state: State = State.OPEN, **more: Any) -> Incident:
    series = Series("service:cart", "lines", "log")
    sample = SampleLine(at, "file:/var/log/cart.log", "login password=hunter2 failed <b>")
    anomaly = Anomaly(
        id=f"a-{name}",
        series=series,
        kind="surge",
        at=at,
        since=at - 60,
        surprise=5.5,
        threshold=4.0,
        severity=Severity.ERROR,
        reason="surge of lines",
        detector="bank",
        actual=float("nan"),
        samples=(sample,),
    )
    facts: dict[str, Any] = {
        "id": name,
        "seq": 1,
        "state": state,
        "severity": Severity.ERROR,
        "title": f"surge of lines in service cart <script>{name}</script>",
        "opened_at": at,
        "updated_at": at,
        "told": state is not State.CANDIDATE,
        "entities": ("service:cart",),
        "anomalies": (anomaly,),
    }
    return Incident(**(facts | more))


class Voice:
    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.lines = Counter("aiops_lines", "Lines", ["source"], registry=registry)
        self.points = Counter("aiops_points", "Points", ["source"], registry=registry)
        self.lag = Gauge("aiops_lag", "Lag", ["source"], registry=registry)
        self.events = Counter("aiops_events", "Events", ["event", "reason"], registry=registry)
        self.dropped = Counter("aiops_dropped", "Drops", ["stage", "reason"], registry=registry)

    def exposition(self) -> bytes:
        return generate_latest(self.registry)


@dataclass
class Figures:
    incidents: tuple[Incident, ...] = ()
    templates: int = 3
    series: int = 2
    streams: int = 1
    open_windows: int = 1
    waiting: int = 0
    clock: float = T0
    threshold: float = 4.5
    tests_per_second: float = 0.25
    calls: tuple[tuple[str, str, float], ...] = (
        ("service:cart", "service:redis", 9.0),
        ("service:gateway", "service:mail", 5.5),
    )


@dataclass
class Plan:
    settings: Settings


@dataclass
class FakeDesk:
    listen: str = "127.0.0.1:0"
    external_url: str = ""
    living: tuple[Incident, ...] = ()
    past: tuple[Incident, ...] = ()
    ready: bool = True
    alive: bool = True
    started: float = T0
    warming_up: bool = False
    cold: list[str] = field(default_factory=list)
    source_state: dict[str, str] = field(default_factory=lambda: {"file": "running"})
    last_seen: dict[str, float] = field(default_factory=lambda: {"file": T0 + 5})
    commands: list[Command] = field(default_factory=list)
    changes: list[ChangeEvent] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)
    broken: bool = False
    remembered: list[Case] = field(default_factory=list)
    quiet: list[Silence] = field(default_factory=list)
    web: dict[str, Any] = field(default_factory=dict)
    links: Links | None = None
    spent: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.telemetry = Voice()
        self.telemetry.lines.labels("file").inc(120)
        web = {"listen": self.listen, "external_url": self.external_url} | self.web
        self.plan = Plan(Settings(web=web))

    @property
    def figures(self) -> Figures:
        return Figures(incidents=self.living)

    async def templates(self) -> list[dict[str, Any]]:
        shown = {"id": "t1", "severity": "error", "template": "failed <*>", "count": 7}
        return [shown | {"workload": "service:cart", "sample": "failed 1"}]

    async def find(self, name: str) -> Incident | None:
        return next((i for i in (*self.living, *self.past) if i.id == name), None)

    async def history(self, limit: int) -> list[Incident]:
        if self.broken:
            raise StoreError("state: disk full; free some space there", reason="disk_full")
        return list(self.past[:limit])

    async def silences(self, at: float) -> list[Silence]:
        return list(self.quiet)

    async def dead_letters(self, limit: int) -> list[DeadLetter]:
        return self.dead[:limit]

    async def cases(self) -> list[Case]:
        return self.remembered

    async def record_of(self, name: str) -> tuple[list[tuple[float, str]], ...]:
        return [(T0, "opened")], [(T0 + 1, "opened to ops: sent")]

    async def is_spent(self, nonce: str) -> bool:
        return nonce in self.spent

    async def command(
        self, kind: str, target: str, by: str, args: dict[str, str], *, once: Once | None = None
    ) -> Command:
        if once is not None:
            if once.nonce in self.spent:
                raise SpentError("used")
            self.spent.add(once.nonce)
        self.commands.append(Command(len(self.commands) + 1, kind, target, T0, by, args))
        return self.commands[-1]

    async def change(self, event: ChangeEvent) -> None:
        self.changes.append(event)
