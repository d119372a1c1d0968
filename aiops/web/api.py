"""The JSON API: incidents, commands, changes, dead letters, templates and status."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import msgspec
from aiohttp import web

from aiops import __version__
from aiops.entities import as_entity
from aiops.incidents.explanation import explained, weighed
from aiops.incidents.muting import hidden_by
from aiops.model import ChangeEvent, Incident, State
from aiops.moments import read_time
from aiops.redaction import harmless
from aiops.storage import DeadLetter
from aiops.web.desk import Counter, Desk
from aiops.web.given import clip, needed, text_of
from aiops.web.graph import Graph
from aiops.web.guards import RefusedError, answer, read_body
from aiops.web.handling import Handling
from aiops.web.page import incident_page
from aiops.web.remembering import Remembering
from aiops.web.words import tell
from aiops.wire import rfc3339, series_json, to_json

MOST: Final = 1000
USUAL: Final = 100
_SAY: Final = "say what changed"
_OVER = (State.RESOLVED, State.CLOSED)


class ByWhom(msgspec.Struct, forbid_unknown_fields=True):
    """The body of an acknowledgement or a resolution; ``note`` says what fixed it."""

    by: str = ""
    note: str = ""


class Change(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a change."""

    title: str
    entity: str
    kind: str = "deploy"
    at: str | float | None = None


class Api:
    """Answer requests about one desk."""

    def __init__(self, desk: Desk, clock: Callable[[], float] = time.time) -> None:
        self._desk = desk
        self._clock = clock

    def routes(self) -> list[web.RouteDef]:
        """Return every route of the API."""
        return [
            web.get("/api/v1/incidents", self.incidents),
            web.get("/api/v1/incidents/{id}", self.incident),
            web.post("/api/v1/incidents/{id}/{verb:ack|resolve}", self.act),
            web.post("/api/v1/changes", self.change),
            web.get("/api/v1/dead-letters", self.dead_letters),
            web.get("/api/v1/templates", self.templates),
            web.get("/api/v1/status", self.status),
            *Graph(self._desk).routes(),
            *Remembering(self._desk, self._find, self._clock).routes(),
            *Handling(self._desk, self._find, self._clock).routes(),
        ]

    async def incidents(self, request: web.Request) -> web.Response:
        _only(request, "state", "limit", "candidates")
        limit = _limit(request.query.get("limit"))
        state = _state(request.query.get("state"))
        candidates = request.query.get("candidates", "0") in ("1", "true")
        found = await self.known(candidates=candidates or state is State.CANDIDATE)
        if state is not None:
            found = [i for i in found if i.state is state]
        return answer({"incidents": [to_json(i) for i in found[:limit]]})

    async def known(self, *, candidates: bool = False) -> list[Incident]:
        """Return living and past incidents, newest first; what lives is newer than its copy."""
        found = {i.id: i for i in await self._desk.history(MOST)}
        found |= {i.id: i for i in self._desk.figures.incidents}
        chosen = (i for i in found.values() if candidates or i.state is not State.CANDIDATE)
        return sorted(chosen, key=lambda i: (-i.opened_at, i.id))

    async def incident(self, request: web.Request) -> web.Response:
        incident = await self._find(request.match_info["id"])
        calls = self._desk.plan.settings.topology.calls
        people = {
            "acknowledged_by": harmless(incident.acknowledged_by),
            "assigned_to": harmless(incident.assigned_to),
            "muted_by": await self._muted_by(incident),
            "series": series_json(incident),
            "evidence": [explained(anomaly) for anomaly in incident.anomalies],
            "severity_points": weighed(incident),
        }
        return answer(to_json(incident) | people | {"story": tell(incident, calls, self._clock())})

    async def sheet(self, request: web.Request) -> str:
        """Return the page of one incident; raises ``RefusedError`` when there is none."""
        incident = await self._find(request.match_info["id"])
        timeline, messages = await self._desk.record_of(incident.id)
        return incident_page(
            incident,
            story=tell(incident, self._desk.plan.settings.topology.calls, self._clock()),
            muted_by=await self._muted_by(incident),
            timeline=timeline,
            messages=messages,
        )

    async def _muted_by(self, incident: Incident) -> list[str]:
        now = self._clock()
        active = [s for s in await self._desk.silences(now) if s.is_active(now)]
        return list(hidden_by(incident, active))

    async def act(self, request: web.Request) -> web.Response:
        body = await read_body(request, ByWhom)
        verb = request.match_info["verb"]
        incident = await self._find(request.match_info["id"])
        if incident.state in _OVER:
            raise RefusedError(409, f"incident {incident.id} is {incident.state} already")
        if verb == "ack" and incident.state is State.CANDIDATE:
            raise RefusedError(409, f"incident {incident.id} is a candidate nobody was told of")
        note = text_of(body.note, "note")
        args = {"note": note} if note and verb == "resolve" else {}
        command = await self._desk.command(verb, incident.id, text_of(body.by, "by"), args)
        return answer({"id": incident.id, "command": verb, "seq": command.seq}, 202)

    async def change(self, request: web.Request) -> web.Response:
        body = await read_body(request, Change)
        entity = as_entity(needed(body.entity, "entity", _SAY))
        title, kind = needed(body.title, "title", _SAY), needed(body.kind, "kind", _SAY)
        event = ChangeEvent(self._moment(body.at), kind, entity, title)
        await self._desk.change(event)
        shown = {"at": rfc3339(event.at), "kind": kind, "entity": entity, "title": title}
        return answer({"id": event.id, **shown}, 202)

    async def dead_letters(self, request: web.Request) -> web.Response:
        _only(request, "limit")
        found = await self._desk.dead_letters(_limit(request.query.get("limit")))
        return answer({"dead_letters": [_dead(letter) for letter in found]})

    async def templates(self, request: web.Request) -> web.Response:
        _only(request)
        names = ("id", "severity", "template", "count")
        found = await self._desk.templates()
        safe = [{n: t[n] for n in names} | {"template": harmless(t["template"])} for t in found]
        return answer({"templates": safe})

    async def status(self, request: web.Request) -> web.Response:
        desk = self._desk
        figures = desk.figures
        shown = {
            name: getattr(figures, name)
            for name in ("templates", "series", "streams", "open_windows", "waiting")
        }
        return answer(
            {
                "version": __version__,
                "ready": desk.ready,
                "alive": desk.alive,
                "started_at": rfc3339(desk.started),
                "uptime": round(max(self._clock() - desk.started, 0.0), 1),
                "warming_up": desk.warming_up,
                "warm_up_left": round(self._warm_up_left(), 1),
                "cold": list(desk.cold),
                "sources": self._sources(),
                "figures": shown
                | {
                    "calls": len(figures.calls),
                    "event_time": rfc3339(figures.clock) if figures.clock > 0 else None,
                    "threshold": round(figures.threshold, 3),
                    "tests_per_second": round(figures.tests_per_second, 4),
                },
                "dropped": _by_labels(desk.telemetry.dropped),
                "events": _by_labels(desk.telemetry.events),
            }
        )

    def _warm_up_left(self) -> float:
        desk = self._desk
        return max(desk.started + 3600.0 - self._clock(), 0.0) if desk.warming_up else 0.0

    def _sources(self) -> list[dict[str, Any]]:
        voice, uptime = self._desk.telemetry, max(self._clock() - self._desk.started, 1.0)
        lines, points, lags = (_by_source(m) for m in (voice.lines, voice.points, voice.lag))
        seen = self._desk.last_seen
        found = []
        for name, state in sorted(self._desk.source_state.items()):
            taken = lines.get(name, 0.0) + points.get(name, 0.0)
            last = seen.get(name)
            found.append(
                {
                    "name": name,
                    "state": state,
                    "lines": int(lines.get(name, 0.0)),
                    "points": int(points.get(name, 0.0)),
                    "per_second": round(taken / uptime, 3),
                    "lag": lags.get(name),
                    "last_seen": None if last is None else rfc3339(last),
                }
            )
        return found

    def _moment(self, value: str | float | None) -> float:
        if value is None:
            return self._clock()
        at = read_time(str(value))
        if at is None or at < 0:
            raise RefusedError(400, f"at = {clip(str(value))}: give RFC 3339 or epoch seconds")
        return at

    async def _find(self, wanted: str) -> Incident:
        incident = await self._desk.find(wanted)
        if incident is not None:
            return incident
        near = [i for i in await self.known(candidates=True) if i.id.startswith(wanted)]
        if len(near) == 1:
            return near[0]
        if near:
            raise RefusedError(
                404, f"{len(near)} incidents begin with {clip(wanted)}; give more of it"
            )
        raise RefusedError(404, f"no incident {clip(wanted)}; see /api/v1/incidents")


