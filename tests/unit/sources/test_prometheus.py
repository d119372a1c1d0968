"""Scraping targets over HTTP."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from aiohttp import web

from aiops.config import build_component
from aiops.errors import ConfigError
from aiops.model import Gap, Points
from aiops.sources.prometheus import PrometheusSource, _Watch, entity_of_target
from aiops.testing import MemoryIntake

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
PAGE = "# TYPE hits_total counter\nhits_total 5\nload 0.5\n"


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[str]:
    """Serve every path with *answer* on a free loopback port."""
    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"{host}:{port}"
    finally:
        await runner.cleanup()


def in_turn(*answers: web.Response | Answer | str) -> Answer:
    """Answer each request with the next of *answers*, then with the last for ever."""
    left = list(answers)

    async def answer(request: web.Request) -> web.StreamResponse:
        head = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(head, str):
            return web.Response(text=head)
        if isinstance(head, web.Response):
            return head
        return await head(request)

    return answer


async def scrape(source: PrometheusSource, times: int) -> MemoryIntake:
    """Run a source for so many scrapes of every target."""
    intake = MemoryIntake(asleep_limit=times * len(source.targets))
    await source.run(intake)
    return intake


def rows(intake: MemoryIntake) -> list[dict[str, float]]:
    """Return what every ``Points`` says, without NaN and the duration."""
    return [
        {
            series.name: value
            for series, value in zip(item.columns.series, item.values.tolist(), strict=True)
            if not np.isnan(value) and not series.name.startswith("scrape_duration")
        }
        for item in intake.items
        if isinstance(item, Points)
    ]


async def test_a_page_becomes_points() -> None:
    """A scrape gives the page's series raw, ``up`` and how long it took, under one set."""
    async with serving(in_turn(PAGE)) as target:
        intake = await scrape(PrometheusSource(targets=[target]), 2)
    first, second = (item for item in intake.items if isinstance(item, Points))
    assert rows(intake) == [{"up": 1, "hits_total": 5, "load": 0.5}] * 2
    assert first.columns is second.columns
    assert first.source == f"prometheus:{target}"
    assert first.interval == 15.0
    assert first.columns.series[0].entity == f"target:{target}"
    kinds = {series.name: series.kind for series in first.columns.series}
    assert kinds["hits_total"] == "counter"
    assert kinds["up"] == kinds["load"] == kinds["scrape_duration_seconds"] == "gauge"
    assert second.at - first.at == pytest.approx(15.0)


async def test_labels_name_the_service_and_series_carry_the_instance() -> None:
    """With a ``service`` label all targets share an entity and differ in ``instance``."""
    async with serving(in_turn("a 1\n")) as target:
        source = PrometheusSource(targets=[target], labels={"service": "shop"})
        intake = await scrape(source, 1)
    (points,) = (item for item in intake.items if isinstance(item, Points))
    assert {series.entity for series in points.columns.series} == {"service:shop"}
    assert f'a{{instance="{target}"}}' in rows(intake)[0]


async def test_a_failed_scrape_is_down_and_its_return_is_a_gap() -> None:
    """While a target fails only ``up = 0`` is known; its return tells since when."""
    down = web.Response(status=500)
    async with serving(in_turn(PAGE, down, "broken page\n", PAGE)) as target:
        intake = await scrape(PrometheusSource(targets=[target]), 4)
    good = {"up": 1, "hits_total": 5, "load": 0.5}
    assert rows(intake) == [good, {"up": 0}, {"up": 0}, good]
    points = [item for item in intake.items if isinstance(item, Points)]
    assert len({id(item.columns) for item in points}) == 1
    (gap,) = (item for item in intake.items if isinstance(item, Gap))
    assert intake.items.index(gap) == 3
    assert gap == Gap(f"prometheus:{target}", points[0].at, points[3].at, "status")
    assert intake.reports["scrape_failed", "status"] == 1
    assert intake.reports["scrape_failed", "malformed"] == 1


