"""What people decide about incidents, and whom that tells what."""

from __future__ import annotations

import pytest

from aiops.delivery import Route
from aiops.incidents.ledger import LedgerSettings
from aiops.model import State
from tests.scenarios.world import World, until

CHAT, PHONE = Route(name="chat"), Route(name="phone", second=True)


def test_an_acknowledgement_expires_with_a_reminder() -> None:
    """Four hours later it still burns: it is open again and everybody is told once."""
    world = World(ledger=LedgerSettings(ack_expires=4 * 3600.0))
    world.fire("cart")
    world.until(60)
    world.say("ack", world.only)
    world.until(5 * 3600)
    assert world.told == [
        (30.0, "chat", "opened"),
        (60.0, "chat", "acknowledged"),
        (60.0 + 4 * 3600, "chat", "reopened"),
    ]
    assert world.notes[-1] == "acknowledged by kim 4 h ago"
    assert [i.state for i in world.live] == [State.OPEN]


def test_who_is_not_answered_calls_the_second_receiver() -> None:
    """After fifteen minutes the phone rings, once; the end reaches both."""
    world = World(CHAT, PHONE, ledger=LedgerSettings(escalate_after=900.0))
    world.fire("cart")
    world.until(1200)
    world.restart()
    world.end("cart")
    world.until(3600)
    assert world.told == [
        (30.0, "chat", "opened"),
        (930.0, "chat", "escalated"),
        (930.0, "phone", "escalated"),
        (1510.0, "chat", "resolved"),
        (1510.0, "phone", "resolved"),
    ]


@pytest.mark.parametrize("kind", ["ack", "snooze"])
def test_who_answers_is_not_overruled(kind: str) -> None:
    """Acknowledged or put off in time, the phone stays silent to the end."""
    world = World(CHAT, PHONE, ledger=LedgerSettings(escalate_after=900.0))
    world.fire("cart")
    world.until(600)
    world.say(kind, world.only, until=until(3000))
    world.until(2000)
    world.end("cart")
    world.until(3600)
    assert {who for _, who, _ in world.told} == {"chat"}


def test_an_assignment_is_told_and_shown() -> None:
    """The picture and the message name who it is given to."""
    world = World()
    world.fire("cart")
    world.until(60)
    world.say("assign", world.only, to="lee")
    assert [i.assigned_to for i in world.live] == ["lee"]
    assert world.told[-1] == (60.0, "chat", "updated")
    assert world.notes[-1] == "assigned to lee"


def test_a_merge_by_hand_goes_on_in_one_story() -> None:
    """Two become one; the other's readers hear that it ends there."""
    world = World()
    world.fire("cart")
    world.until(600)
    world.end("cart")
    world.until(800)
    world.fire("mail")
    world.until(840)
    first, second = world.live
    world.say("merge", second.id, into=first.id)
    assert world.only == first.id
    assert set(world.live[0].entities) == {"service:cart", "service:mail"}
    world.end("mail")
    world.until(3600)
    assert [kind for _, _, kind in world.told] == [
        *("opened", "opened", "merged", "updated", "resolved")
    ]


def test_a_split_by_hand_stays_split() -> None:
    """One service leaves with its symptoms; what it shows later stays with it."""
    world = World()
    world.fire("cart")
    world.fire("mail")
    world.until(120)
    old = world.only
    world.say("split", old, entity="service:mail")
    names = [sorted(i.entities) for i in world.live]
    assert sorted(names) == [["service:cart"], ["service:mail"]]
    world.restart()
    world.until(600)
    assert sorted(sorted(i.entities) for i in world.live) == sorted(names)
    assert [kind for _, _, kind in world.told] == ["opened", "opened", "updated"]


@pytest.mark.parametrize(
    ("kind", "args"),
    [
        ("merge", {"into": "inc_none"}),
        ("split", {"entity": "service:cart"}),
        ("split", {"entity": "service:none"}),
        ("dance", {}),
    ],
)
def test_what_cannot_be_done_is_counted(kind: str, args: dict[str, str]) -> None:
    """A decision that came too late changes nothing and says so."""
    world = World()
    world.fire("cart")
    world.until(60)
    before = world.live
    world.say(kind, world.only, **args)
    assert world.live == before
    assert world.engine.ledger.facts["command_refused"] == 1
