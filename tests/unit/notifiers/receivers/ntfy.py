"""A server of ntfy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from aiohttp import web

from tests.unit.notifiers.receivers.service import SECRET, Call, Service, refuse


@dataclass
class Ntfy(Service):
    """Take 4,096 bytes of text, 1,024 of title; say no without saying for how long."""

    calls_allowed: ClassVar[int] = 12
    per: ClassVar[float] = 60.0
    wait: ClassVar[float | None] = None

    def table(self) -> dict[str, Any]:
        return {"topic": "shop", "token": f"tk_{SECRET}", "url": self.url}

    def wrong_table(self) -> dict[str, Any]:
        return self.table() | {"token": "tk_old"}

    def busy(self) -> web.Response:
        words = {"code": 42901, "http": 429, "error": "limit reached: too many requests"}
        return web.json_response(words, status=429)

    def answer(self, call: Call) -> web.Response:
        said = call.said
        if call.headers.get("Authorization") != f"Bearer tk_{SECRET}":
            raise refuse(403, code=40301, http=403, error="forbidden")
        if call.path != "/" or said["topic"] != "shop":
            raise refuse(400, code=40009, http=400, error="invalid request: topic invalid")
        if len(said["message"].encode()) > 4096:
            raise refuse(413, code=41301, http=413, error="attachment too large")
        if len(said["title"].encode()) > 1024:
            raise refuse(400, code=40057, http=400, error="invalid request: title too long")
        if len(",".join(said["tags"]).encode()) > 512:
            raise refuse(400, code=40058, http=400, error="invalid request: tags too long")
        if len(said.get("actions", [])) > 3:
            raise refuse(400, code=40018, http=400, error="invalid request: too many actions")
        if said["priority"] not in range(1, 6) or not said["message"]:
            raise refuse(400, code=40007, http=400, error="invalid priority parameter")
        return web.json_response({"id": "a", "event": "message"})
