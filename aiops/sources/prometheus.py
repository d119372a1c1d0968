"""Scrape targets that speak Prometheus text, each at its own pace and none waiting for another."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
import zlib
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import numpy as np
from pydantic import AfterValidator

from aiops.config import Duration, Secret, Size, read_secret
from aiops.errors import ConfigError, SourceGone
from aiops.model import Gap, Points
from aiops.sources.exposition import Limits, Scanner, ScrapeError

if TYPE_CHECKING:
    import aiohttp

    from aiops.protocols import Intake

_ACCEPT = "text/plain;version=0.0.4;q=1,application/openmetrics-text;version=1.0.0;q=0.5,*/*;q=0.1"
_INFLATE = 256 * 1024


def parse_target(text: str) -> str:
    """Check ``host:port`` or an http(s) URL; raise ``ValueError`` with the remedy."""
    url = urlsplit(text if "://" in text else f"http://{text}")
    remedy = 'write "host:port" or "http://host:port/path"'
    try:
        port = url.port
    except ValueError as e:
        raise ValueError(f"{e}; {remedy}") from None
    if url.scheme not in {"http", "https"} or not url.hostname or any(c.isspace() for c in text):
        raise ValueError(remedy)
    if "://" not in text and port is None:
        raise ValueError(f"no port; {remedy}")
    if url.username or url.password:
        raise ValueError("credentials do not belong in a URL; set username and password_file")
    return text


def _at_least_one(seconds: float) -> float:
    if seconds < 1:
        raise ValueError("scrape at most once a second")
    return seconds


Target = Annotated[str, AfterValidator(parse_target)]


@dataclass(kw_only=True)
class PrometheusSource:
    """Scrape every target each ``interval``, aligned to it, spread by a hash of the target.

    Every scrape gives ``Points`` of source ``prometheus:HOST:PORT`` with the page's series (raw,
    counters as counters), ``up`` and ``scrape_duration_seconds``. A failed scrape gives only
    ``up = 0``, everything else NaN; when the target is back a ``Gap`` says since when. A page is
    used whole or not at all. The entity is ``service:X`` when ``labels`` holds ``service`` or
    ``job``, ``host:X`` when it holds ``host`` (the series then carry ``instance``), else
    ``target:HOST:PORT``.
    """

    targets: list[Target]
    """`host:port` or URLs; a URL without path gets `path`."""
    interval: Annotated[Duration, AfterValidator(_at_least_one)] = 15.0
    """Time between two scrapes of a target, at least a second."""
    timeout: Duration = 10.0
    """Longest scrape; never longer than the interval, so scrapes cannot overlap."""
    path: str = "/metrics"
    """Asked of targets that name no path themselves."""
    labels: dict[str, str] = field(default_factory=dict)
    """`service`, `job` or `host` say what the targets are about."""
    bearer_token: Secret | None = None
    """Sent as `Authorization: Bearer`."""
    bearer_token_file: str | None = None
    """The same from a file, read for every scrape: tokens rotate."""
    username: str | None = None
    """For basic authentication; wins over a bearer token."""
    password: Secret | None = None
    """For basic authentication."""
    password_file: str | None = None
    """The same from a file, read for every scrape."""
    ca_file: str | None = None
    """PEM file of authorities to trust instead of the system's."""
    body_limit: Size = 16 * 2**20
    """Larger pages (after decompression) fail the scrape; counted."""
    sample_limit: int = 100_000
    """Pages with more samples fail the scrape; counted."""
    label_limit: int = 64
    """A series with more labels fails the scrape; counted."""
    label_value_length_limit: int = 4096
    """A longer name or label value fails the scrape; counted."""
    buckets: bool = True
    """Whether to read histogram buckets: p50 and p99 are made of them, none is judged alone."""

    async def run(self, intake: Intake) -> None:
        import aiohttp  # noqa: PLC0415 - 150 ms that a process without scrapes need not pay

        if self.ca_file is None:
            trust: ssl.SSLContext | bool = True
        else:
            try:
                trust = ssl.create_default_context(cafile=self.ca_file)
            except (OSError, ssl.SSLError) as e:
                raise SourceGone(f"ca_file = {self.ca_file!r}: cannot be read ({e})") from e
        session = aiohttp.ClientSession(
            auto_decompress=False,  # we inflate ourselves, bounded
            connector=aiohttp.TCPConnector(limit=0, ssl=trust),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
        )
        async with session, asyncio.TaskGroup() as group:
            for target in dict.fromkeys(self.targets):
                group.create_task(_Watch(self, target).run(intake, session))

    def describe(self) -> list[tuple[str, str]]:
        """Return what is scraped, for the start screen."""
        return [(target, "watched") for target in dict.fromkeys(self.targets)]

    def headers(self) -> dict[str, str]:
        """Return the request headers; raises ``ConfigError`` when a secret cannot be read."""
        found = {"Accept": _ACCEPT, "Accept-Encoding": "gzip", "User-Agent": "aiops"}
        found["X-Prometheus-Scrape-Timeout-Seconds"] = f"{self.deadline:g}"
        if self.username is not None:
            password = read_secret(self.password, self.password_file, "password_file") or ""
            pair = b64encode(f"{self.username}:{password}".encode()).decode()
            found["Authorization"] = f"Basic {pair}"
        else:
            token = read_secret(self.bearer_token, self.bearer_token_file, "bearer_token_file")
            if token is not None:
                found["Authorization"] = f"Bearer {token}"
        return found

    @property
    def deadline(self) -> float:
        """Seconds a scrape may take."""
        return min(self.timeout, self.interval)


