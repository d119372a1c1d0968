"""The alerts API of an Alertmanager."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aiohttp import web

from tests.unit.notifiers.receivers.service import SECRET, Call, No, Service


@dataclass
class Alertmanager(Service):
    """Take an array of alerts, each with labels and times in order."""

    def table(self) -> dict[str, Any]:
        return {"url": self.url, "token": SECRET}

    def wrong_table(self) -> dict[str, Any]:
        return self.table() | {"token": "old"}

    def answer(self, call: Call) -> web.Response:
        if call.headers.get("Authorization") != f"Bearer {SECRET}":
            raise No(web.Response(status=401))
        for alert in call.said:
            if not alert["labels"] or alert["endsAt"] < alert["startsAt"]:
                raise No(web.Response(status=400))
        return web.Response(status=200)
