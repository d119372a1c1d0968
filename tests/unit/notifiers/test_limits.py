"""Whatever a story holds, a receiver's limits are kept and nothing in the message acts."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aiops.notifiers import discord, googlechat, markdown, ntfy, pagerduty, teams, telegram
from aiops.notifiers.wording import Words, cut, fitting, octets, units, words
from tests.unit.notifiers.receivers.discord import HOOK, Discord
from tests.unit.notifiers.receivers.googlechat import Googlechat
from tests.unit.notifiers.receivers.mattermost import Mattermost
from tests.unit.notifiers.receivers.ntfy import Ntfy
from tests.unit.notifiers.receivers.pagerduty import KEY, Pagerduty
from tests.unit.notifiers.receivers.rocketchat import Rocketchat
from tests.unit.notifiers.receivers.service import SECRET, Call, No
from tests.unit.notifiers.receivers.stories import K, T, told
from tests.unit.notifiers.receivers.teams import Teams
from tests.unit.notifiers.receivers.telegram import BOT, Telegram

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiops.model import Notification


@dataclass(frozen=True)
class Form:
    """How one message is made, and where its receiver takes it."""

    receiver: type[Any]
    path: str
    make: Callable[[Notification], dict[str, Any]]
    query: str = ""
    header: str = ""


FORMS = {
    "discord": Form(Discord, HOOK, discord.embed),
    "discord line": Form(Discord, HOOK, discord.line),
    "googlechat": Form(
        Googlechat, "/v1/spaces/A/messages", googlechat.message, query=f"key=k&token={SECRET}"
    ),
    "mattermost": Form(Mattermost, f"/hooks/{SECRET}", lambda n: markdown.attached(n, 16_000)),
    "ntfy": Form(Ntfy, "/", lambda n: {"topic": "shop"} | ntfy.message(n), header=f"tk_{SECRET}"),
    "pagerduty": Form(
        Pagerduty, "/v2/enqueue", lambda n: {"routing_key": KEY} | pagerduty.event(n)
    ),
    "rocketchat": Form(Rocketchat, f"/hooks/1/{SECRET}", lambda n: markdown.attached(n, 4800)),
    "teams": Form(Teams, f"/workflows/{SECRET}", teams.message, query="sig=s"),
    "telegram": Form(
        Telegram,
        f"{BOT}/sendMessage",
        lambda n: {
            "chat_id": "-100",
            "text": telegram.message(n),
            "parse_mode": "HTML",
            "link_preview_options": {"is_disabled": True},
        },
    ),
}

NASTY = st.text(
    alphabet=st.sampled_from("<>&@`*[]()|~\\\"'\n a\u202e\U0001f525é\x1b"), max_size=800
)


def put(form: Form, notification: Notification) -> Any:
    """Hand a message to its receiver without a network; return the receiver."""
    one = form.receiver(Path())
    query = dict(part.split("=") for part in form.query.split("&") if part)
    body = json.dumps(form.make(notification), ensure_ascii=False).encode()
    call = Call("POST", form.path, query, {"Authorization": f"Bearer {form.header}"}, body)
    one.calls.append(call)
    answer = one.answer(call)
    assert b"HTTP error" not in (answer.body or b"")
    return one


@pytest.mark.parametrize("name", sorted(FORMS))
@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=25, deadline=None)
@given(body=NASTY, title=NASTY | st.just("&" * 3000), times=st.integers(1, 30))
def test_every_message_is_within_the_limits(name: str, body: str, title: str, times: int) -> None:
    """Any text, of any length, is taken, and nothing in it acts."""
    notification = told(K.OPENED, body=(body + "\n") * times, title=title)

    assert put(FORMS[name], notification).acting() == []


@pytest.mark.parametrize("name", sorted(FORMS))
def test_the_receiver_refuses_what_is_beyond_its_limits(name: str) -> None:
    """The stand-in does keep its limits: the same message without our cutting is refused."""
    form, times = FORMS[name], 3000 if name == "pagerduty" else 200

    def swollen(value: Any) -> Any:
        if isinstance(value, dict):
            kept = ("type", "version", "chat_id", "parse_mode", "threadKey", "topic")
            kept += ("routing_key", "event_action", "dedup_key", "severity", "color")
            return {k: v if k in kept else swollen(v) for k, v in value.items()}
        if isinstance(value, list):
            return [swollen(one) for one in value]
        return value * times if isinstance(value, str) and len(value) > 8 else value

    grown = replace(form, make=lambda n: swollen(form.make(n)))
    with pytest.raises((No, AssertionError)):
        put(grown, told(K.OPENED))


# --- cutting --------------------------------------------------------------------------------


@given(st.text(max_size=60), st.integers(1, 40))
def test_a_cut_is_never_larger_than_its_room(text: str, room: int) -> None:
    """Cutting keeps the bound in whatever is counted, and what fits is left alone."""
    for size in (units, octets):
        room_here = max(room, 3)
        done = cut(text, room_here, escape=lambda s: s.replace("&", "&amp;"), size=size)
        assert size(done) <= room_here
        if size(text.replace("&", "&amp;")) <= room_here:
            assert done == text.replace("&", "&amp;")


@given(st.lists(st.text(alphabet="ab<\U0001f525", min_size=1, max_size=90)), st.integers(60, 600))
def test_shown_and_missing_lines_add_up(lines: list[str], room: int) -> None:
    """Lines shown plus lines counted as missing are all lines, within the room."""
    shown = fitting(Words("", "", tuple(lines), "here"), room, widest=50)
    missing = 0
    if shown and shown[-1].startswith("… +"):
        missing = int(shown[-1].removeprefix("… +").split()[0])
        shown.pop()

    assert len(shown) + missing == len(lines)
    assert sum(units(line) + 1 for line in shown) <= room + 1


def test_one_missing_line_is_one_line() -> None:
    """What is left out is counted as one says it."""
    lines = ("a" * 40, "b" * 40, "c" * 40)
    for room, left in ((110, "… +1 more line: here"), (70, "… +2 more lines: here")):
        assert fitting(Words("", "", lines, "here"), room)[-1] == left


def test_the_headline_is_said_once() -> None:
    """A story that begins with its title is not told with the title twice."""
    whole = words(told(K.OPENED, body="OPENED error: a\nb", title="a"))
    apart = words(told(K.OPENED, body="b\n\n \nc", title="a"))

    assert (whole.head, whole.lines) == ("OPENED error: a", ("b",))
    assert (apart.head, apart.lines) == ("a", ("b", "c"))
    assert words(told(K.OPENED, body="", title="")).head == "incident"


def test_without_a_link_the_command_says_where_the_rest_is() -> None:
    """Nobody said how to reach the daemon: its command line does."""
    notification = replace(told(K.OPENED, resolved_at=T), link="")
    payload = discord.embed(notification)

    assert words(notification).more == "aiops incidents show inc_1"
    assert "url" not in payload["embeds"][0]
    assert put(FORMS["googlechat"], notification).threads
    assert put(FORMS["teams"], notification).calls
