"""To which incident an anomaly belongs."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

from aiops.correlation.grouping import LINK, RIVAL, Grouping
from aiops.correlation.nearby import MAX_ENTITIES
from aiops.correlation.topology import Topology
from aiops.pace import Footprint
from tests.unit.evidence import T, anomaly

CALLS = Topology({"gateway": ["cart"], "cart": ["redis"], "mail": []})
WINDOW = 300.0


def footprint(
    entity: str = "service:cart", at: float = T, name: str = "i1", **more: Any
) -> Footprint:
    """Make an incident of one entity that began, and was seen last, at one moment."""
    known = {
        "started": at,
        "entities": {entity: at},
        "series": {f"{entity}/error_ratio": at},
        "onsets": {entity: at},
    }
    return Footprint(name, **{**known, **more})


def grouping(calls: Topology = CALLS, *prints: Footprint) -> Grouping:
    made = Grouping(calls, WINDOW, Counter())
    made.follow([(p.id, p) for p in prints])
    return made


def link(one: Any, to: Footprint, calls: Topology = CALLS) -> float:
    return grouping(calls).link(one, to)


def test_the_same_departure_belongs_whatever_happens() -> None:
    """A departure that goes on stays where it is within twice the window."""
    assert link(anomaly(at=T + 2 * WINDOW, since=T), footprint()) == 1.0


def test_a_series_that_comes_back_joins_unless_somebody_has_a_better_claim() -> None:
    """What was silent for minutes and departs anew is weaker evidence than what goes on."""
    again = link(anomaly(at=T + WINDOW), footprint())
    assert LINK <= again < 1.0


def test_nearer_is_stronger() -> None:
    """Same entity, then neighbours by distance."""
    links = [
        link(anomaly(entity, "latency"), footprint())
        for entity in ("service:cart", "service:redis")
    ]
    two = link(anomaly("service:gateway", "latency"), footprint("service:redis"))
    assert links[0] > links[1] > two >= LINK


def test_links_decay_with_time() -> None:
    """After a few windows even the same entity is another story."""
    assert link(anomaly(name="latency", at=T + 600), footprint()) < LINK


def test_what_only_lasts_draws_nobody_in_that_it_calls() -> None:
    """A trouble that is still seen after half an hour says nothing about what begins below it."""
    lasting = footprint(entities={"service:cart": T + 1800}, series={"service:cart/x": T + 1800})
    assert link(anomaly("service:redis", at=T + 1800), lasting) < LINK


def test_who_calls_what_lasts_may_begin_to_suffer() -> None:
    """A caller that fails while its callee is seen failing joins; once that is over it does not."""
    for last, joins in ((T + 1790, True), (T + 1500, False)):
        lasting = footprint(entities={"service:cart": last}, series={"service:cart/x": last})
        assert (link(anomaly("service:gateway", at=T + 1800), lasting) >= LINK) is joins


def test_an_anomaly_does_not_join_an_old_incident_and_a_new_one() -> None:
    """A link to both makes one story of two only where they began within a window."""
    old = footprint(at=T - 900, entities={"service:cart": T}, name="old")
    new = footprint("service:redis", at=T, name="new")
    one = anomaly(name="latency", at=T + 10)
    both = grouping(CALLS, old, new)
    assert min(both.link(one, old), both.link(one, new)) >= LINK
    assert both.homes(one)[0] == ["old"]


def test_what_an_entity_shows_while_it_is_in_trouble_is_that_trouble() -> None:
    """The same entity may fail in other ways as long as it fails."""
    lasting = footprint(entities={"service:cart": T + 1800}, series={"service:cart/x": T + 1800})
    assert link(anomaly(name="latency", at=T + 1830), lasting) >= LINK


def test_strangers_join_only_at_the_beginning() -> None:
    """Entities the graph does not know belong together within a minute of the start."""
    empty = Topology()
    assert link(anomaly("host:a", at=T + 20), footprint("host:b"), empty) >= LINK
    assert link(anomaly("host:a", at=T + 90), footprint("host:b"), empty) < LINK
    lasting = footprint("host:b", entities={"host:b": T + 3600}, series={})
    assert link(anomaly("host:a", at=T + 3600), lasting, empty) < LINK


def test_strangers_do_not_chain() -> None:
    """One stranger after the other never makes an incident that goes on for ever."""
    chained = footprint(
        "host:b", entities={"host:c": T + 50}, onsets={"host:b": T, "host:c": T + 50}
    )
    assert link(anomaly("host:a", at=T + 100), chained, Topology()) < LINK


def test_those_the_graph_keeps_apart_stay_apart() -> None:
    """Two services the graph knows and does not connect have nothing to do with each other."""
    assert link(anomaly("service:mail"), footprint()) == 0.0


def test_siblings_join_only_at_the_start() -> None:
    """Two callers of one store suffer together from the beginning, or of different things."""
    calls = Topology({"cart": ["redis"], "auth": ["redis"]})
    assert link(anomaly("service:auth", at=T + 20), footprint(), calls) >= LINK
    lasting = footprint(entities={"service:cart": T + 240}, onsets={"service:cart": T + 240})
    assert link(anomaly("service:auth", at=T + 240), lasting, calls) < LINK


def test_the_best_home_comes_first() -> None:
    """Homes are ordered by link; a weak link beside a strong one is chance."""
    near, far = footprint(name="near"), footprint("service:gateway", name="far")
    both = grouping(CALLS, far, near)
    assert both.homes(anomaly(name="latency"))[0] == ["near", "far"]
    assert both.homes(anomaly("service:mail")) == ((), "")
    late = footprint("service:gateway", T - 240, "late")
    assert grouping(CALLS, late, near).homes(anomaly(name="latency"))[0] == ["near"]


def test_what_ended_is_no_home() -> None:
    """An incident that takes nothing any more is found no more."""
    made = grouping(CALLS, footprint())
    made.follow([("i1", None)])
    assert made.homes(anomaly(name="latency"))[0] == ()


def test_homes_are_those_that_have_a_link() -> None:
    """Looking only where a link is possible finds what looking everywhere finds."""
    entities = ["gateway", "cart", "redis", "mail", "stranger"]
    prints = [
        footprint(f"service:{e}", T + 25.0 * n, f"{e}{n}") for e in entities for n in range(4)
    ]
    for calls in (CALLS, Topology()):
        made = grouping(calls, *prints)
        for entity in entities:
            one = anomaly(f"service:{entity}", "latency", at=T + 40)
            best = max(made.link(one, p) for p in prints)
            every = {p.id for p in prints if made.link(one, p) >= max(LINK, RIVAL * best)}
            assert set(made.homes(one)[0]) == every


def test_old_incidents_do_not_grow() -> None:
    """After six hours an incident takes only the series it already has."""
    old = footprint(
        started=T - 7 * 3600, series={"service:cart/x": T}, entities={"service:cart": T}
    )
    assert link(anomaly(name="latency"), old) == 0.0
    assert link(anomaly(name="x"), old) == 1.0


def test_wide_incidents_take_no_further_entity() -> None:
    """An incident of very many entities takes only what they show."""
    many = {"service:cart": T} | {f"host:h{n}": T for n in range(MAX_ENTITIES)}
    wide = footprint(entities=many, onsets=many)
    assert link(anomaly("service:redis"), wide) == 0.0
    assert link(anomaly(name="latency"), wide) >= LINK


def test_what_is_looked_at_rarely_belongs_together_longer() -> None:
    """A neighbour that stands out one sample later joins, however far samples are apart."""
    minutes = anomaly("service:redis", "latency", at=T + 300, pace=300.0)
    seconds = anomaly("service:redis", "latency", at=T + 300)
    assert link(minutes, footprint()) >= LINK
    assert link(minutes, footprint()) > link(seconds, footprint())


def test_what_fails_together_for_one_caller_is_one_story() -> None:
    """Graphs miss edges: callees of one caller join at the same moment, and only then."""
    calls = Topology({"web": ["balancer", "search"]})
    balancer = footprint("service:balancer")
    assert link(anomaly("service:search", at=T + 20), balancer, calls) >= LINK
    assert link(anomaly("service:search", at=T + 60), balancer, calls) < LINK


def test_learned_company_links_strangers() -> None:
    """Who fell ill together again and again belongs together though nobody drew the call."""
    made = grouping(Topology())
    mail = anomaly("service:mail", at=T + 20 * 7200 + 90)
    home = footprint(at=T + 20 * 7200)
    assert made.link(mail, home) < LINK
    for n in range(20):
        made.companions.see("service:cart", T + n * 7200)
        made.companions.see("service:mail", T + n * 7200 + 90)
    assert made.link(mail, home) >= LINK


def test_what_was_learned_survives_a_cut() -> None:
    """A restored grouping dates, learns and links as the saved one does."""
    made = grouping(Topology())
    for n in range(20):
        made.dated(anomaly(at=T + n * 7200, since=T))
        made.companions.see("service:cart", T + n * 7200)
        made.companions.see("service:mail", T + n * 7200 + 90)
    again = grouping(Topology())
    again.restore(made.to_section())
    assert again.to_section().header == made.to_section().header
    mail = anomaly("service:mail", at=T + 20 * 7200 + 90)
    home = footprint(at=T + 20 * 7200)
    assert again.link(mail, home) == made.link(mail, home) > 0.0


def test_what_is_kept_of_who_is_around_is_what_is_sought_anew() -> None:
    """Joining and leaving update the answers as if nothing had been asked before."""
    random = Random(3)
    services = [f"s{n}" for n in range(24)]
    calls = Topology({s: random.sample(services, 2) for s in services})
    kept, prints = grouping(calls), dict[str, Footprint]()
    for step in range(200):
        name, entity = f"i{random.randrange(8)}", f"service:{random.choice(services)}"
        if name in prints and random.random() < 0.1:
            del prints[name]
            kept.follow([(name, None)])
        else:
            known = prints.get(name)
            onsets = {entity: T, **({} if known is None else known.onsets)}
            prints[name] = footprint(name=name, entities=onsets, onsets=onsets)
            kept.follow([(name, prints[name])])
        asked = anomaly(f"service:{random.choice(services)}", at=T + step)
        assert kept.homes(asked) == grouping(calls, *prints.values()).homes(asked)
