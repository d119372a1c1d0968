"""Post incidents as signed CloudEvents to any HTTP receiver."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import msgspec

from aiops.config import Duration, read_secret
from aiops.errors import ConfigError
from aiops.notifiers.post import Key, Poster, Url
from aiops.redaction import harmless
from aiops.wire import rfc3339, to_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiops.model import Notification


@dataclass(kw_only=True)
class WebhookNotifier:
    """Send each notification as one CloudEvent, signed as Standard Webhooks describes.

    ``secret`` is ``whsec_`` and base64, or any text; several, separated by blanks, sign side by
    side while a receiver changes from one to the next. Without a secret nothing is signed. The
    ``webhook-id`` is the same over retries and restarts: a receiver drops what it has seen.
    """

    url: Url
    """Where to post; may hold secrets, so it is never shown."""
    name: str = "webhook"
    """How metrics, logs and `aiops notify test` call this channel; must be unique."""
    min_severity: Literal["info", "warning", "error", "critical"] = "warning"
    """Incidents below it are not sent to this channel."""
    timeout: Duration = 10.0
    """Longest time one attempt may take."""
    secret: Key | None = None
    """Signs every request (Standard Webhooks); several, separated by blanks, sign side by side."""
    secret_file: str | None = None
    """The same from a file."""
    token: Key | None = None
    """Sent as `Authorization: Bearer`."""
    token_file: str | None = None
    """The same from a file."""
    source: str = "/aiops"
    """The `source` of the CloudEvent."""
    _keys: tuple[bytes, ...] = field(init=False, repr=False)
    _token: str | None = field(init=False, repr=False)
    _poster: Poster = field(init=False, repr=False)
    _now: Callable[[], float] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        where = f'notifiers.webhook "{self.name}"'
        given = read_secret(self.secret, self.secret_file, f"{where}.secret_file")
        self._keys = tuple(_key(one, where) for one in (given or "").split())
        if given is not None and not self._keys:
            raise ConfigError([f"{where}.secret: empty; write a secret or leave the key out"])
        token = read_secret(self.token, self.token_file, f"{where}.token_file")
        self._token = token.strip() if token else None
        # A receiver judges the age of the signature, so this is the time of sending.
        self._now = time.time
        self._poster = Poster(self.name, self.timeout)

    async def send(self, notification: Notification) -> None:
        body = event(notification, self.source)
        answer = await self._poster.post(self.url, body, self._headers(notification.key, body))
        self._poster.judge(self.url, answer)

    async def close(self) -> None:
        await self._poster.close()

    def _headers(self, key: str, body: bytes) -> dict[str, str]:
        stamp = str(int(self._now()))
        headers = {
            "Content-Type": "application/cloudevents+json; charset=utf-8",
            "webhook-id": key,
            "webhook-timestamp": stamp,
        }
        if self._keys:
            signed = f"{key}.{stamp}.".encode() + body
            headers["webhook-signature"] = " ".join(_sign(one, signed) for one in self._keys)
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        return headers


def event(notification: Notification, source: str) -> bytes:
    """Return the CloudEvent of a notification; the same bytes at every try."""
    transition = notification.transition
    incident = transition.incident
    actions = {offer.verb: offer.url for offer in notification.offers}
    return msgspec.json.encode(
        {
            "specversion": "1.0",
            "id": notification.key,
            "source": source,
            "type": f"aiops.incident.{transition.kind.value}",
            "subject": incident.id,
            "time": rfc3339(transition.at),
            "datacontenttype": "application/json",
            "data": to_json(incident)
            | {
                "seq": incident.seq,
                "title": harmless(notification.title),
                "story": harmless(notification.body, lines=True),
                "link": notification.link,
            }
            | ({"actions": actions} if actions else {}),
        }
    )


def _key(secret: str, where: str) -> bytes:
    if not secret.startswith("whsec_"):
        return secret.encode()
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        key = b""
    if not key:
        raise ConfigError([f"{where}.secret: not base64 after whsec_; copy it again"])
    return key


def _sign(key: bytes, signed: bytes) -> str:
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
