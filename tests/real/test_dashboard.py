"""Every panel and every rule asks a real Prometheus something that it can answer."""

from __future__ import annotations

import json
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import Counter, Gauge, Histogram

from aiops.telemetry import Telemetry
from tests.real import servers

ROOT = Path(__file__).resolve().parents[2]
DASHBOARD = ROOT / "deploy" / "grafana" / "aiops.json"

pytestmark = pytest.mark.slow


def touched() -> Telemetry:
    """Return telemetry in which everything has been measured once."""
    telemetry = Telemetry()
    for metric in vars(telemetry).values():
        if not isinstance(metric, Counter | Gauge | Histogram):
            continue
        child = metric.labels(*("x" for _ in metric._labelnames)) if metric._labelnames else metric
        child.observe(0.1) if isinstance(child, Histogram) else child.inc()
    telemetry.loop_late(0.001)
    return telemetry


@contextmanager
def exported(telemetry: Telemetry) -> Iterator[str]:
    """Serve ``/metrics`` on a free loopback port and give its address."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = telemetry.exposition()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def queries() -> dict[str, str]:
    """Return every query of the dashboard, as Grafana would send it, by panel and letter."""
    values = {"$__rate_interval": "10s", "$__range": "1h", "$job": ".*", "$instance": ".*"}
    found = {}
    for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]:
        for target in panel.get("targets", []):
            expr = target["expr"]
            for name, value in values.items():
                expr = expr.replace(name, value)
            found[f"{panel['title']} {target['refId']}"] = expr
    return found


def ask(server: servers.Server, expr: str) -> list[dict[str, Any]]:
    """Return the rows of an instant query; raise when Prometheus refuses it."""
    answer = server.get_json("/api/v1/query?" + urllib.parse.urlencode({"query": expr}))
    assert answer["status"] == "success"
    return list(answer["data"]["result"])


def test_every_panel_gets_an_answer(tmp_path: Path) -> None:
    """Where everything has been measured once, no query of the dashboard comes back empty."""
    with (
        exported(touched()) as address,
        servers.prometheus(tmp_path, servers.scrape_config(address, job="aiops")) as server,
    ):
        servers.wait_until(
            lambda: bool(ask(server, "rate(aiops_dropped_total[10s])")), "two good scrapes"
        )

        assert [name for name, expr in queries().items() if not ask(server, expr)] == []


def test_a_quiet_daemon_shows_zeros(tmp_path: Path) -> None:
    """Where nothing has happened yet, what counts faults says 0 and not "no data"."""
    telemetry = Telemetry()
    with (
        exported(telemetry) as address,
        servers.prometheus(tmp_path, servers.scrape_config(address, job="aiops")) as server,
    ):
        servers.wait_until(
            lambda: bool(ask(server, "rate(aiops_late_lines_total[10s])")), "scrapes"
        )
        faults = {name: e for name, e in queries().items() if "or on() vector(0)" in e}
        answers = {name: ask(server, expr) for name, expr in faults.items()}

        assert len(faults) >= 10
        assert {row["value"][1] for rows in answers.values() for row in rows} == {"0"}
        assert [name for name, rows in answers.items() if len(rows) != 1] == []