def _dead(letter: DeadLetter) -> dict[str, Any]:
    return {
        "key": letter.key,
        "receiver": harmless(letter.receiver),
        "incident": letter.incident,
        "kind": letter.kind,
        "told_at": rfc3339(letter.created_at),
        "given_up_at": rfc3339(letter.at),
        "attempts": letter.attempts,
        "reason": harmless(letter.reason),
    }


def _by_source(metric: Counter) -> dict[str, float]:
    return {
        sample.labels["source"]: sample.value
        for family in metric.collect()
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def _by_labels(metric: Counter) -> dict[str, int]:
    return {
        "/".join(sample.labels.values()): int(sample.value)
        for family in metric.collect()
        for sample in family.samples
        if not sample.name.endswith("_created") and sample.value
    }


def _only(request: web.Request, *known: str) -> None:
    for name in request.query:
        if name not in known:
            allowed = ", ".join(known) or "nothing"
            raise RefusedError(400, f"unknown parameter {clip(name)}; known: {allowed}")


def _limit(text: str | None) -> int:
    if text is None:
        return USUAL
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MOST):
        raise RefusedError(400, f"limit = {clip(text)}: give a number from 1 to {MOST}")
    return int(text)


def _state(text: str | None) -> State | None:
    if text is None:
        return None
    try:
        return State(text)
    except ValueError:
        known = ", ".join(State)
        raise RefusedError(400, f"state = {clip(text)}: no such state; known: {known}") from None
