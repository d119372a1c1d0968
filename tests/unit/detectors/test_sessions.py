from __future__ import annotations

import math
import random

import pytest

from detectors import session_counts, session_order, session_tail
from detectors.base import UNKNOWN, Score
from detectors.checks import check_detector
from detectors.session_order import Durations, Transitions, steps_of
from detectors.session_tail import Tail, Window
from detectors.sessions import SESSION_ALPHA, WARMUP, Oddity, Session, SessionDetector

USUAL = {"open": 1.0, "write": 3.0, "close": 1.0}


def taught(count: int = 300, **more: float) -> SessionDetector:
    detector = SessionDetector()
    for n in range(count):
        # Some sessions read once or twice: a usual variety.
        detector.learn_one(USUAL | more | ({"read": 1.0 + n % 2} if n % 3 else {}))
    return detector


def value(score: Score) -> float:
    assert score.value is not None
    return score.value


def test_detector_keeps_every_promise() -> None:
    """It scores, learns, refuses and forgets as every detector must."""
    check_detector(
        SessionDetector, sample=lambda _, v: {"a": abs(v) if math.isfinite(v) else v, "b": 1.0}
    )


def test_young_detector_does_not_know() -> None:
    """Before it has seen enough sessions it says so."""
    assert taught(WARMUP - 1).score_one({"never": 9.0}) == UNKNOWN


def test_usual_session_is_no_surprise() -> None:
    """A session like the others stays below the alpha of all session files."""
    assert value(taught().score_one(USUAL | {"read": 1.0})) < SESSION_ALPHA


@pytest.mark.parametrize(
    ("session", "reason"),
    [
        (USUAL | {"panic": 1.0}, "unseen event panic"),
        ({"open": 1.0, "write": 3.0}, "missing close"),
        (USUAL | {"write": 40.0}, "many write"),
        (USUAL | {"write": 1.0}, "few write"),
    ],
)
def test_what_is_strange_is_named(session: dict[str, float], reason: str) -> None:
    """An unseen, missing, too frequent or too rare event stands out, by its name."""
    score = taught().score_one(session)

    assert value(score) >= SESSION_ALPHA
    assert score.reason in (reason, "many unusual counts")


def test_many_small_oddities_add_up() -> None:
    """A session with several rare counts is more surprising than one with a single one."""
    detector = taught()
    for _ in range(6):
        for odd in ({"a": 1.0}, {"b": 1.0}, {"c": 1.0}):
            detector.learn_one(USUAL | odd)

    one = value(detector.score_one(USUAL | {"a": 1.0}))
    all_three = value(detector.score_one(USUAL | {"a": 1.0, "b": 1.0, "c": 1.0}))

    assert all_three > one


def test_zero_is_the_same_as_absent() -> None:
    """A count of nothing is no event."""
    detector = taught()

    assert detector.score_one(USUAL | {"panic": 0.0}) == detector.score_one(USUAL)


@pytest.mark.parametrize("count", [math.nan, math.inf, -1.0])
def test_impossible_count_is_refused(count: float) -> None:
    """A count that cannot be is refused by name."""
    with pytest.raises(ValueError, match="open"):
        SessionDetector().score_one({"open": count})


def test_tables_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events beyond the bound share one table and are counted; nothing grows."""
    monkeypatch.setattr(session_counts, "MAX_EVENTS", 5)
    detector = SessionDetector()

    for n in range(400):
        detector.learn_one(USUAL | {f"id-{n}": 1.0, f"jd-{n}": 1.0})

    assert len(detector._tables.places) <= 6
    assert detector.refused > 300
    assert value(detector.score_one(USUAL | {"id-900": 1.0, "jd-900": 1.0})) < SESSION_ALPHA


def test_events_gone_for_long_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full table forgets what no session has held for three memories."""
    monkeypatch.setattr(session_counts, "MAX_EVENTS", 5)
    tables = session_counts.EventTables(memory=20.0)

    for n in range(200):
        tables.learn({"always": 1.0} | ({f"old-{n}": 1.0} if n < 8 else {"new": 1.0}))

    assert set(tables.places) >= {"always", "new"}
    assert "old-0" not in tables.places


