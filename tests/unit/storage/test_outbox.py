"""The outbox: told once, kept in order, settled once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiops.model import TransitionKind
from aiops.storage import Store
from tests.unit.storage.nouns import AT, Reports, notification

if TYPE_CHECKING:
    from aiops.storage import StateDirectory

OPENED, UPDATED, RESOLVED = (
    TransitionKind.OPENED,
    TransitionKind.UPDATED,
    TransitionKind.RESOLVED,
)


def keys(store: Store, receiver: str = "ops") -> list[str]:
    return [item.notification.key for item in store.outbox.waiting(receiver)]


def test_what_is_told_waits(store: Store) -> None:
    """A message comes back whole, with its transition, picture and text."""
    message = notification()
    assert store.outbox.tell([message], AT) == [message.key]
    (found,) = store.outbox.due("ops", AT)

    assert found.notification == message
    assert (found.created_at, found.next_at, found.attempts) == (AT, AT, 0)


def test_a_known_key_is_not_told_again(store: Store) -> None:
    """The same message told twice is one row, also after it was sent or given up."""
    a, b, c = (notification(seq=seq) for seq in (1, 2, 3))
    store.outbox.tell([a, b, a], AT)
    store.outbox.sent(a.key, AT)
    store.outbox.dead(b.key, AT, "rejected")

    assert store.outbox.tell([a, b, c], AT + 1) == [c.key]
    assert keys(store) == [c.key]


def test_messages_outlive_the_process(store: Store, directory: StateDirectory) -> None:
    """What waits is there after a restart, in the same order."""
    told = [notification(seq=seq, incident_id=f"inc_{9 - seq}") for seq in range(5)]
    store.outbox.tell(told, AT)
    store.close()
    again = Store.open(directory, Reports())

    assert keys(again) == [n.key for n in told]
    again.close()


def test_receivers_have_queues_of_their_own(store: Store) -> None:
    """A message waits for its receiver alone."""
    store.outbox.tell([notification(receiver="ops"), notification(receiver="dev")], AT)

    assert store.outbox.receivers() == ["dev", "ops"]
    assert keys(store, "dev") == ["ntf_inc_1_1_dev"]


def test_nothing_is_due_while_the_oldest_waits(store: Store) -> None:
    """A message that must be retried later holds those behind it."""
    a, b = notification(seq=1), notification(seq=2)
    store.outbox.tell([a, b], AT)
    store.outbox.retry(a.key, 1, AT + 10, "timeout")

    assert store.outbox.due("ops", AT + 9) == []
    first, second = store.outbox.due("ops", AT + 10)
    assert (first.notification.key, first.attempts, first.reason) == (a.key, 1, "timeout")
    assert second.notification.key == b.key


def test_a_settled_message_stays_settled(store: Store) -> None:
    """What was sent cannot become a dead letter or wait again."""
    a = notification()
    store.outbox.tell([a], AT)
    store.outbox.sent(a.key, AT)
    store.outbox.retry(a.key, 3, AT, "late")
    store.outbox.dead(a.key, AT, "late")

    assert store.outbox.counts() == {("ops", "sent"): 1}


def test_dead_letters_are_shown(store: Store, reports: Reports) -> None:
    """A message that was given up is counted and can be read, with the reason."""
    store.outbox.tell([notification()], AT)
    store.outbox.dead("ntf_inc_1_1_ops", AT + 5, "rejected")
    (letter,) = store.outbox.dead_letters()

    assert (letter.receiver, letter.incident, letter.kind) == ("ops", "inc_1", "opened")
    assert (letter.at, letter.attempts, letter.reason) == (AT + 5, 1, "rejected")
    assert reports.counts["outbox.dead_letter", "rejected"] == 1


def test_only_superseded_updates_are_skipped(store: Store, reports: Reports) -> None:
    """An update behind which a newer message waits is skipped; nothing else ever is."""
    told = [
        notification(OPENED, seq=1),
        notification(UPDATED, seq=2),
        notification(UPDATED, "inc_2", seq=2),
        notification(UPDATED, seq=3),
        notification(RESOLVED, seq=4),
        notification(UPDATED, seq=2, receiver="dev"),
    ]
    store.outbox.tell(told, AT)

    assert store.outbox.skip_superseded("ops", AT) == 2
    assert keys(store) == ["ntf_inc_1_1_ops", "ntf_inc_2_2_ops", "ntf_inc_1_4_ops"]
    assert keys(store, "dev") == ["ntf_inc_1_2_dev"]
    assert reports.counts["outbox.skipped", "superseded"] == 2
    assert store.outbox.skip_superseded("ops", AT) == 0


def test_who_was_told_is_known(store: Store) -> None:
    """Who knows of an incident: receivers whose opening waits or was sent, not given up."""
    store.outbox.tell([notification(receiver=r) for r in ("sent", "waits", "dead")], AT)
    store.outbox.tell([notification(UPDATED, seq=2, receiver="late")], AT)
    store.outbox.sent("ntf_inc_1_1_sent", AT)
    store.outbox.dead("ntf_inc_1_1_dead", AT, "rejected")

    assert store.outbox.told("inc_1") == {"sent", "waits"}
    assert store.outbox.told("inc_2") == set()


def test_old_messages_to_strangers_are_given_up(store: Store, reports: Reports) -> None:
    """What waits too long for a receiver that is no longer configured becomes a dead letter."""
    store.outbox.tell([notification(receiver="ops"), notification(receiver="gone")], AT)
    store.outbox.tell([notification(receiver="gone", seq=2)], AT + 100)

    assert store.outbox.abandon_strangers(["ops"], AT + 50, AT + 200) == 1
    assert store.outbox.counts() == {("gone", "dead"): 1, ("gone", "waiting"): 1} | {
        ("ops", "waiting"): 1
    }
    assert reports.counts["outbox.dead_letter", "receiver_gone"] == 1


def test_an_unreadable_message_stops_nobody(store: Store, reports: Reports) -> None:
    """A row that cannot be read becomes a dead letter, and the next one comes."""
    store.outbox.tell([notification(seq=1), notification(seq=2)], AT)
    with store._database.transaction() as connection:
        connection.execute("UPDATE outbox SET payload = '{' WHERE seq = 1")

    assert keys(store) == ["ntf_inc_1_2_ops"]
    assert reports.counts["outbox.dead_letter", "unreadable"] == 1


def test_telling_nothing_costs_nothing(store: Store) -> None:
    """No message, no transaction."""
    before = store._database.rows("PRAGMA data_version")

    assert store.outbox.tell([], AT) == []
    assert store._database.rows("PRAGMA data_version") == before
