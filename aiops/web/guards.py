"""Keep strangers out: hosts, origins, sizes, and answers no browser can misread."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from aiohttp import web

from aiops.errors import AiopsError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

BODY_LIMIT: Final = 2**20
BODY_WITHIN: Final = 10.0
_SAFE = ("GET", "HEAD", "OPTIONS")
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline';"
    " frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Server": "aiops",
}
_OWN = ("Content-Security-Policy", "Referrer-Policy")


def answer(value: object, status: int = 200) -> web.Response:
    """Return *value* as JSON."""
    return web.Response(
        body=msgspec.json.encode(value), status=status, content_type="application/json"
    )


def refusal(status: int, problem: str) -> web.Response:
    """Return ``{"error": …}``: what was wrong and what to do."""
    return answer({"error": problem}, status)


class RefusedError(Exception):
    """Answer a request with an error instead of what it asked for."""

    def __init__(self, status: int, problem: str) -> None:
        super().__init__(problem)
        self.status = status
        self.problem = problem


async def read_body(request: web.Request, kind: type[Any]) -> Any:
    """Return the JSON body as *kind*; raises ``RefusedError`` naming what is wrong with it."""
    try:
        async with asyncio.timeout(BODY_WITHIN):
            raw = await request.read()
    except TimeoutError:
        raise RefusedError(408, f"the body did not arrive within {BODY_WITHIN:g} s") from None
    try:
        return msgspec.json.decode(raw or b"{}", type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as e:
        raise RefusedError(400, f"body: {e}") from None
    except RecursionError:
        raise RefusedError(400, "body: nested too deep") from None


def guard(listen_host: str, external_url: str) -> Any:
    """Return the middleware that judges every request before it is handled.

    Bound to loopback, only requests that name a loopback host (or that of *external_url*) are
    answered: a web page whose name was re-pointed at this machine is not. What changes
    something is refused when a browser says that another site sent it.
    """
    loopback = is_loopback(listen_host)
    outside = urlsplit(external_url)

    def problem_with(request: web.Request) -> RefusedError | None:
        host = request.headers.get("Host")
        if loopback and host is not None:
            name = _name(host)
            if not is_loopback(name) and name not in (listen_host, outside.hostname):
                return RefusedError(403, f"host {name!r} is not served here; set web.external_url")
        if request.method in _SAFE:
            return None
        site = request.headers.get("Sec-Fetch-Site", "none")
        if site not in ("none", "same-origin"):
            return RefusedError(403, f"a {site} request may not change anything")
        origin = request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc not in (host, outside.netloc or host):
            return RefusedError(403, f"origin {origin!r} may not change anything")
        return None

    @web.middleware
    async def judge(request: web.Request, handler: Handler) -> web.StreamResponse:
        refused = problem_with(request)
        if refused is not None:
            return refusal(refused.status, refused.problem)
        try:
            return await handler(request)
        except RefusedError as e:
            return refusal(e.status, e.problem)
        except AiopsError as e:
            return refusal(503, str(e))
        except web.HTTPException as e:
            if e.status < 400:
                raise
            response = refusal(e.status, _words(e, request))
            if "Allow" in e.headers:
                response.headers["Allow"] = e.headers["Allow"]
            return response

    return judge


async def dress(_: web.Request, response: web.StreamResponse) -> None:
    """Put the security headers on every answer; a page may have its own of them."""
    for name, value in _HEADERS.items():
        if name not in _OWN or name not in response.headers:
            response.headers[name] = value


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address means this machine only."""
    host = host.strip("[]").rstrip(".").lower()
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return host


def _words(e: web.HTTPException, request: web.Request) -> str:
    if e.status == 404:
        return f"nothing is at {request.path}"
    if e.status == 405:
        return f"{request.method} is not possible at {request.path}"
    if e.status == 413:
        return f"the body is larger than {BODY_LIMIT} bytes"
    return e.reason or "refused"
