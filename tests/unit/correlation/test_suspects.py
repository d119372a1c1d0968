"""Likely causes and the reasons for them."""

from __future__ import annotations

from typing import Any

from aiops.correlation.suspects import rank
from aiops.correlation.topology import Topology
from aiops.model import Anomaly, ChangeEvent, Severity
from tests.unit.evidence import T, anomaly, first_sight

CALLS = Topology({"web": ["cart"], "cart": ["redis", "stock"], "stock": ["redis"], "mail": []})
WEB, CART, REDIS, STOCK = "service:web", "service:cart", "service:redis", "service:stock"


def busy(entity: str, factor: float, **fields: Any) -> Anomaly:
    known = {"severe": False, "severity": Severity.WARNING, "actual": factor, "expected": 1.0}
    return anomaly(entity, "request_rate", **(known | fields))


def test_who_is_called_by_the_suffering_is_suspected() -> None:
    """Trouble travels from callee to caller, so the deepest failing one comes first."""
    found = rank([anomaly(WEB), anomaly(CART), anomaly(REDIS)], [], CALLS)
    assert found[0].entity == REDIS
    assert any("called by cart, web" in reason for reason in found[0].reasons)


def test_who_is_named_in_errors_is_suspected_unseen() -> None:
    """A dependency without any signal of its own is found by what its callers say."""
    lines = [
        first_sight("call to redis failed: connection reset", CART),
        first_sight("redis: i/o timeout", STOCK),
    ]
    found = rank(lines, [], CALLS)
    assert found[0].entity == REDIS
    assert found[0].reasons == ("called by cart, stock, which also suffer",
                                "named in new errors of cart, stock")  # fmt: skip


def test_a_callee_that_names_its_caller_blames_nobody() -> None:
    """Only who depends on somebody knows that it failed."""
    found = rank([first_sight("client cart closed the connection", REDIS)], [], CALLS)
    assert [s.entity for s in found] == [REDIS]


def test_its_own_new_error_outweighs_an_error_about_another() -> None:
    """An error that names somebody is that one's symptom."""
    own = first_sight("cannot decode cart", CART)
    about = first_sight("cart answered 500", WEB)
    found = rank([about, own], [], CALLS)
    assert found[0].entity == CART
    assert "new error line" in found[0].reasons


def test_a_change_just_before_on_a_failing_entity_is_first() -> None:
    """Somebody did something, and it broke there."""
    change = ChangeEvent(T - 20, "deploy", CART, "deploy cart v2")
    found = rank([anomaly(CART), anomaly(WEB)], [change], CALLS)
    assert [s.entity for s in found[:2]] == [change.id, CART]
    assert found[0].reasons == ("deploy on service:cart 20 s before",)


def test_a_change_elsewhere_is_not_suspected() -> None:
    """A deploy of something nobody here depends on explains nothing."""
    change = ChangeEvent(T - 20, "deploy", "mail", "deploy mail v2")
    assert change.id not in [s.entity for s in rank([anomaly(CART)], [change], CALLS)]


def test_a_change_long_before_or_after_is_not_suspected() -> None:
    """A cause comes before its effect, and not by an hour."""
    for at in (T - 3600, T + 120):
        change = ChangeEvent(at, "deploy", CART, "deploy cart v2")
        assert change.id not in [s.entity for s in rank([anomaly(CART)], [change], CALLS)]


def test_a_surge_of_work_is_followed_upwards() -> None:
    """When work rises along the calls, who sends it is suspected, not who drowns in it."""
    surge = [busy(e, 4.0) for e in (WEB, CART, REDIS)]
    found = rank([*surge, anomaly(WEB), anomaly(CART), anomaly(REDIS)], [], CALLS)
    assert found[0].entity == WEB
    assert any("passes it on" in reason for reason in found[0].reasons)


def test_weak_evidence_names_nobody() -> None:
    """Not enough evidence is an answer."""
    assert rank([], [], CALLS) == ()
    assert rank([anomaly(surprise=2.0)], [], CALLS) == ()
    assert rank([anomaly(surprise=3.1, severity=Severity.WARNING)], [], CALLS) == ()


def test_belief_is_shared_out() -> None:
    """Scores are shares of belief: best first, never more than one together."""
    found = rank([anomaly(WEB), anomaly(CART), anomaly(REDIS)], [], CALLS)
    scores = [s.score for s in found]
    assert scores == sorted(scores, reverse=True)
    assert sum(scores) <= 1.001


def test_the_order_of_evidence_does_not_matter() -> None:
    """Ranking is a function of the set."""
    evidence = [anomaly(WEB), anomaly(CART, "latency"), first_sight("redis down", CART)]
    assert rank(evidence, [], CALLS) == rank(evidence[::-1], [], CALLS)


def waiting(
    entity: str, actual: float, usual: float, name: str = "latency_p90", **fields: Any
) -> Anomaly:
    band = {"low": 0.9 * usual, "high": 1.1 * usual}
    return anomaly(entity, name, actual=actual, expected=usual, **(band | fields))