# --- sessions with an order and a duration -----------------------------------------------------

STEPS = ("open", "auth", "read", "write", "close")


def flow(n: int) -> Session:
    rng = random.Random(n)
    middle = [step for step in ("read", "write") for _ in range(1 + rng.randrange(3))]
    return Session(["open", "auth", *middle, "close"], 2.0 + rng.random())


@pytest.fixture(scope="module")
def shop() -> SessionDetector:
    detector = SessionDetector()
    for n in range(400):
        detector.learn(flow(n))
    return detector


@pytest.mark.parametrize(
    ("events", "seconds", "oddity"),
    [
        (["open", "read", "write", "close"], 2.5, Oddity("missing", "auth", actual=0, usual=1)),
        (["open", "auth", "read", "write"], 2.5, Oddity("missing", "close", actual=0, usual=1)),
        (
            ["auth", "open", "read", "write", "close"],
            2.5,
            Oddity("order", "auth", after=None, instead="open"),
        ),
    ],
)
def test_odd_session_says_why(
    shop: SessionDetector, events: list[str], seconds: float, oddity: Oddity
) -> None:
    """A lost step, a session cut short and a wrong order stand out and are named first."""
    session = Session(events, seconds)

    assert value(shop.score(session)) >= SESSION_ALPHA
    assert oddity in shop.explain(session)


def test_duration_far_outside_is_odd(shop: SessionDetector) -> None:
    """A session that takes hours instead of seconds stands out by its duration."""
    session = Session(flow(7).events, 20_000.0)

    assert value(shop.score(session)) >= SESSION_ALPHA > value(shop.score(flow(7)))
    first = shop.explain(session)[0]
    assert (first.kind, first.actual) == ("long", 20_000.0)
    assert first.usual == pytest.approx(2.9, abs=0.2)


def test_slightly_odd_session_has_a_reason_too(shop: SessionDetector) -> None:
    """Whoever sets a low alpha still learns what was oddest."""
    session = Session(["open", "auth", "read", "read", "read", "write", "close"], 2.99)

    assert 0.0 < value(shop.score(session)) < SESSION_ALPHA
    assert shop.explain(session)


def test_log_that_always_brings_new_events_gets_used_to_it() -> None:
    """Where every session has an event of its own, an unseen one is no surprise."""
    detector = SessionDetector()
    for n in range(300):
        detector.learn(Session([*flow(n).events, f"id-{n}"], 2.5))

    assert value(detector.score(Session([*flow(7).events, "id-900"], 2.5))) < SESSION_ALPHA


def test_ordinary_sessions_stay_below_alpha() -> None:
    """Of sessions that nothing is wrong with few reach the alpha."""
    detector = SessionDetector()
    flagged = 0
    for n in range(600):
        session = flow(n)
        score = detector.score(session)
        flagged += score.value is not None and score.value >= SESSION_ALPHA
        detector.learn(session)

    assert flagged <= 6


def test_bad_sessions_from_the_start_are_survived() -> None:
    """With every fortieth session bad in one way from the first on, those are found."""
    detector = SessionDetector()
    found = wrong = 0
    for n in range(800):
        session = flow(n)
        bad = n % 40 == 3
        if bad:
            session = Session([*session.events[:-1], "error", "retry"], 2.5)
        score = detector.score(session)
        detector.learn(session)
        if n >= 200 and score.value is not None and score.value >= SESSION_ALPHA:
            found += bad
            wrong += not bad

    assert found == 15
    assert wrong <= 6


@pytest.mark.parametrize("every", [50, 15])
def test_many_bad_sessions_from_the_start_are_survived_when_they_differ(every: int) -> None:
    """One in fifteen that fails in its own way is found as surely as one in fifty."""
    detector, rng = SessionDetector(), random.Random(11)
    found = bads = wrong = 0
    for n in range(1200):
        session, bad = flow(n), n % every == 3
        if bad:
            steps = list(session.events)
            if n // every % 2:
                steps.insert(rng.randrange(len(steps)), f"error {rng.randrange(40)}")
            else:
                steps += [rng.choice(steps)] * rng.randint(5, 14)
            session = Session(steps, session.seconds)
        score = detector.score(session)
        detector.learn(session)
        if n >= 400 and score.value is not None:
            odd = score.value >= SESSION_ALPHA
            found, bads, wrong = found + (odd and bad), bads + bad, wrong + (odd and not bad)

    assert found >= 0.9 * bads
    assert wrong <= 2


