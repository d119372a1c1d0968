"""Any service behind apprise: its own JSON, on the loopback."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import Any, ClassVar

from aiohttp import web

from tests.unit.notifiers.receivers.service import MARKDOWN, SECRET, Call, No, Service

LOGIN = "Basic " + base64.b64encode(f"aiops:{SECRET}".encode()).decode()


@dataclass
class Apprise(Service):
    """Take what apprise posts; it never passes on why something was refused."""

    acts: ClassVar[re.Pattern[str]] = re.compile(r"<[@#:!/a-z]|@\w")
    marks: ClassVar[re.Pattern[str]] = MARKDOWN
    wait: ClassVar[float | None] = None

    def table(self) -> dict[str, Any]:
        host = self.url.removeprefix("http://")
        return {"urls": [f"json://aiops:{SECRET}@{host}/hook"]}

    def wrong_table(self) -> dict[str, Any]:
        return {"urls": [f"nosuch://aiops:{SECRET}@127.0.0.1/"]}

    def answer(self, call: Call) -> web.Response:
        if call.headers.get("Authorization") != LOGIN or call.path != "/hook":
            raise No(web.Response(status=401))
        if not call.said["message"] or not call.said["title"]:
            raise No(web.Response(status=400))
        return web.Response(text="ok")
