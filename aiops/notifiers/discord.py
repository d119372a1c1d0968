"""Keep one Discord message an incident up to date through a webhook."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from aiops.config import Duration, Secret
from aiops.notifiers.markdown import fenced, headline, offers
from aiops.notifiers.post import (
    Poster,
    Url,
    asking,
    given_url,
    said,
    told_to_wait,
    under,
)
from aiops.notifiers.wording import colour, over, units, words, worse
from aiops.wire import rfc3339

if TYPE_CHECKING:
    from aiops.model import Notification
    from aiops.notifiers.post import Answer

DESCRIPTION = 4096
"""UTF-16 units Discord takes in the description of an embed; 6,000 in the whole embed."""

UNKNOWN_MESSAGE = 10008
_RECEIPT = re.compile("[0-9]{1,20}")
_SUPPRESS_EMBEDS = 1 << 2
_SUPPRESS_NOTIFICATIONS = 1 << 12


@dataclass(kw_only=True)
class DiscordNotifier:
    """Post each incident as one embed and edit it in place.

    An edit rings no bell: that an incident got worse or came back is said in a line of its own,
    that it is over in a line that rings none.
    """

    url: Url | None = None
    """The webhook; it is a secret, so `url_file` is the better place."""
    url_file: str | None = None
    """A file that holds the URL."""
    name: str = "discord"
    """How metrics, logs and `aiops notify test` call this channel; must be unique."""
    min_severity: Literal["info", "warning", "error", "critical"] = "warning"
    """Incidents below it are not sent to this channel."""
    timeout: Duration = 10.0
    """Longest time one attempt may take."""
    rate: Annotated[float, Field(gt=0)] = 0.25
    """Messages a second at most: a webhook may call about 30 times a minute, a change is two."""
    _url: Secret = field(init=False, repr=False)
    _poster: Poster = field(init=False, repr=False)

    def __post_init__(self) -> None:
        where = f'notifiers.discord "{self.name}"'
        self._url = given_url(self.url, self.url_file, where)
        self._poster = Poster(self.name, self.timeout)

    async def send(self, notification: Notification) -> str | None:
        """Post, or edit; return the id of a new message."""
        known, payload = notification.receipt, embed(notification)
        if not _RECEIPT.fullmatch(known):
            return await self._post(payload)
        where = under(self._url, f"/messages/{known}")
        answer = await self._poster.post_json(where, payload, method="PATCH")
        if said(answer).get("code") == UNKNOWN_MESSAGE:
            return await self._post(payload)
        self._judge(answer)
        if worse(notification) or over(notification):
            await self._post(line(notification))
        return None

    async def close(self) -> None:
        await self._poster.close()

    async def _post(self, payload: dict[str, Any]) -> str | None:
        # Without waiting Discord answers 204 before it knows whether it takes the message.
        answer = await self._poster.post_json(asking(self._url, wait="true"), payload)
        self._judge(answer)
        receipt = str(said(answer).get("id", ""))
        return receipt if _RECEIPT.fullmatch(receipt) else None

    def _judge(self, answer: Answer) -> None:
        found = said(answer)
        code = found.get("code")
        words = f"code {code}" if isinstance(code, int) and code else ""
        self._poster.judge(self._url, told_to_wait(answer, found.get("retry_after")), words)


def embed(notification: Notification) -> dict[str, Any]:
    """Return the message: one embed within Discord's limits, in which nobody is mentioned."""
    told, acts = words(notification), offers(notification)
    shown: dict[str, Any] = {
        "title": headline(told),
        "description": fenced(told, DESCRIPTION - units(acts)) + acts,
        "color": colour(notification),
        "timestamp": rfc3339(notification.transition.at),
    }
    if notification.link:
        shown["url"] = notification.link
    return {"content": "", "embeds": [shown], "allowed_mentions": {"parse": []}}


def line(notification: Notification) -> dict[str, Any]:
    """Return one line that says what changed; silent when it is over."""
    silent = _SUPPRESS_NOTIFICATIONS if over(notification) else 0
    return {
        "content": headline(words(notification)),
        "flags": _SUPPRESS_EMBEDS | silent,
        "allowed_mentions": {"parse": []},
    }
