"""Post bytes to one receiver: bounded, without redirects, and silent about its address.

A receiver's path, query and user are as good as its key, so errors name the host alone.
"""

from __future__ import annotations

import asyncio
import ipaddress
import math
import socket
import time
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlencode, urlsplit, urlunsplit

import aiohttp
import msgspec
from aiohttp.abc import ResolveResult
from aiohttp.resolver import ThreadedResolver
from pydantic import AfterValidator, BeforeValidator, SecretStr

from aiops import __version__
from aiops.config import Secret, read_secret
from aiops.errors import ConfigError, Rejected, Transient

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ANSWER_LIMIT = 16_384
LONGEST_WAIT = 3600.0
"""A receiver may ask for silence, but not for ever."""

# Addresses that answer with credentials outside the link-local ranges.
_METADATA = frozenset({"100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254"})
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


# --- configuration types --------------------------------------------------------------------


def hidden(value: object) -> object:
    """Wrap a value before it is checked, so that no error message can show it."""
    return SecretStr(str(value)) if isinstance(value, str | int) else value


def _checked(url: SecretStr) -> SecretStr:
    text = url.get_secret_value()
    remedy = "write a URL like https://host/path"
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError(remedy) from None
    if parts.scheme not in ("http", "https") or not host or not text.isprintable() or " " in text:
        raise ValueError(remedy)
    if refusal := refused(host, host):
        raise ValueError(refusal)
    return url


def checked_url(text: str, what: str) -> SecretStr:
    """Return a URL that came from a file, or raise ``ConfigError`` without showing it."""
    try:
        return _checked(SecretStr(text))
    except ValueError as e:
        raise ConfigError([f"{what}: {e}"]) from None


def given_url(url: SecretStr | None, file: str | None, where: str) -> SecretStr:
    """Return the URL of a channel from its table or its file; raises ``ConfigError``."""
    given = read_secret(url, file, f"{where}.url_file")
    if given is None:
        raise ConfigError([f"{where}.url: missing; set url or url_file"])
    return checked_url(given, f"{where}.url_file")


Key = Annotated[Secret, BeforeValidator(hidden)]
Url = Annotated[Secret, AfterValidator(_checked), BeforeValidator(hidden)]


# --- addresses ------------------------------------------------------------------------------


def refused(host: str, address: str) -> str:
    """Say why *address* may not be called for the *host* that was written, empty when it may.

    Link-local and metadata addresses are never called; this machine only where it was written
    as such, so that a name in somebody else's hands cannot point at it.
    """
    ip = _address(address)
    if ip is None:
        return ""  # a name: its addresses are judged when it is resolved
    if ip.is_link_local or ip.is_multicast or str(ip) in _METADATA:
        return "link-local, metadata and multicast addresses are never called"
    if (ip.is_loopback or ip.is_unspecified) and not _is_here(host):
        return "the name leads to this machine; write localhost if that is meant"
    return ""


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the address that is meant, also where IPv6 only carries an IPv4 one."""
    try:
        ip = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(ip, ipaddress.IPv4Address):
        return ip
    if ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.sixtofour or ip


def _is_here(host: str) -> bool:
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    ip = _address(name)
    return ip is not None and (ip.is_loopback or ip.is_unspecified)


class RefusedAddressError(OSError):
    """An address that must not be called."""


class _Resolver(ThreadedResolver):
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await super().resolve(host, port, family)
        # The connection is made to exactly these addresses: nothing resolves again after this.
        for result in found:
            if refusal := refused(host, result["host"]):
                raise RefusedAddressError(refusal)
        return found


# --- posting --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver said: status, the first bytes of its body, and how long to wait."""

    status: int
    body: bytes
    after: float | None


def wait_of(seconds: float) -> float | None:
    """Return how long a receiver may make us wait, ``None`` when it said no number."""
    return None if math.isnan(seconds) else min(max(seconds, 0.0), LONGEST_WAIT)


def said(answer: Answer) -> dict[str, Any]:
    """Return the JSON object of an answer, empty when it is none, or only half of one."""
    try:
        found = msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return found if isinstance(found, dict) else {}


