"""Publish stories to a topic of ntfy: pushes to phones."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, SecretStr

from aiops.config import Duration, read_secret
from aiops.model import Severity, TransitionKind
from aiops.notifiers.post import Key, Poster, Url, said
from aiops.notifiers.wording import cut, fitting, octets, over, words
from aiops.redaction import harmless

if TYPE_CHECKING:
    from aiops.model import Notification

_API = SecretStr("https://ntfy.sh")

MESSAGE = 4096
"""Bytes of a message: a longer one becomes an attachment, which nobody reads on a phone."""

TITLE = 400
"""Bytes of a title; ntfy takes 1,024, a phone shows far less."""

ACTIONS = 3
"""Buttons that ntfy takes; of what a reader may say the most common goes first."""

_PRIORITIES = {
    Severity.CRITICAL: 5,
    Severity.ERROR: 4,
    Severity.WARNING: 3,
    Severity.INFO: 2,
}
_TAGS = {
    Severity.CRITICAL: "rotating_light",
    Severity.ERROR: "rotating_light",
    Severity.WARNING: "warning",
    Severity.INFO: "information_source",
}
# These need no bell: who knows of the incident finds them.
_QUIET = (TransitionKind.UPDATED, TransitionKind.ACKNOWLEDGED)


@dataclass(kw_only=True)
class NtfyNotifier:
    """Publish each notification as one message: its priority is the severity, updates are quiet."""

    topic: Annotated[str, Field(pattern=r"^[-_A-Za-z0-9]{1,64}$")]
    """The topic; on a public server its name is all that protects it."""
    url: Url = _API
    """The server."""
    token: Key | None = None
    """An access token; sent as `Authorization: Bearer`."""
    token_file: str | None = None
    """The same from a file."""
    name: str = "ntfy"
    """How metrics, logs and `aiops notify test` call this channel; must be unique."""
    min_severity: Literal["info", "warning", "error", "critical"] = "warning"
    """Incidents below it are not sent to this channel."""
    timeout: Duration = 10.0
    """Longest time one attempt may take."""
    rate: Annotated[float, Field(gt=0)] = 0.2
    """Messages a second at most: a server gives back one every 5 seconds."""
    _headers: dict[str, str] = field(init=False, repr=False)
    _poster: Poster = field(init=False, repr=False)

    def __post_init__(self) -> None:
        where = f'notifiers.ntfy "{self.name}"'
        token = read_secret(self.token, self.token_file, f"{where}.token_file")
        self._headers = {"Authorization": f"Bearer {token.strip()}"} if token else {}
        self._poster = Poster(self.name, self.timeout)

    async def send(self, notification: Notification) -> None:
        payload = {"topic": self.topic} | message(notification)
        answer = await self._poster.post_json(self.url, payload, self._headers)
        found = said(answer)
        why = harmless(f"{found.get('code', '')} {found.get('error', '')}").strip()[:200]
        self._poster.judge(self.url, answer, why)

    async def close(self) -> None:
        await self._poster.close()


def message(notification: Notification) -> dict[str, Any]:
    """Return title, text, priority, tag and link; ntfy shows text as it is."""
    told = words(notification)
    severity = notification.transition.incident.severity
    quiet = notification.transition.kind in _QUIET
    lines = fitting(told, MESSAGE, size=octets)
    shown: dict[str, Any] = {
        "title": cut(told.head, TITLE, size=octets),
        # Without a text ntfy writes its own.
        "message": "\n".join(lines) or cut(told.head, TITLE, size=octets),
        "priority": 2 if quiet else 3 if over(notification) else _PRIORITIES[severity],
        "tags": ["white_check_mark" if over(notification) else _TAGS[severity]],
    }
    urls = {"Open the incident": notification.link} if notification.link else {}
    urls |= {offer.label: offer.url for offer in notification.offers}
    if notification.link:
        shown["click"] = notification.link
    if urls:
        chosen = list(urls.items())[:ACTIONS]
        shown["actions"] = [{"action": "view", "label": a, "url": url} for a, url in chosen]
    return shown
