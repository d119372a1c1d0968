"""What comes and goes is one story with a counter, and ends when it is calm."""

from __future__ import annotations

import pytest

from aiops.incidents.story import story
from aiops.model import Transition, TransitionKind
from tests.scenarios.world import T, World

BURST, PAUSE = 120.0, 600.0
BEGAN = (TransitionKind.OPENED, TransitionKind.REOPENED)


def flap(world: World, times: int, *, pause: float = PAUSE) -> None:
    """Let an alert fire for two minutes and stay away for the pause, so many times."""
    for _ in range(times):
        world.fire("cart")
        world.until(world.at + BURST)
        world.end("cart")
        world.until(world.at + pause)


def test_a_flapping_alert_is_one_open_story() -> None:
    """Nine departures are told as two: it ends once, after twice its pause without a sign."""
    world = World()
    flap(world, 9)
    assert len(world.live) == 1
    last = 8 * (BURST + PAUSE) + BURST
    world.until(last + 7200)

    assert [(at, kind) for at, _, kind in world.told] == [
        (30.0, "opened"),
        (430.0, "resolved"),
        (750.0, "reopened"),
        (last + 2 * PAUSE, "resolved"),
    ]


def test_it_says_how_often_it_came_and_went() -> None:
    """The end of the story counts the departures; while it lasts the picture does."""
    world = World()
    flap(world, 5)
    (incident,) = world.live
    (course,) = incident.courses
    assert (course.flapping, course.times, course.since) == (True, 5, T)
    shown = Transition(TransitionKind.UPDATED, incident, T + world.at)
    assert ", flapping: 5 times since 08:00\n" in story(shown)
    world.until(world.at + 7200)

    assert ", flapped 5 times since 08:00\n" in story(world.said[-1])


def test_a_restart_forgets_no_departure() -> None:
    """The counter and the calm that is asked for are saved at a cut."""
    whole, cut = World(), World()
    for world in (whole, cut):
        for _ in range(5):
            flap(world, 1)
            if world is cut:
                world.restart()
        world.until(world.at + 7200)

    assert cut.told == whole.told
    assert story(cut.said[-1]) == story(whole.said[-1])


def test_what_comes_back_once_is_no_flapping() -> None:
    """Two departures an hour apart are two stories, each resolved at once."""
    world = World()
    flap(world, 2, pause=3600.0)
    world.until(world.at + 1200)

    assert [kind for _, _, kind in world.told] == ["opened", "resolved", "opened", "resolved"]
    assert world.live == []


@pytest.mark.parametrize("pause", [360.0, 900.0])
def test_one_shared_symptom_that_flaps_holds_nothing_open(pause: float) -> None:
    """The gateway feels every fault: faults behind it that take turns stay stories of their own."""
    world = World(calls={"gateway": ["cart", "mail", "auth"]})
    for name in ("cart", "mail", "auth") * 2:
        world.fire(name)
        world.fire("gateway", "Latency")
        world.until(world.at + BURST)
        world.end(name)
        world.end("gateway", "Latency")
        world.until(world.at + pause)

    began = [t.incident for t in world.said if t.tell and t.kind in BEGAN]
    first = [set(i.entities) - {"service:gateway"} for i in began]
    assert first == [{f"service:{name}"} for name in ("cart", "mail", "auth") * 2]
