"""Post stories to a Mattermost channel through an incoming webhook."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from aiops.config import Duration, Secret
from aiops.notifiers.markdown import attached
from aiops.notifiers.post import Poster, Url, given_url, said
from aiops.redaction import harmless

if TYPE_CHECKING:
    from aiops.model import Notification

TEXT = 16_000
"""Characters in all: Mattermost takes 16,383."""


@dataclass(kw_only=True)
class MattermostNotifier:
    """Post each notification as one message: a headline and the story, literally."""

    url: Url | None = None
    """The incoming webhook; it is a secret, so `url_file` is the better place."""
    url_file: str | None = None
    """A file that holds the URL."""
    name: str = "mattermost"
    """How metrics, logs and `aiops notify test` call this channel; must be unique."""
    min_severity: Literal["info", "warning", "error", "critical"] = "warning"
    """Incidents below it are not sent to this channel."""
    timeout: Duration = 10.0
    """Longest time one attempt may take."""
    rate: Annotated[float, Field(gt=0)] = 1.0
    """Messages a second at most; the server's own limit is 10 when it is on."""
    _url: Secret = field(init=False, repr=False)
    _poster: Poster = field(init=False, repr=False)

    def __post_init__(self) -> None:
        where = f'notifiers.mattermost "{self.name}"'
        self._url = given_url(self.url, self.url_file, where)
        self._poster = Poster(self.name, self.timeout)

    async def send(self, notification: Notification) -> None:
        answer = await self._poster.post_json(self._url, attached(notification, TEXT))
        self._poster.judge(self._url, answer, harmless(str(said(answer).get("id", "")))[:100])

    async def close(self) -> None:
        await self._poster.close()
