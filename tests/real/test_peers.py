"""The whole daemon between real neighbours: Prometheus, node exporter, Alertmanager, logrotate."""

from __future__ import annotations

import subprocess
import time
import urllib.parse
from pathlib import Path

import pytest

from tests.faults.running import Running, sure_end
from tests.real import servers

pytestmark = pytest.mark.slow

HEAD = """
[alerting]
news_from = "beginning"
[web]
listen = "URL"
[state]
directory = "STATE"
interval = "1s"
"""


def scraper(tmp_path: Path, *targets: str) -> Running:
    named = ", ".join(f'"{target}"' for target in targets)
    text = f'{HEAD}[[sources.prometheus]]\ntargets = [{named}]\ninterval = "1s"\n'
    return Running(tmp_path, text)


def test_prometheus_scrapes_us_and_promtool_agrees(tmp_path: Path) -> None:
    """Our page is good text of Prometheus' format, and a real one takes it whole."""
    promtool = servers.require("promtool")
    logs = tmp_path / "app.log"
    logs.write_text("2026-01-01T00:00:00Z INFO hello\n")
    text = f'{HEAD}[[sources.file]]\npaths = ["{logs}"]\n'
    daemon = Running(tmp_path, text)
    with sure_end(daemon):
        daemon.start()
        address = daemon.url.removeprefix("http://")
        config = servers.scrape_config(address, job="aiops")
        with servers.prometheus(tmp_path, config) as prometheus:

            def answer(query: str) -> list[str]:
                path = "/api/v1/query?" + urllib.parse.urlencode({"query": query})
                return [row["value"][1] for row in prometheus.get_json(path)["data"]["result"]]

            servers.wait_until(lambda: answer("aiops_lines_total") == ["1"], "a good scrape")
            assert answer('up{job="aiops"}') == ["1"]
            assert answer("aiops_source_up") == ["1"]
            assert answer('count({__name__=~".*_created"})') == []
        page = subprocess.run(
            ["curl", "-s", daemon.url + "/metrics"], check=True, capture_output=True
        ).stdout
        checked = subprocess.run(
            [promtool, "check", "metrics"], input=page, capture_output=True, check=False
        )
        assert checked.returncode == 0, checked.stderr.decode()
        assert daemon.end() == 0


def test_we_scrape_a_node_exporter_and_a_prometheus(tmp_path: Path) -> None:
    """Two real pages, once a second: hundreds of series are known, their points are counted."""
    with (
        servers.node_exporter(tmp_path) as node,
        servers.prometheus(tmp_path, servers.scrape_config(node.address)) as prometheus,
    ):
        daemon = scraper(tmp_path, node.address, prometheus.address)
        with sure_end(daemon):
            daemon.start()
            servers.wait_until(
                lambda: all(
                    daemon.metrics().get(f'aiops_points_total{{source="prometheus:{one}"}}', 0)
                    > 1000
                    for one in (node.address, prometheus.address)
                ),
                "both are read several times",
                within=60,
            )
            assert daemon.metrics()["aiops_series"] > 300
            assert daemon.end() == 0
            assert not daemon.said("Traceback")
            # Restarted, it still knows them.
            daemon.start()
            servers.wait_until(lambda: daemon.metrics()["aiops_series"] > 300, "they are known")
            assert daemon.end() == 0


def test_our_own_page_is_no_target(tmp_path: Path) -> None:
    """Who names our own page as a target is told so before anything starts."""
    daemon = scraper(tmp_path, "localhost:PORT")
    port = daemon.url.rpartition(":")[2]
    daemon.config.write_text(daemon.config.read_text().replace("PORT", port))
    with sure_end(daemon):
        daemon.start(ready=False)
        assert daemon.process is not None
        assert daemon.process.wait(15) == 2
        assert daemon.said("our own web.listen")


def test_alertmanager_shows_our_incident_until_it_ends(tmp_path: Path) -> None:
    """It shows the open incident and the watchdog, then the watchdog alone."""
    log = tmp_path / "shop.log"
    first = int(time.time()) - 1900
    log.write_text(
        "".join(f"{first + n // 4} INFO request {n} served in 12 ms\n" for n in range(7200))
    )
    with servers.alertmanager(tmp_path) as manager:
        text = (
            f'{HEAD}[detection]\nwindow = "1s"\nallowed_lateness = "1s"\nhold = "2s"\n'
            f'[[sources.file]]\npaths = ["{log}"]\nstart = "beginning"\n'
            f'[[notifiers.alertmanager]]\nurl = "{manager.url}"\nresend = "2s"\n'
        ).replace('news_from = "beginning"', 'news_from = "beginning"\nresolve_after = "45s"')
        daemon = Running(tmp_path, text)

        def shown() -> list[str]:
            alerts = manager.get_json("/api/v2/alerts")
            return sorted(a["labels"]["alertname"] for a in alerts)

        with sure_end(daemon):
            daemon.start()
            servers.wait_until(lambda: shown() == ["AiopsWatchdog"], "the watchdog fires")
            now = int(time.time())
            with log.open("a") as out:
                out.writelines(f"{now} CRITICAL database gone, {n} failed\n" for n in range(300))
            servers.wait_until(
                lambda: shown() == ["AiopsIncident", "AiopsWatchdog"],
                "the incident fires",
                within=90,
            )
            name = daemon.incidents()[0]["id"]
            alert = next(
                a
                for a in manager.get_json("/api/v2/alerts")
                if a["labels"]["alertname"] == "AiopsIncident"
            )
            assert alert["labels"]["incident"] == name
            assert "database gone" in alert["annotations"]["description"]
            # A restart neither ends nor doubles it.
            assert daemon.end() == 0
            daemon.start()
            assert shown() == ["AiopsIncident", "AiopsWatchdog"]
            servers.wait_until(lambda: shown() == ["AiopsWatchdog"], "it is resolved", within=120)
            assert daemon.incidents()[0]["state"] == "resolved"
            assert daemon.end() == 0


@pytest.mark.parametrize("how", ["create", "copytruncate"])
def test_logrotate_loses_nothing(tmp_path: Path, how: str) -> None:
    """Rotated by the real program with the writer paused, every line is counted once."""
    program = servers.require("logrotate")
    folder = tmp_path / "logs"
    folder.mkdir()
    log = folder / "app.log"
    config = tmp_path / "rotate.conf"
    config.write_text(f"{log} {{\n  rotate 9\n  {how}\n}}\n")
    config.chmod(0o644)
    text = (
        f'{HEAD}[[sources.file]]\npaths = ["{folder}/*.log"]\nstart = "beginning"\n'
        'rotate_wait = "200ms"\ndiscovery_interval = "200ms"\n'
    )
    daemon = Running(tmp_path, text)
    with sure_end(daemon):
        log.write_text("")
        daemon.start()
        for turn in range(4):
            with log.open("a") as out:
                out.writelines(
                    f"{1_700_000_000 + 100 * turn + n // 10} INFO job {n} done\n"
                    for n in range(1000)
                )
            servers.wait_until(lambda t=turn: daemon.lines() == 1000 * (t + 1), "all are read")
            rotated = subprocess.run(
                [program, "-f", "-s", str(tmp_path / "rotate.state"), str(config)],
                capture_output=True,
                check=False,
            )
            assert rotated.returncode == 0, rotated.stderr.decode()
        with log.open("a") as out:
            out.write("1700001000 INFO the end\n")
        servers.wait_until(lambda: daemon.lines() == 4001, "the last one is read")
        assert daemon.end() == 0
        assert not daemon.said("file_lost")
