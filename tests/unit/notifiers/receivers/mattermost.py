"""A Mattermost incoming webhook."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar

from aiohttp import web

from tests.unit.notifiers.receivers.service import MARKDOWN, SECRET, Call, Service, refuse


@dataclass
class Mattermost(Service):
    """Take 16,383 characters in all."""

    acts: ClassVar[re.Pattern[str]] = re.compile(r"@\w|<[!@]")
    marks: ClassVar[re.Pattern[str]] = MARKDOWN
    calls_allowed: ClassVar[int] = 10

    def table(self) -> dict[str, Any]:
        return {"url": f"{self.url}/hooks/{SECRET}"}

    def wrong_table(self) -> dict[str, Any]:
        return {"url": f"{self.url}/hooks/old"}

    def answer(self, call: Call) -> web.Response:
        said = call.said
        if not call.path.endswith(SECRET):
            raise refuse(404, id="web.incoming_webhook.invalid.app_error", status_code=404)
        texts = [said["text"], *(one["text"] for one in said["attachments"])]
        if sum(map(len, texts)) > 16_383:
            raise refuse(400, id="api.post.create_post.text_too_long", status_code=400)
        if not any(texts):
            raise refuse(400, id="web.incoming_webhook.text.app_error", status_code=400)
        return web.Response(text="ok")
