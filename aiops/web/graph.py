"""Who calls whom over HTTP: what is declared, and what was learned."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
from aiohttp import web

from aiops.entities import as_entity
from aiops.redaction import harmless
from aiops.web.desk import Desk
from aiops.web.given import text_of
from aiops.web.guards import answer, read_body


class _ByWhom(msgspec.Struct, forbid_unknown_fields=True):
    by: str = ""


@dataclass(frozen=True, slots=True)
class Graph:
    """Show the call graph, and forget what was learned of it."""

    desk: Desk

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of the call graph."""
        return [
            web.get("/api/v1/topology", self.show),
            web.post("/api/v1/topology/forget", self.forget),
        ]

    async def show(self, _: web.Request) -> web.Response:
        calls = self.desk.plan.settings.topology.calls
        declared = {as_entity(caller): list(map(as_entity, of)) for caller, of in calls.items()}
        learned = [
            {"caller": harmless(caller), "callee": harmless(callee), "seen": seen}
            for caller, callee, seen in self.desk.figures.calls
            if caller not in declared
        ]
        return answer({"declared": declared, "learned": learned})

    async def forget(self, request: web.Request) -> web.Response:
        body: _ByWhom = await read_body(request, _ByWhom)
        command = await self.desk.command("forget-calls", "", text_of(body.by, "by"), {})
        return answer({"command": "forget-calls", "seq": command.seq}, 202)
