"""A Slack message stays within Slack's limits, and nothing in it acts."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aiops.config import build_component
from aiops.errors import ConfigError, Rejected, Transient
from aiops.model import Severity, State
from aiops.notifiers.mrkdwn import message
from aiops.notifiers.slack import SlackNotifier

if TYPE_CHECKING:
    from pathlib import Path

ACTS = re.compile(r"<|>|&(?!amp;|lt;|gt;)|@\w|\x1b|\u202e|\x00")


def judge(seen: Any) -> web.Response:
    """Answer as Slack documents its limits, and refuse whatever acts."""
    payload = json.loads(seen.body)
    blocks = payload.get("blocks", [])
    texts = [block["text"]["text"] for block in blocks]
    if not payload["text"] or len(payload["text"]) > 40_000:
        return web.Response(status=400, text="no_text")
    if len(blocks) > 50 or any(not 0 < len(text) <= 3000 for text in texts):
        return web.Response(status=400, text="invalid_blocks")
    if sum(map(len, texts)) > 13_200:
        return web.Response(status=400, text="msg_blocks_too_long")
    if any(ACTS.search(text) for text in [payload["text"], *texts]):
        return web.Response(status=400, text="invalid_payload")
    return web.Response(text="ok")


def build(receiver: Any) -> SlackNotifier:
    table = {"url": receiver.url + "/services/T0/B0/hunter2"}
    return build_component(SlackNotifier, table, "notifiers.slack[0]")


async def test_a_message_is_headline_and_story(receiver: Any, tell: Any, closing: Any) -> None:
    """The title stands once, bold; the story follows as it is; links are not unfolded."""
    receiver.rule = judge
    await closing(build(receiver)).send(tell(body="OPENED error: payments fail in service cart\na"))

    payload = json.loads(receiver.seen[0].body)
    assert [block["text"]["text"] for block in payload["blocks"]] == [
        "*\N{LARGE ORANGE CIRCLE} OPENED error: payments fail in service cart*",
        "```\na\n```",
    ]
    assert payload["text"].startswith("\N{LARGE ORANGE CIRCLE} OPENED error: payments fail")
    assert payload["unfurl_links"] is False
    assert payload["blocks"][0]["text"]["verbatim"] is True


@pytest.mark.parametrize(
    ("picture", "mark"),
    [
        ({"severity": Severity.CRITICAL}, "\N{LARGE RED CIRCLE}"),
        ({"severity": Severity.WARNING}, "\N{LARGE YELLOW CIRCLE}"),
        ({"severity": Severity.INFO}, "\N{LARGE BLUE CIRCLE}"),
        ({"state": State.RESOLVED}, "\N{LARGE GREEN CIRCLE}"),
    ],
)
def test_the_mark_shows_severity_or_the_end(tell: Any, picture: Any, mark: str) -> None:
    """Severity has a colour, and what is over is green."""
    assert message(tell(**picture))["text"].startswith(mark)


async def test_hostile_text_does_nothing(receiver: Any, tell: Any, closing: Any) -> None:
    """Mentions, tags, fences and secrets in a story are shown, escaped or hidden."""
    receiver.rule = judge
    await closing(build(receiver)).send(tell(title="*x* `y` <!here> @channel & z"))

    [seen] = receiver.seen
    texts = [block["text"]["text"] for block in json.loads(seen.body)["blocks"]]
    assert "\u2217x\u2217 'y' &lt;\u200b!here&gt; @\u200bchannel &amp; z" in texts[0]
    assert "&lt;\u200b!channel&gt; @\u200beveryone &lt;b&gt;bold&lt;/b&gt; &amp;amp;" in texts[1]
    assert texts[1].count("```") == 2
    assert "hunter2" not in "".join(texts)


async def test_a_long_story_is_cut_and_counted(receiver: Any, tell: Any, closing: Any) -> None:
    """A story over the limits fills its sections and says how many lines are missing."""
    receiver.rule = judge
    body = "\n".join(f"line {i} " + "<&>" * 60 for i in range(300))
    await closing(build(receiver)).send(tell(body=body))

    [seen] = receiver.seen
    last = json.loads(seen.body)["blocks"][-1]["text"]["text"]
    shown = re.findall(r"^line (\d+) ", seen.body.decode().replace("\\n", "\n"), re.MULTILINE)
    more = re.search(r"… \+(\d+) more lines\n```$", last)
    assert more is not None
    assert int(more[1]) + int(shown[-1]) + 1 == 300


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(
    st.text(alphabet=st.sampled_from("<>&@`*\n a\u202e"), max_size=2000),
    st.text(max_size=50) | st.just("&" * 5000),
    st.integers(1, 20),
)
def test_every_message_is_within_the_limits(tell: Any, body: str, title: str, times: int) -> None:
    """Whatever the story, Slack's limits hold and nothing in it acts."""
    payload = message(tell(title=title, body=body * times))

    assert judge(SimpleNamespace(body=json.dumps(payload))).text == "ok"


