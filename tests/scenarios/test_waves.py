"""What begins beside an open incident, once that has stopped growing."""

from __future__ import annotations

from tests.scenarios.world import World

CALLS = {"gateway": ["cart", "auth"], "cart": ["redis"], "auth": ["redis"]}


def kinds(world: World) -> list[str]:
    return [kind for _, _, kind in world.told]


def test_a_second_fault_beside_an_open_one_is_a_story_of_its_own() -> None:
    """Whoever calls both suffers from both; each fault is told, and each of them ends."""
    world = World(calls=CALLS)
    world.fire("cart")
    world.fire("gateway")
    world.until(400.0)
    assert kinds(world) == ["opened"]
    world.end("cart")
    world.fire("gateway", "Slow")
    world.until(420.0)
    world.fire("auth")
    world.until(500.0)

    assert kinds(world) == ["opened", "opened"]
    assert {i.suspects[0].entity for i in world.live} == {"service:cart", "service:auth"}

    for name in ("Errors", "Slow"):
        world.end("gateway", name)
    world.end("auth")
    world.until(3600.0)
    assert kinds(world).count("resolved") == 2


def test_who_suffers_late_from_a_cause_that_goes_on_joins() -> None:
    """A caller begins to fail minutes after what it needs: one story, told once."""
    world = World(calls=CALLS)
    world.fire("redis")
    world.until(400.0)
    world.fire("cart")
    world.fire("gateway")
    world.until(600.0)

    assert kinds(world).count("opened") == 1
    (incident,) = world.live
    assert set(incident.entities) == {"service:redis", "service:cart", "service:gateway"}


def test_a_restart_between_the_waves_changes_nothing() -> None:
    """Beside what a candidate began is part of what is saved."""
    told = []
    for restarts in (False, True):
        world = World(calls=CALLS)
        world.fire("cart")
        world.fire("gateway")
        world.until(400.0)
        world.end("cart")
        world.fire("gateway", "Slow")
        world.fire("auth")
        world.until(410.0)
        if restarts:
            world.restart()
        world.until(600.0)
        told.append(world.told)

    assert told[0] == told[1]
