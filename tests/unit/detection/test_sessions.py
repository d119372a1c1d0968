"""Sessions are gathered, ended, judged and told of whom it concerns."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from aiops.detection.session_words import tell
from aiops.detection.sessions import SessionFlows
from aiops.model import Anomaly, LineKind, LogWindow, Severity, Stream
from aiops.sessions import SessionRule
from detectors.sessions import Oddity

START = 1_700_000_040.0
SHOP = Stream("file:/shop", "file", "service:shop", "service:shop")
PAY = Stream("file:/pay", "file", "service:pay", "service:pay")
ACCEPTED = LineKind("", Severity.INFO, b"request accepted")
ANSWERED = LineKind("", Severity.INFO, b"request answered")
BOOKED = LineKind("", Severity.INFO, b"payment booked")
REFUSED = LineKind("", Severity.ERROR, b"payment refused")
RULE = SessionRule("request", field="trace", idle=30.0)
THRESHOLD = 6.0


def window(stream: Stream, start: float, named: list[tuple[str, LineKind, float]]) -> LogWindow:
    lines = [("request", session, kind, at) for session, kind, at in named]
    counts = {kind: 1 for _, kind, _ in named}
    return LogWindow(stream, start, start + 60.0, counts, {}, len(lines), 0, 0, lines)


def template(kind: LineKind) -> str:
    return kind.masked.decode()


class Minutes:
    """Feed whole minutes of requests, each one accepted, booked elsewhere and answered."""

    def __init__(self, rule: SessionRule = RULE) -> None:
        self.flows = SessionFlows([rule])
        self.at = START
        self.number = 0

    def pass_one(self, *, lost: int = 0, refused: int = 0, requests: int = 20) -> list[Anomaly]:
        shop, pay = [], []
        for n in range(requests):
            self.number += 1
            name, at = f"r{self.number}", self.at + 2.0 * n
            shop += [(name, ACCEPTED, at), (name, ANSWERED, at + 0.9)]
            if n < refused:
                pay.append((name, REFUSED, at + 0.5))
            elif n >= refused + lost:
                pay.append((name, BOOKED, at + 0.5))
        for stream, lines in ((PAY, pay), (SHOP, shop)):
            self.flows.add(window(stream, self.at, lines), template)
        self.at += 60.0
        return self.flows.roll(self.at, 60.0, THRESHOLD)


@pytest.fixture
def minutes() -> Iterator[Minutes]:
    yield (seasoned := Minutes())
    assert seasoned.flows.open_sessions <= 20


def test_usual_requests_are_nothing(minutes: Minutes) -> None:
    """Sessions like all others never make an anomaly."""
    assert [minutes.pass_one() for _ in range(30)] == [[]] * 30


def test_one_odd_session_is_no_anomaly(minutes: Minutes) -> None:
    """A single request that lost a step is too little to speak of."""
    for _ in range(20):
        minutes.pass_one()

    assert minutes.pass_one(lost=1) == minutes.pass_one() == []


def test_a_burst_of_lost_steps_is_told_where_the_step_is_made(minutes: Minutes) -> None:
    """Many requests of a minute without a step concern the service that usually makes it."""
    for _ in range(20):
        minutes.pass_one()

    found = minutes.pass_one(lost=8) + minutes.pass_one()

    assert [(a.kind, a.entity) for a in found] == [("session", "service:pay")]
    (anomaly,) = found
    assert anomaly.surprise >= THRESHOLD
    assert anomaly.reason.startswith("8 of ")
    assert 'without "payment booked"' in anomaly.reason
    assert anomaly.actual is not None
    assert anomaly.expected is not None
    assert anomaly.actual > 0.3
    assert anomaly.expected < 0.05
    assert anomaly.severe
    assert anomaly.seen >= 400
    assert [s.text[:9] for s in anomaly.samples] == ["request r"] * 3


def test_a_very_odd_session_with_an_error_is_evidence(minutes: Minutes) -> None:
    """One request with an error never seen is evidence, at most as loud as six."""
    for _ in range(60):
        minutes.pass_one()

    (anomaly,) = minutes.pass_one(refused=1) + minutes.pass_one()

    assert anomaly.severity is Severity.ERROR
    assert 4.0 <= anomaly.surprise <= 6.0
    assert "never seen before" in anomaly.reason


def test_a_session_ends_when_it_was_quiet_for_long_enough() -> None:
    """Before that it stays open, however many minutes pass."""
    flows = SessionFlows([SessionRule("request", field="trace", idle=100.0)])
    flows.add(window(SHOP, START, [("r1", ACCEPTED, START + 10.0)]), template)

    flows.roll(START + 60.0, 60.0, THRESHOLD)
    assert flows.open_sessions == 1
    flows.add(window(SHOP, START + 60.0, [("r1", ANSWERED, START + 61.0)]), template)
    flows.roll(START + 120.0, 60.0, THRESHOLD)
    assert flows.open_sessions == 1
    flows.roll(START + 180.0, 60.0, THRESHOLD)
    assert flows.open_sessions == 0


def test_open_sessions_are_bounded_and_counted() -> None:
    """Beyond the bound the one that was quiet longest is dropped and taught to nobody."""
    flows = SessionFlows([SessionRule("request", field="trace", max_open=3)])
    names = ["a", "b", "c", "a", "d"]
    lines = [(name, ACCEPTED, START + n) for n, name in enumerate(names)]
    flows.add(window(SHOP, START, lines), template)

    assert flows.open_sessions == 3
    assert flows.facts == {"sessions_cut": 1}
    assert set(flows._flows["request"].open) == {"a", "c", "d"}


def test_events_of_a_session_are_bounded_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session that never ends holds no more than its share of memory."""
    monkeypatch.setattr("aiops.detection.sessions.MOST_EVENTS", 2)
    flows = SessionFlows([RULE])
    flows.add(window(SHOP, START, [("a", ACCEPTED, START)] * 5), template)

    assert flows.facts == {"session_events": 3}


