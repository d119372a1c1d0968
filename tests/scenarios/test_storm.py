"""A storm: one story and its digest instead of hundreds, critical ones still come through."""

from __future__ import annotations

from collections import Counter

from aiops.incidents.storm import FLOOR
from tests.scenarios.world import World, until

MANY = 60
# Nobody depends on anybody else: no fault explains another.
APART = {name: [f"{name}-db"] for name in ("cart", "payment", *(f"s{n:02d}" for n in range(MANY)))}


def storm(world: World, many: int = MANY, *, apart: float = 60.0) -> None:
    """Let every service fail for itself, one after the other."""
    for n in range(many):
        world.fire(f"s{n:02d}")
        world.until(world.at + apart / 2)
        world.end(f"s{n:02d}")
        world.until(world.at + apart / 2)


def test_a_storm_is_told_once() -> None:
    """The first stories are told, then the storm with its digest; its end is told, too."""
    world = World(calls=APART)
    storm(world, apart=20.0)
    world.until(world.at + 3600)
    about = Counter(t.incident.id.partition("_")[0] for t in world.said if t.tell)
    kinds = [t.kind.value for t in world.said if t.tell and t.incident.id.startswith("storm_")]
    assert kinds == ["opened", "updated", "resolved"]
    assert about["inc"] <= 2 * FLOOR
    assert world.engine.incidents() == []


def test_the_digest_says_who_and_what() -> None:
    """Counts, the entities and the commonest kinds of stories; bounded."""
    world = World(calls=APART)
    storm(world, apart=20.0)
    (first, last) = [t.incident for t in world.said if t.incident.id.startswith("storm_")]
    assert first.title == f"storm: {FLOOR + 1} stories about {FLOOR + 1} entities"
    assert last.title.startswith("storm: ")
    assert last.samples[0].text.endswith(" x alert Errors alert fires on service *")
    assert len(last.entities) > 50


def test_what_is_critical_comes_through() -> None:
    """In mid-storm a critical story is told at once; its severity is no matter of counting."""
    world = World(calls=APART)
    storm(world, 40, apart=20.0)
    before = len(world.told)
    world.fire("payment", "Down", "critical")
    world.until(world.at + 60)
    (told,) = [t for t in world.said[-20:] if t.tell and "Down" in t.incident.title]
    assert told.kind.value == "opened"
    assert len(world.told) > before


def test_what_outlasts_the_storm_is_told_then() -> None:
    """A story held back and still open at the end is told once."""
    world = World(calls=APART)
    storm(world, 30, apart=20.0)
    world.fire("cart")
    world.until(world.at + 60)
    held = [i for i in world.live if "service:cart" in i.entities]
    assert [i.told for i in held] == [False]
    world.restart()
    world.until(world.at + 3600)
    mine = [t for t in world.said if t.tell and t.incident.id == held[0].id]
    assert [(t.kind.value, t.note) for t in mine] == [("opened", "held back until now")]


def test_five_faults_in_an_hour_are_five_stories() -> None:
    """Fewer than a storm is no storm, though each is about another service."""
    world = World(calls=APART)
    storm(world, 5, apart=600.0)
    world.until(world.at + 1200)
    assert Counter(kind for _, _, kind in world.told) == {"opened": 5, "resolved": 5}


def test_a_storm_can_be_acknowledged_and_ended() -> None:
    """It is an incident like others to those who act on it."""
    world = World(calls=APART)
    storm(world, 30, apart=20.0)
    (name,) = [i.id for i in world.engine.incidents() if i.id.startswith("storm_")]
    world.say("ack", name, by="kim")
    world.say("snooze", name, until=until(9000))
    world.say("resolve", name)
    mine = [t.kind.value for t in world.said if t.incident.id == name]
    assert mine[-2:] == ["acknowledged", "resolved"]
