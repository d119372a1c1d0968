"""What people say, through a running daemon: committed, applied, and seen by the next request."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from aiops.assembly import build
from aiops.cases import Case
from aiops.config import Settings
from aiops.daemon import Daemon
from aiops.model import State, Transition, TransitionKind
from aiops.telemetry import Telemetry
from aiops.web.app import Server, serve
from tests.unit.web.desk import T0, incident

CASE = Case("inc_0", T0, 60.0, "it broke", ("a\tx", "b\ty"), ("a\tx",), "service:a")


async def test_a_case_comes_in_takes_a_note_and_goes(tmp_path: Path) -> None:
    """Imported, annotated, written down in a post-mortem and forgotten, in the order asked."""
    log = tmp_path / "cart.log"
    log.write_text("2024-05-01T10:00:00Z INFO order 1 paid\n", encoding="utf-8")
    settings = Settings(web={"listen": "127.0.0.1:0"}, sources={"file": [{"paths": [str(log)]}]})
    daemon = Daemon(build(settings), None, Telemetry())
    listening: asyncio.Future[Server] = asyncio.get_running_loop().create_future()
    past = incident("inc_0", state=State.CLOSED)

    async def begin(desk: Daemon) -> Server:
        listening.set_result(await serve(desk))
        return listening.result()

    async with (
        asyncio.timeout(20),
        aiohttp.ClientSession() as session,
        asyncio.TaskGroup() as group,
    ):
        group.create_task(daemon.run(begin))
        url = (await listening).url + "/api/v1"

        async def get(path: str) -> Any:
            async with session.get(f"{url}/{path}") as response:
                return await response.json()

        async def post(path: str, body: dict[str, Any]) -> int:
            async with session.post(f"{url}/{path}", json=body) as response:
                return response.status

        await daemon._begun.wait()
        told = Transition(TransitionKind.RESOLVED, past, T0)
        await daemon._on_writer(lambda: daemon._rows().history.record([told]))
        said = [
            await post("cases", {"cases": [msgspec.to_builtins(CASE)]}),
            await post("incidents/inc_0/note", {"text": "restarted a"}),
            await post("incidents/inc_0/feedback", {"verdict": "useful"}),
        ]
        (case,) = (await get("cases"))["cases"]
        text = (await get("incidents/inc_0/postmortem"))["markdown"]
        said.append(await post("cases/inc_0/forget", {}))
        left = (await get("cases"))["cases"]
        daemon.stop()

    assert said == [202, 202, 202, 202]
    assert (case["fix"], case["verdict"]) == ("restarted a", "useful")
    assert "- fix: restarted a" in text
    assert "resolved" in text
    assert left == []
