"""Incidents, timelines, changes, commands, journal, audit, and what time takes away."""

from __future__ import annotations

import math
import sqlite3
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING

import pytest

from aiops.model import ChangeEvent, Command, Incident, State, TransitionKind
from aiops.storage.pictures import LARGEST
from tests.unit.storage.nouns import AT, Reports, cut, incident, notification, transition

if TYPE_CHECKING:
    from aiops.storage import Store

EMPTY = Incident("inc_e", 1, State.OPEN, incident().severity, "t", AT, AT)


@pytest.mark.parametrize("picture", [incident(), incident(state=State.RESOLVED), EMPTY])
def test_a_picture_comes_back(store: Store, picture: Incident) -> None:
    """Every field of an incident survives: None stays None, tuples stay tuples."""
    store.history.save_incident(picture)

    assert store.history.incident(picture.id) == picture


def test_hostile_pictures_come_back_readable(store: Store) -> None:
    """Broken Unicode and an infinite surprise are made to fit; the rest stays as it was."""
    store.history.save_incident(incident(text="a\udc80\x00b", surprise=inf))
    found = store.history.incident("inc_1")

    assert found is not None
    assert found.samples[0].text == "a?\x00b"
    assert found.anomalies[0].surprise == LARGEST
    assert found.severity is incident().severity


def test_the_last_picture_is_shown(store: Store) -> None:
    """Saving an incident again replaces its picture and keeps its timeline."""
    store.history.record([transition(), transition(TransitionKind.UPDATED, seq=2)])
    store.history.record([transition(TransitionKind.UPDATED, seq=2)])

    assert (store.history.incident("inc_1") or EMPTY).seq == 2
    assert [(m.seq, m.kind) for m in store.history.timeline("inc_1")] == [
        (1, TransitionKind.OPENED),
        (2, TransitionKind.UPDATED),
    ]


def test_incidents_are_listed_newest_first(store: Store) -> None:
    """Lists are filtered by state and time; candidates appear only when asked for."""
    for number, state in enumerate(State):
        store.history.save_incident(incident(f"inc_{number}", state=state, at=AT + number))

    def found(**wanted: object) -> list[str]:
        return [i.id for i in store.history.incidents(**wanted)]  # type: ignore[arg-type]

    assert found() == ["inc_4", "inc_3", "inc_2", "inc_1"]
    assert found(states=[State.CANDIDATE]) == ["inc_0"]
    assert found(limit=1) == ["inc_4"]
    assert found(since=AT + 3) == ["inc_4", "inc_3"]


def test_an_unreadable_picture_is_reported(store: Store, reports: Reports) -> None:
    """A picture that cannot be read is left out of the list and named."""
    store.history.save_incident(incident("inc_1"))
    store.history.save_incident(incident("inc_2"))
    with store._database.transaction() as connection:
        connection.execute("UPDATE incident SET picture = '{}' WHERE id = 'inc_1'")

    assert [i.id for i in store.history.incidents()] == ["inc_2"]
    assert store.history.incident("inc_1") is None
    assert reports.counts["state.incident_unreadable", "decode"] == 2


def test_changes_are_kept_once(store: Store) -> None:
    """The same change told twice is one change; the newest comes first."""
    one = ChangeEvent(AT, "deploy", "service:cart", "v1")
    two = replace(one, at=AT + 1, title="v2")
    for change in (one, two, one):
        store.history.save_change(change)

    assert store.history.changes() == [two, one]
    assert store.history.changes(since=AT + 1) == [two]


def test_commands_are_numbered_and_kept(store: Store) -> None:
    """A command is committed with its number before it is answered."""
    first = store.inputs.command("ack", "inc_1", AT, "ana", {"note": "mine\n"})
    second = store.inputs.command("reload", "", AT + 1)

    assert first == Command(1, "ack", "inc_1", AT, "ana", {"note": "mine\n"})
    assert store.inputs.commands_after(0) == [first, second]
    assert store.inputs.commands_after(1) == [second]
    assert store.inputs.commands_after(0, 1) == [first]


