"""The server answers machines, and keeps strangers out."""

from __future__ import annotations

import socket

import pytest

from aiops.errors import ConfigError
from aiops.model import State
from aiops.web.app import Server, serve
from aiops.web.guards import is_loopback
from tests.unit.web.conftest import Visit
from tests.unit.web.desk import FakeDesk, incident


async def test_metrics_are_exposed_for_prometheus(visit: Visit) -> None:
    """``/metrics`` is the text format with the content type scrapers ask for."""
    call = await visit(FakeDesk())

    status, body, headers = await call.get("/metrics")

    assert status == 200
    assert headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert 'aiops_lines_total{source="file"} 120.0' in body


@pytest.mark.parametrize(("alive", "status"), [(True, 200), (False, 503)])
async def test_health_is_the_engine_s(visit: Visit, alive: bool, status: int) -> None:
    """``/healthz`` answers 200 exactly while the engine lives."""
    call = await visit(FakeDesk(alive=alive, ready=False))

    assert (await call.get("/healthz"))[0] == status


@pytest.mark.parametrize(("ready", "status"), [(True, 200), (False, 503)])
async def test_readiness_waits_for_the_state(visit: Visit, ready: bool, status: int) -> None:
    """``/readyz`` answers 200 only once the state is restored."""
    call = await visit(FakeDesk(ready=ready))

    assert (await call.get("/readyz"))[0] == status


async def test_every_answer_wears_the_security_headers(visit: Visit) -> None:
    """Good and bad answers carry the same headers, and none invites another site."""
    call = await visit(FakeDesk())

    for path in ("/", "/metrics", "/api/v1/incidents", "/nothing"):
        _, _, headers = await call.get(path)
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers["Server"] == "aiops"
        assert "Access-Control-Allow-Origin" not in headers


async def test_what_is_not_there_is_said_in_json(visit: Visit) -> None:
    """An unknown address is a JSON error."""
    call = await visit(FakeDesk())

    status, body, _ = await call.get("/api/v1/nothing")

    assert status == 404
    assert body == {"error": "nothing is at /api/v1/nothing"}


@pytest.mark.parametrize("host", ["evil.example", "evil.example:9797", "127.0.0.1.evil.example"])
async def test_rebound_names_are_not_served(visit: Visit, host: str) -> None:
    """On loopback a request that names another host is refused: a page was re-pointed here."""
    call = await visit(FakeDesk())

    status, body, _ = await call.get("/api/v1/incidents", headers={"Host": host})

    assert status == 403
    assert "web.external_url" in body["error"]


@pytest.mark.parametrize("host", ["localhost:1", "127.0.0.9", "[::1]:80", "aiops.example"])
async def test_own_names_are_served(visit: Visit, host: str) -> None:
    """Loopback names and the host of ``external_url`` are served."""
    call = await visit(FakeDesk(external_url="https://aiops.example"))

    assert (await call.get("/api/v1/incidents", headers={"Host": host}))[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_other_sites_cannot_change_anything(visit: Visit, headers: dict[str, str]) -> None:
    """A write that a browser sends for another site is refused."""
    desk = FakeDesk(living=(incident("a"),))
    call = await visit(desk)

    status, _, _ = await call.post("/api/v1/incidents/a/ack", headers=headers)

    assert status == 403
    assert desk.commands == []


async def test_own_page_may_change_things(visit: Visit) -> None:
    """A write from the own origin, or from the one in ``external_url``, is taken."""
    desk = FakeDesk(living=(incident("a"),), external_url="https://aiops.example")
    call = await visit(desk)

    for origin in (call.url, "https://aiops.example"):
        headers = {"Origin": origin, "Sec-Fetch-Site": "same-origin"}
        assert (await call.post("/api/v1/incidents/a/ack", headers=headers))[0] == 202


async def test_page_escapes_what_logs_say(visit: Visit) -> None:
    """The page lists incidents, and nothing in them becomes markup."""
    call = await visit(FakeDesk(past=(incident("a<i>", state=State.RESOLVED),)))

    status, body, headers = await call.get("/")

    assert status == 200
    assert headers["Content-Type"].startswith("text/html")
    assert "&lt;script&gt;" in body
    assert "<script" not in body
    assert "a<i>" not in body


async def test_empty_listen_turns_it_off() -> None:
    """Without an address nothing listens, and closing is harmless."""
    server = await serve(FakeDesk(listen=""))

    assert server == Server()
    await server.close()


async def test_taken_port_is_a_configuration_error() -> None:
    """A port in use is named with its key, its value and what to do."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = f"127.0.0.1:{taken.getsockname()[1]}"

        with pytest.raises(ConfigError, match=r"web\.listen = .*in use.*another port"):
            await serve(FakeDesk(listen=listen))


async def test_unknown_host_is_a_configuration_error() -> None:
    """An address this machine does not have is named with its key."""
    with pytest.raises(ConfigError, match=r"web\.listen = '192\.0\.2\.1:0'"):
        await serve(FakeDesk(listen="192.0.2.1:0"))


@pytest.mark.parametrize(
    ("host", "near"),
    [
        ("127.0.0.1", True),
        ("[::1]", True),
        ("localhost.", True),
        ("app.localhost", True),
        ("0.0.0.0", False),
        ("10.0.0.1", False),
        ("localhost.example", False),
        ("", False),
    ],
)
def test_loopback_is_recognised(host: str, near: bool) -> None:
    """Only names and addresses that mean this machine alone count as loopback."""
    assert is_loopback(host) is near
