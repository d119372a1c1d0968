"""Post stories to Microsoft Teams through a workflow, as Adaptive Cards."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from pydantic import Field

from aiops.config import Duration, Secret
from aiops.errors import Rejected, Transient
from aiops.model import Severity
from aiops.notifiers.post import Poster, Url, given_url
from aiops.notifiers.wording import cut, fitting, over, words

if TYPE_CHECKING:
    from aiops.model import Notification
    from aiops.notifiers.post import Answer

CARD = 28_000
"""Bytes of JSON that Teams takes; larger cards are accepted by the workflow and never shown."""

# What JSON and the card add to a line of text, and to the whole.
_FRAME = 150
_FIXED = 1500
_HEAD = 500
_COLOURS = {
    Severity.CRITICAL: "Attention",
    Severity.ERROR: "Attention",
    Severity.WARNING: "Warning",
    Severity.INFO: "Accent",
}
# How Teams says no behind a workflow or a connector that said yes.
_FAILED = re.compile(rb"returned HTTP error (\d{3})")


@dataclass(kw_only=True)
class TeamsNotifier:
    """Post each notification as one card through "when a Teams webhook request is received".

    Nothing in a story is read as markup. A workflow belongs to the person who made it and ends
    with that account: give it a second owner.
    """

    url: Url | None = None
    """The URL of the workflow; it is a secret, so `url_file` is the better place."""
    url_file: str | None = None
    """A file that holds the URL."""
    name: str = "teams"
    """How metrics, logs and `aiops notify test` call this channel; must be unique."""
    min_severity: Literal["info", "warning", "error", "critical"] = "warning"
    """Incidents below it are not sent to this channel."""
    timeout: Duration = 10.0
    """Longest time one attempt may take."""
    rate: Annotated[float, Field(gt=0)] = 1.0
    """Messages a second at most: Teams throttles from four on."""
    _url: Secret = field(init=False, repr=False)
    _poster: Poster = field(init=False, repr=False)

    def __post_init__(self) -> None:
        where = f'notifiers.teams "{self.name}"'
        self._url = given_url(self.url, self.url_file, where)
        self._poster = Poster(self.name, self.timeout)

    async def send(self, notification: Notification) -> None:
        answer = await self._poster.post_json(self._url, message(notification))
        self._poster.judge(self._url, answer)
        self._heed(answer)

    async def close(self) -> None:
        await self._poster.close()

    def _heed(self, answer: Answer) -> None:
        failed = _FAILED.search(answer.body)
        if failed is None:
            return
        status = int(failed[1])
        text = f'notifier "{self.name}": the receiver took it, but Teams answered {status}'
        if status == 429 or status >= 500:
            reason = "rate_limited" if status == 429 else "server"
            raise Transient(text, after=answer.after, reason=reason)
        raise Rejected(text, reason="too_large" if status == 413 else "rejected")


def message(notification: Notification) -> dict[str, Any]:
    """Return one card within the limit; a text run, unlike a text block, reads no markup."""
    told = words(notification)
    colour = "Good" if over(notification) else _COLOURS[notification.transition.incident.severity]
    head = cut(f"{told.mark} {told.head}", _HEAD)
    urls = {"Open the incident": notification.link} if notification.link else {}
    urls |= {offer.label: offer.url for offer in notification.offers}
    room = CARD - _FIXED - _size(head) - sum(map(_size, urls.values()))
    lines = fitting(told, room, widest=3000, size=lambda text: _size(text) + _FRAME)
    body: list[dict[str, Any]] = [_text(head, weight="Bolder", size="Medium", color=colour)]
    body += [_text(line, fontType="Monospace", size="Small") for line in lines]
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.2",
        "msteams": {"width": "Full"},
        "body": body,
    }
    if urls:
        # Teams shows six of them at most, and no more are made.
        card["actions"] = [
            {"type": "Action.OpenUrl", "title": label, "url": url} for label, url in urls.items()
        ]
    attachment = {
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": None,
        "content": card,
    }
    return {"type": "message", "attachments": [attachment]}


def _text(text: str, **style: str) -> dict[str, Any]:
    run = {"type": "TextRun", "text": text} | style
    return {"type": "RichTextBlock", "spacing": "None", "inlines": [run]}


def _size(text: str) -> int:
    return len(msgspec.json.encode(text))
