"""A change shortly before a fault is told with it and suspected; an innocent one is not."""

from __future__ import annotations

from aiops.incidents.story import story
from aiops.model import Transition
from tests.scenarios.world import T, World

CALLS = {"web": ["cart", "mail"], "cart": ["cart-db"], "mail": ["mail-db"]}


def first(world: World) -> Transition:
    return next(t for t in world.said if t.tell)


def test_the_change_before_the_fault_is_named_as_its_cause() -> None:
    """Two messages as always; the first says which change it was, and who deployed what."""
    world = World(calls=CALLS)
    world.until(600)
    world.change("service:cart", "v42", 420.0)
    world.fire("cart")
    world.until(720)
    world.end("cart")
    world.until(2400)

    assert [(at, kind) for at, _, kind in world.told] == [(630.0, "opened"), (1030.0, "resolved")]
    assert first(world).incident.suspects[0].entity == f"deploy:service:cart:v42@{T + 420:.3f}"
    assert "change: deploy v42 on service cart, 3 min before" in story(first(world))


def test_an_innocent_change_is_not_the_cause() -> None:
    """A deploy of a service that nobody of the story calls is no suspect before who fails."""
    world = World(calls=CALLS)
    world.until(600)
    world.change("service:mail-db", "v7", 420.0)
    world.fire("cart")
    world.until(720)
    world.end("cart")
    world.until(2400)

    assert [(at, kind) for at, _, kind in world.told] == [(630.0, "opened"), (1030.0, "resolved")]
    assert not any("mail" in s.entity for s in first(world).incident.suspects)


def test_a_version_that_a_metric_states_is_the_change() -> None:
    """Nobody told of the deploy; its info metric did, and a rolling update is one change."""
    world = World(calls=CALLS)
    for minute in range(10):
        world.until(60.0 * minute)
        old, new = (f'cart_build_info{{version="{v}"}}' for v in ("1.2", "1.3"))
        world.state("cart", *((old,) if minute < 5 else (old, new) if minute < 8 else (new,)))
    world.fire("cart")
    world.until(660)
    world.end("cart")
    world.until(2400)

    assert [(at, kind) for at, _, kind in world.told] == [(570.0, "opened"), (970.0, "resolved")]
    assert [c.title for c in first(world).incident.changes] == ["version 1.2 -> 1.3"]
    assert "likely cause: deploy version 1.2 -> 1.3 on service cart" in story(first(world))


def test_a_rollout_that_breaks_two_services_is_one_story() -> None:
    """Strangers that fail minutes apart after the same change belong together."""
    told = []
    for second in ("v42", "v7"):
        world = World()
        world.change("cart", "v42", 0.0)
        world.change("mail", second, 60.0)
        world.until(120.0)
        world.fire("cart")
        world.until(360.0)
        world.fire("mail")
        world.until(420.0)
        told.append([kind for _, _, kind in world.told].count("opened"))

    assert told == [1, 2]


def test_a_change_alone_tells_nothing() -> None:
    """Most changes harm nobody: nobody hears of them."""
    world = World(calls=CALLS)
    for n in range(5):
        world.change("service:cart", f"v{n}", world.at)
        world.until(world.at + 600)

    assert (world.told, world.engine.incidents()) == ([], [])


def test_a_change_that_is_told_twice_is_one_change() -> None:
    """A pipeline that repeats itself adds nothing to the story."""
    world = World(calls=CALLS)
    world.until(600)
    for _ in range(3):
        world.change("service:cart", "v42", 420.0)
    world.fire("cart")
    world.until(720)

    assert [c.title for c in first(world).incident.changes] == ["v42"]


def test_a_change_that_is_told_late_still_reaches_the_open_story() -> None:
    """The story was open before anybody said what was changed: one update names the cause."""
    world = World(calls=CALLS)
    world.until(600)
    world.fire("cart")
    world.until(700)
    world.change("service:cart", "v42", 420.0)
    world.until(1500)

    assert [(at, kind) for at, _, kind in world.told] == [(630.0, "opened"), (810.0, "updated")]
    (incident,) = world.live
    assert incident.suspects[0].entity.startswith("deploy:service:cart:v42")
