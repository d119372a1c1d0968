"""What nothing else links: the same words of one service, one change in many."""

from __future__ import annotations

from collections import Counter

import pytest

from aiops.correlation.kinship import (
    FOLLOWS,
    LATELY,
    MOST_ENTITIES,
    MOST_LINES,
    ROLLOUT,
    Kinship,
    is_one,
    likeness,
    words,
)
from aiops.model import Anomaly, ChangeEvent, Severity
from aiops.pace import Footprint
from tests.unit.evidence import T, anomaly

REFUSED = "ERROR cannot reach redis at 10.0.0.7:6379, connection refused"
TIMED_OUT = "ERROR cannot reach redis at 10.0.0.8:6379, connection timed out"
OTHER = "ERROR cannot parse price of item 4711"


def line(text: str, name: str, at: float = T, entity: str = "service:cart") -> Anomaly:
    return anomaly(entity, name, at, kind="new_template", line=text)


def holding(series: str, at: float = T, entity: str = "service:cart") -> dict[str, Footprint]:
    return {"i1": Footprint("i1", at, {entity: at}, {series: at}, {entity: at})}


def test_words_are_not_numbers() -> None:
    """Addresses, counts and short words say nothing of what happened."""
    assert words(REFUSED) == {"error", "cannot", "reach", "redis", "connection", "refused"}


def test_rare_words_weigh_more() -> None:
    """What every line says makes none of them alike."""
    common = {"error": 10, "cart": 10, "redis": 2, "refused": 1, "price": 1}
    alike = likeness({"error", "redis"}, {"error", "redis", "refused"}, common, 10)
    apart = likeness({"error", "cart", "redis"}, {"error", "cart", "price"}, common, 10)

    assert apart < 0.4
    assert alike > 0.5
    assert likeness(set(), set(), common, 10) == 0.0
    assert likeness({"redis"}, {"redis"}, common, 10) == 1.0


def test_a_line_that_tells_the_story_on_is_kin() -> None:
    """Minutes later, in other words, of the same service: the incident that holds the first."""
    kinship = Kinship(Counter())
    kinship.see(line(REFUSED, "a"))
    later = line(TIMED_OUT, "b", T + 400.0)
    kinship.see(later)

    assert kinship.home(later, holding("service:cart/a")) == "i1"
    assert kinship.home(later, holding("service:cart/a", T - LATELY)) == ""
    assert kinship.home(later, holding("service:cart/x")) == ""


@pytest.mark.parametrize("entity", ["service:cart", "service:mail"])
def test_other_words_and_other_services_are_not(entity: str) -> None:
    """Two services that log alike share a library, not a fault."""
    kinship = Kinship(Counter())
    kinship.see(line(REFUSED, "a"))
    text = OTHER if entity == "service:cart" else TIMED_OUT
    later = line(text, "b", T + 400.0, entity)
    kinship.see(later)

    assert kinship.home(later, holding("service:cart/a")) == ""


def test_one_change_has_one_title_and_a_short_time() -> None:
    """The name of what was changed is no part of the title."""
    one = ChangeEvent(T, "deploy", "service:cart", "deploy cart v42")
    for other, expected in (
        (ChangeEvent(T + 60.0, "deploy", "service:mail", "deploy mail v42"), True),
        (ChangeEvent(T + 60.0, "deploy", "service:mail", "deploy mail v43"), False),
        (ChangeEvent(T + 60.0, "config", "service:mail", "deploy mail v42"), False),
        (ChangeEvent(T + ROLLOUT + 1.0, "deploy", "service:mail", "deploy mail v42"), False),
    ):
        assert is_one(one, other) is expected


def test_who_departs_after_the_same_change_is_kin() -> None:
    """From the change on, for half an hour, and only with those that departed after it, too."""
    kinship = Kinship(Counter())
    kinship.change(ChangeEvent(T - 100.0, "deploy", "cart", "v42"))
    kinship.change(ChangeEvent(T - 50.0, "deploy", "mail", "v42"))
    prints = holding("service:cart/error_ratio")

    assert kinship.home(anomaly("service:mail", at=T + 300.0), prints) == "i1"
    assert kinship.home(anomaly("service:auth", at=T + 300.0), prints) == ""
    assert kinship.home(anomaly("service:mail", at=T + FOLLOWS), prints) == ""
    assert kinship.home(anomaly("service:mail", at=T), holding("x", T - 500.0)) == ""


def test_good_news_is_nobodys_kin() -> None:
    """Context joins what is near, and makes no story longer."""
    kinship = Kinship(Counter())
    kinship.change(ChangeEvent(T - 100.0, "deploy", "cart", "v42"))
    kinship.change(ChangeEvent(T - 50.0, "deploy", "mail", "v42"))
    news = anomaly("service:mail", severity=Severity.INFO)

    assert kinship.home(news, holding("service:cart/error_ratio")) == ""


def test_it_is_bounded_and_says_so() -> None:
    """The oldest lines make room, those of an entity and those of entities."""
    facts: Counter[str] = Counter()
    kinship = Kinship(facts)
    for n in range(MOST_LINES + 1):
        kinship.see(line(REFUSED, f"t{n}"))
    assert facts["lines_forgotten"] == 1
    for n in range(MOST_ENTITIES):
        kinship.see(line(REFUSED, "t", entity=f"service:s{n}"))
    assert facts["lines_forgotten"] == 2


def test_a_restart_changes_no_answer() -> None:
    """Words and changes are saved."""
    kinship, again = Kinship(Counter()), Kinship(Counter())
    kinship.see(line(REFUSED, "a"))
    kinship.see(later := line(TIMED_OUT, "b", T + 400.0))
    kinship.change(ChangeEvent(T - 100.0, "deploy", "cart", "v42"))
    kinship.change(ChangeEvent(T - 50.0, "deploy", "mail", "v42"))
    again.restore(kinship.to_section())

    for one, prints in (
        (later, holding("service:cart/a")),
        (anomaly("service:mail", at=T + 300.0), holding("service:cart/error_ratio")),
    ):
        assert kinship.home(one, prints) == again.home(one, prints) == "i1"