def test_a_restored_part_goes_on_exactly() -> None:
    """Saved in the middle of sessions and restored, it tells the same."""
    one, two = Minutes(), Minutes()
    for _ in range(15):
        assert one.pass_one() == two.pass_one()
        again = SessionFlows([RULE])
        again.restore(two.flows.to_section())
        two.flows = again

    found = one.pass_one(lost=12) + one.pass_one()
    assert found
    assert found == two.pass_one(lost=12) + two.pass_one()


def test_a_rule_that_is_gone_is_forgotten() -> None:
    """State of a rule that is no longer configured, or of another version, is left alone."""
    flows = Minutes()
    flows.pass_one()
    other = SessionFlows([SessionRule("job", field="job")])
    other.restore(flows.flows.to_section())

    assert other.open_sessions == 0


@pytest.mark.parametrize(
    ("odd", "words"),
    [
        (Oddity("missing", "a", actual=0, usual=3), 'without "A" (usually 3)'),
        (Oddity("missing", "a", actual=0, usual=1), 'without "A"'),
        (Oddity("unseen", "a", actual=2), 'never seen before: "A" 2 times'),
        (Oddity("extra", "a", actual=1, usual=0), 'rare: "A"'),
        (Oddity("many", "a", actual=9, usual=3), '9 times "A" (usually 3)'),
        (Oddity("order", "a", after="b", instead="c"), '"A" right after "B" (usually "C")'),
        (Oddity("order", None, after="b", instead="c"), 'ends right after "B" (usually "C")'),
        (Oddity("order", "a", after=None, instead="c"), 'begins with "A" (usually "C")'),
        (Oddity("order", "a", after="b", instead=None), '"A" right after "B" (usually the end)'),
        (Oddity("long", actual=7200.0, usual=180.0), "took 2 h (usually at most 3 min)"),
        (Oddity("short", actual=0.5, usual=90.0), "took 0.5 s (usually at least 90 s)"),
    ],
)
def test_every_oddity_has_its_words(odd: Oddity, words: str) -> None:
    """Each kind of oddity is one plain phrase."""
    assert tell([odd], str.upper) == words


def test_long_templates_are_cut() -> None:
    """A template of any length leaves room for the rest."""
    assert len(tell([Oddity("extra", "a" * 5000, actual=1, usual=0)], str)) < 120
