"""What PagerDuty, Teams, Google Chat, Rocket.Chat, Mattermost and ntfy do with a life's changes."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from aiops.config import build_component
from aiops.errors import ConfigError, Rejected, Transient
from aiops.model import Severity, State, TransitionKind
from aiops.notifiers import NOTIFIERS
from tests.unit.notifiers.receivers.shelf import receiver
from tests.unit.notifiers.receivers.stories import life, tell, told

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

K = TransitionKind
OPENED = told(K.OPENED)


def cls_of(kind: str) -> type[Any]:
    module, _, name = NOTIFIERS[kind].partition(":")
    return getattr(import_module(module), name)  # type: ignore[no-any-return]


@asynccontextmanager
async def speaking(kind: str, folder: Path, **keys: Any) -> AsyncIterator[tuple[Any, Any]]:
    one = receiver(kind, folder)
    async with one.running():
        notifier: Any = build_component(cls_of(kind), one.table() | keys, kind)
        try:
            yield one, notifier
        finally:
            await notifier.close()


# --- pagerduty ------------------------------------------------------------------------------


async def test_a_page_follows_the_incident(tmp_path: Path) -> None:
    """All of one incident is one page: triggered, acknowledged, resolved."""
    merged = told(K.MERGED, seq=5, state=State.CLOSED)
    async with speaking("pagerduty", tmp_path) as (one, notifier):
        await tell(notifier, [OPENED, told(K.ACKNOWLEDGED, seq=2), told(K.REOPENED, seq=3)])
        await tell(notifier, [told(K.RESOLVED, seq=4, state=State.RESOLVED), merged])

        assert one.incidents == {
            "inc_1": ["trigger", "acknowledge", "trigger", "resolve", "resolve"]
        }


async def test_words_that_are_no_incident_page_nobody(tmp_path: Path) -> None:
    """The greeting of a new engine is over before it began: it never triggers."""
    async with speaking("pagerduty", tmp_path) as (one, notifier):
        await notifier.send(told(K.UPDATED, id="learning", state=State.CLOSED))

        assert one.incidents == {"learning": ["resolve"]}


async def test_changes_are_sent_once_and_only_when_asked(tmp_path: Path) -> None:
    """With ``changes`` those before the start become change events, at the opening alone."""
    async with speaking("pagerduty", tmp_path) as (one, notifier):
        await tell(notifier, life())
        assert one.changes == []
    async with speaking("pagerduty", tmp_path, changes=True) as (one, notifier):
        await tell(notifier, life())

        summaries = [change["summary"] for change in one.changes]
        assert summaries == ["deploy: v42 <b>now</b> token=<redacted>", "flag: fast-checkout on"]


async def test_a_lost_change_does_not_page_twice(tmp_path: Path) -> None:
    """When a change event fails it is counted; the page is out and is not sent again."""
    heard: list[tuple[str, str, int]] = []
    async with speaking("pagerduty", tmp_path, changes=True) as (one, notifier):
        notifier.report = lambda *told: heard.append(told)
        one.changes_down = True
        await notifier.send(OPENED)

        assert one.incidents == {"inc_1": ["trigger"]}
        assert heard == [("receiver_failed", "server", 1)] * 2


async def test_a_page_without_entities_has_a_source(tmp_path: Path) -> None:
    """PagerDuty wants a source: without an entity it is us; a long id keeps its bound."""
    async with speaking("pagerduty", tmp_path) as (one, notifier):
        await notifier.send(told(K.OPENED, entities=(), id="i" * 300))

        assert one.calls[0].said["payload"]["source"] == "aiops"
        assert list(one.incidents) == ["i" * 255]


async def test_what_pagerduty_dislikes_is_named(tmp_path: Path) -> None:
    """The reason of a refusal is in the error."""
    async with speaking("pagerduty", tmp_path, routing_key="old") as (_, notifier):
        with pytest.raises(Rejected, match="Invalid routing key"):
            await notifier.send(OPENED)


# --- teams ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "error", "reason"),
    [
        (429, Transient, "rate_limited"),
        (502, Transient, "server"),
        (413, Rejected, "too_large"),
        (400, Rejected, "rejected"),
    ],
)
async def test_a_no_behind_the_workflow_is_a_no(
    status: int, error: type[Exception], reason: str, tmp_path: Path
) -> None:
    """The workflow says yes, then Teams says no in the body of the same answer."""
    text = f"Webhook message delivery failed: Microsoft Teams endpoint returned HTTP error {status}"
    async with speaking("teams", tmp_path) as (one, notifier):
        one.answer = lambda _: web.Response(text=text)
        with pytest.raises(error) as caught:
            await notifier.send(OPENED)

    assert caught.value.reason == reason  # type: ignore[attr-defined]


# --- rooms ----------------------------------------------------------------------------------


async def test_an_incident_is_one_thread_of_a_space(tmp_path: Path) -> None:
    """Google Chat threads by our own key: no receipt has to be kept."""
    async with speaking("googlechat", tmp_path) as (one, notifier):
        receipt = await tell(notifier, life())
        await notifier.send(told(K.OPENED, id="inc_2"))

        assert receipt == ""
        assert {key: len(texts) for key, texts in one.threads.items()} == {"inc_1": 3, "inc_2": 1}


async def test_a_no_of_rocket_chat_in_a_200_is_a_no(tmp_path: Path) -> None:
    """``success: false`` is a no whatever the status."""
    async with speaking("rocketchat", tmp_path) as (one, notifier):
        one.answer = lambda _: web.json_response({"success": False, "error": "invalid-channel"})
        with pytest.raises(Rejected, match="invalid-channel"):
            await notifier.send(OPENED)


@pytest.mark.parametrize("kind", ["mattermost", "rocketchat"])
async def test_a_colour_shows_severity_or_the_end(kind: str, tmp_path: Path) -> None:
    """Each severity has its colour, and what is over is green whatever it was."""
    pictures = [replace(told(K.OPENED, severity=severity), receipt="") for severity in Severity]
    over = told(K.RESOLVED, state=State.RESOLVED)
    async with speaking(kind, tmp_path) as (one, notifier):
        await tell(notifier, [*pictures, over, replace(over, link="")])
        shown = [call.said["attachments"][0] for call in one.calls]

    assert len({one["color"] for one in shown}) == len(Severity) + 1
    assert "title_link" in shown[0]
    assert "title_link" not in shown[-1]


# --- ntfy -----------------------------------------------------------------------------------


async def test_the_bell_is_as_loud_as_the_incident(tmp_path: Path) -> None:
    """Priority is severity; updates and acknowledgements are quiet, and the end is ordinary."""
    told_of = [told(K.OPENED, severity=severity) for severity in Severity]
    told_of += [told(K.UPDATED, severity=Severity.CRITICAL), told(K.ACKNOWLEDGED)]
    told_of += [told(K.RESOLVED, severity=Severity.CRITICAL, state=State.RESOLVED)]
    async with speaking("ntfy", tmp_path) as (one, notifier):
        await tell(notifier, told_of)

        assert [call.said["priority"] for call in one.calls] == [2, 3, 4, 5, 2, 2, 3]


async def test_a_topic_needs_no_token(tmp_path: Path) -> None:
    """Without a token no authorization is sent; a story without lines still says something."""
    async with speaking("ntfy", tmp_path) as (one, _):
        one.answer = lambda _: web.json_response({"id": "a"})
        table = {"topic": "shop", "url": one.url}
        notifier: Any = build_component(cls_of("ntfy"), table, "x")
        await notifier.send(told(K.OPENED, body=""))
        await notifier.close()

        assert "Authorization" not in one.calls[0].headers
        assert one.calls[0].said["message"]


# --- configuration --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["teams", "mattermost", "rocketchat", "googlechat", "pagerduty"])
def test_without_its_key_there_is_no_channel(kind: str) -> None:
    """What opens the receiver must be set, inline or in a file."""
    with pytest.raises(ConfigError, match=rf'notifiers\.{kind} "{kind}"\.\w+: missing; set'):
        build_component(cls_of(kind), {}, f"notifiers.{kind}[0]")


@pytest.mark.parametrize("kind", ["teams", "mattermost", "rocketchat", "googlechat", "discord"])
def test_a_webhook_may_be_in_a_file(kind: str, tmp_path: Path) -> None:
    """url_file is as good as url, and a wrong one is refused without being shown."""
    path = tmp_path / "hook.url"
    path.write_text("https://hooks.example/x?key=1\n", encoding="utf-8")
    assert build_component(cls_of(kind), {"url_file": str(path)}, "x").name == kind

    path.write_text("hunter2", encoding="utf-8")
    with pytest.raises(ConfigError, match="write a URL") as caught:
        build_component(cls_of(kind), {"url_file": str(path)}, "x")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("topic", ["", "a/b", "a b", "x" * 65])
def test_a_topic_is_a_name(topic: str) -> None:
    """What ntfy would not take as a topic is refused at once."""
    with pytest.raises(ConfigError, match="topic"):
        build_component(cls_of("ntfy"), {"topic": topic}, "x")