def told_to_wait(answer: Answer, seconds: object) -> Answer:
    """Return the answer with the wait that its body asks for, where that is a number."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return answer
    return replace(answer, after=wait_of(float(seconds)))


def under(url: SecretStr, path: str) -> SecretStr:
    """Return the address of *path* below *url*, whose query stays."""
    parts = urlsplit(url.get_secret_value())
    return SecretStr(urlunsplit(parts._replace(path=parts.path.rstrip("/") + path)))


def asking(url: SecretStr, **query: str) -> SecretStr:
    """Return *url* with more in its query."""
    parts = urlsplit(url.get_secret_value())
    more = "&".join(part for part in (parts.query, urlencode(query)) if part)
    return SecretStr(urlunsplit(parts._replace(query=more)))


class Poster:
    """Keep one HTTP client for one notifier, opened at the first post."""

    def __init__(self, name: str, timeout: float, now: Callable[[], float] = time.time) -> None:
        self._name = name
        self._timeout = timeout
        self._now = now
        self._session: aiohttp.ClientSession | None = None

    async def post(
        self, url: SecretStr, body: bytes, headers: Mapping[str, str], *, method: str = "POST"
    ) -> Answer:
        """Send one body and return the answer, whatever its status.

        Raises ``Transient`` when there was no answer in time, ``Rejected`` when the address is
        one that is never called.
        """
        target = url.get_secret_value()
        if self._session is None:
            self._session = self._open()
        # Errors of the client may quote the URL: they are named, not chained.
        try:
            async with self._session.request(
                method, target, data=body, headers=headers, allow_redirects=False
            ) as response:
                return Answer(
                    response.status,
                    await _beginning(response),
                    self._wait(response.headers.get("Retry-After")),
                )
        except TimeoutError:
            msg = f"no answer within {self._timeout:g} s"
            raise Transient(self._said(target, msg), reason="timeout") from None
        except aiohttp.ClientConnectorError as e:
            if isinstance(e.os_error, RefusedAddressError):
                raise Rejected(self._said(target, str(e.os_error)), reason="address") from None
            if isinstance(e, aiohttp.ClientConnectorDNSError):
                raise Transient(self._said(target, "name not found"), reason="dns") from None
            why = e.os_error.strerror or type(e.os_error).__name__
            raise Transient(
                self._said(target, f"no connection ({why})"), reason="connection"
            ) from None
        except aiohttp.InvalidURL:
            raise Rejected(self._said(target, "not a usable URL"), reason="address") from None
        except aiohttp.ClientSSLError:
            raise Transient(self._said(target, "TLS failed"), reason="tls") from None
        except (aiohttp.ClientError, OSError) as e:
            msg = f"connection broke ({type(e).__name__})"
            raise Transient(self._said(target, msg), reason="connection") from None

    async def post_json(
        self,
        url: SecretStr,
        payload: Mapping[str, Any],
        headers: Mapping[str, str] | None = None,
        *,
        method: str = "POST",
    ) -> Answer:
        """Send one JSON object; see ``post``."""
        kind = {"Content-Type": "application/json; charset=utf-8"}
        body = msgspec.json.encode(payload)
        return await self.post(url, body, kind | dict(headers or {}), method=method)

    def judge(self, url: SecretStr, answer: Answer, said: str = "") -> None:
        """Return for a 2xx; else raise ``Transient`` or ``Rejected`` as the status asks."""
        status = answer.status
        if 200 <= status < 300:
            return
        words = f"answered {status}" + (f" ({said})" if said else "")
        message = self._said(url.get_secret_value(), words)
        if status == 429:
            raise Transient(message, after=answer.after, reason="rate_limited")
        if status in (408, 425) or status >= 500:
            raise Transient(message, after=answer.after, reason="server")
        if 300 <= status < 400:
            msg = f"{message}; redirects are not followed, write the final URL"
            raise Rejected(msg, reason="redirect")
        reasons = {401: "auth", 403: "auth", 404: "gone", 410: "gone", 413: "too_large"}
        raise Rejected(message, reason=reasons.get(status, "status"))

    async def close(self) -> None:
        """Close the client; a later post opens a new one."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _open(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=_Resolver(asyncio.get_running_loop()), use_dns_cache=False, limit=8
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=self._timeout),
            # What a receiver inflates is not bounded by what it sends.
            auto_decompress=False,
            headers={"User-Agent": f"aiops/{__version__}", "Accept-Encoding": "identity"},
        )

    def _said(self, url: str, words: str) -> str:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
        return f'notifier "{self._name}": {parts.hostname}{port}: {words}'

    def _wait(self, header: str | None) -> float | None:
        if header is None:
            return None
        try:
            seconds = float(header)
        except ValueError:
            try:
                seconds = parsedate_to_datetime(header).timestamp() - self._now()
            except ValueError:
                return None
        return wait_of(seconds)


async def _beginning(response: aiohttp.ClientResponse) -> bytes:
    body = b""
    try:
        while len(body) < ANSWER_LIMIT:
            chunk = await response.content.read(ANSWER_LIMIT - len(body))
            if not chunk:
                break
            body += chunk
    except (TimeoutError, aiohttp.ClientError):
        # The status is known: a body that does not end must not make us send again.
        return body
    return body