def test_the_journal_is_in_order(store: Store) -> None:
    """Departures from event time come back in the order in which they were used."""
    seqs = [store.inputs.journal("file:/a", str(n), AT + n) for n in range(3)]
    entries = store.inputs.journal_after(seqs[0])

    assert [(e.seq, e.cursor, e.kind) for e in entries] == [(2, "1", "idle"), (3, "2", "idle")]


def test_the_audit_shows_every_change_to_it(store: Store) -> None:
    """A row that was altered behind our back breaks the chain at its number."""
    for number in range(5):
        store.history.audit(AT + number, "ana", "ack", f"inc_{number}", {"b": "2", "a": "1"})
    assert store.history.audit_broken_at() is None
    with store._database.transaction() as connection:
        connection.execute("DROP TRIGGER audit_is_never_rewritten")
        connection.execute("UPDATE audit SET actor = 'eve' WHERE seq = 3")

    assert store.history.audit_broken_at() == 3


@pytest.mark.parametrize("sql", ["UPDATE audit SET actor = 'eve'", "DELETE FROM audit"])
def test_the_audit_is_append_only(store: Store, sql: str) -> None:
    """The database itself refuses to alter or delete what was done."""
    store.history.audit(AT, "ana", "ack", "inc_1", {})
    with (
        pytest.raises(sqlite3.IntegrityError, match="append only"),
        store._database.transaction() as connection,
    ):
        connection.execute(sql)


def test_time_takes_what_has_ended(store: Store) -> None:
    """Retention deletes old and ended things in chunks; open and waiting ones stay."""
    for number in range(10):
        store.history.record([transition(incident_id=f"inc_{number}")])
        done = replace(transition(incident_id=f"inc_{number}", seq=2))
        if number < 8:
            done = transition(TransitionKind.RESOLVED, f"inc_{number}", 2)
        store.history.record([done])
        store.outbox.tell([notification(incident_id=f"inc_{number}")], AT)
        store.history.save_change(ChangeEvent(AT + number, "deploy", "e", str(number)))
        store.history.audit(AT + number, "ana", "ack", "x", {})
    for number in range(9):
        store.outbox.sent(f"ntf_inc_{number}_1_ops", AT)
    rounds = []
    while gone := store.prune(AT + 100, 3):
        rounds.append(gone)

    # Most rows are the audit's: 10 by hand, 20 decisions, 10 messages, of which 9 were sent.
    assert len(rounds) == math.ceil(49 / 3)
    assert sorted(i.id for i in store.history.incidents()) == ["inc_8", "inc_9"]
    assert store.history.timeline("inc_1") == []
    assert store.outbox.told("inc_8") == {"ops"}
    assert [w.notification.key for w in store.outbox.waiting("ops")] == ["ntf_inc_9_1_ops"]
    assert store.history.changes() == []
    assert store.history.audit_rows() == []


def test_the_pruned_audit_still_proves_the_rest(store: Store) -> None:
    """After the oldest rows were let go the chain holds, and numbers go on."""
    for number in range(6):
        store.history.audit(AT + number, "ana", "ack", str(number), {})
    store.prune(AT + 3)
    assert [row.seq for row in store.history.audit_rows()] == [4, 5, 6]
    assert store.history.audit_broken_at() is None
    store.prune(AT + 100)

    assert store.history.audit(AT + 9, "ana", "ack", "next", {}) == 7
    assert store.history.audit_broken_at() is None


def test_inputs_stay_until_every_kept_cut_is_past_them(store: Store) -> None:
    """Commands and journal rows that an older generation would need again are not deleted."""
    for number in range(1, 9):
        store.inputs.command("ack", str(number), AT)
        store.inputs.journal("file:/a", str(number), AT)
    store.prune(AT + 1000)
    assert len(store.inputs.commands_after(0)) == 8
    for number in (3, 4, 5, 6):
        store.cuts.save(cut(number), AT)
    store.prune(AT + 1000)

    assert [c.seq for c in store.inputs.commands_after(0)] == [5, 6, 7, 8]
    assert [e.seq for e in store.inputs.journal_after(0)] == [5, 6, 7, 8]
