"""What opens an incident, and what only confirms one."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import pytest

from aiops.correlation import gate
from aiops.correlation.gate import (
    PIECES,
    Odds,
    could_open,
    in_step,
    might_open,
    odds,
    opens,
    work_factors,
)
from aiops.model import Anomaly, Severity
from tests.unit.evidence import T, anomaly, first_sight

CHANCE = Odds(threshold=6.0, coincidence=2.0)


def busy(entity: str = "service:cart", factor: float = 3.0, **fields: Any) -> Anomaly:
    """Make a usage that has risen."""
    known = {"severe": False, "severity": Severity.WARNING, "actual": factor, "expected": 1.0}
    return anomaly(entity, **({"name": "cpu_percent"} | known | fields))


def test_one_symptom_beyond_the_threshold_opens() -> None:
    """A calibrated surprise of the budget's threshold is enough alone."""
    assert opens([anomaly(surprise=6.0)], chance=CHANCE)
    assert not opens([anomaly(surprise=5.9)], chance=CHANCE)


def test_a_young_series_needs_company() -> None:
    """Early tails are a guess: the same surprise alone does not open."""
    assert not opens([anomaly(surprise=8.0, seen=100)], chance=CHANCE)
    company = [anomaly(surprise=8.0, seen=100), first_sight("boom", surprise=5.5)]
    assert opens(company, chance=CHANCE)


def test_a_young_series_is_believed_three_decades_beyond_what_it_saw() -> None:
    """However large its surprise, so weak a stranger beside it may be chance."""
    weak = anomaly("service:auth", "latency", surprise=4.0)
    assert opens([anomaly(surprise=8.0), weak], chance=Odds(9.0, 2.0))
    assert not opens([anomaly(surprise=8.0, seen=20), weak], chance=Odds(9.0, 2.0))


def test_a_young_series_that_lasts_opens() -> None:
    """Longer than its usual bursts: that is no accident of an early tail."""
    young = anomaly(surprise=6.0, seen=100)
    assert opens([young], chance=CHANCE, has_outlasted=lambda a: a is young)
    weaker = anomaly(surprise=5.9, seen=100)
    assert not opens([weaker], chance=CHANCE, has_outlasted=lambda _: True)


def test_a_lone_sample_opens_nothing_until_it_is_confirmed() -> None:
    """One failed request of two, at night, is a ratio of a half; company confirms at once."""
    one = anomaly(surprise=CHANCE.threshold + 1.0)
    other = anomaly("service:redis", "latency_p95", surprise=CHANCE.threshold)

    assert opens([one], chance=CHANCE)
    assert not opens([one], chance=CHANCE, is_confirmed=lambda _: False)
    assert opens([one, other], chance=CHANCE, is_confirmed=lambda _: False)


@pytest.mark.parametrize(
    "other", ["latency_p95", "latency_Average", 'latency{quantile="0.99"}', "latency_max"]
)
def test_statistics_of_one_measure_are_no_company(other: str) -> None:
    """p95 beside p50 is the same figure twice; another measure is another piece."""
    first = anomaly(name="latency_p50", surprise=5.5)
    assert not opens([first, anomaly(name=other, surprise=5.4)], chance=CHANCE)
    assert opens([first, anomaly(name="error_ratio", surprise=5.4)], chance=CHANCE)


def test_what_is_made_of_others_is_no_company() -> None:
    """A joint departure of an entity's series says nothing beside two kinds of it."""
    joint, drift = (anomaly(name=kind, kind=kind, surprise=5.5) for kind in ("joint", "drift"))
    one, other = anomaly(surprise=5.4), anomaly(name="latency", surprise=5.4)
    for pieces in ([joint, drift], [one, joint], [joint, replace(one, surprise=5.8)]):
        assert not opens(pieces, chance=CHANCE)
    assert opens([one, other], chance=CHANCE)
    assert opens(
        [replace(joint, series=replace(joint.series, entity="host:a")), one], chance=CHANCE
    )


def test_information_never_opens() -> None:
    """Whatever its surprise, good news is no incident."""
    assert not opens([anomaly(surprise=30.0, severity=Severity.INFO)], chance=CHANCE)


def test_a_critical_line_needs_less() -> None:
    """A first sight that calls itself critical opens a decade earlier."""
    assert opens([first_sight("panic", surprise=5.0, severity=Severity.CRITICAL)], chance=CHANCE)
    assert not opens([first_sight("oops", surprise=5.0)], chance=CHANCE)


def test_independent_evidence_adds_what_chance_does_not_explain() -> None:
    """Two middling symptoms of two kinds in two places are more than one."""
    first = anomaly("service:cart", "error_ratio", surprise=5.0)
    second = anomaly("service:auth", "latency", surprise=4.0)
    assert opens([first, second], chance=CHANCE)
    assert not opens([first, anomaly("service:auth", "latency", surprise=3.0)], chance=CHANCE)


def test_related_evidence_counts_half() -> None:
    """The same entity shares its causes, so its second series says less."""
    first = anomaly("service:cart", "error_ratio", surprise=5.0)
    assert not opens([first, anomaly("service:cart", "latency", surprise=4.0)], chance=CHANCE)


def test_traffic_that_rises_everywhere_is_no_incident() -> None:
    """Three services that work more than usual, without errors, are visitors."""
    crowd = [busy(f"service:s{n}", surprise=12.0, since=T - 3600) for n in range(3)]
    assert not opens(crowd, chance=CHANCE)
    assert opens([*crowd, anomaly("service:s1", "error_ratio", surprise=7.0)], chance=CHANCE)


