"""Serve one desk over HTTP: metrics, health, the JSON API and pages."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from aiops.config import read_secret
from aiops.errors import ConfigError
from aiops.web.act import Acting
from aiops.web.alerts import AlertsIn
from aiops.web.api import Api
from aiops.web.desk import Desk
from aiops.web.guards import BODY_LIMIT, dress, guard, refusal
from aiops.web.page import page

METRICS = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Server:
    """A listening server; ``url`` is "" when the configuration turns it off."""

    url: str = ""
    _runner: web.AppRunner | None = None

    async def close(self) -> None:
        """Stop listening; requests under way get two seconds."""
        if self._runner is not None:
            await self._runner.cleanup()


async def serve(desk: Desk) -> Server:
    """Listen where ``web.listen`` says; raises ``ConfigError`` when that is not possible."""
    web_settings = desk.plan.settings.web
    if not web_settings.listen:
        return Server()
    where = "web.alerts_token_file"
    token = read_secret(web_settings.alerts_token, web_settings.alerts_token_file, where)
    host, _, port = web_settings.listen.rpartition(":")
    host = host.strip("[]")
    runner = web.AppRunner(
        application(desk, host, web_settings.external_url, token),
        handle_signals=False,
        access_log=None,
        shutdown_timeout=2.0,
        keepalive_timeout=60.0,
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, host, int(port)).start()
    except (OSError, OverflowError) as e:
        await runner.cleanup()
        why = (e.strerror if isinstance(e, OSError) else None) or str(e)
        problem = (
            f"web.listen = {web_settings.listen!r}: cannot listen ({why}); "
            'free it, set another port, or turn it off with ""'
        )
        raise ConfigError([problem]) from e
    bound = runner.addresses[0]
    shown = f"[{bound[0]}]" if ":" in bound[0] else bound[0]
    return Server(f"http://{shown}:{bound[1]}", runner)


def application(
    desk: Desk,
    host: str = "",
    external_url: str = "",
    alerts_token: str | None = None,
    clock: Callable[[], float] = time.time,
) -> web.Application:
    """Return the application alone, ready for a runner."""
    app = web.Application(middlewares=[guard(host, external_url)], client_max_size=BODY_LIMIT)
    app.on_response_prepare.append(dress)
    api = Api(desk, clock)

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=desk.telemetry.exposition(), headers={"Content-Type": METRICS})

    async def healthz(_: web.Request) -> web.Response:
        if desk.alive:
            return web.Response(text="ok\n")
        return refusal(503, "the engine has died; see the log and restart")

    async def readyz(_: web.Request) -> web.Response:
        if desk.ready:
            return web.Response(text="ready\n")
        return refusal(503, "not ready: the state is being restored, or the end has begun")

    async def index(_: web.Request) -> web.Response:
        text = page(await api.known(), warming_up=desk.warming_up)
        return web.Response(text=text, content_type="text/html")

    async def one(request: web.Request) -> web.Response:
        return web.Response(text=await api.sheet(request), content_type="text/html")

    app.add_routes(
        [
            web.get("/", index),
            web.get("/incidents/{id}", one),
            web.get("/metrics", metrics),
            web.get("/healthz", healthz),
            web.get("/readyz", readyz),
            web.post("/api/v1/alertmanager", AlertsIn(desk, alerts_token).take),
            *api.routes(),
            *Acting(desk, clock).routes(),
        ]
    )
    return app
