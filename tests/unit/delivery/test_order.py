"""The order of one receiver: strict, except around a message that fails while others pass."""

from __future__ import annotations

from dataclasses import replace

from aiops.delivery import Choice, Order
from aiops.storage import Waiting
from tests.unit.storage.nouns import notification


def waiting(incident: str, seq: int = 1, *, next_at: float = 0.0, attempts: int = 0) -> Waiting:
    return Waiting(notification(incident_id=incident, seq=seq), 0.0, next_at, attempts)


def name(choice: Choice) -> str | None:
    return choice.item and choice.item.notification.transition.incident.id


def test_nothing_waits() -> None:
    """Without messages there is nothing to choose and no time to wait for."""
    assert Order().pick([], 0.0) == Choice(None)


def test_the_oldest_goes_first() -> None:
    """Messages go in the order in which they were told."""
    items = [waiting("b"), waiting("a")]

    assert Order().pick(items, 0.0) == Choice(items[0])


def test_a_retry_holds_those_behind_it() -> None:
    """While the oldest waits for its retry, nobody overtakes it."""
    items = [waiting("a", next_at=10.0, attempts=2), waiting("b")]

    assert Order(patience=5).pick(items, 0.0) == Choice(None, until=10.0)
    assert name(Order().pick(items, 10.0)) == "a"


def test_an_impatient_order_probes_with_another_incident() -> None:
    """After enough failures one message of another incident is tried around the bad one."""
    bad = waiting("a", next_at=10.0, attempts=5)
    items = [bad, waiting("a", seq=2), waiting("b")]

    assert Order(patience=5).pick(items, 0.0) == Choice(items[2], around=bad)


def test_a_failed_probe_is_not_repeated_before_the_next_retry() -> None:
    """While the receiver is down nothing overtakes: one probe between two retries."""
    order, bad = Order(patience=5), waiting("a", next_at=10.0, attempts=5)
    items = [bad, waiting("b")]
    order.failed(order.pick(items, 0.0))

    assert order.pick(items, 1.0) == Choice(None, until=10.0)
    again = [replace(bad, attempts=6, next_at=20.0), waiting("b", attempts=1), waiting("c")]
    assert name(order.pick(again, 11.0)) == "c"


def test_a_passed_probe_lets_the_others_go() -> None:
    """When another message passes, the bad one steps aside with its incident and is retried."""
    order, bad = Order(patience=5), waiting("a", next_at=10.0, attempts=5)
    items = [bad, waiting("a", seq=2), waiting("b"), waiting("c")]
    stepped = order.passed(order.pick(items, 0.0))
    rest = [bad, items[1], items[3]]

    assert stepped
    assert order.pick(rest, 0.0) == Choice(items[3])
    assert order.pick([bad, items[1]], 0.0) == Choice(None, until=10.0)
    assert order.pick(rest, 10.0) == Choice(bad)


def test_an_incident_that_passes_is_in_order_again() -> None:
    """After the bad message passed, its incident waits in line like any other."""
    order, bad = Order(patience=1), waiting("a", next_at=10.0, attempts=1)
    order.passed(order.pick([bad, waiting("b")], 0.0))
    assert not order.passed(order.pick([bad], 10.0))
    later = [waiting("a", seq=2, next_at=30.0), waiting("c")]

    assert order.pick(later, 20.0) == Choice(None, until=30.0)


def test_what_no_longer_waits_is_forgotten() -> None:
    """What stepped aside is remembered only while something of it waits."""
    order, bad = Order(patience=1), waiting("a", next_at=10.0, attempts=1)
    order.passed(order.pick([bad, waiting("b")], 0.0))
    order.forget_others([waiting("c")])

    assert not order._aside
