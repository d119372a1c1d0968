"""What people decide over HTTP: put off, give, join, part, and silence for a while."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec
from aiohttp import web

from aiops.entities import as_entity
from aiops.incidents.muting import MAX_ACTIVE, Silence
from aiops.model import Incident, Severity, State
from aiops.moments import read_time
from aiops.quantities import parse_duration
from aiops.redaction import harmless
from aiops.web.desk import Desk
from aiops.web.given import Clock, Find, text_of
from aiops.web.guards import RefusedError, answer, read_body
from aiops.wire import rfc3339

LONGEST: Final = 366 * 86400.0
_LIVE = (State.OPEN, State.ACKNOWLEDGED)


class Decision(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a decision; each verb needs its own part of it."""

    by: str = ""
    until: str | float | None = None
    duration: str | float | None = None
    to: str = ""
    into: str = ""
    entity: str = ""


class NewSilence(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a silence: what it hides, how long, and why."""

    reason: str
    entity: str = ""
    text: str = ""
    severity: str = "critical"
    until: str | float | None = None
    duration: str | float | None = None
    by: str = ""


class Edit(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a change to an active silence: its end or its reason."""

    reason: str = ""
    until: str | float | None = None
    duration: str | float | None = None
    by: str = ""


@dataclass(frozen=True, slots=True)
class Handling:
    """Turn decisions into commands: one committed row before the answer."""

    desk: Desk
    find: Find
    clock: Clock

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of decisions and silences."""
        return [
            web.post("/api/v1/incidents/{id}/{verb:snooze|assign|merge|split}", self.decide),
            web.get("/api/v1/silences", self.silences),
            web.post("/api/v1/silences", self.silence),
            web.post("/api/v1/silences/{id}", self.edit),
            web.post("/api/v1/silences/{id}/expire", self.expire),
        ]

    async def decide(self, request: web.Request) -> web.Response:
        body: Decision = await read_body(request, Decision)
        verb, incident = request.match_info["verb"], await self.find(request.match_info["id"])
        if incident.state not in _LIVE:
            problem = f"incident {incident.id} is {incident.state}, neither open nor acknowledged"
            raise RefusedError(409, problem)
        if verb == "snooze":
            args = {"until": repr(self._end(body.until, body.duration))}
        elif verb == "assign":
            args = {"to": text_of(body.to, "to")}
        elif verb == "merge":
            args = {"into": await self._other(body.into, incident)}
        else:
            args = {"entity": _leaving(body.entity, incident)}
        command = await self.desk.command(verb, incident.id, text_of(body.by, "by"), args)
        return answer({"id": incident.id, "command": verb, "seq": command.seq, **args}, 202)

    async def silences(self, _: web.Request) -> web.Response:
        now = self.clock()
        found = sorted(await self.desk.silences(now), key=lambda s: (-s.starts, s.id))
        return answer({"silences": [shown(s, now) for s in found]})

    async def silence(self, request: web.Request) -> web.Response:
        body: NewSilence = await read_body(request, NewSilence)
        ends = self._end(body.until, body.duration)
        args = {"until": repr(ends), "severity": body.severity}
        if body.severity.upper() not in Severity.__members__:
            known = ", ".join(s.label for s in Severity)
            raise RefusedError(400, f"severity = {body.severity[:40]!r}: known: {known}")
        for name in ("entity", "text", "reason"):
            args[name] = text_of(getattr(body, name), name)
        if not args["reason"]:
            raise RefusedError(400, "reason: empty; say why")
        if not args["entity"] and not args["text"]:
            raise RefusedError(400, 'entity and text: both empty; entity "*" silences everything')
        now = self.clock()
        if sum(s.is_active(now) for s in await self.desk.silences(now)) >= MAX_ACTIVE:
            raise RefusedError(409, f"{MAX_ACTIVE} silences are active; expire some of them")
        command = await self.desk.command("silence", "", text_of(body.by, "by"), args)
        until = rfc3339(ends)
        return answer({"id": f"sil_{command.seq}", "until": until, "seq": command.seq}, 202)

    async def edit(self, request: web.Request) -> web.Response:
        body: Edit = await read_body(request, Edit)
        args = {}
        if body.until is not None or body.duration is not None:
            args["until"] = repr(self._end(body.until, body.duration))
        if reason := text_of(body.reason, "reason"):
            args["reason"] = reason
        if not args:
            raise RefusedError(400, "nothing to change; give until, duration or reason")
        return await self._change(request.match_info["id"], body.by, args)

    async def expire(self, request: web.Request) -> web.Response:
        body: Edit = await read_body(request, Edit)
        args = {"until": repr(self.clock())}
        return await self._change(request.match_info["id"], body.by, args)

    async def _change(self, name: str, by: str, args: dict[str, str]) -> web.Response:
        now = self.clock()
        known = [s for s in await self.desk.silences(now) if s.id == name]
        if not known:
            raise RefusedError(404, f"no silence {harmless(name[:80])!r}; see /api/v1/silences")
        if not known[0].is_active(now):
            raise RefusedError(409, f"silence {name} is over; what is over stays as it was")
        if not name.startswith(("sil_", "snooze_")):
            raise RefusedError(409, f"{name} is configured; change [[maintenance]]")
        command = await self.desk.command("silence-edit", name, text_of(by, "by"), args)
        return answer({"id": name, "seq": command.seq}, 202)

    async def _other(self, wanted: str, incident: Incident) -> str:
        if not wanted:
            raise RefusedError(400, "into: empty; name the incident that goes on")
        into = await self.find(wanted)
        if into.id == incident.id or into.state not in _LIVE:
            raise RefusedError(409, f"into = {into.id}: must be another incident that is open")
        return into.id

    def _end(self, until: str | float | None, duration: str | float | None) -> float:
        now = self.clock()
        if (until is None) == (duration is None):
            raise RefusedError(400, "give either until or duration")
        at = read_time(str(until)) if until is not None else None
        if duration is not None:
            try:
                given = parse_duration(duration)
            except ValueError as e:
                raise RefusedError(400, f"duration = {str(duration)[:40]!r}: {e}") from None
            at = now + float(str(given))
        if at is None or not now < at <= now + LONGEST:
            raise RefusedError(400, "until: give a time after now, at most a year ahead")
        return at


def shown(silence: Silence, now: float) -> dict[str, Any]:
    """Return a silence as JSON has it."""
    return {
        "id": silence.id,
        "active": silence.is_active(now),
        "starts": rfc3339(silence.starts),
        "ends": rfc3339(silence.ends),
        "by": harmless(silence.by),
        "reason": harmless(silence.reason),
        "entity": harmless(silence.entity),
        "text": harmless(silence.text),
        "severity": silence.severity.label,
        "incident": silence.incident,
    }


def _leaving(wanted: str, incident: Incident) -> str:
    if not wanted:
        raise RefusedError(400, "entity: empty; name who leaves")
    seen = {a.entity for a in incident.anomalies}
    entity = wanted if wanted in seen else as_entity(wanted)
    if entity not in seen or len(seen) < 2:
        known = harmless(", ".join(sorted(seen)[:10]))
        raise RefusedError(409, f"entity {wanted[:80]!r} cannot leave; of it are: {known}")
    return entity