def test_work_of_one_entity_opens_when_it_lasts() -> None:
    """A single busy service is a story after five minutes, not after one."""
    assert not opens([busy(surprise=10.0, since=T - 60)], chance=CHANCE)
    assert opens([busy(surprise=10.0, since=T - 300)], chance=CHANCE)


def test_a_flood_opens_in_a_minute() -> None:
    """Eight times the usual needs less patience."""
    flood = busy(factor=25.0, surprise=6.1, since=T - 60, name="lines", kind="surge", log=True)
    assert opens([flood], chance=CHANCE)


def test_a_flood_that_was_worst_at_first_lasts_as_long() -> None:
    """A forecast follows what lasts, so it surprises less and less; its last sign is its end."""
    worst = busy(factor=25.0, surprise=6.1, since=T, at=T, name="lines", kind="surge", log=True)
    assert not opens([worst], chance=CHANCE)
    assert not opens([worst], chance=CHANCE, last_sign=lambda _: T + 59)
    assert opens([worst], chance=CHANCE, last_sign=lambda _: T + 60)


@pytest.mark.parametrize(("factor", "explained"), [(3.0, True), (20.0, False)])
def test_a_queue_in_step_with_the_work_is_explained(factor: float, explained: bool) -> None:
    """Waiting grows with the work; only what grows more is a symptom."""
    queue = anomaly("service:cart", "queue_length", actual=factor, expected=1.0)
    work = work_factors([busy(factor=3.0)])
    assert in_step(queue, work) is explained


def test_errors_are_never_in_step() -> None:
    """More requests do not excuse a higher share of failures."""
    errors = anomaly("service:cart", "error_ratio", actual=0.1, expected=0.05)
    assert not in_step(errors, work_factors([busy(factor=9.0)]))


def test_a_processor_that_is_used_up_explains_no_waiting() -> None:
    """CpuUsageRate(%) is called a rate, but nobody asked for it: the waiting beside it is felt."""
    waiting = anomaly(name="latency_p99", surprise=5.0, actual=40.0, expected=1.0)
    used = busy(name="CpuUsageRate(%)", factor=80.0, surprise=9.0)
    assert opens([waiting, used], chance=CHANCE)
    asked = busy(name="request_rate", factor=80.0, surprise=9.0)
    assert not opens([waiting, asked], chance=CHANCE)


def test_odds_follow_the_number_of_tests() -> None:
    """The more is judged near an entity, the more a coincidence must bring."""
    few, many = odds(6.0, 1.0, 10, 300.0), odds(6.0, 100.0, 10, 300.0)
    assert many.coincidence == pytest.approx(few.coincidence + 2.0)
    assert odds(6.0, 0.0, 0, 300.0).coincidence == 0.0


def test_work_that_was_asked_for_is_no_story() -> None:
    """More lines and more processor for more requests are one service doing its work."""
    flood = busy(factor=25.0, surprise=20.0, since=T - 600, name="lines", kind="surge", log=True)
    asked = busy(factor=30.0, surprise=4.0, name="request_rate")
    assert opens([flood], chance=CHANCE)
    assert not opens([flood, asked], chance=CHANCE)


def test_strangers_coincide_more_often_than_neighbours() -> None:
    """Where nobody knows who calls whom, all entities are linked: one of them proves less."""
    known = odds(7.0, 33.0, 500, 300.0)
    unknown = odds(7.0, 33.0, 500, 300.0, strange=120.0)
    pair = [
        anomaly("service:cart", "m1", surprise=5.8),
        anomaly("service:auth", "m2", surprise=5.0),
    ]
    own = [anomaly("service:cart", "m1", surprise=5.8), anomaly("service:cart", "m2", surprise=9.0)]

    assert opens(pair, chance=known)
    assert not opens(pair, chance=unknown)
    assert opens(own, chance=unknown)


def test_a_distance_of_several_series_is_no_work() -> None:
    """Joint behaviour far from usual is not a flood of work, however long it lasts."""
    far = busy(name="joint behaviour", kind="joint", factor=25.0, surprise=30.0, since=T - 86400.0)
    assert work_factors([far]) == {}
    assert not opens([far], chance=CHANCE)
    work = busy(name="requests", factor=25.0, surprise=30.0, since=T - 86400.0)
    assert opens([work], chance=CHANCE)


def test_what_is_ruled_out_by_its_surprises_would_not_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """The quick answer is only ever the slow one: it says no where weighing would say no."""
    random, cases = Random(5), []
    for _ in range(300):
        chance = Odds(random.uniform(5.0, 9.0), near := random.uniform(0.0, 3.0), near + 1.0)
        some = [
            anomaly(
                f"service:{random.choice('abcdef')}",
                random.choice(["latency_p50", "latency_p95", "error_ratio", "cpu_percent"]),
                surprise=random.uniform(2.0, 6.5),
                severity=random.choice(list(Severity)),
                severe=random.random() < 0.7,
                seen=random.choice([10, 5000]),
            )
            for _ in range(random.randint(1, 14))
        ]
        cases.append((some, chance))
    quick = [opens(some, chance=chance) for some, chance in cases]
    for some, chance in cases:
        strongest = sorted([a.surprise for a in some], reverse=True)[:PIECES]
        assert could_open(strongest, chance) or not might_open(some, chance)
    monkeypatch.setattr(gate, "might_open", lambda *_: True)
    assert [opens(some, chance=chance) for some, chance in cases] == quick
    assert 30 < sum(quick) < 270


def test_most_weak_candidates_are_ruled_out_by_their_surprises(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing is weighed of what could not be enough even if all of it were independent."""
    monkeypatch.setattr(gate, "work_factors", lambda _: pytest.fail("weighed"))
    weak = [anomaly(f"service:s{n}", surprise=3.0) for n in range(50)]
    assert not opens(weak, chance=Odds(8.0, 3.0, 5.0))
