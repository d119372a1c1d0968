"""Late, repeated and unordered lines: the same stories, and what was late is counted."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime

from aiops.engine import Engine, EngineSettings
from aiops.model import Block, Stream
from tests.scenarios.world import T

CART = Stream("file:/var/log/cart.log", "file", "service:cart", "service:cart")
LATENESS = 5.0
TOLD = [("opened", 2440.0), ("resolved", 3010.0)]
Line = tuple[float, str]


def lines() -> list[Line]:
    """Return an hour of a service that loses its database for five minutes."""
    found: list[Line] = []
    for n in range(3600):
        found.append((T + n, "INFO GET /items 200"))
        if n % 7 == 0:
            found.append((T + n, "INFO cart saved"))
        if 2400 <= n < 2700:
            found.append((T + n, "ERROR connection to database refused"))
    return found


def hear(read: Sequence[Line]) -> tuple[list[tuple[str, float]], str, dict[str, int]]:
    """Return what is told and when, about which incident, and the departures from the rules."""
    engine = Engine(EngineSettings(budget=1 / 3600, multivariate="", drift=""))
    said = []
    for i in range(0, len(read), 50):
        part = read[i : i + 50]
        data = "".join(
            f"{datetime.fromtimestamp(a, UTC):%Y-%m-%dT%H:%M:%SZ} {t}\n" for a, t in part
        )
        said += engine.feed(Block(CART, data.encode(), str(i), part[-1][0]))
    said += engine.finish()
    told = [(t.kind.value, t.at - T) for t in said if t.tell]
    (name,) = {t.incident.id for t in said}
    return told, name, dict(engine.take_facts())


def test_a_fault_in_lines_is_told_and_ended() -> None:
    """The clean hour: opened within a minute, resolved when the errors have been away."""
    told, _, facts = hear(lines())

    assert told == TOLD
    assert facts.get("late", 0) == 0


def test_lines_out_of_order_within_the_lateness_change_nothing() -> None:
    """Writers that overtake each other by seconds: the same messages, the same incident."""
    chance = random.Random(4)
    clean = lines()
    mixed = sorted(clean, key=lambda line: line[0] + chance.uniform(0.0, LATENESS - 1.0))
    assert mixed != clean

    assert hear(mixed)[:2] == hear(clean)[:2]
    assert hear(mixed)[2].get("late", 0) == 0


def test_lines_that_are_written_twice_are_one_story() -> None:
    """A shipper that repeats every line doubles counts and no message."""
    twice = [line for line in lines() for _ in range(2)]

    assert hear(twice)[:2] == hear(lines())[:2]


def test_lines_that_come_too_late_are_counted_and_open_nothing_again() -> None:
    """Errors that arrive two minutes after their time join the open story, and are counted."""
    clean = lines()
    lost = [line for line in clean if T + 2500 <= line[0] < T + 2510 and "ERROR" in line[1]]
    kept = [line for line in clean if line not in lost]
    at = next(n for n, line in enumerate(kept) if line[0] >= T + 2630)
    told, name, facts = hear([*kept[:at], *lost, *kept[at:]])

    assert (told, name) == (TOLD, hear(clean)[1])
    assert facts["late"] == len(lost)
