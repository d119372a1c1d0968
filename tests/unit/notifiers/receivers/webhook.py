"""A receiver of signed CloudEvents, as Standard Webhooks describes it."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.unit.notifiers.receivers.service import SECRET, Call, No, Service


@dataclass
class Webhook(Service):
    """Check the signature and take each id once."""

    seen: set[str] = field(default_factory=set)

    def table(self) -> dict[str, Any]:
        return {"url": f"{self.url}/hook/{SECRET}", "secret": SECRET}

    def wrong_table(self) -> dict[str, Any]:
        return self.table() | {"secret": "old"}

    def answer(self, call: Call) -> web.Response:
        key, stamp = call.headers["webhook-id"], call.headers["webhook-timestamp"]
        signed = f"{key}.{stamp}.".encode() + call.body
        digest = hmac.digest(SECRET.encode(), signed, hashlib.sha256)
        if call.headers["webhook-signature"] != "v1," + base64.b64encode(digest).decode():
            raise No(web.Response(status=401))
        self.seen.add(key)
        return web.Response(status=204)
