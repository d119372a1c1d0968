"""What follows from the root of an open story is not told beside it, however far or late."""

from __future__ import annotations

from tests.scenarios.world import World

# Further away than trouble is followed, so nothing but the root links the gateway to it.
CALLS = {
    "gateway": ["web"],
    "web": ["cart"],
    "cart": ["stock"],
    "stock": ["redis"],
    "auth": ["ldap"],
}
BEGUN = (30.0, "chat", "opened")


def begun() -> World:
    """Let a store fail, and who calls it for a while: it is the root of an open story."""
    world = World(calls=CALLS)
    world.fire("redis")
    world.until(20.0)
    world.fire("stock")
    world.until(300.0)
    world.end("stock")
    world.until(900.0)
    (incident,) = world.live
    assert incident.suspects[0].entity == "service:redis"
    return world


def test_who_depends_on_the_root_is_never_told_beside_it() -> None:
    """It joins with the reason beside its evidence, in an audited row that nobody is sent."""
    for restarts in (False, True):
        world = begun()
        if restarts:
            world.restart()
        world.fire("gateway", severity="warning")
        world.until(1000.0)

        assert world.told == [BEGUN]
        (incident,) = world.live
        why = f"inhibited by service:redis of incident {incident.id}"
        assert "service:gateway" in incident.entities
        (evidence,) = [a for a in incident.anomalies if a.entity == "service:gateway"]
        assert evidence.reason.endswith(why)
        (silent,) = [t for t in world.said if t.note]
        assert (silent.note, silent.tell) == (f"service:gateway: {why}", False)
        assert world.engine.take_facts()["inhibited"] == 1


def test_a_third_service_with_errors_makes_the_same_story_worse() -> None:
    """What is inhibited counts: three entities with errors are critical, told as the one story."""
    world = begun()
    world.fire("gateway")
    world.until(1000.0)

    assert world.told == [BEGUN, (930.0, "chat", "escalated")]


def test_who_does_not_depend_on_the_root_comes_through() -> None:
    """A critical alert elsewhere is a story of its own."""
    world = begun()
    world.fire("auth", severity="critical")
    world.until(1000.0)

    assert world.told == [BEGUN, (930.0, "chat", "opened")]


def test_who_was_just_changed_has_a_cause_of_its_own() -> None:
    """A deploy on the caller itself is not inhibited by the root that it depends on."""
    world = begun()
    world.change("gateway", "v2", 850.0)
    world.fire("gateway")
    world.until(1000.0)

    assert world.told == [BEGUN, (930.0, "chat", "opened")]


def test_a_root_that_is_not_seen_any_more_inhibits_nobody() -> None:
    """What begins after the root was mended is news, also while its story has not ended."""
    world = begun()
    world.end("redis")
    world.until(1080.0)
    world.fire("gateway")
    world.until(1150.0)

    assert world.told == [BEGUN, (1110.0, "chat", "opened")]


def test_once_the_story_has_ended_its_dependents_are_told_again() -> None:
    """Inhibition ends with the story."""
    world = begun()
    world.end("redis")
    world.until(2000.0)
    world.fire("web")
    world.until(2100.0)

    assert [kind for _, _, kind in world.told] == ["opened", "resolved", "opened"]