async def test_nobody_there_is_down() -> None:
    """A refused connection is ``up = 0`` with its reason, and the source goes on."""
    async with serving(in_turn(PAGE)) as target:
        pass
    intake = await scrape(PrometheusSource(targets=[target]), 2)
    assert rows(intake) == [{"up": 0}, {"up": 0}]
    assert intake.reports["scrape_failed", "refused"] == 2


async def test_a_slow_target_is_cut_off_and_delays_nobody() -> None:
    """A target that never answers runs into its timeout while another is scraped on."""
    gone = asyncio.Event()

    async def never(_: web.Request) -> web.Response:
        await gone.wait()
        return web.Response()

    async with serving(never) as slow, serving(in_turn(PAGE)) as fast:
        source = PrometheusSource(targets=[slow, fast], timeout=0.05)
        intake = await scrape(source, 3)
        gone.set()
    per_target: dict[str, list[float]] = {}
    for item in intake.items:
        if isinstance(item, Points):
            per_target.setdefault(item.source, []).append(float(item.values[0]))
    assert 1.0 in per_target[f"prometheus:{fast}"]
    assert set(per_target[f"prometheus:{fast}"]) == {1.0}
    assert set(per_target[f"prometheus:{slow}"]) == {0.0}
    assert intake.reports["scrape_failed", "timeout"] >= 1


async def test_gzip_is_taken_and_bounded() -> None:
    """A compressed page is read; one that grows over the limit is cut off as down."""

    def packed(text: str) -> web.Response:
        return web.Response(body=gzip.compress(text.encode()), headers={"Content-Encoding": "gzip"})

    bomb = packed("# " + "x" * 5_000_000 + "\n")
    async with serving(in_turn(packed(PAGE), bomb, packed(PAGE))) as target:
        intake = await scrape(PrometheusSource(targets=[target], body_limit=1_000_000), 3)
    assert [row["up"] for row in rows(intake)] == [1, 0, 1]
    assert intake.reports["scrape_failed", "body_limit"] == 1


async def test_an_endless_page_is_cut_off() -> None:
    """A target that never stops talking costs no more than the limit."""
    sent = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        answer = web.StreamResponse()
        await answer.prepare(request)
        try:
            while True:
                await answer.write(b"# noise\n" * 10_000)
                sent += 80_000
        except ConnectionError:
            return answer

    async with serving(endless) as target:
        intake = await scrape(PrometheusSource(targets=[target], body_limit=100_000), 1)
    assert intake.reports["scrape_failed", "body_limit"] == 1
    assert sent < 50_000_000


async def raw(reply: bytes) -> tuple[MemoryIntake, bytes]:
    """Scrape a server that sends *reply* as it is and hangs up; return what was asked too."""
    asked = b""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked = await reader.readuntil(b"\r\n\r\n")
        writer.write(reply)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        source = PrometheusSource(targets=[f"{host}:{port}"], username="u", password=None)
        return await scrape(source, 1), asked


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\na 1\n", "half_body"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\na 1\n\r\n", "half_body"),
        (b"HTTP/1.0 200 OK\r\n\r\na 1\nb 12", "half_body"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 4\r\n\r\na 1\n", "encoding"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\na 1\n",
            "encoding",
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n\xff 1\n", "encoding"),
        (b"nonsense\r\n\r\n", "http"),
        (b"", "http"),
    ],
)
async def test_half_a_page_is_no_page(reply: bytes, reason: str) -> None:
    """A page that broke off or cannot be read is a failed scrape, never a short page."""
    intake, _ = await raw(reply)
    assert rows(intake) == [{"up": 0}]
    assert intake.reports["scrape_failed", reason] == 1


async def test_a_page_that_ends_with_the_connection_is_whole() -> None:
    """A page without a length counts when its last line is whole; credentials were sent."""
    intake, asked = await raw(b"HTTP/1.0 200 OK\r\n\r\na 1\nb 12\n")
    assert rows(intake) == [{"up": 1, "a": 1, "b": 12}]
    assert b"authorization: basic dto=" in asked.lower()


