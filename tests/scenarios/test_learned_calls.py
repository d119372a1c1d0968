"""What is told when nobody declared who calls whom, and lines with spans teach it."""

from __future__ import annotations

import json

from aiops.model import Block, Ended, Stream
from tests.scenarios.world import T, World


def teach(world: World, caller: str, callee: str, calls: int) -> None:
    """Let two services log of requests that one passed to the other."""
    for service in (caller, callee):
        stream = Stream(f"file:/{service}", "file", f"service:{service}", f"service:{service}")
        lines = []
        for n in range(calls):
            span = f"{n:015x}{service == callee:d}"
            fields = {"trace_id": f"{n:032x}", "span_id": f"a{span[1:]}"}
            if service == callee:
                fields["parent_span_id"] = f"a{n:014x}0"
            stamp = {"ts": T + world.at - 60.0 + n, "level": "info", "msg": "request done"}
            lines.append(json.dumps(stamp | fields) + "\n")
        data = "".join(lines).encode()
        world.give(Block(stream, data, "1", T + world.at))
        world.give(Ended(stream))
        world.engine.forget(stream.id)  # history that was read: from here on the clock tells time


def kinds(world: World) -> list[str]:
    return [kind for _, _, kind in world.told]


def play(calls: int, *, restarts: bool = False, forgets: bool = False) -> World:
    """Let a caller fail minutes after what it calls."""
    world = World()
    teach(world, "web", "cart", calls)
    world.until(60.0)
    if restarts:
        world.restart()
    if forgets:
        world.say("forget-calls")
    world.fire("cart")
    world.until(460.0)
    world.fire("web")
    world.until(660.0)
    return world


def test_who_was_seen_to_call_the_cause_joins_its_story() -> None:
    """One fault is one story without any declared call graph, and its cause is its root."""
    for restarts in (False, True):
        world = play(20, restarts=restarts)
        assert world.told == [(90.0, "chat", "opened"), (500.0, "chat", "updated")]
        (incident,) = world.live
        assert set(incident.entities) == {"service:cart", "service:web"}
        assert incident.suspects[0].entity == "service:cart"
        assert "called by web, which also suffer" in str(incident.suspects[0].reasons)


def test_too_few_calls_teach_nothing() -> None:
    """Below the support, or once a person had it forgotten, strangers minutes apart are apart."""
    for world in (play(3), play(20, forgets=True)):
        assert kinds(world) == ["opened", "opened"]
