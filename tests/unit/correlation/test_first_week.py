"""Check that the first weekend of many entities is the calendar, and that nothing else is."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from aiops.correlation.first_week import MANY, NIGHT, WEEK, FirstWeek
from aiops.model import Anomaly, Series, Severity

PACE = 120.0


def shift(entity: int, at: float, *, kind: str = "shift", age: float = 5 * 86400.0) -> Anomaly:
    return Anomaly(
        id=f"{entity}@{at}",
        series=Series(f"service:s{entity}", "m"),
        kind=kind,
        at=at,
        since=at,
        surprise=8.0,
        threshold=7.0,
        severity=Severity.WARNING,
        reason="below its usual level",
        detector="bank",
        severe=True,
        seen=int(age / PACE),
        pace=PACE,
    )


def crowded(facts: Counter[str] | None = None) -> FirstWeek:
    known = FirstWeek(Counter() if facts is None else facts)
    for entity in range(MANY):
        known.weigh(shift(entity, 0.0))
    return known


def test_many_first_shifts_at_once_are_the_calendar() -> None:
    """The seventh entity that shifts in its first week is evidence, felt by nobody, and counted."""
    facts: Counter[str] = Counter()

    told = crowded(facts).weigh(shift(99, 60.0))

    assert not told.severe
    assert told.severity is Severity.WARNING
    assert "not seen before" in told.reason
    assert facts["first_week_shifts"] == 1


def test_a_few_shifts_are_told() -> None:
    """As many entities as one small system has are never the calendar, however often they shift."""
    known = FirstWeek(Counter())

    told = [known.weigh(shift(n % MANY, 60.0 * n)) for n in range(50)]

    assert all(one.severe for one in told)


def test_only_slow_shifts_of_the_first_week_wait() -> None:
    """A spike, a week of age, an unknown pace and what is critical open as ever in a crowd."""
    known = crowded()
    others = [
        shift(99, 60.0, kind="spike"),
        shift(99, 60.0, age=WEEK),
        replace(shift(99, 60.0), pace=0.0),
        replace(shift(99, 60.0), severity=Severity.CRITICAL),
    ]

    assert [known.weigh(one) for one in others] == others


def test_a_crowd_is_forgotten_after_an_evening() -> None:
    """Shifts of four hours ago say nothing about one of now."""
    later = shift(99, NIGHT + 60.0)

    assert crowded().weigh(later) == later


def test_a_restart_keeps_the_crowd() -> None:
    """What was saved and loaded goes on exactly."""
    known, again = crowded(), FirstWeek(Counter())
    again.restore(known.to_state())

    assert again.weigh(shift(99, 60.0)) == known.weigh(shift(99, 60.0))
    assert again.to_state() == known.to_state()


def test_who_is_felt_to_fail_otherwise_is_no_part_of_the_calendar() -> None:
    """A fault shifts what it makes fail: that neither counts nor waits, over a restart too."""
    known = FirstWeek(Counter())
    for entity in range(2 * MANY):
        known.weigh(shift(entity, 0.0, kind="level"))
        known.weigh(shift(entity, 60.0))
    again = FirstWeek(Counter())
    again.restore(known.to_state())

    for one in (known, again):
        assert one.weigh(shift(0, 120.0)).severe
        assert one.weigh(shift(99, 120.0)).severe


def test_chance_elsewhere_keeps_nobody_out_of_the_calendar() -> None:
    """Only what is strong enough alone is felt to fail."""
    known = crowded()
    known.weigh(replace(shift(99, 0.0, kind="level"), surprise=6.0))

    assert not known.weigh(shift(99, 60.0)).severe
