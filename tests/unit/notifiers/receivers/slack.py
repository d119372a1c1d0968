"""A Slack incoming webhook."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar

from aiohttp import web

from tests.unit.notifiers.receivers.service import SECRET, Call, No, Service


@dataclass
class Slack(Service):
    """Answer with one word."""

    acts: ClassVar[re.Pattern[str]] = re.compile(r"<(?!https?://)|@\w|&(?!amp;|lt;|gt;)")
    calls_allowed: ClassVar[int] = 1

    def table(self) -> dict[str, Any]:
        return {"url": f"{self.url}/services/T0/B0/{SECRET}"}

    def wrong_table(self) -> dict[str, Any]:
        return {"url": f"{self.url}/services/T0/B0/old"}

    def answer(self, call: Call) -> web.Response:
        texts = [block["text"]["text"] for block in call.said.get("blocks", [])]
        if not call.path.endswith(SECRET):
            raise No(web.Response(status=404, text="no_service"))
        if not call.said.get("text"):
            raise No(web.Response(status=400, text="no_text"))
        if len(texts) > 50 or any(not 0 < len(text) <= 3000 for text in texts):
            raise No(web.Response(status=400, text="invalid_blocks"))
        if sum(map(len, texts)) > 13_200:
            raise No(web.Response(status=400, text="msg_blocks_too_long"))
        return web.Response(text="ok")