def test_what_becomes_frequent_becomes_usual() -> None:
    """A new kind of session that stays is accepted: deploys change what is normal."""
    detector = SessionDetector()
    for n in range(300):
        detector.learn(flow(n))
    changed = Session(["open", "token", "read", "write", "close"], 2.5)
    before = value(detector.score(changed))

    for _ in range(300):
        detector.learn(changed)

    assert before >= SESSION_ALPHA > value(detector.score(changed))


def test_state_goes_on_exactly(shop: SessionDetector) -> None:
    """A restored detector scores, explains and learns as the saved one does."""
    restored = SessionDetector.from_state(*shop.to_state())
    first, second = SessionDetector.from_state(*shop.to_state()), restored
    for n in range(1000, 1040):
        session = Session([*flow(n).events, *(["odd"] if n % 7 == 0 else [])], 3.0)

        assert first.score(session) == second.score(session)
        assert first.explain(session) == second.explain(session)
        first.learn(session)
        second.learn(session)
        second = SessionDetector.from_state(*second.to_state())

    with pytest.raises(ValueError, match="version 1"):
        SessionDetector.from_state({"version": 1}, {})


def test_scoring_first_changes_nothing() -> None:
    """What was scored before is learned as what was not: the reading kept is only a cache."""
    scored, unscored = SessionDetector(), SessionDetector()
    for n in range(120):
        scored.score(flow(n))
        scored.learn(flow(n) if n % 2 else (session := flow(n)))
        unscored.learn(flow(n) if n % 2 else session)

    assert scored.score(flow(500)) == unscored.score(flow(500))


@pytest.mark.parametrize("seconds", [-1.0, math.nan, math.inf])
def test_impossible_duration_is_refused(seconds: float) -> None:
    """A duration that cannot be is refused by name."""
    with pytest.raises(ValueError, match="seconds"):
        SessionDetector().score(Session(["a"], seconds))


def test_a_loop_is_one_step() -> None:
    """Whether a session makes a step counts, not how often."""
    assert list(steps_of("abab")) == [(None, "a"), ("a", "b"), ("b", "a"), ("b", None)]
    assert list(steps_of("")) == [(None, None)]


def test_steps_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound new steps are refused and counted, until old ones made room."""
    monkeypatch.setattr(session_order, "MAX_STEPS", 10)
    steps = Transitions(memory=5.0)

    for n in range(200):
        steps.learn(steps_of([f"a{n}", "b"]))

    assert sum(map(len, steps._weights.values())) <= 10
    assert steps.refused > 100


def test_window_forgets_the_oldest() -> None:
    """Only the latest values are kept, in order and by age."""
    window = Window(3)
    for number in (5.0, 1.0, 4.0, 2.0):
        window.learn(number)

    assert list(window.order) == [1.0, 2.0, 4.0]
    assert window.to_state() == [1.0, 4.0, 2.0]
    assert Window.from_state([1.0, 4.0, 2.0], 3).order == window.order


def test_tail_is_calibrated() -> None:
    """Of exponential readings one in a thousand reaches a surprise of three, nearly."""
    rng = random.Random(3)
    tail = Tail(floor=0.1)
    for _ in range(session_tail.MEMORY):
        reading = rng.expovariate(1.0)
        if reading < -math.log(session_tail.FLAGGED):  # the others are kept out
            tail.learn(reading)

    assert tail.surprise(math.log(1000.0)) == pytest.approx(3.0, abs=0.3)
    rising = [tail.surprise(x / 10) for x in range(100)]
    assert rising == sorted(rising)


def test_young_durations_say_nothing() -> None:
    """Before a few sessions no duration is unusual, and no range is known."""
    durations = Durations()
    durations.learn(1.0)

    assert durations.read(1e6) == 0.0
    assert durations.usual() is None
