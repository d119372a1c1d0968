"""Two alerts at a time are a coincidence of the day, where every hour brings one."""

from __future__ import annotations

import pytest

from aiops.correlation.bursts import CREDIT, HALF, Bursts, is_rare
from aiops.model import Anomaly
from tests.unit.evidence import T, anomaly

HOUR = 3600.0
BUDGET = 2.0 / (7 * 86400.0)


def fires(entity: str, after: float = 0.0, name: str = "alert slow") -> Anomaly:
    return anomaly(entity, name, T + after, kind="alert")


def hourly(hours: int) -> Bursts:
    bursts = Bursts()
    for n in range(hours):
        bursts.see(anomaly(f"service:s{n % 7}", "alert slow", T + n * HOUR, kind="alert"))
    return bursts


def together(count: int, apart: float, *, rate: float, entities: int = 100) -> bool:
    alerts = [fires(f"service:s{n % entities}", n * apart, f"alert {n}") for n in range(count)]
    return is_rare(alerts, rate=rate, near=1.0, budget=BUDGET)


def test_the_rate_is_that_of_bursts() -> None:
    """What fires together counts once, and what goes on firing not again."""
    bursts = hourly(240)
    for n in range(30):
        bursts.see(fires("service:late", 239 * HOUR + n))
    bursts.see(anomaly("service:s1", "alert slow", T + 240 * HOUR, kind="alert", since=T))
    assert bursts.rate == pytest.approx((240 + HALF) / (239 * HOUR + CREDIT), rel=0.2)


def test_without_any_alert_the_rate_is_a_guess() -> None:
    """Nobody knows yet: half a burst a day."""
    assert Bursts().rate == HALF / CREDIT


def test_where_alerts_are_rare_two_are_no_coincidence() -> None:
    """Two alerts a week, and two within half a minute: that is one trouble."""
    assert together(2, 20.0, rate=BUDGET)


def test_where_every_hour_brings_one_it_takes_more() -> None:
    """Two within half a minute come by chance every week; three within a minute do not."""
    rate = hourly(240).rate
    assert not together(2, 20.0, rate=rate)
    assert together(3, 20.0, rate=rate)


def test_further_alerts_of_one_entity_weigh_half() -> None:
    """What hangs together fires together."""
    rate = hourly(240).rate
    assert together(3, 5.0, rate=rate)
    assert not together(3, 5.0, rate=rate, entities=1)


def test_what_began_long_ago_is_no_burst() -> None:
    """An alert that has fired for an hour is no company of one that begins."""
    assert not is_rare(
        [fires("service:a"), fires("service:b", HOUR)], rate=1e-9, near=1.0, budget=BUDGET
    )


def test_a_restart_changes_no_rate() -> None:
    """What was counted is in the cut; another version begins anew."""
    bursts, again = hourly(50), Bursts()
    again.restore(bursts.to_section())
    assert again.rate == bursts.rate
