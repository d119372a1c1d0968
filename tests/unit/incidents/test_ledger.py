"""The life of incidents: candidate, open, acknowledged, resolved, closed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from aiops.incidents.ledger import Ledger, LedgerSettings
from aiops.model import (
    Anomaly,
    ChangeEvent,
    Command,
    Severity,
    State,
    Suspect,
    Transition,
    TransitionKind,
)
from aiops.pace import Footprint
from tests.unit.evidence import T, anomaly, first_sight

CART, GATEWAY = "service:cart", "service:gateway"


def blame(anomalies: Sequence[Anomaly], changes: Sequence[ChangeEvent]) -> tuple[Suspect, ...]:
    """Suspect the change, else the first entity by name."""
    if changes:
        return (Suspect(changes[-1].id, 0.9, ("changed",)),)
    return (Suspect(min(a.entity for a in anomalies), 0.9, ("by name",)),)


class Desk:
    """Drive a ledger as the engine does: everything belongs together, what opens is told."""

    def __init__(self, *, enough: int = 1, apart: bool = False, **settings: float) -> None:
        self.ledger = Ledger(LedgerSettings(**settings), blame)  # type: ignore[arg-type]
        self.enough = enough
        self.apart = apart
        self.said: list[Transition] = []
        self.prints: dict[str, Footprint | None] = {}

    def see(self, *anomalies: Anomaly) -> list[Transition]:
        done: list[Transition] = []
        for one in anomalies:
            self.prints.update(self.ledger.moved())
            known = [f for f in self.prints.values() if f is not None]
            homes = [f.id for f in known if not self.apart or one.entity in f.entities]
            found = self.ledger.absorb(one, homes, lambda a: len(list(a)) >= self.enough)
            done += self._say(found)
        return done

    def wait(self, at: float) -> list[Transition]:
        return self._say(self.ledger.advance(at))

    def until(self, at: float, step: float = 30.0, since: float = T) -> list[Transition]:
        done: list[Transition] = []
        while since < at:
            since = min(since + step, at)
            done += self.wait(since)
        return done

    def _say(self, found: list[Transition]) -> list[Transition]:
        for t in found:
            self.ledger.told(t.incident.id, t.at)
        self.said += found
        return found

    @property
    def kinds(self) -> list[str]:
        return [t.kind.value for t in self.said]

    @property
    def only(self) -> str:
        (picture,) = self.ledger.pictures
        return picture.id


class TestOpening:
    def test_a_candidate_is_not_told(self) -> None:
        """Evidence that the gate does not trust is a candidate and says nothing."""
        desk = Desk(enough=2)
        assert desk.see(anomaly()) == []
        assert [p.state for p in desk.ledger.pictures] == [State.CANDIDATE]

    def test_the_story_gathers_before_it_is_told(self) -> None:
        """An incident opens after its patience, with all that came meanwhile."""
        desk = Desk(patience=30.0)
        assert desk.see(anomaly()) == []
        desk.see(anomaly(GATEWAY, at=T + 20))
        assert desk.wait(T + 29) == []
        (opened,) = desk.wait(T + 30)
        assert opened.kind is TransitionKind.OPENED
        assert opened.incident.entities == (CART, GATEWAY)

    def test_without_patience_it_opens_at_once(self) -> None:
        """A patience of zero tells with the anomaly that was enough."""
        desk = Desk(patience=0.0)
        (opened,) = desk.see(anomaly())
        assert (opened.kind, opened.at) == (TransitionKind.OPENED, T)

    def test_good_news_opens_nothing(self) -> None:
        """An anomaly of information alone does not even make a candidate."""
        desk = Desk()
        desk.see(anomaly(severity=Severity.INFO))
        assert desk.ledger.pictures == []

    def test_the_id_is_derived_from_the_first_anomaly(self) -> None:
        """Two ledgers that see the same give the same id; another onset gives another."""
        ids = set()
        for at in (T, T, T + 1):
            desk = Desk()
            desk.see(anomaly(at=at))
            ids.add(desk.only)
        assert len(ids) == 2

    def test_a_candidate_that_goes_quiet_is_dropped(self) -> None:
        """What never opened leaves no trace."""
        desk = Desk(enough=2)
        desk.see(anomaly())
        assert desk.until(T + 301) == []
        assert desk.ledger.pictures == []

    def test_old_evidence_is_no_coincidence(self) -> None:
        """Only anomalies seen in the last five minutes together open an incident."""
        desk = Desk(enough=3, resolve_after=900.0)
        desk.see(anomaly(name="a"), anomaly(name="b"), anomaly(name="c", at=T + 400))
        assert desk.until(T + 500) == []

    def test_two_candidates_that_belong_together_become_one(self) -> None:
        """An anomaly with two homes joins them, and what was ready stays ready."""
        desk = Desk(apart=True)
        desk.see(anomaly(), anomaly(GATEWAY))
        assert len(desk.ledger.pictures) == 2
        desk.apart = False
        desk.see(anomaly("service:auth", at=T + 1))
        (opened,) = desk.wait(T + 31)
        assert len(opened.incident.entities) == 3


class TestGrowing:
    def test_an_ordinary_fault_costs_three_messages(self) -> None:
        """Opened, one update when it has spread and settled, resolved."""
        desk = Desk()
        for n in range(20):
            at = T + 60 * n
            desk.wait(at)
            desk.see(anomaly(at=at))
            desk.see(*(anomaly(f"service:caller{i}", at=at) for i in range(min(n, 6))))
        desk.until(T + 3000, since=T + 60 * 19)
        assert desk.kinds == ["opened", "escalated", "resolved"]

    def test_nothing_new_is_not_told(self) -> None:
        """The same symptoms going on for an hour are no update."""
        desk = Desk()
        for n in range(60):
            desk.wait(T + 60 * n)
            desk.see(anomaly(at=T + 60 * n))
        assert desk.kinds == ["opened"]

    def test_who_suffers_later_waits_for_the_update(self) -> None:
        """That it spread is told with the next update, while it goes on."""
        desk = Desk()
        for n in range(20):
            desk.wait(T + 60 * n)
            desk.see(anomaly(at=T + 60 * n))
            if n:
                desk.see(anomaly(GATEWAY, at=T + 60 * n))
        assert [(t.kind.value, t.at - T) for t in desk.said] == [("opened", 60), ("updated", 960)]

    def test_a_story_that_becomes_narrower_is_no_news(self) -> None:
        """Only what grew is told: an end in one place is part of the end."""
        desk = Desk()
        desk.see(anomaly(name="cpu", severe=False), anomaly(GATEWAY, name="cpu", severe=False))
        for n in range(1, 30):
            desk.wait(T + 60 * n)
            desk.see(anomaly(at=T + 60 * n))
        assert desk.kinds == ["opened"]

    def test_a_new_suspect_is_an_update(self) -> None:
        """Who is suspected first matters enough to say it once the story has settled."""
        desk = Desk()
        desk.see(anomaly(GATEWAY))
        desk.wait(T + 30)
        desk.see(anomaly(CART, at=T + 60), anomaly(GATEWAY, at=T + 200))
        assert desk.wait(T + 209) == []
        (updated,) = desk.wait(T + 210)
        assert updated.kind is TransitionKind.UPDATED
        assert updated.incident.suspects[0].entity == CART

    def test_what_becomes_critical_is_told_at_once(self) -> None:
        """After the first message has been read, critical does not wait for an update."""
        desk = Desk(update_interval=3600.0)
        desk.see(anomaly())
        desk.wait(T + 30)
        desk.see(anomaly(at=T + 240))
        (worse,) = desk.see(anomaly(at=T + 300, severity=Severity.CRITICAL))
        assert worse.kind is TransitionKind.ESCALATED
        assert worse.incident.severity is Severity.CRITICAL

    def test_errors_in_three_places_are_critical(self) -> None:
        """Severity follows spread: three failing entities are worse than one."""
        desk = Desk()
        desk.see(*(anomaly(f"service:s{n}") for n in range(3)))
        assert desk.ledger.pictures[0].severity is Severity.CRITICAL

    def test_work_alone_does_not_keep_alive_what_was_felt(self) -> None:
        """When errors end the incident resolves, whatever the processor still does."""
        desk = Desk()
        desk.see(anomaly())
        for n in range(1, 7):
            desk.wait(T + 60 * n)
            busy = anomaly(name="cpu", at=T + 60 * n, severe=False, severity=Severity.WARNING)
            desk.see(busy)
        assert desk.kinds == ["opened", "resolved"]


class TestEnding:
    def test_quiet_resolves_at_once(self) -> None:
        """Five quiet minutes resolve an incident and people hear it."""
        desk = Desk()
        desk.see(anomaly())
        desk.until(T + 301)
        assert desk.kinds == ["opened", "resolved"]
        assert desk.said[-1].incident.resolved_at == T + 301

    def test_a_resolved_incident_takes_nothing(self) -> None:
        """An anomaly after the end is a candidate of its own."""
        desk = Desk(enough=2)
        desk.see(anomaly(), anomaly(name="latency"))
        desk.until(T + 301)
        assert desk.see(anomaly(at=T + 330, name="other")) == []
        assert sorted(p.state for p in desk.ledger.pictures) == [State.CANDIDATE, State.RESOLVED]

    def test_the_same_symptoms_reopen_it(self) -> None:
        """Within the window the same pattern is the same incident, with the same id."""
        desk = Desk()
        desk.see(anomaly())
        desk.until(T + 301)
        first = desk.only
        desk.see(anomaly(at=T + 1200))
        desk.until(T + 1260, since=T + 1200)
        assert desk.kinds == ["opened", "resolved", "reopened"]
        assert desk.only == first
        assert desk.said[-1].incident.state is State.OPEN
        assert desk.said[-1].incident.resolved_at is None

    def test_other_symptoms_are_another_incident(self) -> None:
        """Another pattern on the same entity after the end gets its own id."""
        desk = Desk()
        desk.see(anomaly())
        desk.until(T + 301)
        desk.see(anomaly(at=T + 1200, name="queue_length"))
        desk.until(T + 1260, since=T + 1200)
        assert desk.kinds == ["opened", "resolved", "opened"]

    def test_one_shared_symptom_is_not_the_same_story(self) -> None:
        """Whoever faces the users suffers from every fault; another cause is another incident."""
        desk = Desk()
        desk.see(anomaly("service:web", "latency"), anomaly(CART))
        desk.until(T + 301)
        at = T + 1200
        desk.see(anomaly("service:web", "latency", at=at), anomaly("service:mail", at=at))
        desk.until(at + 60, since=at)
        assert desk.kinds == ["opened", "resolved", "opened"]

    def test_the_same_symptoms_of_another_cause_are_another_story(self) -> None:
        """A gateway that suffers again suffers from somebody else: who caused it decides."""
        desk = Desk()
        desk.see(anomaly(CART), anomaly(GATEWAY))
        desk.until(T + 301)
        at = T + 1200
        desk.see(anomaly(GATEWAY, at=at), anomaly("service:auth", at=at))
        desk.until(at + 60, since=at)
        assert desk.kinds == ["opened", "resolved", "opened"]

    def test_work_that_nobody_feels_is_no_return(self) -> None:
        """A busy processor does not reopen the errors it was once seen with."""
        desk = Desk()
        busy = anomaly(name="cpu", severe=False, severity=Severity.WARNING)
        desk.see(anomaly(), busy)
        desk.until(T + 301)
        desk.see(replace(busy, id="again", at=T + 1200, since=T + 1200))
        desk.until(T + 1260, since=T + 1200)
        assert desk.kinds == ["opened", "resolved", "opened"]

    def test_work_that_was_a_story_comes_back_as_one(self) -> None:
        """What was told of for its work alone is known again by that work."""
        desk = Desk()
        busy = anomaly(name="cpu", severe=False, severity=Severity.WARNING)
        other = anomaly(name="lines", severe=False, severity=Severity.WARNING)
        desk.see(busy)
        desk.until(T + 301)
        desk.see(replace(other, id="else", at=T + 600, since=T + 600))
        desk.until(T + 630, since=T + 600)
        desk.until(T + 1199, since=T + 630)
        desk.see(replace(busy, id="again", at=T + 1200, since=T + 1200))
        desk.until(T + 1260, since=T + 1200)
        assert desk.kinds == ["opened", "resolved", "opened", "resolved", "reopened"]

    def test_after_the_window_it_is_another_incident(self) -> None:
        """What comes back after half an hour is told as new."""
        desk = Desk()
        desk.see(anomaly())
        desk.until(T + 301)
        desk.see(anomaly(at=T + 3000))
        desk.until(T + 3060, since=T + 3000)
        assert desk.kinds == ["opened", "resolved", "opened"]

    def test_a_closed_incident_is_forgotten(self) -> None:
        """An hour after its last sign nothing of an incident is kept."""
        desk = Desk()
        desk.see(anomaly())
        desk.until(T + 301)
        desk.wait(T + 3601)
        assert desk.ledger.pictures == []

    def test_a_resolve_creates_nothing(self) -> None:
        """A command for what does not exist is counted and makes nothing."""
        desk = Desk()
        assert desk.ledger.command(Command(1, "resolve", "inc_none", T)) == []
        assert desk.ledger.pictures == []
        assert desk.ledger.facts["command_without_target"] == 1


class TestPeople:
    def test_an_acknowledged_incident_names_who(self) -> None:
        """Acknowledging changes the state once and keeps the name."""
        desk = Desk()
        desk.see(anomaly())
        desk.wait(T + 30)
        (acked,) = desk.ledger.command(Command(1, "ack", desk.only, T + 40, by="ann"))
        assert acked.incident.state is State.ACKNOWLEDGED
        assert acked.incident.acknowledged_by == "ann"
        assert desk.ledger.command(Command(2, "ack", desk.only, T + 50, by="bob")) == []

    def test_a_person_may_resolve(self) -> None:
        """A resolve ends an open incident before its quiet time."""
        desk = Desk()
        desk.see(anomaly())
        desk.wait(T + 30)
        (done,) = desk.ledger.command(Command(1, "resolve", desk.only, T + 40))
        assert done.kind is TransitionKind.RESOLVED

    def test_what_opened_in_the_backlog_is_told_at_its_end(self) -> None:
        """Open incidents nobody heard of are told again once the news is new."""
        desk = Desk()
        desk.ledger.absorb(anomaly(), [], lambda _: True)
        desk.ledger.advance(T + 30)
        (again,) = desk.ledger.tell_open(T + 60)
        assert again.kind is TransitionKind.OPENED
        desk.ledger.told(again.incident.id, T + 60)
        assert desk.ledger.tell_open(T + 90) == []


class TestMerging:
    def test_open_incidents_merge_when_they_share_symptoms(self) -> None:
        """Two stories about one series are one story; the newer one says so."""
        desk = Desk(apart=True)
        desk.see(anomaly(CART), anomaly(GATEWAY))
        desk.wait(T + 30)
        first, second = (p.id for p in desk.ledger.pictures)
        desk.ledger._records[first].add(anomaly(GATEWAY, at=T + 40))
        done = desk.ledger.absorb(anomaly(GATEWAY, at=T + 50), [second, first], lambda _: True)
        assert [t.kind for t in done] == [TransitionKind.MERGED]
        assert len(desk.ledger.pictures) == 1

    def test_two_faults_at_once_stay_two_stories(self) -> None:
        """An anomaly near two open incidents with nothing in common does not join them."""
        desk = Desk(apart=True)
        desk.see(anomaly(CART), anomaly(GATEWAY))
        desk.wait(T + 30)
        desk.apart = False
        desk.see(anomaly("service:auth", at=T + 40))
        assert len(desk.ledger.pictures) == 2


class TestChanges:
    def test_new_words_after_a_deploy_are_context(self) -> None:
        """Below an error, what a freshly changed service says new is reported, not told."""
        desk = Desk()
        desk.ledger.change(ChangeEvent(T - 60, "deploy", CART, "cart v2"))
        desk.see(first_sight("migrating schema", severity=Severity.WARNING))
        assert desk.ledger.pictures == []

    def test_errors_after_a_deploy_are_errors(self) -> None:
        """A deploy excuses no failure; it is told beside it."""
        desk = Desk()
        desk.ledger.change(ChangeEvent(T - 60, "deploy", "cart", "cart v2"))
        desk.see(first_sight("cannot parse price"))
        (opened,) = desk.wait(T + 30)
        assert [c.title for c in opened.incident.changes] == ["cart v2"]
        assert opened.incident.suspects[0].entity.startswith("deploy:cart")

    def test_another_service_gets_no_grace(self) -> None:
        """The grace belongs to what was changed."""
        desk = Desk()
        desk.ledger.change(ChangeEvent(T - 60, "deploy", GATEWAY, "gateway v2"))
        desk.see(first_sight("slow reply", severity=Severity.WARNING))
        assert len(desk.ledger.pictures) == 1


class TestPicture:
    def test_the_title_is_the_causes_new_error(self) -> None:
        """The first suspect's new error line says more than a louder metric elsewhere."""
        desk = Desk()
        desk.see(
            anomaly(GATEWAY, surprise=20.0),
            first_sight("cannot parse price", CART),
            first_sight("cache warmed", CART, severity=Severity.WARNING),
        )
        (opened,) = desk.wait(T + 30)
        assert "cannot parse price" in opened.incident.title
        assert opened.incident.samples[0].text == "cannot parse price"

    def test_only_those_with_symptoms_are_affected(self) -> None:
        """Who merely works more is context, not affected."""
        desk = Desk()
        busy = anomaly(GATEWAY, "cpu", severe=False, severity=Severity.WARNING)
        desk.see(anomaly(CART), busy)
        (opened,) = desk.wait(T + 30)
        assert opened.incident.entities == (CART,)
        assert len(opened.incident.anomalies) == 2

    def test_a_series_is_shown_at_its_worst_since_its_beginning(self) -> None:
        """The strongest sample speaks, with the first onset."""
        desk = Desk()
        worst = anomaly(at=T + 10, surprise=12.0)
        desk.see(anomaly(), worst, anomaly(at=T + 20, surprise=7.0))
        (opened,) = desk.wait(T + 60)
        assert opened.incident.anomalies == (replace(worst, since=T),)


