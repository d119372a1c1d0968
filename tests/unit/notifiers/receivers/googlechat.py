"""A webhook of a Google Chat space."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, ClassVar

from aiohttp import web

from tests.unit.notifiers.receivers.service import MARKDOWN, SECRET, Call, Service, refuse


@dataclass
class Googlechat(Service):
    """Put messages with one key into one thread."""

    threads: dict[str, list[str]] = field(default_factory=dict)

    acts: ClassVar[re.Pattern[str]] = re.compile(r"<(?!https?://[^|<>]+\|)[^\s\u200b]|@\w")
    marks: ClassVar[re.Pattern[str]] = MARKDOWN
    calls_allowed: ClassVar[int] = 1

    def table(self) -> dict[str, Any]:
        return {"url": f"{self.url}/v1/spaces/A/messages?key=k&token={SECRET}"}

    def wrong_table(self) -> dict[str, Any]:
        return {"url": f"{self.url}/v1/spaces/A/messages?key=k&token=old"}

    def busy(self) -> web.Response:
        words = {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED"}}
        return web.json_response(words, status=429, headers={"Retry-After": "30"})

    def answer(self, call: Call) -> web.Response:
        if call.query.get("token") != SECRET or call.query.get("key") != "k":
            raise refuse(403, error={"code": 403, "status": "PERMISSION_DENIED"})
        if len(call.body) > 32_000 or len(call.said["text"]) > 4096:
            raise refuse(400, error={"code": 400, "status": "INVALID_ARGUMENT"})
        key = call.said["thread"]["threadKey"]
        if call.query.get("messageReplyOption") != "REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD":
            key = f"{key}-{len(self.threads)}"
        self.threads.setdefault(key, []).append(call.said["text"])
        return web.json_response({"name": "spaces/A/messages/1", "thread": {"name": key}})
