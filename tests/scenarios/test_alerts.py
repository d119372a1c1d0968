"""Alerts of other systems: many rare ones do not make an incident of every coincidence."""

from __future__ import annotations

from tests.scenarios.world import World

HOUR = 3600.0


def noisy(hours: int) -> World:
    """Let one of 29 alerts fire for five minutes every hour: each is too common to open alone."""
    world = World(budget=2 / (168 * HOUR))
    for n in range(hours):
        world.until(n * HOUR)
        world.fire(f"s{n % 29}", f"Slow{n % 29}")
        world.until(n * HOUR + 300)
        world.end(f"s{n % 29}", f"Slow{n % 29}")
    world.until(hours * HOUR)
    world.told.clear()
    return world


def test_two_by_chance_are_no_incident() -> None:
    """Once a week two of them begin within a minute; nobody is told."""
    world = noisy(60)
    world.fire("s3", "Slow3")
    world.until(world.at + 40)
    world.fire("s5", "Slow5")
    world.until(world.at + HOUR)
    assert world.told == []


def test_many_at_once_are_one() -> None:
    """Seven within a minute are no chance; they are one story."""
    world = noisy(60)
    for n in range(7):
        world.fire(f"s{n}", f"Slow{n}")
        world.until(world.at + 5)
    world.until(world.at + HOUR)
    assert [kind for _, _, kind in world.told].count("opened") == 1
