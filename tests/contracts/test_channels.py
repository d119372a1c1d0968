"""Every channel against a stand-in that keeps its receiver's limits and says no as it does."""

from __future__ import annotations

import html
from contextlib import asynccontextmanager
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

from aiops.assembly import build
from aiops.cli.notify import sample
from aiops.config import Settings, build_component
from aiops.errors import Rejected, Transient
from aiops.links import Verb
from aiops.model import TransitionKind
from aiops.notifiers import NOTIFIERS
from tests.unit.notifiers.receivers.service import SECRET
from tests.unit.notifiers.receivers.shelf import RECEIVERS, receiver
from tests.unit.notifiers.receivers.stories import life, long, offering, tell, told

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

every = pytest.mark.parametrize("kind", sorted(RECEIVERS))

# Receivers that may be told everything: programs, not people.
WHOLE = {"exec", "webhook"}
# How many links a receiver has room for; it is not people that Alertmanager shows alerts to.
SHOWN = {"ntfy": 2, "alertmanager": 0}
# What is not taken when only half of a yes arrived: mail is there after its last line alone.
AGAIN = {"email", "apprise"}
# What a program or a library passes on of "too many requests".
BUSY = {"exec": "exit_code", "apprise": "not_taken"}


@asynccontextmanager
async def speaking(kind: str, folder: Path, **more: Any) -> AsyncIterator[tuple[Any, Any]]:
    """Run the stand-in and a channel that leads to it."""
    keys = {key: more.pop(key) for key in ("timeout", "wrong") if key in more}
    one = receiver(kind, folder, **more)
    async with one.running():
        table = one.wrong_table() if keys.pop("wrong", False) else one.table()
        module, _, name = NOTIFIERS[kind].partition(":")
        cls = getattr(import_module(module), name)
        notifier = build_component(cls, table | keys, f"notifiers.{kind}[0]")
        try:
            yield one, notifier
        finally:
            await notifier.close()


def test_every_channel_has_a_stand_in() -> None:
    """Nothing on the shelf is untried; standard output is no receiver."""
    assert set(RECEIVERS) == set(NOTIFIERS) - {"stdout"}


@every
async def test_a_whole_life_is_taken(kind: str, tmp_path: Path) -> None:
    """Opened, updated and resolved are taken, and nothing in them acts or gives a secret away."""
    async with speaking(kind, tmp_path) as (one, notifier):
        await tell(notifier, life())

        assert one.texts()
        assert one.acting() == []


@every
async def test_every_kind_of_change_is_taken(kind: str, tmp_path: Path) -> None:
    """No receiver refuses a kind of change, whatever came before it."""
    async with speaking(kind, tmp_path) as (one, notifier):
        for change in TransitionKind:
            await tell(notifier, [told(change), told(change, seq=2)])

        assert one.texts()


@every
async def test_the_sample_message_is_taken(kind: str, tmp_path: Path) -> None:
    """What ``aiops notify test`` sends is taken by every channel."""
    async with speaking(kind, tmp_path) as (one, notifier):
        await notifier.send(sample(kind))

        assert any("nothing is wrong" in text for text in one.texts())


@every
async def test_a_story_beyond_all_bounds_is_cut_and_counted(kind: str, tmp_path: Path) -> None:
    """What does not fit is cut within the receiver's limits, counted, and said where it is."""
    async with speaking(kind, tmp_path) as (one, notifier):
        await notifier.send(long())

        text = "\n".join(one.texts())
        assert "line 0 " in text
        if kind not in WHOLE | {"alertmanager"}:
            assert "more lines" in text
            assert "https://aiops.example/incidents/inc_1" in text


@every
async def test_links_are_shown_as_each_receiver_shows_them(kind: str, tmp_path: Path) -> None:
    """What a reader may say of an incident is a link, also beside a story beyond all bounds."""
    for story in (life()[1], long()):
        folder = tmp_path / str(len(story.body))
        folder.mkdir()
        async with speaking(kind, folder) as (one, notifier):
            await notifier.send(offering(story))

            text = html.unescape("\n".join(one.texts()))
            shown = [offer for offer in offering(story).offers if offer.url in text]
            assert len(shown) == SHOWN.get(kind, len(Verb))
            assert kind in WHOLE or one.acting() == []


