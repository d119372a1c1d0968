"""A real Alertmanager's webhook reaches a daemon's API."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from aiops.model import Command
from aiops.web.app import serve
from tests.real import servers
from tests.unit.web.desk import FakeDesk

pytestmark = pytest.mark.slow


class Listening(FakeDesk):
    """A desk that one can wait at for the next command."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.heard: asyncio.Queue[Command] = asyncio.Queue()

    async def command(self, kind: str, target: str, by: str, args: dict[str, str]) -> Command:
        command = await super().command(kind, target, by, args)
        self.heard.put_nowait(command)
        return command


async def test_alertmanager_sends_its_alerts_here(tmp_path: Path) -> None:
    """What fires there is committed here with its labels, and its end too."""
    desk = Listening()
    server = await serve(desk)
    config = (
        "route: {receiver: aiops, group_wait: 0s, group_interval: 1s, repeat_interval: 1h}\n"
        "receivers:\n- name: aiops\n  webhook_configs:\n"
        f"  - url: {server.url}/api/v1/alertmanager\n    send_resolved: true\n"
    )
    try:
        with servers.alertmanager(tmp_path, config=config) as peer:
            alert = {
                "labels": {"alertname": "Errors", "service": "cart"},
                "annotations": {"summary": "cart fails"},
            }
            await asyncio.to_thread(peer.post_json, "/api/v2/alerts", [alert])
            first = await asyncio.wait_for(desk.heard.get(), 30.0)
            over = alert | {"endsAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
            await asyncio.to_thread(peer.post_json, "/api/v2/alerts", [over])
            last = first
            while last.args["status"] != "resolved":
                last = await asyncio.wait_for(desk.heard.get(), 30.0)
    finally:
        await server.close()
    assert first.kind == "alert"
    assert first.args["label.service"] == "cart"
    assert first.args["title"] == "cart fails"