async def test_refused_blocks_are_sent_again_as_text(
    receiver: Any, tell: Any, closing: Any
) -> None:
    """When Slack does not like the blocks, the same words arrive as plain text."""
    receiver.answers.append(web.Response(status=400, text="invalid_blocks"))
    await closing(build(receiver)).send(tell())

    first, again = (json.loads(seen.body) for seen in receiver.seen)
    assert "blocks" in first
    assert "blocks" not in again
    assert "since then" in again["text"]


@pytest.mark.parametrize(
    ("status", "text", "error", "reason"),
    [
        (200, "invalid_token", Rejected, "rejected"),
        (200, '{"ok": false, "error": "channel_is_archived"}', Rejected, "rejected"),
        (200, '{"success": false}', Rejected, "rejected"),
        (200, '{"ok": false, "error": "ratelimited"}', Transient, "rate_limited"),
        (200, '{"ok": false, "error": "internal_error"}', Transient, "server"),
        (200, "<html>sign in</html>", Rejected, "rejected"),
        (404, "no_service", Rejected, "gone"),
        (403, "action_prohibited", Rejected, "auth"),
        (400, "invalid_payload", Rejected, "status"),
        (500, "rollup_error", Transient, "server"),
        (429, "", Transient, "rate_limited"),
    ],
)
async def test_every_kind_of_no_is_understood(
    receiver: Any,
    tell: Any,
    closing: Any,
    *,
    status: int,
    text: str,
    error: type[Exception],
    reason: str,
) -> None:
    """A no in the body of a 200 is a no; a limit waits as long as it asks."""
    for _ in range(2):
        receiver.answers.append(
            web.Response(status=status, text=text, headers={"Retry-After": "30"})
        )

    with pytest.raises(error) as caught:
        await closing(build(receiver)).send(tell())

    assert caught.value.reason == reason  # type: ignore[attr-defined]
    if reason == "rate_limited":
        assert caught.value.after == 30.0  # type: ignore[attr-defined]
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("text", ["ok", "", '{"ok": true}', '{"success": true}', "{broken"])
async def test_every_kind_of_yes_is_understood(
    receiver: Any, tell: Any, closing: Any, text: str
) -> None:
    """Slack says ok; what imitates it says so in other words."""
    receiver.answers.append(web.Response(text=text))

    await closing(build(receiver)).send(tell())

    assert len(receiver.seen) == 1


def test_the_url_may_be_in_a_file(tmp_path: Path) -> None:
    """url_file is as good as url, a wrong one is refused without being shown."""
    path = tmp_path / "slack.url"
    path.write_text("https://hooks.slack.example/services/x\n", encoding="utf-8")
    table: dict[str, Any] = {"url_file": str(path)}

    assert build_component(SlackNotifier, table, "x").name == "slack"

    path.write_text("hunter2", encoding="utf-8")
    with pytest.raises(ConfigError, match="write a URL") as caught:
        build_component(SlackNotifier, table, "x")
    assert "hunter2" not in str(caught.value)


def test_without_a_url_there_is_no_notifier() -> None:
    """One of url and url_file must be set."""
    with pytest.raises(ConfigError, match=r'notifiers\.slack "slack"\.url: missing; set url or'):
        build_component(SlackNotifier, {}, "x")
