"""To which incident an anomaly belongs."""

from __future__ import annotations

from aiops.correlation.grouping import LINK, homes, link
from aiops.correlation.topology import Topology
from aiops.pace import Footprint
from tests.unit.evidence import T, anomaly

CALLS = Topology({"gateway": ["cart"], "cart": ["redis"], "mail": []})
WINDOW = 300.0


def footprint(entity: str = "service:cart", at: float = T, name: str = "i1") -> Footprint:
    return Footprint(name, at, at, {entity: at}, {f"{entity}/error_ratio": at})


def test_the_same_series_belongs_whatever_happens() -> None:
    """A series comes back to its incident within twice the window."""
    assert link(anomaly(at=T + 2 * WINDOW), footprint(), CALLS, WINDOW) == 1.0


def test_nearer_is_stronger() -> None:
    """Same entity, then neighbours by distance."""
    links = [
        link(anomaly(entity, "latency"), footprint(), CALLS, WINDOW)
        for entity in ("service:cart", "service:redis")
    ]
    two = link(anomaly("service:gateway", "latency"), footprint("service:redis"), CALLS, WINDOW)
    assert links[0] > links[1] > two >= LINK


def test_links_decay_with_time() -> None:
    """After a few windows even the same entity is another story."""
    late = anomaly(name="latency", at=T + 600)
    assert link(late, footprint(), CALLS, WINDOW) < LINK


def test_strangers_join_only_at_the_same_moment() -> None:
    """Entities the graph does not know belong together within a minute."""
    stranger = Topology()
    assert link(anomaly("host:a", at=T + 20), footprint("host:b"), stranger, WINDOW) >= LINK
    assert link(anomaly("host:a", at=T + 90), footprint("host:b"), stranger, WINDOW) < LINK


def test_those_the_graph_keeps_apart_stay_apart() -> None:
    """Two services the graph knows and does not connect have nothing to do with each other."""
    assert link(anomaly("service:mail"), footprint(), CALLS, WINDOW) == 0.0


def test_siblings_join_only_at_the_start() -> None:
    """Two callers of one store suffer together from the beginning, or of different things."""
    calls = Topology({"cart": ["redis"], "auth": ["redis"]})
    assert link(anomaly("service:auth", at=T + 20), footprint(), calls, WINDOW) >= LINK
    lasting = Footprint("i1", T, T + 240, {"service:cart": T + 240}, {})
    assert link(anomaly("service:auth", at=T + 240), lasting, calls, WINDOW) < LINK


def test_the_best_home_comes_first() -> None:
    """Homes are ordered by link, then by age."""
    near, far = footprint(name="near"), footprint("service:gateway", name="far")
    assert homes(anomaly(name="latency"), [far, near], CALLS, WINDOW) == ["near", "far"]
    assert homes(anomaly("service:mail"), [far, near], CALLS, WINDOW) == []


def test_old_incidents_do_not_grow() -> None:
    """After six hours an incident takes only the series it already has."""
    old = Footprint("i1", T - 7 * 3600, T, {"service:cart": T}, {"service:cart/x": T})
    assert link(anomaly(name="latency"), old, CALLS, WINDOW) == 0.0
    assert link(anomaly(name="x"), old, CALLS, WINDOW) == 1.0


def test_what_is_looked_at_rarely_belongs_together_longer() -> None:
    """A neighbour that stands out one sample later joins, however far samples are apart."""
    minutes = anomaly("service:redis", "latency", at=T + 300, pace=300.0)
    assert link(minutes, footprint(), CALLS, WINDOW) >= LINK
    assert link(minutes, footprint(), CALLS, WINDOW) > link(
        anomaly("service:redis", "latency", at=T + 300), footprint(), CALLS, WINDOW
    )


def test_what_fails_together_for_one_caller_is_one_story() -> None:
    """Graphs miss edges: callees of one caller join at the same moment, and only then."""
    calls = Topology({"web": ["balancer", "search"]})
    balancer = footprint("service:balancer")
    assert link(anomaly("service:search", at=T + 20), balancer, calls, WINDOW) >= LINK
    assert link(anomaly("service:search", at=T + 60), balancer, calls, WINDOW) < LINK
