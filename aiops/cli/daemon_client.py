"""Talk to the running daemon over HTTP, without proxies and without patience."""

from __future__ import annotations

import http.client
import socket
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

import msgspec

from aiops.errors import AiopsError, ConfigError

if TYPE_CHECKING:
    from aiops.config import Settings

TIMEOUT: Final = 10.0
LARGEST: Final = 64 * 2**20


class DaemonDownError(AiopsError):
    """Start the daemon, or say where it listens: nobody answered there."""


class DaemonRefusedError(AiopsError):
    """Change the request: the daemon answered and said no."""

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


def where(settings: Settings, url: str | None) -> str:
    """Return the daemon's URL, from ``--url`` or ``web.listen``."""
    if url is not None:
        parts = urlsplit(url if "//" in url else f"http://{url}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError([f'--url = {url!r}: write it like "http://127.0.0.1:9797"'])
        return parts.geturl().rstrip("/")
    listen = settings.web.listen
    if not listen:
        raise ConfigError(['web.listen = "": the daemon does not listen; set it or give --url'])
    host, _, port = listen.rpartition(":")
    # What listens everywhere is reached here.
    near = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]", "::": "[::1]"}.get(host, host)  # noqa: S104 - compared
    return f"http://{near}:{port}"


class DaemonClient:
    """Ask one daemon.

    Raises ``DaemonDownError`` when nobody answers, ``DaemonRefusedError`` when the answer is no.
    """

    def __init__(self, url: str, *, timeout: float = TIMEOUT) -> None:
        self.url = url
        self._timeout = timeout

    def get(self, path: str) -> Any:
        return self._ask("GET", path, None)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        return self._ask("POST", path, msgspec.json.encode(body))

    def _ask(self, method: str, path: str, body: bytes | None) -> Any:
        parts = urlsplit(self.url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else _plain
        try:
            connection = kind(parts.netloc, timeout=self._timeout)
            try:
                headers = {"Content-Type": "application/json"} if body is not None else {}
                connection.request(method, parts.path + path, body, headers)
                response = connection.getresponse()
                raw = response.read(LARGEST)
            finally:
                connection.close()
        except (OSError, http.client.HTTPException) as e:
            why = "timed out" if isinstance(e, socket.timeout) else getattr(e, "strerror", "") or e
            raise DaemonDownError(
                f"no daemon at {self.url} ({why}); start it with aiops run, or give --url"
            ) from e
        return self._judge(response.status, raw)

    def _judge(self, status: int, raw: bytes) -> Any:
        try:
            value = msgspec.json.decode(raw)
        except msgspec.DecodeError:
            raise DaemonDownError(
                f"what answers at {self.url} is no aiops (HTTP {status}); give --url"
            ) from None
        if status >= 400:
            said = value.get("error") if isinstance(value, dict) else None
            raise DaemonRefusedError(str(said or f"HTTP {status}"), status=status)
        return value


def segment(text: str) -> str:
    """Return *text* as one segment of a path."""
    return quote(text, safe="")


_plain = http.client.HTTPConnection
