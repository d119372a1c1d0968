"""The helper that the other tests of this folder stand on."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.real import servers

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


def test_prometheus_scrapes(tmp_path: Path) -> None:
    """A Prometheus scrapes itself and a node exporter, answers queries, and is gone afterwards."""
    with servers.node_exporter(tmp_path) as node:
        with servers.prometheus(tmp_path, servers.scrape_config(node.address)) as server:

            def scraped() -> bool:
                found = server.get_json("/api/v1/query?query=up")["data"]["result"]
                return [row["value"][1] for row in found] == ["1"]

            servers.wait_until(scraped, "a first good scrape")

        assert server.process.poll() == 0
        assert not server.answers("/-/ready")
    assert node.process.poll() is not None


def test_alertmanager_takes_an_alert(tmp_path: Path) -> None:
    """An Alertmanager accepts, shows and forgets with its folder; it opens no cluster port."""
    with servers.alertmanager(tmp_path) as server:
        server.post_json("/api/v2/alerts", [{"labels": {"alertname": "Probe"}}])
        shown = server.get_json("/api/v2/alerts")

        assert [alert["labels"]["alertname"] for alert in shown] == ["Probe"]
        assert server.get_json("/api/v2/status")["cluster"]["status"] == "disabled"
    assert server.process.poll() == 0


def test_a_server_that_dies_says_why(tmp_path: Path) -> None:
    """A server that ends before it is ready fails the test with its own last words."""
    command = [sys.executable, "-c", "raise SystemExit('no such option')"]
    with (
        pytest.raises(pytest.fail.Exception, match="no such option"),
        servers.running(
            command,
            url=f"http://127.0.0.1:{servers.free_port()}",
            ready="/",
            log=tmp_path / "log",
        ),
    ):
        pytest.fail("a dead server must not count as ready")


def test_a_stubborn_process_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that ignores the polite signal is killed after the grace period."""
    monkeypatch.setattr(servers, "STOPPED_WITHIN", 0.5)
    script = (
        "import signal,sys,time;signal.signal(signal.SIGTERM,signal.SIG_IGN);"
        "print('deaf',flush=True);time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout as out:
        out.readline()
        assert servers.stop(process) == -9
