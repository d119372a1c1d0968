"""Take alerts from an Alertmanager: its webhook, version 4, firing and resolved.

The same alert comes again at every repeat, so each is only a state: fires, or does not.
Source: Alertmanager's documentation of webhook receivers; unknown fields are ignored.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import TYPE_CHECKING, Final

import msgspec
from aiohttp import web

from aiops.redaction import plain, redact
from aiops.web.guards import RefusedError, answer, read_body

if TYPE_CHECKING:
    from aiops.web.desk import Desk

MOST: Final = 500  # alerts in one message: Alertmanager's own max_alerts can ask for fewer
LABELS: Final = 50
LONGEST: Final = 300


class _Alert(msgspec.Struct):
    status: str = "firing"
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class _Message(msgspec.Struct):
    alerts: list[_Alert]


class AlertsIn:
    """Turn messages into commands: one committed row an alert before the answer."""

    def __init__(self, desk: Desk, token: str | None) -> None:
        self._desk = desk
        self._token = token

    async def take(self, request: web.Request) -> web.Response:
        """Answer ``POST /api/v1/alertmanager``; raises ``RefusedError``."""
        self._admit(request.headers.get("Authorization", ""))
        message: _Message = await read_body(request, _Message)
        if len(message.alerts) > MOST:
            problem = f"{len(message.alerts)} alerts in one message; set max_alerts to {MOST}"
            raise RefusedError(413, problem)
        for one in message.alerts:
            if one.status not in ("firing", "resolved"):
                raise RefusedError(400, f"status = {one.status[:40]!r}: give firing or resolved")
            if len(one.labels) > LABELS:
                raise RefusedError(400, f"{len(one.labels)} labels; give at most {LABELS}")
        for one in message.alerts:
            notes = one.annotations
            title = notes.get("summary") or notes.get("description") or ""
            args = {"status": one.status, "title": _safe("summary", title)}
            args |= {f"label.{name}": _safe(name, value) for name, value in one.labels.items()}
            await self._desk.command("alert", "", "alertmanager", args)
        return answer({"alerts": len(message.alerts)}, 202)

    def _admit(self, header: str) -> None:
        if self._token is None or hmac.compare_digest(_given(header), self._token.encode()):
            return
        raise RefusedError(401, "alerts need web.alerts_token, as a bearer token or a password")


def _safe(name: str, value: str) -> str:
    """Return a value without what a secret of that name would hold."""
    return redact(f"{name}={plain(value[:LONGEST])}").partition("=")[2]


def _given(header: str) -> bytes:
    """Return the bearer token or the basic password of a request, empty when there is none."""
    scheme, _, value = header.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip().encode()
    if scheme.lower() != "basic":
        return b""
    try:
        return base64.b64decode(value, validate=True).partition(b":")[2]
    except (binascii.Error, ValueError):
        return b""
