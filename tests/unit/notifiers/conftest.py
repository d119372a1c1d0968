"""Receivers on the loopback that answer as told, and incidents worth telling."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from aiohttp import web

from aiops.model import (
    Incident,
    Notification,
    SampleLine,
    Severity,
    State,
    Suspect,
    Transition,
    TransitionKind,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

T = 1_767_225_600.0  # 2026-01-01T00:00:00Z
HOSTILE = (
    "<!channel> @everyone <b>bold</b> &amp; \x1b[2J\x1b]0;owned\x07 \u202egnp.exe "
    "``` *x* password=hunter2 \x00"
)


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """An HTTP server that remembers requests and gives prepared answers, then 200 "ok"."""

    url: str = ""
    seen: list[Seen] = field(default_factory=list)
    answers: deque[web.Response] = field(default_factory=deque)
    rule: Callable[[Seen], web.Response] | None = None

    async def serve(self, request: web.Request) -> web.Response:
        seen = Seen(request.path_qs, dict(request.headers), await request.read())
        self.seen.append(seen)
        if self.answers:
            return self.answers.popleft()
        return web.Response(text="ok") if self.rule is None else self.rule(seen)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async for one in _served():
        yield one


@pytest.fixture
async def second() -> AsyncIterator[Receiver]:
    async for one in _served():
        yield one


async def _served() -> AsyncIterator[Receiver]:
    one = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", one.serve)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    one.url = f"http://{host}:{port}"
    yield one
    await runner.cleanup()


@dataclass
class Mute:
    """A TCP server that accepts, says *first*, and then is silent or hangs up."""

    url: str = ""
    first: bytes = b""
    hang_up: bool = False
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self.first)
        if not self.hang_up:
            await self.over.wait()
        writer.close()


@pytest.fixture
async def mute() -> AsyncIterator[Mute]:
    one = Mute()
    server = await asyncio.start_server(one.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    one.url = f"http://{host}:{port}"
    yield one
    one.over.set()
    server.close()
    await server.wait_closed()


class Tell(Protocol):
    """Make a notification; keywords change the incident."""

    def __call__(
        self,
        kind: TransitionKind = TransitionKind.OPENED,
        *,
        body: str | None = None,
        **incident: Any,
    ) -> Notification: ...


@pytest.fixture
def tell() -> Tell:
    base = Incident(
        id="INC-1",
        seq=1,
        state=State.OPEN,
        severity=Severity.ERROR,
        title="payments fail in service cart",
        opened_at=T,
        updated_at=T,
        told=True,
        entities=("service:cart",),
        suspects=(Suspect("service:cart", 0.6, ("first to fail",)),),
        samples=(SampleLine(T, "file:/a.log", HOSTILE, (0, 10)),),
    )

    def make(
        kind: TransitionKind = TransitionKind.OPENED,
        *,
        body: str | None = None,
        **incident: Any,
    ) -> Notification:
        picture = replace(base, **incident)
        words = f"{kind.value.upper()} error: {picture.title}\nsince then\n  {HOSTILE}"
        return Notification(
            key=f"{picture.id}-{picture.seq}-ops",
            receiver="ops",
            transition=Transition(kind, picture, T + 30),
            title=picture.title,
            body=words if body is None else body,
        )

    return make


@pytest.fixture
async def closing() -> AsyncIterator[Callable[[Any], Any]]:
    """Close at the end of the test what is handed in."""
    notifiers: list[Any] = []

    def remember(notifier: Any) -> Any:
        notifiers.append(notifier)
        return notifier

    yield remember
    ends: list[Awaitable[None]] = [notifier.close() for notifier in notifiers]
    await asyncio.gather(*ends)
