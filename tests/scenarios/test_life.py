"""The life of a story, by alerts: what each receiver is told, in order, to the second."""

from __future__ import annotations

from aiops.delivery import Route
from tests.scenarios.world import World

CHAT, PAGER = Route(name="chat"), Route(name="pager")
SHOP = {"web": ["cart", "search"], "cart": ["db"], "search": ["db"]}


def test_a_fault_is_told_when_it_begins_and_when_it_ends() -> None:
    """Two messages for each receiver: opened after the patience, resolved after the quiet."""
    world = World(CHAT, PAGER)
    world.fire("cart")
    world.until(120)
    world.end("cart")
    world.until(1200)

    assert world.told == [
        (30.0, "chat", "opened"),
        (30.0, "pager", "opened"),
        (430.0, "chat", "resolved"),
        (430.0, "pager", "resolved"),
    ]


def test_what_comes_back_soon_is_reopened_under_its_id() -> None:
    """A quarter of an hour later it is the same story; two hours later it is another one."""
    world = World()
    for at in (0.0, 1200.0, 10_000.0):
        world.until(at)
        world.fire("cart")
        world.until(at + 120)
        world.end("cart")
        world.until(at + 800)
    world.until(12_000)

    assert [(at, kind) for at, _, kind in world.told] == [
        (30.0, "opened"),
        (430.0, "resolved"),
        (1230.0, "reopened"),
        (3480.0, "resolved"),
        (10_030.0, "opened"),
        (10_430.0, "resolved"),
    ]
    ids = [t.incident.id for t in world.said if t.tell]
    assert ids[0] == ids[1] == ids[2] == ids[3] != ids[4] == ids[5]


def test_one_fault_that_spreads_is_one_story() -> None:
    """Callers that suffer join it: one message at the start, one of how wide it is, one end."""
    world = World(calls=SHOP)
    world.fire("db")
    world.until(40)
    world.fire("cart", "Latency", "warning")
    world.until(80)
    world.fire("web", "Latency", "warning")
    world.until(600)
    for name, what in (("db", "Errors"), ("cart", "Latency"), ("web", "Latency")):
        world.end(name, what)
    world.until(1800)

    assert [kind for _, _, kind in world.told] == ["opened", "updated", "resolved"]
    assert set(world.said[-1].incident.entities) == {"service:db", "service:cart", "service:web"}


def test_an_effect_is_never_told_beside_its_cause() -> None:
    """Who calls what still fails begins to suffer half an hour later: that story grows."""
    world = World(calls=SHOP)
    world.fire("db")
    world.until(1800)
    world.fire("web", "Latency", "warning")
    world.fire("search", "Errors")
    world.until(2400)
    for name, what in (("db", "Errors"), ("search", "Errors"), ("web", "Latency")):
        world.end(name, what)
    world.until(4800)

    assert [kind for _, _, kind in world.told] == ["opened", "updated", "resolved"]
    assert len({t.incident.id for t in world.said if t.tell}) == 1
    assert world.said[-1].incident.suspects[0].entity == "service:db"


def test_two_faults_apart_are_two_stories() -> None:
    """Services that have nothing to do with each other fail in stories of their own."""
    world = World(calls={"cart": ["cart-db"], "mail": ["mail-db"]})
    world.fire("cart-db")
    world.until(600)
    world.fire("mail-db")
    world.until(900)
    world.end("cart-db")
    world.end("mail-db")
    world.until(2400)

    assert [(at, kind) for at, _, kind in world.told] == [
        (30.0, "opened"),
        (630.0, "opened"),
        (1210.0, "resolved"),
        (1210.0, "resolved"),
    ]


def test_a_restart_in_mid_incident_tells_nothing_twice() -> None:
    """Whenever it is saved and restored, receivers hear the same at the same times."""

    def life(*restarts: float) -> list[tuple[float, str, str]]:
        world = World(CHAT, PAGER, calls=SHOP)
        for at, step in (
            (0.0, lambda: world.fire("db")),
            (60.0, lambda: world.fire("web", "Latency", "warning")),
            (700.0, lambda: world.end("db")),
            (720.0, lambda: world.end("web", "Latency")),
            (3000.0, lambda: None),
        ):
            for restart in (r for r in restarts if world.at <= r < at):
                world.until(restart)
                world.restart()
            world.until(at)
            step()
        return world.told

    whole = life()
    assert [kind for _, who, kind in whole if who == "pager"] == ["opened", "updated", "resolved"]
    assert life(10.0) == life(45.0) == life(400.0) == life(20.0, 300.0, 1000.0) == whole


def test_an_alert_that_is_repeated_is_one_alert() -> None:
    """Whoever sends the same alert every minute tells nothing new by it."""
    world = World()
    for _ in range(10):
        world.fire("cart")
        world.until(world.at + 60)
    world.end("cart")
    world.end("cart")
    world.until(2400)

    assert [(at, kind) for at, _, kind in world.told] == [(30.0, "opened"), (910.0, "resolved")]


def test_an_end_of_what_never_began_creates_nothing() -> None:
    """A resolve makes no story, not even a candidate."""
    world = World()
    world.end("cart")
    world.until(1200)

    assert (world.told, world.engine.incidents()) == ([], [])
