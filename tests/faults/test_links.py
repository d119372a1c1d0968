"""A link in a message acts once, whoever fetches it and whenever the daemon dies."""

from __future__ import annotations

import signal
import stat
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.faults.running import Hook, Running, hook, sure_end
from tests.faults.test_daemon_faults import BASIC, HOOK, story
from tests.real.servers import wait_until

pytestmark = pytest.mark.slow

OUTSIDE = "https://aiops.example/ops"
VERBS = {"ack", "noise", "useful", "wrong-cause", "expected-until"}


def press(daemon: Running, url: str, method: str = "POST") -> tuple[int, str]:
    """Follow a link as a browser behind the proxy does."""
    place = daemon.url + url.removeprefix(OUTSIDE)
    data = b"by=kim" if method == "POST" else None
    try:
        with urllib.request.urlopen(urllib.request.Request(place, data, method=method)) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as e:
        with e:
            return e.code, e.read().decode()


def links(stub: Hook) -> dict[str, str]:
    """Return the links of the first message about an incident."""
    told = next(body for body in stub.taken if body["type"].endswith("opened"))
    return dict(told["data"]["actions"])


def test_a_link_acts_once_over_kills(tmp_path: Path) -> None:
    """Fetched, nothing happens; pressed, it is committed; after kill -9 it is used and done."""
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "app.log").write_text(story(after=10))
    with hook() as stub:
        text = BASIC.replace('listen = "URL"', f'listen = "URL"\nexternal_url = "{OUTSIDE}"')
        text = (text + HOOK).replace("LOGS", str(tmp_path / "logs")).replace("HOOK", stub.url)
        daemon = Running(tmp_path, text)
        with sure_end(daemon):
            daemon.start()
            wait_until(lambda: "opened" in stub.kinds(), "the incident is told")
            urls = links(stub)
            assert set(urls) == VERBS
            # What fetches links to show or to scan them changes nothing.
            for url in urls.values():
                assert [press(daemon, url, m)[0] for m in ("GET", "HEAD", "GET")] == [200] * 3
            assert daemon.rows("SELECT count(*) FROM command") == [(0,)]
            assert [i["state"] for i in daemon.incidents()] == ["open"]

            assert press(daemon, urls["ack"])[0] == 200
            daemon.end(signal.SIGKILL)
            daemon.start()
            acknowledged = ["acknowledged"]
            wait_until(lambda: [i["state"] for i in daemon.incidents()] == acknowledged, "taken")
            status, page = press(daemon, urls["ack"])
            assert (status, "was used" in page) == (410, True)

            # The secret outlived the kill: links of the first life still count in the second.
            assert press(daemon, urls["noise"])[0] == 200
            assert press(daemon, urls["noise"])[0] == 410
            assert press(daemon, urls["useful"][:-3] + "AAA")[0] == 400
            assert daemon.end() == 0
        key = daemon.state / "link.key"
        assert (stat.S_IMODE(key.stat().st_mode), key.stat().st_size) == (0o600, 32)
        told = daemon.rows("SELECT kind, by FROM command ORDER BY seq")
        assert told == [("ack", "kim"), ("feedback", "kim")]
        assert daemon.rows("SELECT count(*) FROM spent_link") == [(2,)]
        assert "token=" not in daemon.log.read_text()


def test_without_an_address_there_are_no_links(tmp_path: Path) -> None:
    """Who never said how to reach the daemon gets messages without links, and no key is made."""
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "app.log").write_text(story(after=10))
    with hook() as stub:
        text = (BASIC + HOOK).replace("LOGS", str(tmp_path / "logs")).replace("HOOK", stub.url)
        daemon = Running(tmp_path, text)
        with sure_end(daemon):
            daemon.start()
            wait_until(lambda: "opened" in stub.kinds(), "the incident is told")
            assert daemon.end() == 0
        assert not any("actions" in body["data"] for body in stub.taken)
        assert not (daemon.state / "link.key").exists()
