"""What a link in a message leads to: a page that asks, and acts once when its button is pressed.

Programs fetch the links of messages to preview and to scan them, so a GET only shows. Nothing that
a request brings is shown again: what a page says comes from the incident or stands here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Final
from urllib.parse import parse_qsl

from aiohttp import web

from aiops.errors import AiopsError
from aiops.incidents.story import title
from aiops.links import PATH, LinkError, Permit, Verb
from aiops.model import Incident, State
from aiops.redaction import harmless
from aiops.storage import Once, SpentError
from aiops.web.desk import Desk
from aiops.web.given import Clock
from aiops.web.guards import BODY_WITHIN
from aiops.wire import rfc3339

_BODY: Final = 8192
_TEXT: Final = 200
_CHOICES: Final = 8  # suspects and entities offered as causes
_SPANS: Final = {
    "an hour": 3600.0,
    "a day": 86400.0,
    "a week": 604800.0,
    "30 days": 2_592_000.0,
}
_ASKS: Final = {
    Verb.ACK: ("Acknowledge", "You look after it: nobody else is called for now."),
    Verb.NOISE: ("It is noise", "The same pattern on the same entities stays silent for 90 days."),
    Verb.USEFUL: ("It is useful", "It was right to tell you of this."),
    Verb.WRONG_CAUSE: ("Name the cause", "What was it instead?"),
    Verb.EXPECTED: ("It is expected", "The same pattern stays silent for how long?"),
}
_OVER: Final = (State.RESOLVED, State.CLOSED)
_HEADERS: Final = {
    # Unlike every other page this one may send its form, to itself.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline';"
    " frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    # The address holds the key: no other site may see it. With no-referrer a browser would send
    # the form with the origin "null", which nobody could tell from a forged one.
    "Referrer-Policy": "same-origin",
}
_HEAD: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>aiops</title>
<meta name="viewport" content="width=device-width"><meta name="robots" content="noindex"><style>
body{font:17px/1.5 system-ui,sans-serif;max-width:40rem;margin:2rem auto;padding:0 1rem}
button,input,select{font:inherit;padding:.4rem .8rem;margin:.2rem 0}
label{display:block;margin:.6rem 0}input[type=text]{width:100%;box-sizing:border-box}
</style></head><body>
"""


class _Said(Exception):
    """Answer with a page that says why nothing was done."""

    def __init__(self, status: int, head: str, text: str) -> None:
        super().__init__(head)
        self.status, self.head, self.text = status, head, text


