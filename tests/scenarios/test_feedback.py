"""What people say about one incident, through the whole engine and over a restart."""

from __future__ import annotations

import pytest

from aiops.commands import alert
from aiops.engine import Engine, EngineSettings
from aiops.model import Command, Incident, Input, Tick, TransitionKind

T = 1_700_000_000.0
DAY = 86400.0
SETTINGS = EngineSettings(multivariate="", drift="")


class World:
    """One engine that is told of critical alerts, which open incidents by themselves."""

    def __init__(self) -> None:
        self.engine = Engine(SETTINGS)
        self.told: list[Incident] = []
        for n in range(50):
            # What chance may do is known only once something is watched.
            labels = {"service": f"s{n}", "alertname": "Usual", "severity": "info"}
            self.feed(alert(T - DAY, labels, firing=True))
            self.feed(alert(T - DAY + 60.0, labels, firing=False))

    def feed(self, item: Input) -> None:
        for t in self.engine.feed(item):
            if t.tell and t.kind is TransitionKind.OPENED:
                self.told.append(t.incident)

    def trouble(self, at: float, service: str = "cart", name: str = "Errors") -> list[Incident]:
        """Let an alert fire for ten minutes; return the incidents that people were told of."""
        before = len(self.told)
        labels = {"service": service, "alertname": name, "severity": "critical"}
        self.feed(alert(at, labels, firing=True))
        for minute in range(1, 30):
            if minute == 10:
                self.feed(alert(at + 600.0, labels, firing=False))
            self.feed(Tick(at + 60.0 * minute))
        return self.told[before:]

    def say(self, kind: str, of: Incident, at: float, **args: str) -> None:
        self.feed(Command(1, kind, of.id, at, "kim", args))

    def restarted(self) -> World:
        again = World()
        again.engine = Engine(SETTINGS)
        assert again.engine.restore(self.engine.to_sections()) == []
        return again


@pytest.mark.parametrize("restart", [False, True])
def test_noise_is_silent_when_it_comes_back_and_speaks_elsewhere(*, restart: bool) -> None:
    """The same alert on the same service opens nothing more, on another service it does."""
    world = World()
    (first,) = world.trouble(T)
    world.say("feedback", first, T + 3600.0, verdict="noise")
    world = world.restarted() if restart else world

    assert world.trouble(T + 3 * DAY / 2) == []
    assert [i.entities for i in world.trouble(T + 5 * DAY / 2, "mail")] == [("service:mail",)]


def test_without_feedback_it_comes_back() -> None:
    """The silence above is the verdict's doing: unjudged, the same alert is told again."""
    world = World()
    world.trouble(T)

    assert len(world.trouble(T + 3 * DAY / 2)) == 1


@pytest.mark.parametrize("restart", [False, True])
def test_the_next_one_shows_what_helped(*, restart: bool) -> None:
    """An incident that looks like a past one points to it, with its fix."""
    world = World()
    (first,) = world.trouble(T)
    world.say("note", first, T + 7200.0, text="rolled back v42")
    world = world.restarted() if restart else world
    (again,) = world.trouble(T + 3 * DAY / 2)

    assert [(s.id, s.fix) for s in again.similar] == [(first.id, "rolled back v42")]


def test_what_is_unlike_points_nowhere() -> None:
    """Trouble of another kind elsewhere has no similar incident."""
    world = World()
    world.trouble(T)
    (other,) = world.trouble(T + 3 * DAY / 2, "mail", "Queue")

    assert other.similar == ()