async def test_a_token_is_read_for_every_scrape(tmp_path: Path) -> None:
    """A rotated token file is used at once; an unreadable one is a failed scrape."""
    seen: list[str | None] = []
    token = tmp_path / "token"
    token.write_text("one\n")

    async def answer(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization"))
        token.write_text("two\n") if len(seen) == 1 else token.unlink()
        return web.Response(text="a 1\n")

    async with serving(answer) as target:
        source = PrometheusSource(targets=[target], bearer_token_file=str(token))
        intake = await scrape(source, 3)
    assert seen == ["Bearer one", "Bearer two"]
    assert [row["up"] for row in rows(intake)] == [1, 1, 0]
    assert intake.reports["scrape_failed", "credentials"] == 1


async def test_infinity_is_not_a_measurement() -> None:
    """An infinite sample is left out and counted."""
    async with serving(in_turn("a +Inf\nb NaN\nc 1\n")) as target:
        intake = await scrape(PrometheusSource(targets=[target]), 1)
    assert rows(intake) == [{"up": 1, "c": 1}]
    assert intake.reports["sample_skipped", "infinite"] == 1


async def test_a_long_sleep_of_the_host_is_a_gap() -> None:
    """When more than three intervals passed unseen, the next scrape says so first."""
    intake = MemoryIntake(asleep_limit=2)

    async def answer(_: web.Request) -> web.Response:
        intake.clock += 100.0
        return web.Response(text="a 1\n")

    async with serving(answer) as target:
        await PrometheusSource(targets=[target]).run(intake)
    assert [type(item) for item in intake.items] == [Points, Gap, Points]
    assert isinstance(intake.items[1], Gap)
    assert intake.items[1].reason == "suspended"


def test_scrapes_are_aligned_and_spread() -> None:
    """Every target has its own moment in the interval, the same after any clock jump."""
    source = PrometheusSource(targets=["a:1", "b:1"], interval=10.0)
    one, other = (_Watch(source, target) for target in source.targets)
    moment = {watch: (1000.0 + watch.pause(1000.0)) % 10.0 for watch in (one, other)}
    assert moment[one] != pytest.approx(moment[other], abs=0.01)
    for now in (0.0, 1234.5, 1.7e9, 1.7e9 - 600):
        assert 0 < one.pause(now) <= 10.0
        assert (now + one.pause(now)) % 10.0 == pytest.approx(moment[one], abs=1e-5)


@pytest.mark.parametrize(
    "target", ["host", "ftp://host:1", "http://", "host:port", "http://u:p@h:1/", "a b:1", ""]
)
def test_a_bad_target_is_named(target: str) -> None:
    """A target that cannot be scraped is a problem of the configuration, with its remedy."""
    with pytest.raises(ConfigError, match=r"sources\.prometheus\[0\]\.targets\.0"):
        build_component(PrometheusSource, {"targets": [target]}, "sources.prometheus[0]")


def test_the_configuration_reads_durations_and_sizes() -> None:
    """A table with units becomes a source; a timeout never exceeds the interval."""
    table = {"targets": ["h:1", "https://h:2/x?y=z"], "interval": "5s", "body_limit": "1MiB"}
    source = build_component(PrometheusSource, table, "sources.prometheus[0]")
    assert (source.deadline, source.body_limit) == (5.0, 2**20)
    assert _Watch(source, source.targets[1])._source == "prometheus:h:2/x?y=z"


@pytest.mark.parametrize(
    ("labels", "entity"),
    [
        ({"service": "shop", "job": "x", "host": "h"}, "service:shop"),
        ({"job": "node", "host": "h"}, "service:node"),
        ({"host": "web1"}, "host:web1"),
        ({"team": "x"}, "target:h:1"),
        ({}, "target:h:1"),
    ],
)
def test_labels_say_what_a_target_is_about(labels: dict[str, str], entity: str) -> None:
    """Service, then job, then host; without any the target itself."""
    assert entity_of_target("h:1", labels) == entity
