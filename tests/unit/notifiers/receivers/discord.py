"""A Discord webhook: it posts, it edits, and it counts every text."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, ClassVar

from aiohttp import web

from tests.unit.notifiers.receivers.service import MARKDOWN, SECRET, Call, Service, refuse, units

HOOK = f"/api/webhooks/1/{SECRET}"


@dataclass
class Discord(Service):
    """Know messages by their id; the wait of a 429 is a fraction in the body."""

    messages: dict[str, dict[str, Any]] = field(default_factory=dict)

    acts: ClassVar[re.Pattern[str]] = re.compile(r"<[@#:!]|@\w")
    marks: ClassVar[re.Pattern[str]] = MARKDOWN
    calls_allowed: ClassVar[int] = 30
    per: ClassVar[float] = 60.0
    wait: ClassVar[float | None] = 1.25

    def table(self) -> dict[str, Any]:
        return {"url": self.url + HOOK}

    def wrong_table(self) -> dict[str, Any]:
        return {"url": f"{self.url}/api/webhooks/1/old"}

    def busy(self) -> web.Response:
        words = {"message": "You are being rate limited.", "retry_after": 1.25, "global": False}
        return web.json_response(words, status=429, headers={"Retry-After": "2"})

    def answer(self, call: Call) -> web.Response:
        if not call.path.startswith(HOOK):
            raise refuse(404, message="Unknown Webhook", code=10015)
        self._judge(call.said)
        rest = call.path.removeprefix(HOOK)
        if call.method == "PATCH":
            number = rest.removeprefix("/messages/")
            if number not in self.messages:
                raise refuse(404, message="Unknown Message", code=10008)
        elif call.method == "POST" and not rest:
            number = str(1_100_000_000_000_000_000 + len(self.messages))
        else:
            raise refuse(405, message="Method Not Allowed", code=0)
        self.messages[number] = call.said
        if call.method == "POST" and call.query.get("wait") != "true":
            return web.Response(status=204)
        return web.json_response({"id": number, "content": call.said["content"]})

    def _judge(self, said: dict[str, Any]) -> None:
        embeds = said.get("embeds", [])
        limits = {"title": 256, "description": 4096}
        total = sum(units(embed.get(key, "")) for embed in embeds for key in limits)
        long = any(units(embed.get(key, "")) > limits[key] for embed in embeds for key in limits)
        if long or total > 6000 or len(embeds) > 10 or units(said["content"]) > 2000:
            raise refuse(400, message="Invalid Form Body", code=50035)
        if not said["content"] and not embeds:
            raise refuse(400, message="Cannot send an empty message", code=50006)
        if said.get("allowed_mentions") != {"parse": []}:
            raise refuse(400, message="somebody would be mentioned", code=1)
