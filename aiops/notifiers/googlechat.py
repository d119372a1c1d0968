"""Post stories to a Google Chat space, all of one incident in one thread."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from aiops.config import Duration, Secret
from aiops.notifiers.markdown import fenced, headline, literal
from aiops.notifiers.post import Poster, Url, asking, given_url, said
from aiops.notifiers.wording import octets, offered, units, words
from aiops.redaction import harmless

if TYPE_CHECKING:
    from aiops.model import Notification

TEXT = 4000
"""UTF-16 units of text: even as four bytes each they stay below the 32,000 bytes of a message."""

_TAG = re.compile(r"<(?=[^\s\u200b])")


@dataclass(kw_only=True)
class GooglechatNotifier:
    """Post each notification as one message; the incident's id is the key of its thread."""

    url: Url | None = None
    """The webhook of the space; it is a secret, so `url_file` is the better place."""
    url_file: str | None = None
    """A file that holds the URL."""
    name: str = "googlechat"
    """How metrics, logs and `aiops notify test` call this channel; must be unique."""
    min_severity: Literal["info", "warning", "error", "critical"] = "warning"
    """Incidents below it are not sent to this channel."""
    timeout: Duration = 10.0
    """Longest time one attempt may take."""
    rate: Annotated[float, Field(gt=0)] = 1.0
    """Messages a second at most: Google allows one a second in a space."""
    _url: Secret = field(init=False, repr=False)
    _poster: Poster = field(init=False, repr=False)

    def __post_init__(self) -> None:
        where = f'notifiers.googlechat "{self.name}"'
        url = given_url(self.url, self.url_file, where)
        # A thread that is gone must not lose the message.
        self._url = asking(url, messageReplyOption="REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD")
        self._poster = Poster(self.name, self.timeout)

    async def send(self, notification: Notification) -> None:
        answer = await self._poster.post_json(self._url, message(notification))
        error = said(answer).get("error")
        status = error.get("status", "") if isinstance(error, dict) else ""
        self._poster.judge(self._url, answer, harmless(str(status))[:100])

    async def close(self) -> None:
        await self._poster.close()


def message(notification: Notification) -> dict[str, Any]:
    """Return headline, story and link as one text, and the thread it belongs to."""
    told = words(notification)
    head = headline(told)
    link = _linked("Open the incident", notification.link) if notification.link else ""
    acts = offered(notification, _linked, TEXT // 2)
    story = fenced(told, TEXT - units(head) - octets(link) - octets(acts), unlinked)
    text = "\n".join(part for part in (head, story, link, acts) if part)
    return {"text": text, "thread": {"threadKey": notification.transition.incident.id}}


def unlinked(text: str) -> str:
    """Return the text for between two fences, which do not keep Google from ``<users/all>``."""
    return _TAG.sub("<\u200b", literal(text))


def _linked(label: str, address: str) -> str:
    return f"<{address}|{label}>"
