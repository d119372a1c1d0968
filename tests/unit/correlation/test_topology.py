"""Who calls whom."""

from __future__ import annotations

from random import Random

import pytest

from aiops.correlation.topology import DEEPEST, FURTHEST, Topology
from aiops.entities import as_entity

SHOP = Topology({"gateway": ["checkout"], "checkout": ["cart", "payment"], "payment": ["host:db1"]})


def test_bare_names_are_services() -> None:
    """A name without a kind is a service; with one it stays what it is."""
    assert SHOP.callees("service:payment") == {"host:db1"}
    assert SHOP.callers("service:cart") == {"service:checkout"}


def test_distance_counts_calls_either_way() -> None:
    """Neighbours are one call apart, siblings two, and far is unknown."""
    assert SHOP.distance("service:cart", "service:cart") == 0
    assert SHOP.distance("service:cart", "service:checkout") == 1
    assert SHOP.distance("service:cart", "service:payment") == 2
    assert SHOP.distance("service:cart", "host:db1", limit=2) is None
    assert SHOP.distance("service:cart", "service:stranger") is None


def test_reaching_follows_the_calls() -> None:
    """Dependence goes from caller to callee only."""
    assert SHOP.reaches("service:gateway", "host:db1")
    assert not SHOP.reaches("host:db1", "service:gateway")


def test_trouble_travels_along_calls() -> None:
    """Callers and callees are near, those who share a callee are siblings, zigzags are nothing."""
    shop = Topology({"a": ["store"], "b": ["store", "mail"], "gateway": ["a"]})
    assert shop.along("service:gateway", "service:store") == 2
    assert shop.along("service:store", "service:gateway") == 2
    assert shop.along("service:a", "service:b") is None
    assert shop.siblings("service:a", "service:b")
    assert not shop.siblings("service:gateway", "service:b")
    assert shop.along("service:a", "service:mail") is None


def test_a_circle_of_calls_ends() -> None:
    """Services that call each other do not trap a question."""
    circle = Topology({"a": ["b"], "b": ["a"]})
    assert circle.reaches("service:a", "service:b")
    assert not circle.reaches("service:a", "service:c")


def test_who_is_within_a_few_calls_is_who_a_walk_meets() -> None:
    """Kin, needs and dependents are those of a plain walk, circles and crossings included."""
    random = Random(11)
    names = [f"service:s{n}" for n in range(25)]
    calls = {one: random.sample(names, 2) for one in names[:20]}
    graph = Topology(calls)

    def walk(start: str, most: int, *, down: bool) -> dict[str, int]:
        met: dict[str, int] = {}
        edge = {start}
        for steps in range(1, most + 1):
            edge = {n for e in edge for n in (graph.callees(e) if down else graph.callers(e))}
            for name in edge:
                met.setdefault(name, steps)
        return met

    for one in names:
        below, above = (walk(one, FURTHEST, down=way) for way in (True, False))
        near = {n: min(d.get(n, 9) for d in (below, above)) for n in {*below, *above} - {one}}
        assert graph.kin(one).along == near
        assert graph.kin(one).below == below.keys() - {one}
        assert graph.needs(one) == walk(one, DEEPEST, down=True).keys()
        assert graph.dependents(one) == {n for n in names if graph.reaches(n, one)}


def test_an_empty_graph_knows_nothing() -> None:
    """Without a graph nobody is known."""
    assert not Topology().knows("service:cart")
    assert Topology().entities == frozenset()
    assert SHOP.knows("host:db1")


@pytest.mark.parametrize(
    ("name", "entity"),
    [
        ("cart", "service:cart"),
        ("host:db1", "host:db1"),
        ("service:cart", "service:cart"),
        ("petInfo_AWS::DynamoDB::Table", "service:petInfo_AWS::DynamoDB::Table"),
        ("aws::dynamo", "service:aws::dynamo"),
        ("https://queue.example/q", "service:https://queue.example/q"),
        ("redis:6379", "service:redis:6379"),
    ],
)
def test_a_colon_in_a_name_is_no_kind(name: str, entity: str) -> None:
    """Only ``KIND:NAME`` names another kind than a service; ports and paths do not."""
    assert as_entity(name) == entity


def test_learned_calls_join_and_rule_nothing_out() -> None:
    """They are followed like declared ones, one step further; they make nobody known."""
    graph = Topology(
        {"web": ["cart"]}, [("service:cart", "service:redis"), ("service:a", "service:b")]
    )
    assert graph.reaches("service:web", "service:redis")
    assert graph.along("service:web", "service:cart") == 1
    assert graph.along("service:a", "service:b") == 2
    assert not graph.knows("service:a")
    assert graph.entities == {"service:web", "service:cart"}


def test_whose_calls_are_declared_learns_no_others() -> None:
    """A declared caller calls whom it is declared to call; an empty list says nobody."""
    learned = [("service:web", "service:mail"), ("service:cron", "service:mail")]
    graph = Topology({"web": ["cart"], "cron": []}, learned)
    assert graph.learned == ()
    assert graph.taught([("service:x", "service:y")]).callees("service:x") == {"service:y"}
