"""The web over a real daemon: what a program sees of it while it runs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp

from aiops.assembly import build
from aiops.config import Settings
from aiops.daemon import Daemon
from aiops.telemetry import Telemetry
from aiops.web.app import Server, serve


async def test_daemon_answers_while_it_runs(tmp_path: Path) -> None:
    """A running daemon is ready, shows templates and status, and commits a change."""
    log = tmp_path / "cart.log"
    lines = [f"2024-05-01T10:{n // 60:02d}:{n % 60:02d}Z INFO order {n} paid" for n in range(180)]
    log.write_text("\n".join(lines) + "\n")
    settings = Settings(web={"listen": "127.0.0.1:0"}, sources={"file": [{"paths": [str(log)]}]})
    daemon = Daemon(build(settings), None, Telemetry())
    listening: asyncio.Future[Server] = asyncio.get_running_loop().create_future()

    async def begin(desk: Daemon) -> Server:
        listening.set_result(await serve(desk))
        return listening.result()

    async with (
        asyncio.timeout(20),
        aiohttp.ClientSession() as session,
        asyncio.TaskGroup() as group,
    ):
        group.create_task(daemon.run(begin))
        url = (await listening).url

        async def get(path: str) -> tuple[int, Any]:
            async with session.get(url + path) as response:
                return response.status, await response.json(content_type=None)

        while True:
            async with session.get(f"{url}/readyz") as response:
                if response.status == 200:
                    break
        templates: list[Any] = []
        while not templates:
            status, body = await get("/api/v1/templates")
            assert status == 200, body
            templates = body["templates"]
        change = {"title": "cart 2.4", "entity": "cart"}
        async with session.post(f"{url}/api/v1/changes", json=change) as response:
            changed = response.status
        _, told = await get("/api/v1/status")
        missing, _ = await get("/api/v1/incidents/none")
        _, letters = await get("/api/v1/dead-letters")
        async with session.get(f"{url}/metrics") as response:
            metrics = await response.text()
        daemon.stop()

    assert [t["template"] for t in templates] == ["order <*> paid"]
    assert changed == 202
    assert missing == 404
    assert letters == {"dead_letters": []}
    assert told["ready"]
    assert told["alive"]
    assert told["sources"][0]["state"] == "running"
    assert "aiops_lines_total" in metrics
