"""Post stories to a Slack channel through an incoming webhook."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from aiops.config import Duration, Secret
from aiops.notifiers.mrkdwn import FORM, heed, message, verdict
from aiops.notifiers.post import Poster, Url, given_url

if TYPE_CHECKING:
    from aiops.model import Notification
    from aiops.notifiers.post import Answer


@dataclass(kw_only=True)
class SlackNotifier:
    """Post each notification as one message: a headline and the story, literally.

    Nothing in a story is read as markup or as a mention. A message whose blocks Slack refuses
    is sent once more as plain text.
    """

    url: Url | None = None
    """The incoming webhook; it is a secret, so `url_file` is the better place."""
    url_file: str | None = None
    """A file that holds the URL."""
    name: str = "slack"
    """How metrics, logs and `aiops notify test` call this channel; must be unique."""
    min_severity: Literal["info", "warning", "error", "critical"] = "warning"
    """Incidents below it are not sent to this channel."""
    timeout: Duration = 10.0
    """Longest time one attempt may take."""
    _url: Secret = field(init=False, repr=False)
    _poster: Poster = field(init=False, repr=False)

    def __post_init__(self) -> None:
        where = f'notifiers.slack "{self.name}"'
        self._url = given_url(self.url, self.url_file, where)
        self._poster = Poster(self.name, self.timeout)

    async def send(self, notification: Notification) -> None:
        full = message(notification)
        answer = await self._post(full)
        if verdict(answer) in FORM:
            answer = await self._post({key: full[key] for key in full if key != "blocks"})
        self._poster.judge(self._url, answer, verdict(answer))
        heed(self.name, answer)

    async def close(self) -> None:
        await self._poster.close()

    async def _post(self, payload: dict[str, Any]) -> Answer:
        return await self._poster.post_json(self._url, payload)
