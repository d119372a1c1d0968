"""Spans of lines teach who calls whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pytest
from msgspec import to_builtins

from aiops.correlation import spans
from aiops.correlation.spans import MEMORY, SUPPORT, Spans
from aiops.model import LogWindow, Stream

T = 1_767_571_200.0
WEB, CART = "service:web", "service:cart"


def window(entity: str, *found: tuple[str, str, str], at: float = T) -> LogWindow:
    """Return a window of lines in these spans: trace, span, parent."""
    stream = Stream(f"file:/{entity}", "file", entity, entity)
    return LogWindow(
        stream, at - 10.0, at, {}, {}, len(found), 0, 0, (), [("", *one) for one in found]
    )


def taught(times: float = SUPPORT, at: float = T) -> Spans:
    """Return what was learned from so many calls of the cart by the web."""
    made = Spans(Counter())
    for n in range(int(times)):
        made.learn(window(WEB, (f"t{n}", "a", ""), at=at))
        made.learn(window(CART, (f"t{n}", "b", "a"), (f"t{n}", "c", "a"), at=at))
    return made


def edges(made: Spans) -> Iterable[tuple[str, str]]:
    return list(made.edges)


def test_enough_calls_make_an_edge() -> None:
    """One call is what one span saw of another, however many lines tell of it."""
    assert edges(taught(SUPPORT - 1)) == []
    assert edges(taught()) == [(WEB, CART)]
    assert taught().told(T) == ((WEB, CART, SUPPORT),)


def test_the_ends_of_a_call_come_in_any_order() -> None:
    """Who was called may be heard of before who called."""
    made = Spans(Counter())
    for n in range(5):
        made.learn(window(CART, (f"t{n}", "b", "a")))
        made.learn(window(WEB, (f"t{n}", "a", "")))
    assert edges(made) == [(WEB, CART)]


def test_a_shared_trace_alone_is_no_call() -> None:
    """Nothing says who called whom, and a parent within one entity is no call to another."""
    made = Spans(Counter())
    for n in range(50):
        made.learn(window(WEB, (f"t{n}", "a", ""), (f"t{n}", "x", "a")))
        made.learn(window(CART, (f"t{n}", "b", "")))
    assert edges(made) == []


def test_a_call_that_nobody_makes_any_more_is_forgotten() -> None:
    """Counts fade, and an edge is doubted once too few calls are left of it."""
    made = taught(SUPPORT + 2)
    before = made.version
    made.learn(window("service:mail", ("u", "a", ""), at=T + MEMORY))
    assert edges(made) == []
    assert made.version > before
    made.learn(window("service:mail", ("u", "a", ""), at=T + 9 * MEMORY))
    assert made.to_section().header["edges"] == []


def test_spans_of_long_ago_meet_nobody() -> None:
    """Ids are kept as long as a call may take; an old one is another call's."""
    made = Spans(Counter())
    for n in range(9):
        made.learn(window(WEB, (f"t{n}", "a", ""), at=T + n * 1000.0))
        made.learn(window(CART, (f"t{n}", "b", "a"), at=T + n * 1000.0 + 500.0))
    assert edges(made) == []


def test_bounds_hold_and_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Full tables forget what is oldest, and say so."""
    monkeypatch.setattr(spans, "MOST_SPANS", 2)
    monkeypatch.setattr(spans, "MOST_EDGES", 1)
    facts: Counter[str] = Counter()
    made = Spans(facts)
    for n in range(9):
        made.learn(window(WEB, (f"t{n}", "a", "")))
        made.learn(window(f"service:s{n % 2}", (f"t{n}", "b", "a")))
    assert len(made.to_section().header["spans"]) == 2
    assert len(made.to_section().header["edges"]) == 1
    assert facts["spans_forgotten"] > 0
    assert facts["edges_forgotten"] > 0


def test_what_was_learned_survives_a_restart_and_can_be_forgotten() -> None:
    """A saved section brings back the same; forgetting leaves nothing."""
    made, again = taught(), Spans(Counter())
    again.restore(made.to_section())
    assert to_builtins(again.to_section()) == to_builtins(made.to_section())
    assert edges(again) == [(WEB, CART)]
    again.forget()
    assert edges(again) == []
    assert again.to_section().header["edges"] == []
