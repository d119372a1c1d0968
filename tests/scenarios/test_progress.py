"""What grows while it is open: who hears of it at once, and what waits for the next update."""

from __future__ import annotations

from aiops.delivery import Route
from aiops.model import Severity
from tests.scenarios.world import World, until

PAGER = Route(name="pager", min_severity=Severity.ERROR)


def test_errors_after_a_warning_wait_for_the_update() -> None:
    """Who was told of the warning reads of the errors in a quarter of an hour, not before."""
    world = World()
    world.fire("cart", severity="warning")
    world.until(100)
    world.fire("cart", "Down", "error")
    world.until(1500)
    assert world.told == [(30.0, "chat", "opened"), (930.0, "chat", "updated")]


def test_who_hears_of_nothing_less_is_told_at_once() -> None:
    """A pager for errors learns of the first one, and nobody hears of it twice."""
    world = World(Route(name="chat"), PAGER)
    world.fire("cart", severity="warning")
    world.until(100)
    world.fire("cart", "Down", "error")
    world.until(700)
    assert world.told == [(30.0, "chat", "opened"), (100.0, "pager", "escalated")]
    world.end("cart")
    world.end("cart", "Down")
    world.until(1500)
    assert [(who, kind) for _, who, kind in world.told[2:]] == [
        ("chat", "resolved"),
        ("pager", "resolved"),
    ]


def test_what_becomes_critical_does_not_wait() -> None:
    """Everybody hears of it as soon as the first message was read."""
    world = World(Route(name="chat"), PAGER)
    world.fire("cart", severity="warning")
    world.until(100)
    world.fire("cart", "Down", "critical")
    world.until(400)
    assert world.told == [
        (30.0, "chat", "opened"),
        (210.0, "chat", "escalated"),
        (210.0, "pager", "escalated"),
    ]


def test_what_went_quiet_makes_no_progress() -> None:
    """Errors that are over before the update is due are told of by the end alone."""
    world = World()
    world.fire("cart", severity="warning")
    world.until(100)
    world.fire("cart", "Down", "error")
    world.until(720)
    world.end("cart")
    world.end("cart", "Down")
    world.until(1500)
    assert [(who, kind) for _, who, kind in world.told] == [
        ("chat", "opened"),
        ("chat", "resolved"),
    ]


def test_errors_end_a_snooze_for_everybody() -> None:
    """Whoever put off a warning did not put off errors: all hear of them, the pager once."""
    world = World(Route(name="chat"), PAGER)
    world.fire("cart", severity="warning")
    world.until(60)
    world.say("snooze", world.only, until=until(7200))
    world.until(100)
    world.fire("cart", "Down", "error")
    world.until(300)
    assert world.told == [
        (30.0, "chat", "opened"),
        (100.0, "chat", "escalated"),
        (100.0, "pager", "escalated"),
    ]