class TestBounds:
    def test_candidates_are_bounded(self) -> None:
        """The oldest candidate makes room and is counted."""
        desk = Desk(enough=9, apart=True, max_candidates=3)
        desk.see(*(anomaly(f"service:s{n}", at=T + n) for n in range(5)))
        assert len(desk.ledger.pictures) == 3
        assert desk.ledger.facts["candidates_dropped"] == 2

    def test_open_incidents_are_bounded(self) -> None:
        """The quietest open incident makes room and is counted."""
        desk = Desk(apart=True, max_live=2)
        desk.see(*(anomaly(f"service:s{n}", at=T + n) for n in range(3)))
        desk.wait(T + 40)
        assert len(desk.ledger.pictures) == 2
        assert desk.ledger.facts["incidents_dropped"] == 1

    def test_series_of_an_incident_are_bounded(self) -> None:
        """A story holds two hundred series; more are counted."""
        desk = Desk()
        desk.see(*(anomaly(name=f"error_{n}") for n in range(210)))
        assert len(desk.ledger.pictures[0].anomalies) == 200
        assert desk.ledger.facts["anomalies_beyond_bound"] == 10


class TestRestart:
    def test_a_restored_ledger_goes_on_exactly(self) -> None:
        """Saved at any moment and restored, the rest of the story has the same bytes."""

        def drive(desk: Desk, cut: int) -> list[Transition]:
            for n in range(30):
                if n == cut:
                    section = desk.ledger.to_section()
                    desk.ledger = Ledger(desk.ledger.settings, blame)
                    desk.ledger.restore(section)
                at = T + 60 * n
                desk.wait(at)
                if n < 8 or 18 <= n < 22:
                    desk.see(anomaly(at=at), first_sight("boom", at=at))
                if n == 5:
                    desk.see(*(anomaly(f"service:x{i}", at=at) for i in range(4)))
            return desk.said

        whole = drive(Desk(), -1)
        assert [t.kind.value for t in whole].count("reopened") == 1
        for cut in range(1, 30, 4):
            assert drive(Desk(), cut) == whole


def test_only_what_several_series_confirm_is_vouched_for() -> None:
    """What one series says alone may be a chance of its own tail; a candidate is nobody's word."""
    desk = Desk(patience=0.0)
    desk.see(anomaly())
    assert desk.ledger.vouched(T) == []

    desk.see(anomaly("service:redis", "latency"))
    assert set(desk.ledger.vouched(T)) == {"service:cart/error_ratio", "service:redis/latency"}
    assert desk.ledger.vouched(T + 300.0) == []

    waiting = Desk(enough=9)
    waiting.see(anomaly(), anomaly("service:redis", "latency"))
    assert waiting.ledger.vouched(T) == []
