"""Channels that keep one message an incident: edited in place, found again, told anew when lost."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from aiops.config import build_component
from aiops.errors import ConfigError, Rejected, Transient
from aiops.model import State, TransitionKind
from aiops.notifiers.discord import DiscordNotifier
from aiops.notifiers.slack_bot import SlackBotNotifier
from aiops.notifiers.telegram import TelegramNotifier
from tests.unit.notifiers.receivers.shelf import receiver
from tests.unit.notifiers.receivers.stories import tell, told

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

K = TransitionKind
CLASSES: dict[str, type[Any]] = {
    "slack_bot": SlackBotNotifier,
    "discord": DiscordNotifier,
    "telegram": TelegramNotifier,
}
OPENED, UPDATED = told(K.OPENED), told(K.UPDATED, seq=2)
ESCALATED = told(K.ESCALATED, seq=3)
RESOLVED = told(K.RESOLVED, seq=4, state=State.RESOLVED)

each = pytest.mark.parametrize("kind", sorted(CLASSES))


@asynccontextmanager
async def speaking(kind: str, folder: Path) -> AsyncIterator[tuple[Any, Any]]:
    one = receiver(kind, folder)
    async with one.running():
        notifier: Any = build_component(CLASSES[kind], one.table(), kind)
        try:
            yield one, notifier
        finally:
            await notifier.close()


@each
async def test_an_incident_is_one_message(kind: str, tmp_path: Path) -> None:
    """An update changes the message that is there; a channel does not fill up with updates."""
    async with speaking(kind, tmp_path) as (one, notifier):
        await tell(notifier, [OPENED, UPDATED, told(K.ACKNOWLEDGED, seq=3)])

        (message,) = one.messages.values()
        assert "ACKNOWLEDGED" in str(message)


@each
async def test_the_receipt_is_all_that_is_needed(kind: str, tmp_path: Path) -> None:
    """A new process that has the receipt goes on with the same message."""
    async with speaking(kind, tmp_path) as (one, notifier):
        receipt = await notifier.send(OPENED)
        fresh: Any = build_component(CLASSES[kind], one.table(), kind)
        assert await fresh.send(replace(UPDATED, receipt=receipt)) is None
        await fresh.close()

        assert len(one.messages) == 1


@each
async def test_a_message_that_is_gone_is_told_anew(kind: str, tmp_path: Path) -> None:
    """Somebody deleted it: the story is posted again, under a new receipt."""
    async with speaking(kind, tmp_path) as (one, notifier):
        receipt = await notifier.send(OPENED)
        one.messages.clear()
        again = await notifier.send(replace(UPDATED, receipt=receipt))

        (message,) = one.messages.values()
        assert "UPDATED" in str(message)
        assert again is not None


@pytest.mark.parametrize(("kind", "chat"), [("slack_bot", "C0OLD/1.1"), ("telegram", "-5/9")])
async def test_a_channel_that_was_changed_gets_the_story_anew(
    kind: str, chat: str, tmp_path: Path
) -> None:
    """The message is in a room that the channel left: the one that is configured hears of it."""
    async with speaking(kind, tmp_path) as (one, notifier):
        again = await notifier.send(replace(RESOLVED, receipt=chat))

        assert len(one.messages) == 1
        assert again is not None


async def test_a_chat_that_refuses_everything_is_final(tmp_path: Path) -> None:
    """When the bot was thrown out the edit and the new message are refused, and that is said."""
    words = {"ok": False, "error_code": 403, "description": "Forbidden: bot was kicked"}
    async with speaking("telegram", tmp_path) as (one, notifier):
        one.answer = lambda _: web.json_response(words, status=403)
        with pytest.raises(Rejected, match="bot was kicked") as caught:
            await notifier.send(replace(RESOLVED, receipt="-100/7"))

    assert caught.value.reason == "auth"


@each
@pytest.mark.parametrize("receipt", ["../../evil", "C1/../1", "1/2/3", "-1/1?x=1", "\u0661", ""])
async def test_a_receipt_that_is_none_is_not_used(kind: str, receipt: str, tmp_path: Path) -> None:
    """What does not look like a receipt never becomes part of a request."""
    async with speaking(kind, tmp_path) as (one, notifier):
        await notifier.send(replace(UPDATED, receipt=receipt))

        assert len(one.messages) == 1
        assert [call.method for call in one.calls] == ["POST"]


@each
async def test_a_change_for_the_worse_is_heard(kind: str, tmp_path: Path) -> None:
    """An edit rings no bell, so what got worse is said once more, aloud."""
    async with speaking(kind, tmp_path) as (one, notifier):
        receipt = await notifier.send(OPENED)
        await notifier.send(replace(ESCALATED, receipt=receipt))
        said = one.calls[-1].said

        assert "ESCALATED" in str(said)
        assert said.get("reply_broadcast", True) is True
        assert said.get("disable_notification", False) is False
        assert said.get("flags", 0) & (1 << 12) == 0


@each
async def test_the_end_is_said_quietly(kind: str, tmp_path: Path) -> None:
    """That it is over is said once more, without a bell."""
    async with speaking(kind, tmp_path) as (one, notifier):
        receipt = await notifier.send(OPENED)
        await notifier.send(replace(RESOLVED, receipt=receipt))
        said = one.calls[-1].said
        quiet = {
            "slack_bot": said.get("reply_broadcast") is False,
            "discord": said.get("flags", 0) & (1 << 12) > 0,
            "telegram": said.get("disable_notification") is True,
        }

        assert "RESOLVED" in str(said)
        assert quiet[kind]


async def test_an_edit_that_changes_nothing_is_taken(tmp_path: Path) -> None:
    """A retry finds the text as it left it, which Telegram calls an error."""
    async with speaking("telegram", tmp_path) as (one, notifier):
        receipt = await notifier.send(OPENED)
        await notifier.send(replace(UPDATED, receipt=receipt))
        await notifier.send(replace(UPDATED, receipt=receipt))

        assert len(one.messages) == 1


async def test_a_group_that_moved_is_followed(tmp_path: Path) -> None:
    """When Telegram names the group's new id the message goes there, and so do later ones."""
    async with speaking("telegram", tmp_path) as (one, notifier):
        old = await notifier.send(OPENED)
        one.moved_to = -1009
        new = await notifier.send(replace(UPDATED, receipt=old))
        await notifier.send(replace(RESOLVED, receipt=new))

        assert (old, new) == ("-100/7", "-1009/8")
        assert "RESOLVED" in one.messages[8]["text"]


