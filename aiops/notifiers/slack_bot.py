"""Keep one Slack message an incident up to date, its timeline in the thread below it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, SecretStr

from aiops.config import Duration, read_secret
from aiops.errors import ConfigError
from aiops.notifiers.mrkdwn import FORM, escaped, headline, heed, message, verdict
from aiops.notifiers.post import Key, Poster, Url, said, under
from aiops.notifiers.wording import cut, words, worse

if TYPE_CHECKING:
    from aiops.model import Notification
    from aiops.notifiers.post import Answer

_API = SecretStr("https://slack.com/api")
# The message is gone, or Slack no longer lets it be changed: tell the story anew.
_LOST = frozenset(
    {
        "cant_update_message",
        "channel_not_found",
        "edit_window_closed",
        "is_archived",
        "is_inactive",
        "message_not_found",
        "not_in_channel",
        "thread_not_found",
    }
)
_RECEIPT = re.compile(r"([A-Z0-9]{1,30})/([0-9]{1,20}\.[0-9]{1,10})")


@dataclass(kw_only=True)
class SlackBotNotifier:
    """Post through a Slack app: one message an incident, edited in place, changes in its thread.

    The bot needs the scope ``chat:write`` and must be a member of the channel. An incident that
    got worse or came back is shown in the channel again.
    """

    channel: Annotated[str, Field(min_length=1)]
    """The id of the channel (`C0123456789`), or `#name`."""
    token: Key | None = None
    """The bot's token (`xoxb-...`); `token_file` is the better place."""
    token_file: str | None = None
    """The same from a file."""
    name: str = "slack_bot"
    """How metrics, logs and `aiops notify test` call this channel; must be unique."""
    min_severity: Literal["info", "warning", "error", "critical"] = "warning"
    """Incidents below it are not sent to this channel."""
    timeout: Duration = 10.0
    """Longest time one attempt may take."""
    rate: Annotated[float, Field(gt=0)] = 0.8
    """Messages a second at most: Slack allows one post a second and 50 edits a minute."""
    url: Url = _API
    """Where the methods of Slack's API are."""
    _headers: dict[str, str] = field(init=False, repr=False)
    _poster: Poster = field(init=False, repr=False)

    def __post_init__(self) -> None:
        where = f'notifiers.slack_bot "{self.name}"'
        token = read_secret(self.token, self.token_file, f"{where}.token_file")
        if not token:
            raise ConfigError([f"{where}.token: missing; set token or token_file"])
        self._headers = {"Authorization": f"Bearer {token.strip()}"}
        self._poster = Poster(self.name, self.timeout)

    async def send(self, notification: Notification) -> str | None:
        """Post, or edit and reply; return channel and stamp of a new message."""
        known = _RECEIPT.fullmatch(notification.receipt)
        full = message(notification)
        if known is None:
            return await self._open(full)
        channel, stamp = known[1], known[2]
        # What an edit mentions or links is read as it stands, like what is posted.
        place = {"channel": channel, "ts": stamp, "parse": "none"}
        answer = await self._call("chat.update", place | _without_previews(full))
        if verdict(answer) in _LOST:
            return await self._open(full)
        self._heed("chat.update", answer)
        await self._reply(notification, channel, stamp)
        return None

    async def close(self) -> None:
        await self._poster.close()

    async def _open(self, full: dict[str, Any]) -> str | None:
        answer = await self._call("chat.postMessage", {"channel": self.channel} | full)
        self._heed("chat.postMessage", answer)
        found = said(answer)
        receipt = f"{found.get('channel')}/{found.get('ts')}"
        return receipt if _RECEIPT.fullmatch(receipt) else None

    async def _reply(self, notification: Notification, channel: str, stamp: str) -> None:
        told = words(notification)
        since = [cut(line, 500, escape=escaped) for line in told.lines[:1]]
        reply = {
            "channel": channel,
            "thread_ts": stamp,
            "text": "\n".join([headline(told, 1000), *since]),
            "reply_broadcast": worse(notification),
            "unfurl_links": False,
            "unfurl_media": False,
        }
        self._heed("chat.postMessage", await self._call("chat.postMessage", reply))

    async def _call(self, method: str, payload: dict[str, Any]) -> Answer:
        where = under(self.url, f"/{method}")
        answer = await self._poster.post_json(where, payload, self._headers)
        if verdict(answer) in FORM and "blocks" in payload:
            plain = {key: payload[key] for key in payload if key != "blocks"}
            answer = await self._poster.post_json(where, plain, self._headers)
        return answer

    def _heed(self, method: str, answer: Answer) -> None:
        self._poster.judge(under(self.url, f"/{method}"), answer, verdict(answer))
        heed(self.name, answer)


def _without_previews(full: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in full.items() if not key.startswith("unfurl_")}
