"""Feedback: what people say about one incident weighs on the next ones."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from aiops.cases import Case
from aiops.incidents.ledger import Ledger, LedgerSettings
from aiops.incidents.lessons import FADES, MOST, SILENT, STEP
from aiops.model import Anomaly, ChangeEvent, Command, Severity, State, Suspect, TransitionKind
from tests.unit.evidence import T, anomaly

DAY = 86400.0
CART, DB = "service:cart", "service:db"


def suspects(anomalies: Sequence[Anomaly], _: Sequence[ChangeEvent]) -> tuple[Suspect, ...]:
    """Suspect whoever suffers most, the database a little."""
    return (Suspect(anomalies[0].entity, 0.7, ("first",)), Suspect(DB, 0.3, ("called",)))


class Desk:
    """One ledger, commands numbered; an incident opens with a surprise of 7."""

    def __init__(self) -> None:
        self.ledger = Ledger(LedgerSettings(patience=0.0), suspects)
        self.seq = 0

    def see(self, *found: Anomaly) -> list[str]:
        """Return the ids of the incidents that open."""
        done = []
        for one in found:
            done += self.ledger.absorb(
                one, [], lambda some: any(a.surprise >= 7.0 and a.severe for a in some)
            )
        return [t.incident.id for t in done if t.kind is TransitionKind.OPENED]

    def end(self, at: float) -> None:
        for _ in range(2):
            self.ledger.advance(at)

    def say(self, kind: str, target: str, at: float = T + 60, **args: str) -> None:
        self.seq += 1
        assert self.ledger.command(Command(self.seq, kind, target, at, "kim", args)) == []

    def judged(self, verdict: str, *found: Anomaly, **args: str) -> str:
        """Let an incident open and end, judge it, and return its id."""
        (incident,) = self.see(*(found or (anomaly(),)))
        self.end(found[-1].at + 4000 if found else T + 4000)
        self.say("feedback", incident, verdict=verdict, **args)
        return incident

    def restarted(self) -> Desk:
        again = Desk()
        again.ledger.restore(self.ledger.to_section())
        again.ledger.lessons.restore(self.ledger.lessons.to_section())
        return again


@pytest.mark.parametrize("restart", [False, True])
def test_noise_replayed_is_silent_elsewhere_it_speaks(*, restart: bool) -> None:
    """The same pattern opens nothing afterwards; the same pattern of another entity does."""
    desk = Desk()
    desk.judged("noise")
    desk = desk.restarted() if restart else desk

    assert desk.see(anomaly(at=T + DAY)) == []
    assert len(desk.see(anomaly("service:search", at=T + DAY))) == 1


def test_noise_is_context_not_nothing() -> None:
    """What is silenced still joins the story of something else, and says why it is quiet."""
    desk = Desk()
    desk.judged("noise")
    (incident,) = desk.see(anomaly(name="latency", at=T + DAY))
    desk.ledger.absorb(anomaly(at=T + DAY + 1), [incident], lambda _: True)
    (story,) = (i for i in desk.ledger.pictures if i.id == incident)
    (quiet,) = (a for a in story.anomalies if a.series.name == "error_ratio")

    assert quiet.severity is Severity.INFO
    assert quiet.reason.endswith("which people called noise")
    assert desk.ledger.facts["silenced_by_feedback"] == 1


def test_what_was_called_noise_points_to_nobody() -> None:
    """Its evidence stays in the story, but a likely cause must not rest on it."""
    desk = Desk()
    desk.judged("noise", anomaly(CART, "disk_used"))
    noise = anomaly(CART, "disk_used", T + 9000)
    other = anomaly(DB, "queue_length", T + 9000)

    assert desk.ledger.lessons.heard([noise, other]) == [other]
    assert desk.ledger.lessons.heard([anomaly(CART, "disk_used", T + 9000 + SILENT)]) != []


def test_worse_than_what_was_called_noise_is_told() -> None:
    """A verdict covers the severity it was given for, not a worse one."""
    desk = Desk()
    desk.judged("noise")

    assert len(desk.see(anomaly(at=T + DAY, severity=Severity.CRITICAL))) == 1


def test_noise_is_forgotten() -> None:
    """After some months noise must be said again."""
    desk = Desk()
    desk.judged("noise")

    assert desk.see(anomaly(at=T + SILENT - 0.6 * DAY)) == []
    assert len(desk.see(anomaly(at=T + SILENT + 0.7 * DAY))) == 1


def test_neighbours_of_noise_need_a_little_more() -> None:
    """Just enough is not enough for the same trouble elsewhere, until that fades."""
    near = 7.0 + STEP / 2

    def opens(desk: Desk, at: float) -> int:
        return len(desk.see(anomaly("service:search", at=at, surprise=near)))

    taught = Desk()
    taught.judged("noise")

    assert opens(Desk(), T + DAY) == 1
    assert opens(taught, T + DAY) == 0
    assert opens(taught, T + 2 * FADES) == 1


def test_neighbours_never_need_more_than_the_bound() -> None:
    """However often the same is called noise, what is clearly unusual elsewhere is told."""
    desk = Desk()
    for n in range(20):
        desk.judged("noise", anomaly(f"service:s{n}", at=T + 5000 * n, surprise=20.0))
    asked = desk.ledger.lessons.asked([anomaly("service:new", at=T + 60, surprise=8.0)])

    assert asked[0].surprise == pytest.approx(8.0 - MOST)


def test_useful_takes_noise_back() -> None:
    """Who was wrong about noise says useful, and the pattern is told again."""
    desk = Desk()
    incident = desk.judged("noise")
    desk.say("feedback", incident, verdict="useful")

    assert len(desk.see(anomaly(at=T + DAY))) == 1
    assert desk.ledger.lessons.asked([anomaly(surprise=8.0)])[0].surprise == 8.0


def test_expected_is_silent_until_its_date() -> None:
    """What is expected until a date is told again after it."""
    desk = Desk()
    desk.judged("expected-until", until=repr(T + DAY))

    assert desk.see(anomaly(at=T + DAY - 60)) == []
    assert len(desk.see(anomaly(at=T + DAY + 60))) == 1


def test_a_named_cause_moves_up_for_the_same_pattern_only() -> None:
    """The cause that people named is believed more when the pattern returns, and says why."""
    desk = Desk()
    desk.judged("wrong-cause", cause="db")
    desk.see(anomaly(at=T + DAY))
    desk.see(anomaly(name="disk", at=T + DAY + 1))
    same, other = (i for i in desk.ledger.pictures if i.state is State.OPEN)
    believed = {s.entity: s for s in same.suspects}

    assert believed[DB].score > 0.3
    assert "named by a person" in believed[DB].reasons
    assert sum(s.score for s in same.suspects) == pytest.approx(1.0, abs=0.01)
    assert {s.entity: s.score for s in other.suspects} == {CART: 0.7, DB: 0.3}


def test_belief_in_a_named_cause_is_bounded() -> None:
    """However often a cause was named, plain evidence against it can still win."""
    desk = Desk()
    for n in range(10):
        desk.judged("wrong-cause", anomaly(at=T + 5000 * n), cause="db")
    desk.see(anomaly(at=T + DAY))
    suspected = next(i for i in desk.ledger.pictures if i.state is State.OPEN).suspects

    assert suspected[0].entity == DB
    assert suspected[1].score > 0.2


def test_what_fixed_it_last_is_shown_when_it_comes_back() -> None:
    """A note on a past incident, or the words of its resolution, come with the next one."""
    desk = Desk()
    (first,) = desk.see(anomaly())
    desk.ledger.command(Command(1, "resolve", first, T + 60, "kim", {"note": "rolled back v42"}))
    (second,) = desk.see(anomaly(at=T + DAY))
    (found,) = next(i for i in desk.ledger.pictures if i.id == second).similar

    assert (found.id, found.fix, found.cause) == (first, "rolled back v42", CART)

    desk.end(T + 2 * DAY)
    desk.say("note", second, text="added memory")
    desk.see(anomaly(at=T + 3 * DAY))

    assert next(c for c in desk.ledger.lessons.memory.cases if c.id == second).fix == "added memory"


def test_cases_travel() -> None:
    """A case that was exported and is imported elsewhere is recalled there."""
    desk, elsewhere = Desk(), Desk()
    incident = desk.judged("useful")
    (case,) = desk.ledger.lessons.memory.cases
    elsewhere.say("case", incident, case=msgspec.json.encode(case).decode())
    (new,) = elsewhere.see(anomaly(at=T + DAY))

    assert elsewhere.ledger.lessons.memory.cases == [case]
    assert next(i for i in elsewhere.ledger.pictures if i.id == new).similar[0].id == incident


def test_cases_are_forgotten_and_redacted() -> None:
    """Redacting takes the words out of a case, forgetting the case itself."""
    desk = Desk()
    incident = desk.judged("useful")
    desk.say("note", incident, text="password was hunter2")
    desk.say("redact", incident)
    (case,) = desk.ledger.lessons.memory.cases

    assert (case.fix, case.title) == ("", "")

    desk.say("forget", incident)

    assert desk.ledger.lessons.memory.cases == []


def test_words_about_nothing_are_counted() -> None:
    """Feedback on an unknown incident and an unreadable case change nothing but a count."""
    desk = Desk()
    desk.say("feedback", "inc_none", verdict="noise")
    desk.say("forget", "inc_none")
    desk.say("case", "inc_none", case="{}")

    assert desk.ledger.facts["command_without_target"] == 2
    assert desk.ledger.facts["cases_unreadable"] == 1
    assert desk.ledger.lessons.memory.cases == []


def test_what_is_remembered_is_bounded_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bounds the oldest verdict and the oldest case go, and that is counted."""
    monkeypatch.setattr("aiops.incidents.lessons.MAX_LESSONS", 3)
    monkeypatch.setattr("aiops.incidents.lessons.MAX_CASES", 3)
    monkeypatch.setattr("aiops.incidents.memory.MAX_CASES", 3)
    desk = Desk()
    for n in range(5):
        desk.judged("noise", anomaly(f"service:s{n}", at=T + 5000 * n, surprise=20.0))

    assert len(desk.ledger.lessons.memory) == 3
    assert desk.ledger.facts["cases_dropped"] == 2
    assert desk.ledger.facts["lessons_dropped"] == 2
    assert len(desk.see(anomaly("service:s0", at=T + DAY, surprise=20.0))) == 1
    assert desk.see(anomaly("service:s4", at=T + DAY, surprise=20.0)) == []


def test_a_case_holds_how_it_went() -> None:
    """How long it lasted, when somebody took it, and what was felt are in the case."""
    desk = Desk()
    (incident,) = desk.see(anomaly())
    desk.ledger.command(Command(1, "ack", incident, T + 90, "kim"))
    desk.ledger.command(Command(2, "resolve", incident, T + 600, "kim"))

    assert desk.ledger.lessons.memory.cases == [
        Case(
            id=incident,
            at=T,
            lasted=600.0,
            title=desk.ledger.pictures[0].title,
            tokens=("service:cart\terror_ratio level",),
            felt=("service:cart\terror_ratio level",),
            cause=CART,
            answered=90.0,
            severity=int(Severity.ERROR),
        )
    ]