async def test_a_reply_is_retried_with_its_edit(tmp_path: Path) -> None:
    """When only the reply fails the whole change is tried again; the edit is the same twice."""
    async with speaking("slack_bot", tmp_path) as (one, notifier):
        receipt = await notifier.send(OPENED)
        one.strict, one.times = True, {"post": [0.0]}
        with pytest.raises(Transient):
            await notifier.send(replace(UPDATED, receipt=receipt))
        one.strict = False
        await notifier.send(replace(UPDATED, receipt=receipt))

        assert len(one.messages) == 1
        assert len(one.replies) == 1


@pytest.mark.parametrize(
    ("error", "kind", "reason"),
    [
        ("internal_error", Transient, "server"),
        ("ratelimited", Transient, "rate_limited"),
        ("not_in_channel", Rejected, "gone"),
        ("token_revoked", Rejected, "auth"),
        ("restricted_action", Rejected, "rejected"),
    ],
)
async def test_a_no_in_a_200_is_a_no(
    error: str, kind: type[Exception], reason: str, tmp_path: Path
) -> None:
    """Slack says no with 200 and ``ok: false``; some of its refusals pass by."""
    async with speaking("slack_bot", tmp_path) as (one, notifier):
        one.answer = lambda _: web.json_response({"ok": False, "error": error})
        with pytest.raises(kind) as caught:
            await notifier.send(OPENED)

        assert caught.value.reason == reason  # type: ignore[attr-defined]


async def test_blocks_that_slack_refuses_are_sent_as_text(tmp_path: Path) -> None:
    """When Slack does not like the blocks, the same words arrive as plain text."""
    async with speaking("slack_bot", tmp_path) as (one, notifier):
        take, tries = one.answer, []

        def picky(call: Any) -> Any:
            tries.append(call.said)
            if "blocks" in call.said:
                return web.json_response({"ok": False, "error": "invalid_blocks"})
            return take(call)

        one.answer = picky
        assert await notifier.send(OPENED) is not None

        assert ["blocks" in said for said in tries] == [True, False]


@pytest.mark.parametrize(
    ("kind", "table", "problem"),
    [
        ("slack_bot", {"channel": "C1"}, "token: missing"),
        ("telegram", {"chat": "-1"}, "token: missing"),
        ("telegram", {"chat": "-1", "token": "../x"}, "token: missing or no token"),
        ("telegram", {"chat": "ops", "token": "1:a"}, "chat = 'ops'"),
        ("discord", {}, "url: missing; set url or url_file"),
    ],
)
def test_what_is_missing_is_named(kind: str, table: dict[str, Any], problem: str) -> None:
    """A channel without its key is a problem of the configuration, not of the first incident."""
    with pytest.raises(ConfigError, match=problem):
        build_component(CLASSES[kind], table, f"notifiers.{kind}[0]")