def test_milliseconds_below_explain_no_second_above() -> None:
    """A callee that waits a little longer is no excuse for a caller that waits much longer."""
    found = rank([waiting(CART, 1.2, 0.2), waiting(REDIS, 0.006, 0.004, "latency_p50")], [], CALLS)
    assert found[0].entity == CART
    found = rank([waiting(CART, 1.2, 0.2), waiting(REDIS, 0.9, 0.004, "latency_p50")], [], CALLS)
    assert found[0].entity == REDIS


def test_many_times_nothing_is_no_flood() -> None:
    """One request where there was none is not ten thousand times as much work."""
    rare = busy(STOCK, 1.0, expected=0.0001, low=-0.01, high=0.01)
    found = rank([waiting(CART, 1.2, 0.2), rare], [], CALLS)
    assert not any("times usual" in reason for s in found for reason in s.reasons)


def test_who_is_waited_for_is_suspected_unseen() -> None:
    """A slow network shows only where calls begin; the label says where they end."""
    slow = anomaly("service:web", 'latency_p50{destination_service="cart.shop:8080"}')
    first = rank([slow], (), Topology())[0]
    assert first.entity == "service:cart"
    assert "calls of web to it are slow or fail" in first.reasons


def test_who_waits_for_everybody_is_slow_itself() -> None:
    """Complaints of all callees at once say more about the one who complains."""
    calls = {"web": ["cart", "auth", "ads"]}
    waits = [anomaly("service:web", f'latency{{upstream="{one}"}}') for one in calls["web"]]
    own = anomaly("service:web", "latency_p99", actual=50.0, expected=1.0, low=0.0, high=2.0)
    assert rank([*waits, own], (), Topology(calls))[0].entity == "service:web"


def test_an_address_is_nobody() -> None:
    """10.0.0.7 is waited for, but it is no name that anybody knows."""
    slow = anomaly("service:web", 'latency{server_address="10.0.0.7:5432"}')
    assert [s.entity for s in rank([slow], (), Topology())] == ["service:web"]


def test_callees_that_fall_silent_together_point_at_their_caller() -> None:
    """What is measured at calls only is missing when their caller no longer calls them."""
    calls = {"checkout": ["email", "payment"]}
    gone = [anomaly(f"service:{one}", "metrics", kind="missing") for one in calls["checkout"]]
    first = rank(gone, (), Topology(calls))[0]
    assert first.entity == "service:checkout"
    assert "calls email, payment less than usual" in first.reasons


def test_work_that_nobody_feels_is_no_cause_of_pain_elsewhere() -> None:
    """Memory that rose far on a quiet neighbour weighs less than the one who suffers."""
    calls = {"web": ["cart", "mail"]}
    grown = busy("service:mail", 3.0, low=0.99, high=1.01)
    pain = anomaly("service:cart", "latency", actual=9.0, expected=1.0, low=0.5, high=1.5)
    ranked = rank([grown, pain, anomaly("service:web", "latency")], (), Topology(calls))
    assert ranked[0].entity == "service:cart"


def less(entity: str) -> Anomaly:
    return anomaly(entity, "reads", actual=200.0, expected=1000.0, low=900.0, high=1100.0)


def test_who_calls_others_less_is_suspected() -> None:
    """Callees that only do less are well; who no longer asks them is not."""
    calls = {"web": ["cart", "auth", "ads"]}
    ranked = rank([less(f"service:{one}") for one in calls["web"]], (), Topology(calls))
    assert ranked[0].entity == "service:web"


def test_who_waits_for_one_callee_calls_the_others_less() -> None:
    """The callee that is slow is the cause of the silence of the others."""
    calls = {"web": ["cart", "auth", "ads"]}
    slow = anomaly("service:ads", "latency", actual=9.0, expected=1.0, low=0.5, high=1.5)
    evidence = [less("service:cart"), less("service:auth"), slow]
    assert rank(evidence, (), Topology(calls))[0].entity == "service:ads"


def test_fewer_successes_are_no_silence() -> None:
    """Less availability is a failure of its own, not less work."""
    calls = {"web": ["cart", "auth"]}
    worse = [
        anomaly(f"service:{one}", "availability", actual=90.0, expected=100.0)
        for one in calls["web"]
    ]
    assert rank(worse, (), Topology(calls))[0].entity != "service:web"


def test_what_fires_often_still_tells_one_from_another() -> None:
    """A chronic alert opens nothing; that it fires here more rarely than elsewhere points here."""

    def fires(entity: str, name: str, surprise: float, severity: Severity) -> Anomaly:
        severe = severity > Severity.INFO
        kind, known = "alert", {"surprise": surprise, "severity": severity, "severe": severe}
        return anomaly(entity, f"alert {name}", kind=kind, **known)

    common = [fires(e, "threads up", 3.2, Severity.WARNING) for e in (WEB, CART, REDIS)]
    chronic = fires(STOCK, "memory up", 4.4, Severity.INFO)

    assert STOCK not in [s.entity for s in rank(common, [], Topology({}))]
    first, *_ = rank([*common, chronic], [], Topology({}))
    assert first.entity == STOCK
    assert "alert memory up fires here, which it rarely does" in first.reasons
