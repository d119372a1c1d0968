"""Departures that name the same request belong together, whoever calls whom."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from aiops.correlation.requests import MOST, NEAR, WIDEST, Requests, requests_of
from aiops.correlation.topology import Topology
from aiops.incidents.ledger import LedgerSettings
from aiops.model import Anomaly, Series, Severity
from aiops.pace import Footprint
from aiops.placement import Placement
from tests.unit.evidence import T, first_sight

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLS = {"cart": ["cart-db"], "mail": ["mail-db"]}


def error(entity: str, at: float = T, trace: str = TRACE, **fields: object) -> Anomaly:
    return first_sight(f"boom trace_id={trace}", f"service:{entity}", at, **fields)


def holding(name: str, *anomalies: Anomaly, started: float = T) -> tuple[str, Footprint]:
    series = {a.series.id: a.at for a in anomalies}
    entities = {a.entity: a.at for a in anomalies}
    return name, Footprint(name, started, entities, series, dict(entities))


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (f"trace_id={TRACE} msg", [TRACE]),
        ('{"traceId":"4bf92f35","level":"error"}', ["4bf92f35"]),
        ('{"log":"{\\"request_id\\":\\"abcdef12\\"}"}', ["abcdef12"]),
        ("TraceID: 6a0c1234abcd SpanID: 9", ["6a0c1234abcd"]),
        ("x-correlation-id: c0ffee-12", ["c0ffee-12"]),
        (f"traceparent: 00-{TRACE}-00f067aa0ba902b7-01", [TRACE]),
        ("freq_id=12345678 request of id nobody trace_id=- trace_id=unknown", []),
    ],
)
def test_requests_are_read_from_lines(line: str, found: list[str]) -> None:
    """Fields of JSON and logfmt, headers, and the W3C's trace parent; words are no ids."""
    assert [name for name, _ in requests_of(first_sight(line))] == found


def test_who_names_the_same_request_is_at_home_there() -> None:
    """The incident that shows the other line of the request, the first one of several."""
    requests, one = Requests(Counter()), error("cart")
    assert requests.home(one, {}) == ""
    prints = dict([holding("inc_2", one, started=T + 5.0), holding("inc_1", one)])
    assert requests.home(error("mail", T + 30.0), prints) == "inc_1"
    assert requests.home(error("stock", T + 30.0), {}) == ""


def test_what_comes_much_later_or_everywhere_is_no_request() -> None:
    """A constant in every line links nothing."""
    requests, one = Requests(Counter()), error("cart")
    requests.home(one, {})
    prints = dict([holding("inc_1", one)])
    assert requests.home(error("mail", T + NEAR + 1.0), prints) == ""
    linked = [requests.home(error(f"s{n}", T + 1.0), prints) for n in range(2 * WIDEST)]
    assert linked[0] == "inc_1"
    assert set(linked[WIDEST:]) == {""}


def test_metrics_and_information_name_no_request() -> None:
    """Only lines of warnings and errors do."""
    requests, one = Requests(Counter()), error("cart")
    gauge = replace(one, series=Series("service:cart", "errors"))
    for other in (gauge, error("cart", severity=Severity.INFO)):
        assert requests.home(other, {}) == ""
    assert requests.to_section().header["requests"] == []


def test_requests_are_bounded_and_saved() -> None:
    """The oldest make room, which is counted; what was saved is known again."""
    facts: Counter[str] = Counter()
    requests, again = Requests(facts), Requests(facts)
    for n in range(MOST + 10):
        requests.home(error("cart", trace=f"{n:08}"), {})
    assert facts["requests_forgotten"] == 10
    again.restore(requests.to_section())
    prints = dict([holding("inc_1", error("cart", trace="00000100"))])
    assert again.home(error("mail", trace="00000100"), prints) == "inc_1"
    assert again.home(error("mail", trace="00000001"), prints) == ""


def test_strangers_with_one_request_are_one_story() -> None:
    """The graph keeps cart and mail apart; a request that failed in both joins them."""

    def stories(*found: Anomaly) -> int:
        placement = Placement(
            LedgerSettings(patience=0.0),
            Topology(CALLS),
            lambda: 1.0,
            budget=1 / 3600,
            window=300.0,
            max_entities=100,
        )
        for one in found:
            placement.place([one])
        return len(placement.ledger.pictures)

    assert stories(error("cart"), error("mail", T + 20.0)) == 1
    assert stories(error("cart"), error("mail", T + 20.0, trace=TRACE[::-1])) == 2
