"""What people say about incidents over HTTP, the cases that ended ones became, and post-mortems."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec
from aiohttp import web

from aiops.cases import Case
from aiops.incidents.lessons import VERDICTS
from aiops.incidents.memory import MAX_CASES, MAX_TOKENS
from aiops.incidents.postmortem import postmortem
from aiops.model import State
from aiops.moments import read_time
from aiops.redaction import harmless
from aiops.web.desk import Desk
from aiops.web.given import Clock, Find, clip, needed, text_of
from aiops.web.guards import RefusedError, answer, read_body

_LONGEST: Final = 300  # characters of a token
_MOST: Final = 100  # cases in one body


class Feedback(msgspec.Struct, forbid_unknown_fields=True):
    """The body of feedback: ``cause`` goes with wrong-cause, ``until`` with expected-until."""

    verdict: str
    cause: str = ""
    until: str | float | None = None
    by: str = ""


class Note(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a note: what fixed it."""

    text: str
    by: str = ""


class Told(msgspec.Struct, forbid_unknown_fields=True):
    """One case as it travels; what is unknown keeps its default."""

    id: str
    at: float
    lasted: float
    title: str
    tokens: list[str]
    felt: list[str] = []
    cause: str = ""
    named: bool = False
    fix: str = ""
    verdict: str = ""
    answered: float | None = None
    severity: int = 2


class Cases(msgspec.Struct, forbid_unknown_fields=True):
    """The body of an import."""

    cases: list[Told]
    by: str = ""


@dataclass(frozen=True, slots=True)
class Remembering:
    """Turn what people say into commands: one committed row before the answer."""

    desk: Desk
    find: Find
    clock: Clock

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of feedback, cases and post-mortems."""
        return [
            web.post("/api/v1/incidents/{id}/feedback", self.feedback),
            web.post("/api/v1/incidents/{id}/note", self.note),
            web.get("/api/v1/incidents/{id}/postmortem", self.postmortem),
            web.get("/api/v1/cases", self.cases),
            web.post("/api/v1/cases", self.take),
            web.post("/api/v1/cases/{id}/{verb:forget|redact}", self.drop),
        ]

    async def feedback(self, request: web.Request) -> web.Response:
        body: Feedback = await read_body(request, Feedback)
        if body.verdict not in VERDICTS:
            known = ", ".join(VERDICTS)
            raise RefusedError(400, f"verdict = {clip(body.verdict)}: known: {known}")
        incident = await self.find(request.match_info["id"])
        if incident.state is State.CANDIDATE:
            raise RefusedError(409, f"incident {incident.id} is a candidate nobody was told of")
        args = {"verdict": body.verdict}
        if body.verdict == "wrong-cause":
            remedy = "name the entity or change that it was"
            args["cause"] = needed(body.cause, "cause", remedy)
        if body.verdict == "expected-until":
            args["until"] = repr(self._until(body.until))
        command = await self.desk.command("feedback", incident.id, text_of(body.by, "by"), args)
        return answer({"id": incident.id, "command": "feedback", "seq": command.seq, **args}, 202)

    async def note(self, request: web.Request) -> web.Response:
        body: Note = await read_body(request, Note)
        incident = await self.find(request.match_info["id"])
        text = needed(body.text, "text", "say what fixed it")
        by = text_of(body.by, "by")
        command = await self.desk.command("note", incident.id, by, {"text": text})
        return answer({"id": incident.id, "command": "note", "seq": command.seq}, 202)

    async def postmortem(self, request: web.Request) -> web.Response:
        incident = await self.find(request.match_info["id"])
        case = next((c for c in await self.desk.cases() if c.id == incident.id), None)
        timeline, messages = await self.desk.record_of(incident.id)
        text = postmortem(incident, case=case, timeline=timeline, messages=messages)
        return answer({"id": incident.id, "markdown": text})

    async def cases(self, _: web.Request) -> web.Response:
        return answer({"cases": [shown(case) for case in await self.desk.cases()]})

    async def take(self, request: web.Request) -> web.Response:
        body: Cases = await read_body(request, Cases)
        if len(body.cases) > _MOST:
            raise RefusedError(413, f"{len(body.cases)} cases in one body; give at most {_MOST}")
        by = text_of(body.by, "by")
        cases = [_case(told) for told in body.cases]
        for case in cases:
            told = msgspec.json.encode(case).decode()
            await self.desk.command("case", case.id, by, {"case": told})
        return answer({"cases": len(cases), "most": MAX_CASES}, 202)

    async def drop(self, request: web.Request) -> web.Response:
        body: _Nothing = await read_body(request, _Nothing)
        wanted, verb = request.match_info["id"], request.match_info["verb"]
        if not any(case.id == wanted for case in await self.desk.cases()):
            raise RefusedError(404, f"no case {clip(wanted)}; see /api/v1/cases")
        command = await self.desk.command(verb, wanted, text_of(body.by, "by"), {})
        return answer({"id": wanted, "command": verb, "seq": command.seq}, 202)

    def _until(self, value: str | float | None) -> float:
        at = None if value is None else read_time(str(value))
        if at is None or at <= self.clock():
            given = "empty" if value is None else f"{clip(str(value))}"
            raise RefusedError(400, f"until = {given}: give a time to come, like 2027-01-31T08:00Z")
        return at


class _Nothing(msgspec.Struct, forbid_unknown_fields=True):
    by: str = ""


def shown(case: Case) -> dict[str, Any]:
    """Return a case as JSON shows it, and as an import takes it."""
    plain: dict[str, Any] = msgspec.to_builtins(case)
    return plain | {name: harmless(plain[name]) for name in ("title", "cause", "fix")}


def _case(told: Told) -> Case:
    if not told.id or len(told.tokens) > MAX_TOKENS:
        problem = f"case {clip(told.id)}: give an id and at most {MAX_TOKENS} tokens"
        raise RefusedError(400, problem)
    known = set(told.tokens)
    plain = msgspec.to_builtins(told) | {
        "id": text_of(told.id, "id"),
        "tokens": [t[:_LONGEST] for t in sorted(known)],
        "felt": [t[:_LONGEST] for t in sorted(known & set(told.felt))],
    }
    plain |= {name: text_of(plain[name], name) for name in ("title", "cause", "fix", "verdict")}
    return msgspec.convert(plain, Case)