def entity_of_target(name: str, labels: Mapping[str, str]) -> str:
    """Return what a target's series are about."""
    if service := labels.get("service") or labels.get("job"):
        return f"service:{service}"
    if host := labels.get("host"):
        return f"host:{host}"
    return f"target:{name}"


class _Watch:
    """Scrape one target for ever."""

    def __init__(self, config: PrometheusSource, target: str) -> None:
        self._config = config
        url = urlsplit(target if "://" in target else f"http://{target}")
        where = url.path if url.path not in {"", "/"} else config.path
        self._url = url._replace(path=where).geturl()
        own = url.path not in {"", "/"} or url.query
        self._name = (
            f"{url.netloc}{where}{'?' if url.query else ''}{url.query}" if own else url.netloc
        )
        self._source = f"prometheus:{self._name}"
        entity = entity_of_target(self._name, config.labels)
        self._scanner = Scanner(
            entity,
            instance="" if entity.startswith("target:") else self._name,
            buckets=config.buckets,
            limits=Limits(
                samples=config.sample_limit,
                labels=config.label_limit,
                value_length=config.label_value_length_limit,
            ),
        )
        columns = self._scanner.columns
        self._up = columns.pin(self._scanner.series("up"))
        self._took = columns.pin(self._scanner.series("scrape_duration_seconds", "seconds"))
        digest = hashlib.blake2b(self._source.encode(), digest_size=8).digest()
        self._offset = int.from_bytes(digest, "big") / 2**64 * config.interval
        self._tried: float | None = None
        self._blind: tuple[float, str] | None = None

    async def run(self, intake: Intake, session: aiohttp.ClientSession) -> None:
        await intake.sleep(self.pause(intake.now()))
        while True:
            await self._scrape(intake, session)
            pause = self.pause(intake.now())
            # A timer may fire a little early; that must not make two scrapes of one.
            await intake.sleep(pause + (self._config.interval if pause < 0.02 else 0.0))

    def pause(self, now: float) -> float:
        """Return the seconds to the next aligned moment, whatever the clock did meanwhile."""
        return self._config.interval - (now - self._offset) % self._config.interval

    async def _scrape(self, intake: Intake, session: aiohttp.ClientSession) -> None:
        at = intake.now()
        interval = self._config.interval
        if self._tried is not None and self._blind is None and at - self._tried > 3 * interval:
            self._blind = (self._tried, "suspended")
        try:
            page, openmetrics = await self._fetch(session)
            # Off the loop: a page never seen before takes a tenth of a second to learn.
            scrape = await asyncio.to_thread(self._scanner.scan, page, openmetrics=openmetrics)
        except ScrapeError as e:
            intake.report("scrape_failed", e.reason, target=self._name, message=str(e))
            values = self._scanner.nothing()
            columns = self._scanner.columns.current
            values[self._up] = 0.0
            if self._blind is None:
                self._blind = (at if self._tried is None else self._tried, e.reason)
        else:
            columns, values = scrape.columns, scrape.values
            endless = np.isinf(values)
            if endless.any():
                values[endless] = np.nan
                intake.report("sample_skipped", "infinite", int(endless.sum()), target=self._name)
            for reason, count in scrape.skipped.items():
                intake.report("sample_skipped", reason, count, target=self._name)
            values[self._up] = 1.0
            if self._blind is not None:
                since, reason = self._blind
                self._blind = None
                await intake.put(Gap(self._source, min(since, at), at, reason))
        values[self._took] = max(0.0, intake.now() - at)
        self._tried = at
        await intake.put(Points(self._source, at, columns, values, interval))

    async def _fetch(self, session: aiohttp.ClientSession) -> tuple[bytes, bool]:
        """Return the page and whether it is OpenMetrics; raise ``ScrapeError`` by name."""
        import aiohttp  # noqa: PLC0415 - already loaded by run()

        try:
            async with (
                asyncio.timeout(self._config.deadline),
                session.get(self._url, headers=self._config.headers()) as answer,
            ):
                if answer.status != 200:
                    raise ScrapeError("status", f"{self._url} answered {answer.status}, not 200")
                return await self._read(answer), "openmetrics" in answer.content_type
        except ConfigError as e:
            raise ScrapeError("credentials", str(e)) from e
        except TimeoutError as e:
            raise ScrapeError(
                "timeout", f"{self._url}: no page within {self._config.deadline:g} s"
            ) from e
        except aiohttp.ClientConnectorDNSError as e:
            raise ScrapeError("dns", f"{self._url}: {e}") from e
        except aiohttp.ClientSSLError as e:
            raise ScrapeError("tls", f"{self._url}: {e}") from e
        except aiohttp.ClientConnectorError as e:
            raise ScrapeError("refused", f"{self._url}: {e}") from e
        except aiohttp.ClientPayloadError as e:
            raise ScrapeError("half_body", f"{self._url}: the page broke off ({e})") from e
        except (aiohttp.ClientError, OSError) as e:
            raise ScrapeError("http", f"{self._url}: {type(e).__name__}: {e}") from e

    async def _read(self, answer: aiohttp.ClientResponse) -> bytes:
        coding = answer.headers.get("Content-Encoding", "identity").lower()
        if coding not in {"identity", "gzip", "x-gzip", ""}:
            raise ScrapeError(
                "encoding", f"{self._url}: Content-Encoding {coding} was not asked for"
            )
        page = _Page(self._config.body_limit, packed="gzip" in coding)
        async for chunk in answer.content.iter_chunked(64 * 1024):
            page.add(chunk)
        return page.close(
            # Without a length or chunks a torn page looks like a short one.
            bounded=answer.content_length is not None
            or "chunked" in answer.headers.get("Transfer-Encoding", "").lower()
        )


class _Page:
    """Gather a body that may be gzip, never holding more than its limit."""

    def __init__(self, limit: int, *, packed: bool) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0
        self._unpack = zlib.decompressobj(31) if packed else None

    def add(self, chunk: bytes) -> None:
        if self._unpack is None:
            self._keep(chunk)
            return
        try:
            while chunk:
                if self._unpack.eof:
                    self._unpack = zlib.decompressobj(31)
                self._keep(self._unpack.decompress(chunk, _INFLATE))
                chunk = self._unpack.unconsumed_tail or self._unpack.unused_data
        except zlib.error as e:
            raise ScrapeError("encoding", f"the page is not gzip: {e}") from e

    def close(self, *, bounded: bool) -> bytes:
        if self._unpack is not None:
            self._keep(self._unpack.flush())
            if not self._unpack.eof:
                raise ScrapeError("half_body", "the compressed page broke off")
            bounded = True
        page = b"".join(self._parts)
        if page and not bounded and not page.endswith(b"\n"):
            raise ScrapeError("half_body", "the page broke off inside a line")
        return page

    def _keep(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._limit:
            raise ScrapeError(
                "body_limit", f"the page is over body_limit = {self._limit} bytes; raise the limit"
            )
        if data:
            self._parts.append(data)