@every
async def test_a_busy_receiver_is_given_time(kind: str, tmp_path: Path) -> None:
    """Too many requests is a wait as long as the receiver asks for, in header, body or words."""
    async with speaking(kind, tmp_path, mood="busy") as (one, notifier):
        with pytest.raises(Transient) as caught:
            await notifier.send(life()[0])

        assert caught.value.after == one.wait
        assert caught.value.reason == BUSY.get(kind, "rate_limited")
        assert SECRET not in str(caught.value)


@every
async def test_a_receiver_that_is_down_is_tried_again(kind: str, tmp_path: Path) -> None:
    """Its own trouble is no reason to give a message up."""
    async with speaking(kind, tmp_path, mood="down") as (_, notifier):
        with pytest.raises(Transient) as caught:
            await notifier.send(life()[0])

        assert SECRET not in str(caught.value)


@pytest.mark.parametrize("kind", sorted(set(RECEIVERS) - {"apprise", "email", "exec"}))
async def test_what_is_too_large_on_the_way_is_given_up(kind: str, tmp_path: Path) -> None:
    """A 413, also of a proxy before the receiver: the same bytes would be refused again."""
    async with speaking(kind, tmp_path, mood="full") as (_, notifier):
        with pytest.raises(Rejected) as caught:
            await notifier.send(life()[0])

        assert caught.value.reason == "too_large"
        assert SECRET not in str(caught.value)


@every
async def test_a_silent_receiver_costs_the_timeout(kind: str, tmp_path: Path) -> None:
    """One that accepts and says nothing is left after the timeout and tried again."""
    async with speaking(kind, tmp_path, mood="silent", timeout="0.05s") as (_, notifier):
        with pytest.raises(Transient) as caught:
            await notifier.send(life()[0])

        assert caught.value.reason == "timeout"


@every
async def test_a_receiver_that_hangs_up_is_tried_again(kind: str, tmp_path: Path) -> None:
    """A connection or a program that ends in the middle is no answer."""
    async with speaking(kind, tmp_path, mood="broken") as (_, notifier):
        with pytest.raises(Transient):
            await notifier.send(life()[0])


@pytest.mark.parametrize("kind", sorted(set(RECEIVERS) - {"exec"}))
async def test_half_an_answer_is_a_yes_when_it_says_so(kind: str, tmp_path: Path) -> None:
    """A body that hangs after a yes repeats nothing; a mail without its last yes is sent again."""
    async with speaking(kind, tmp_path, mood="half", timeout="0.05s") as (_, notifier):
        if kind in AGAIN:
            with pytest.raises(Transient):
                await notifier.send(life()[0])
        else:
            assert await notifier.send(life()[0]) is None


@every
async def test_a_wrong_key_is_final_and_stays_secret(kind: str, tmp_path: Path) -> None:
    """What the receiver will never take is given up, and the reason shows no key."""
    async with speaking(kind, tmp_path, wrong=True) as (_, notifier):
        with pytest.raises(Rejected) as caught:
            await notifier.send(life()[0])

        assert SECRET not in str(caught.value)
        assert f'notifier "{kind}"' in str(caught.value)


@pytest.mark.parametrize("kind", sorted(set(RECEIVERS) - {"email", "exec"}))
async def test_the_pace_keeps_the_published_limit(kind: str, tmp_path: Path) -> None:
    """At its own pace, each change two requests, no channel is ever told to slow down."""
    async with speaking(kind, tmp_path, strict=True) as (one, notifier):
        plan = build(Settings(notifiers={kind: [one.table()]}))
        gap = 1 / plan.paces[kind].rate
        # The first message is told well before: what follows are changes of it.
        receipt = await tell(notifier, life()[:1])
        for number in range(1, 26):
            one.at = 1000 + number * gap
            kinds = (TransitionKind.REOPENED, TransitionKind.ESCALATED)
            again = told(kinds[number % 2], seq=number)
            await notifier.send(replace(again, receipt=receipt))
