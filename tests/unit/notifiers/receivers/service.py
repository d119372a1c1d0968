"""What every stand-in for a receiver can do: serve, remember, keep a limit, and be unwell."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

SECRET = "hunter2"

# What must never reach a reader: terminal sequences, direction marks, control characters, secrets.
ALWAYS = re.compile(rf"\x1b|[\x00-\x08\x0b-\x1f\x7f-\x9f]|[\u202a-\u202e\u2066-\u2069]|{SECRET}")

# What would be read as Markdown where no fence stands: emphasis, code, links and addresses.
MARKDOWN = re.compile(
    r"[*`~]|\]\((?!https://aiops\.example/act\?token=)|(?<!<)https?://(?!aiops\.example)"
)


@dataclass(frozen=True, slots=True)
class Call:
    """One request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def said(self) -> Any:
        return json.loads(self.body)


class No(Exception):
    """The receiver does not take it, and answers so."""

    def __init__(self, answer: web.Response) -> None:
        super().__init__(answer.text)
        self.answer = answer


@dataclass
class Service:
    """An HTTP receiver on the loopback; a subclass knows its forms, limits and ways to say no.

    ``mood`` is ``well``, ``busy`` (429 in its own words), ``down`` (503), ``full`` (413 to whatever
    comes), ``silent`` (accepts and
    says nothing), ``half`` (says yes and hangs before the end of its words) or ``broken`` (hangs
    up). When ``strict``, at most ``calls_allowed`` calls pass in ``per`` seconds of ``at``, the
    test's clock.
    """

    folder: Path
    mood: str = "well"
    url: str = ""
    at: float = 0.0
    strict: bool = False
    calls: list[Call] = field(default_factory=list)
    times: dict[str, list[float]] = field(default_factory=dict)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    calls_allowed: ClassVar[int] = 10_000
    per: ClassVar[float] = 1.0
    # What the busy answer asks for, as the sender can understand it.
    wait: ClassVar[float | None] = 30.0
    # A mention or markup that would act in this format.
    acts: ClassVar[re.Pattern[str]] = re.compile(r"(?!)")
    # The same, for what does not stand between two fences.
    marks: ClassVar[re.Pattern[str]] = re.compile(r"(?!)")

    def table(self) -> dict[str, Any]:
        """Return the configuration that leads here."""
        raise NotImplementedError

    def wrong_table(self) -> dict[str, Any]:
        """Return a configuration whose key the receiver does not know."""
        raise NotImplementedError

    def answer(self, call: Call) -> web.Response:
        """Take a call, or raise ``No``."""
        raise NotImplementedError

    def busy(self) -> web.Response:
        """Refuse for now, as this receiver does."""
        return web.Response(status=429, text="", headers={"Retry-After": "30"})

    def texts(self) -> list[str]:
        """Return every text a reader saw, in order."""
        return [text for call in self.calls for text in _strings(call.said)]

    def acting(self) -> list[str]:
        """Return every text that would do something to its reader."""
        texts = self.texts()
        bare = [re.sub(r"```\n.*?\n```", "", text, flags=re.DOTALL) for text in texts]
        found = [text for text in texts if ALWAYS.search(text) or self.acts.search(text)]
        return found + [text for text in bare if self.marks.search(text)]

    async def serve(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        call = Call(request.method, request.path, dict(request.query), dict(request.headers), body)
        if self.mood == "silent":
            await self.over.wait()
        if self.mood == "broken" and request.transport is not None:
            request.transport.close()
            return web.Response()
        if self.mood == "half":
            return await self._half(request)
        if self.mood == "full":
            return web.Response(status=413, text="Request Entity Too Large")
        if self.mood == "down":
            return web.Response(status=503, text="<html>upstream</html>")
        if self.mood == "busy" or (self.strict and self.crowded(call)):
            return self.busy()
        self.calls.append(call)
        try:
            return self.answer(call)
        except No as no:
            return no.answer

    async def _half(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b'{"ok": tr')
        await self.over.wait()
        return response

    def crowded(self, call: Call) -> bool:
        """Say whether this call is one too many at this time."""
        return self.too_many("", self.calls_allowed, self.per)

    def too_many(self, kind: str, allowed: int, per: float) -> bool:
        """Count a call of one kind and say whether it is beyond what is allowed."""
        times = self.times.setdefault(kind, [])
        times.append(self.at)
        return sum(at > self.at - per + 1e-6 for at in times) > allowed

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        app = web.Application(client_max_size=4 << 20)
        app.router.add_route("*", "/{tail:.*}", self.serve)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        try:
            yield
        finally:
            self.over.set()
            await runner.cleanup()


def units(text: str) -> int:
    """Count UTF-16 units, as most of these receivers do."""
    return len(text.encode("utf-16-le")) // 2


def refuse(status: int, /, **words: Any) -> No:
    """Return a refusal with a JSON body."""
    return No(web.json_response(words, status=status))


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for one in value.values() for text in _strings(one)]
    if isinstance(value, list):
        return [text for one in value for text in _strings(one)]
    return []
