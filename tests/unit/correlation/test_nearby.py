"""The index of who is where answers as one that was built anew."""

from __future__ import annotations

from random import Random

from aiops.correlation.nearby import MAX_ENTITIES, MAX_KEPT, STRANGER_SECONDS, Nearby
from aiops.correlation.topology import Topology
from aiops.model import Anomaly
from aiops.pace import Footprint
from tests.unit.evidence import T, anomaly

SERVICES = [f"service:s{n}" for n in range(60)]
CALLS = Topology({one: Random(n).sample(SERVICES, 2) for n, one in enumerate(SERVICES[:50])})


def wide(name: str, entities: list[str], started: float = T) -> Footprint:
    seen = dict.fromkeys(entities, started)
    series = {f"{entity}/error_ratio": started for entity in entities}
    return Footprint(name, started, seen, series, dict(seen))


def near(made: Nearby, asked: Anomaly) -> set[str]:
    entity = asked.series.entity
    kin = made.topology.kin(entity)
    return set(made.near(entity, asked.since, STRANGER_SECONDS, kin, ()))


def test_an_index_that_followed_every_change_is_one_built_anew() -> None:
    """Growing, widening, beginning earlier, being taken apart and ending leave nothing behind."""
    random, kept, prints = Random(7), Nearby(CALLS), dict[str, Footprint]()
    for _ in range(150):
        name = f"i{random.randrange(6)}"
        known = prints.pop(name, None)
        if random.random() < 0.1:
            kept.follow([(name, None)])
        elif known is not None and random.random() < 0.2:
            left = random.sample(list(known.onsets), max(len(known.onsets) // 2, 1))
            prints[name] = wide(name, left, known.started)
            kept.follow([(name, None), (name, prints[name])])
        else:
            more = random.sample(SERVICES, random.choice((1, 1, 20)))
            onsets = [] if known is None else list(known.onsets)
            entities = list(dict.fromkeys([*onsets, *more]))
            prints[name] = wide(name, entities, T - 60.0 * random.randrange(3))
            kept.follow([(name, prints[name])])
        asked = anomaly(random.choice(SERVICES), at=T + random.uniform(0.0, 120.0))
        anew = Nearby(CALLS)
        anew.follow(list(prints.items()))
        assert near(kept, asked) == near(anew, asked)


def test_a_wide_incident_is_near_to_what_it_holds_alone() -> None:
    """Who is called by many of it and not in it does not find an incident that takes nobody."""
    made = Nearby(CALLS)
    made.follow([("wide", wide("wide", SERVICES[:MAX_ENTITIES]))])
    assert near(made, anomaly(SERVICES[0])) == {"wide"}
    assert near(made, anomaly(SERVICES[MAX_ENTITIES])) == set()
    made.follow([("wide", None), ("wide", wide("wide", SERVICES[: MAX_ENTITIES - 1]))])
    assert near(made, anomaly(SERVICES[MAX_ENTITIES])) == {"wide"}


def test_another_graph_asks_everybody_anew() -> None:
    """What was around an entity in one call graph is not around it in the next."""
    made = Nearby(Topology({SERVICES[0]: [SERVICES[1]]}))
    made.follow([("a", wide("a", [SERVICES[1]], T - 3600.0))])
    asked = anomaly(SERVICES[0])
    assert near(made, asked) == {"a"}
    made.know(Topology({SERVICES[0]: [SERVICES[2]], SERVICES[1]: [SERVICES[3]]}))
    assert near(made, asked) == set()


def test_answers_that_are_kept_are_bounded() -> None:
    """However many ask, only so many answers are kept at once."""
    made = Nearby(CALLS)
    home = wide("a", SERVICES[:2])
    for n in range(MAX_KEPT + 5):
        made.along(f"service:{n}", CALLS.kin(SERVICES[0]), home)
    assert len(made._along) <= MAX_KEPT
