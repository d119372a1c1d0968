"""Post stories to a Rocket.Chat room through an incoming webhook."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from aiops.config import Duration, Secret
from aiops.errors import Rejected, Transient
from aiops.notifiers.markdown import attached
from aiops.notifiers.post import Poster, Url, given_url, said, told_to_wait
from aiops.redaction import harmless

if TYPE_CHECKING:
    from aiops.model import Notification
    from aiops.notifiers.post import Answer

TEXT = 4800
"""Characters in all: a server takes 5,000 unless its administrator says otherwise."""

_WAIT = re.compile(r"wait (\d{1,6}) second", re.IGNORECASE)


@dataclass(kw_only=True)
class RocketchatNotifier:
    """Post each notification as one message: a headline and the story, literally."""

    url: Url | None = None
    """The incoming webhook; it is a secret, so `url_file` is the better place."""
    url_file: str | None = None
    """A file that holds the URL."""
    name: str = "rocketchat"
    """How metrics, logs and `aiops notify test` call this channel; must be unique."""
    min_severity: Literal["info", "warning", "error", "critical"] = "warning"
    """Incidents below it are not sent to this channel."""
    timeout: Duration = 10.0
    """Longest time one attempt may take."""
    rate: Annotated[float, Field(gt=0)] = 0.16
    """Messages a second at most: a server takes 10 calls a minute unless it is told otherwise."""
    _url: Secret = field(init=False, repr=False)
    _poster: Poster = field(init=False, repr=False)

    def __post_init__(self) -> None:
        where = f'notifiers.rocketchat "{self.name}"'
        self._url = given_url(self.url, self.url_file, where)
        self._poster = Poster(self.name, self.timeout)

    async def send(self, notification: Notification) -> None:
        answer = await self._poster.post_json(self._url, attached(notification, TEXT))
        self._judge(answer)

    async def close(self) -> None:
        await self._poster.close()

    def _judge(self, answer: Answer) -> None:
        found = said(answer)
        why = harmless(str(found.get("error", "")))[:200]
        wait = _WAIT.search(why)
        if wait is not None:
            answer = told_to_wait(answer, float(wait[1]))
        if "error-too-many-requests" in why:
            # It comes with 400 or 429, and the wait in words.
            text = f'notifier "{self.name}": the receiver says {why}'
            raise Transient(text, after=answer.after, reason="rate_limited")
        self._poster.judge(self._url, answer, why)
        if found.get("success") is False:
            raise Rejected(f'notifier "{self.name}": the receiver answered 200 but said {why}')
