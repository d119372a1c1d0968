"""A Rocket.Chat incoming webhook: it may say no with 200."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar

from aiohttp import web

from tests.unit.notifiers.receivers.service import MARKDOWN, SECRET, Call, Service, refuse, units


@dataclass
class Rocketchat(Service):
    """Take 5,000 characters and 10 calls a minute; the wait of a refusal is in its words."""

    acts: ClassVar[re.Pattern[str]] = re.compile(r"@\w|<[!@]")
    marks: ClassVar[re.Pattern[str]] = MARKDOWN
    calls_allowed: ClassVar[int] = 10
    per: ClassVar[float] = 60.0
    wait: ClassVar[float | None] = 42.0

    def table(self) -> dict[str, Any]:
        return {"url": f"{self.url}/hooks/1/{SECRET}"}

    def wrong_table(self) -> dict[str, Any]:
        return {"url": f"{self.url}/hooks/1/old"}

    def busy(self) -> web.Response:
        why = (
            "Error, too many requests. Please slow down. You must wait 42 seconds before trying"
            " this endpoint again. [error-too-many-requests]"
        )
        return web.json_response({"success": False, "error": why}, status=429)

    def answer(self, call: Call) -> web.Response:
        said = call.said
        if not call.path.endswith(SECRET):
            raise refuse(401, success=False, error="Invalid integration id or token provided.")
        texts = [said["text"], *(one["text"] for one in said["attachments"])]
        if sum(map(units, texts)) > 5000:
            raise refuse(400, success=False, error="error-message-size-exceeded")
        if any(units(one.get("title", "")) > 1024 for one in said["attachments"]):
            raise refuse(400, success=False, error="title too long")
        return web.json_response({"success": True})
