"""A real server over a fake desk, on a free port of this machine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest

from aiops.web.app import serve
from tests.unit.web.desk import FakeDesk


class Caller:
    """Ask one server; answers are (status, body, headers)."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.url = url
        self._session = session

    async def __call__(self, method: str, path: str, **more: Any) -> tuple[int, Any, Any]:
        async with self._session.request(method, self.url + path, **more) as response:
            is_json = response.content_type == "application/json"
            body = await response.json() if is_json else await response.text()
            return response.status, body, response.headers

    async def get(self, path: str, **more: Any) -> tuple[int, Any, Any]:
        return await self("GET", path, **more)

    async def post(self, path: str, **more: Any) -> tuple[int, Any, Any]:
        return await self("POST", path, **more)


Visit = Callable[[FakeDesk], Awaitable[Caller]]


@pytest.fixture
async def visit() -> AsyncIterator[Visit]:
    """Serve a desk and return a caller of it."""
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())

        async def begin(desk: FakeDesk) -> Caller:
            server = await serve(desk)
            stack.push_async_callback(server.close)
            return Caller(session, server.url)

        yield begin
