"""Silences, snoozes and maintenance: tracked and shown, told once when they are over."""

from __future__ import annotations

from aiops.incidents.ledger import LedgerSettings
from aiops.incidents.maintenance import Window
from tests.scenarios.world import World, until


def test_a_silenced_incident_is_known_and_not_told() -> None:
    """It opens and resolves within the silence: people hear nothing, the API shows it."""
    world = World()
    world.say("silence", entity="cart", until=until(3600), reason="load test")
    world.fire("cart")
    world.until(120)
    assert [i.told for i in world.live] == [False]
    world.end("cart")
    world.until(1200)
    assert world.live == []
    assert world.told == []


def test_what_is_still_open_when_the_silence_ends_is_told_once() -> None:
    """One message at the end of the silence, then the end of the story as always."""
    world = World()
    world.say("silence", entity="cart", until=until(600))
    world.fire("cart")
    world.until(900)
    world.restart()
    world.end("cart")
    world.until(2400)
    assert world.told == [(600.0, "chat", "opened"), (1210.0, "chat", "resolved")]
    assert world.notes == ["held back until now", ""]


def test_an_end_is_told_to_who_knows_the_beginning() -> None:
    """A silence that begins in mid-incident hides progress, not the resolution."""
    world = World()
    world.fire("cart")
    world.until(120)
    world.say("silence", entity="service:*", until=until(7200))
    world.end("cart")
    world.until(1200)
    assert world.told == [(30.0, "chat", "opened"), (430.0, "chat", "resolved")]


def test_what_spreads_beyond_the_silence_is_told() -> None:
    """The silence names one service; trouble of the incident elsewhere is nobody's secret."""
    world = World()
    world.say("silence", entity="cart", until=until(3600))
    world.fire("cart")
    world.until(60)
    world.fire("cart", "Latency")
    world.until(120)
    assert world.told == []
    world.fire("mail")
    world.until(240)
    assert [(kind, who) for _, who, kind in world.told] == [("opened", "chat")]


def test_a_silence_ends_at_its_severity_and_text() -> None:
    """Of one service only the named trouble is hidden, and only up to the named severity."""
    world = World()
    world.say("silence", entity="cart", text="errors", severity="error", until=until(3600))
    world.fire("cart")
    world.until(120)
    assert world.told == []
    world.fire("cart", "Errors in checkout", "critical")
    world.until(180)
    assert [kind for _, _, kind in world.told] == ["opened"]


def test_a_silence_that_is_ended_by_hand_ends_now() -> None:
    """Only its end and its reason change; one that is over stays as it was."""
    world = World()
    name = f"sil_{world.say('silence', entity='cart', until=until(3600))}"
    world.fire("cart")
    world.until(120)
    world.say("silence-edit", name, until=until(120), reason="done")
    world.until(180)
    assert world.told == [(130.0, "chat", "opened")]
    world.say("silence-edit", name, until=until(9999))
    (silence,) = world.engine.news.muting.silences.values()
    assert (silence.ends - silence.starts, silence.reason) == (120.0, "done")
    assert world.engine.facts["command_without_target"] == 1


def test_a_snooze_is_over_when_it_gets_worse() -> None:
    """A snooze holds updates back until its end, or until the incident is worse than it was."""
    world = World()
    world.fire("cart", severity="warning")
    world.until(60)
    world.say("snooze", world.only, until=until(7200))
    world.until(300)
    assert [kind for _, _, kind in world.told] == ["opened"]
    world.fire("cart", "Down", "critical")
    world.until(400)
    assert [kind for _, _, kind in world.told] == ["opened", "escalated"]


def test_after_a_snooze_who_is_open_is_told_again() -> None:
    """The end of a snooze is a reminder, told once."""
    world = World()
    world.fire("cart")
    world.until(60)
    world.say("snooze", world.only, until=until(1800))
    world.until(3600)
    assert world.told == [(30.0, "chat", "opened"), (1800.0, "chat", "reopened")]


def test_planned_work_is_quiet_until_its_window_ends() -> None:
    """Monday 08:00 UTC is 09:00 in Berlin: an hour of maintenance covers the fault."""
    window = Window("cart", "0 9 * * mon", 3600.0, "Europe/Berlin", "database upgrade")
    world = World(ledger=LedgerSettings(maintenance=(window,)))
    world.fire("cart")
    world.until(120)
    assert [s.reason for s in world.engine.news.mutes(world.engine.clock)] == ["database upgrade"]
    world.until(4000)
    assert world.told == [(3600.0, "chat", "opened")]