@dataclass(frozen=True, slots=True)
class Acting:
    """Show what a link permits, and do it once."""

    desk: Desk
    clock: Clock

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of links."""
        return [web.get(PATH, self.ask), web.post(PATH, self.act)]

    async def ask(self, request: web.Request) -> web.Response:
        """Show what the button would do; change nothing."""
        return await _answered(self._ask(request))

    async def act(self, request: web.Request) -> web.Response:
        """Do what the link permits, unless it was used before."""
        return await _answered(self._act(request))

    async def _ask(self, request: web.Request) -> web.Response:
        permit, incident = await self._permitted(request)
        head, text = _ASKS[permit.verb]
        fields = _fields(permit.verb, incident)
        # Without an action the form goes to where it came from, however a proxy calls that.
        form = f"<form method=post>{fields}{_NAME}<button>{escape(head)}</button></form>"
        return _page(200, head, f"{_about(incident)}<p>{escape(text)}</p>{form}")

    async def _act(self, request: web.Request) -> web.Response:
        permit, incident = await self._permitted(request)
        form = await _form(request)
        kind, args = self._command(permit.verb, incident, form)
        by = _short(form.get("by", "")) or f"a reader of {harmless(permit.receiver)}"
        once = Once(permit.nonce, permit.until)
        # Whoever pressed in the meantime was first: that is judged where the command is committed.
        try:
            await self.desk.command(kind, incident.id, by, args, once=once)
        except SpentError:
            raise _used() from None
        head, _ = _ASKS[permit.verb]
        return _page(200, "Done", f"{_about(incident)}<p>Noted: {escape(head.lower())}.</p>")

    async def _permitted(self, request: web.Request) -> tuple[Permit, Incident]:
        links = self.desk.links
        if links is None:
            raise _Said(404, "No links here", "Set web.external_url to have links in messages.")
        try:
            permit = links.read(request.query.get("token", ""), self.clock())
        except LinkError as e:
            if e.expired:
                text = "Use aiops incidents, or a link in a newer message."
                raise _Said(410, "This link has expired", text) from None
            text = "It is cut short, changed, or of another installation. Copy all of it."
            raise _Said(400, "This link cannot be used", text) from None
        incident = await self.desk.find(permit.incident)
        if incident is None:
            raise _Said(410, "This incident is gone", "Its record was deleted after its time.")
        if await self.desk.is_spent(permit.nonce):
            raise _used()
        if permit.verb is Verb.ACK and incident.state in _OVER:
            raise _Said(409, "This incident is over", "There is nothing to look after any more.")
        if permit.verb is Verb.ACK and incident.state is State.ACKNOWLEDGED:
            who = harmless(incident.acknowledged_by) or "Somebody"
            raise _Said(409, "It is taken", f"{who} looks after it already.")
        return permit, incident

    def _command(
        self, verb: Verb, incident: Incident, form: Mapping[str, str]
    ) -> tuple[str, dict[str, str]]:
        if verb is Verb.ACK:
            return "ack", {}
        args = {"verdict": verb.value}
        if verb is Verb.WRONG_CAUSE:
            causes = dict(enumerate(_causes(incident)))
            chosen = form.get("choice", "")
            cause = causes.get(int(chosen)) if chosen.isdecimal() and len(chosen) < 3 else None
            args["cause"] = _short(form.get("cause", "")) or cause or ""
            if not args["cause"]:
                raise _Said(400, "Which cause?", "Go back and choose one, or write its name.")
        if verb is Verb.EXPECTED:
            span = _SPANS.get(form.get("span", ""))
            if span is None:
                raise _Said(400, "For how long?", "Go back and choose one of the times.")
            args["until"] = repr(self.clock() + span)
        return "feedback", args


_NAME: Final = "<label>Your name, if you like <input type=text name=by maxlength=80></label>"


async def _answered(work: Awaitable[web.Response]) -> web.Response:
    try:
        return await work
    except _Said as said:
        return _page(said.status, said.head, f"<p>{escape(said.text)}</p>")
    except AiopsError:
        # Its words may name files; they are in the log.
        text = "The daemon is starting, ending or out of space. Try again in a minute."
        return _page(503, "Not now", f"<p>{escape(text)}</p>")


def _used() -> _Said:
    return _Said(410, "This link was used", "It counts once. What it did is in the incident.")


def _page(status: int, head: str, body: str) -> web.Response:
    text = f"{_HEAD}<h1>{escape(head)}</h1>{body}</body></html>\n"
    return web.Response(text=text, status=status, content_type="text/html", headers=_HEADERS)


def _about(incident: Incident) -> str:
    what = harmless(incident.title) or title(incident)
    since = f"{incident.severity.label}, {incident.state.value}, {rfc3339(incident.opened_at)}"
    return f"<p><strong>{escape(what)}</strong><br>{escape(since)}</p>"


def _fields(verb: Verb, incident: Incident) -> str:
    if verb is Verb.EXPECTED:
        options = "".join(f"<option>{escape(span)}</option>" for span in _SPANS)
        return f"<label>For <select name=span>{options}</select></label>"
    if verb is not Verb.WRONG_CAUSE:
        return ""
    causes = "".join(
        f"<label><input type=radio name=choice value={n}> {escape(harmless(cause))}</label>"
        for n, cause in enumerate(_causes(incident))
    )
    other = "<label>Or another one <input type=text name=cause maxlength=200></label>"
    return causes + other


def _causes(incident: Incident) -> list[str]:
    """Return what may be named with one press: suspects after the first, then who was hit."""
    named = [*(s.entity for s in incident.suspects[1:]), *incident.entities]
    first = incident.suspects[0].entity if incident.suspects else ""
    return [one for one in dict.fromkeys(named) if one != first][:_CHOICES]


async def _form(request: web.Request) -> dict[str, str]:
    """Return the fields of a small form, the first of each name."""
    try:
        async with asyncio.timeout(BODY_WITHIN):
            raw = await request.content.read(_BODY + 1)
            while len(raw) <= _BODY and (more := await request.content.read(_BODY + 1)):
                raw += more
    except TimeoutError:
        raise _Said(408, "Nothing arrived", "The form did not arrive in time. Try again.") from None
    if len(raw) > _BODY:
        raise _Said(413, "Too much", "Write a shorter text.")
    try:
        pairs = parse_qsl(raw.decode("utf-8", "replace"), max_num_fields=20)
    except ValueError:
        raise _Said(400, "This is no form", "Use the button of the page.") from None
    return dict(reversed(pairs))


def _short(text: str) -> str:
    return harmless(text[:_TEXT]).strip()
