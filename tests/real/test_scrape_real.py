"""Scraping a real node-exporter and a real Prometheus."""

from __future__ import annotations

import asyncio
import math
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from aiops.model import Gap, Points
from aiops.sources.exposition import Scanner, _spell
from aiops.sources.prometheus import PrometheusSource
from aiops.testing import MemoryIntake

pytestmark = pytest.mark.slow


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
        return port


@contextmanager
def running(command: list[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server in *folder* and end it, or skip when it is not installed."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed (apt install {command[0]})")
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=output)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture
def exporter(tmp_path: Path) -> Iterator[str]:
    target = f"127.0.0.1:{free_port()}"
    with running(["prometheus-node-exporter", f"--web.listen-address={target}"], tmp_path):
        yield target


async def page_of(target: str) -> bytes:
    """Return the target's page as soon as it answers."""
    async with asyncio.timeout(30), aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(f"http://{target}/metrics") as answer:
                    if answer.status == 200:
                        return await answer.read()
            except aiohttp.ClientError:
                await asyncio.sleep(0.05)


async def scrapes(target: str, times: int) -> list[Points]:
    intake = MemoryIntake(asleep_limit=times)
    await PrometheusSource(targets=[target]).run(intake)
    assert not [key for key in intake.reports if key[0] == "scrape_failed"]
    return [item for item in intake.items if isinstance(item, Points)]


async def test_a_real_page_reads_as_the_official_parser_reads_it(exporter: str) -> None:
    """On a node-exporter's page every value and every counter is the official parser's."""
    page = await page_of(exporter)
    families = list(text_string_to_metric_families(page.decode()))
    expected = {
        _spell(sample.name, {k: v for k, v in sample.labels.items() if v}): sample.value
        for family in families
        for sample in family.samples
    }
    scanner = Scanner("target:x", buckets=True)
    for _ in range(2):
        scrape = scanner.scan(page)
        names = [series.name for series in scrape.columns.series]
        found = dict(zip(names, scrape.values.tolist(), strict=True))
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            assert found[name] == value or (math.isnan(found[name]) and math.isnan(value))
    assert len(expected) > 100
    counters = {
        _spell(sample.name, {k: v for k, v in sample.labels.items() if v})
        for family in families
        if family.type == "counter"
        for sample in family.samples
    }
    assert counters <= {s.name for s in scrape.columns.series if s.kind == "counter"}


async def test_a_real_exporter_is_scraped(exporter: str) -> None:
    """A node-exporter is up, scrape after scrape, over gzip and with its counters growing."""
    await page_of(exporter)
    first, second, third = await scrapes(exporter, 3)
    for points in (first, second, third):
        assert points.values[0] == 1
        assert len(points.columns.series) > 100
    names = [series.name for series in third.columns.series]
    assert "process_cpu_seconds_total" in names


async def test_an_exporter_that_stops_and_returns_leaves_a_gap(tmp_path: Path) -> None:
    """Killed and started again, the exporter is down in between and comes back with a gap."""
    target = f"127.0.0.1:{free_port()}"
    command = ["prometheus-node-exporter", f"--web.listen-address={target}"]

    class Operator(MemoryIntake):
        act: Callable[[], None]

        async def sleep(self, seconds: float) -> None:
            await super().sleep(seconds)
            steps.pop(0)()
            if self._sleeps == 0:
                await page_of(target)

    with running(command, tmp_path) as one:
        await page_of(target)
        with (tmp_path / "again").open("wb") as output:
            others: list[subprocess.Popen[bytes]] = []

            def stop() -> None:
                one.kill()
                one.wait()

            def start() -> None:
                others.append(subprocess.Popen(command, cwd=tmp_path, stdout=output, stderr=output))

            steps: list[Callable[[], object]] = [lambda: None, stop, start]
            intake = Operator(asleep_limit=3)
            try:
                await PrometheusSource(targets=[target]).run(intake)
            except IndexError:
                pytest.fail("the source slept more often than planned")
            finally:
                for other in others:
                    other.kill()
                    other.wait()
    ups = [float(item.values[0]) for item in intake.items if isinstance(item, Points)]
    assert ups == [1, 0, 1]
    assert [item.reason for item in intake.items if isinstance(item, Gap)] == ["refused"]


async def test_a_real_prometheus_is_scraped(tmp_path: Path) -> None:
    """Prometheus' own page, histograms and summaries included, is read whole."""
    target = f"127.0.0.1:{free_port()}"
    (tmp_path / "p.yml").write_text("global: {}\n")
    command = ["prometheus", "--config.file=p.yml", "--storage.tsdb.path=data"]
    with running([*command, f"--web.listen-address={target}"], tmp_path):
        await page_of(target)
        _, second = await scrapes(target, 2)
    kinds = {series.name: series.kind for series in second.columns.series}
    assert second.values[0] == 1
    assert kinds['prometheus_http_request_duration_seconds_count{handler="/metrics"}'] == "counter"
    assert kinds["go_goroutines"] == "gauge"
    assert any("_bucket{" in name for name in kinds)
