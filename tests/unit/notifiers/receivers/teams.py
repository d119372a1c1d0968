"""A Teams workflow that posts Adaptive Cards."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar

from aiohttp import web

from tests.unit.notifiers.receivers.service import SECRET, Call, Service, refuse


@dataclass
class Teams(Service):
    """Take one card of 28 KB; only text blocks read markup, only entities mention."""

    calls_allowed: ClassVar[int] = 3
    acts: ClassVar[re.Pattern[str]] = re.compile(r"(?!)")

    def table(self) -> dict[str, Any]:
        return {"url": f"{self.url}/workflows/{SECRET}?sig=s"}

    def wrong_table(self) -> dict[str, Any]:
        return {"url": f"{self.url}/workflows/old?sig=s"}

    def answer(self, call: Call) -> web.Response:
        if not call.path.endswith(SECRET) or call.query != {"sig": "s"}:
            raise refuse(401, error={"code": "DirectApiAuthorizationRequired"})
        said = call.said
        if said["type"] != "message" or len(said["attachments"]) != 1:
            raise refuse(400, error={"code": "TriggerInputSchemaMismatch"})
        card = said["attachments"][0]["content"]
        if card["type"] != "AdaptiveCard" or float(card["version"]) > 1.5:
            raise refuse(400, error={"code": "TriggerInputSchemaMismatch"})
        if len(card.get("actions", [])) > 6:
            raise refuse(400, error={"code": "the last of them would not be shown"})
        kinds = {block["type"] for block in card["body"]}
        if kinds != {"RichTextBlock"} or "entities" in card.get("msteams", {}):
            raise refuse(400, error={"code": "markup would be read"})
        if len(call.body) > 28 * 1024:
            # The workflow said yes long before Teams says no.
            return web.Response(text="Microsoft Teams endpoint returned HTTP error 413")
        return web.Response(status=202)
