"""Start real servers for a test: a free loopback port, a temporary folder, a sure end.

>>> with prometheus(tmp_path, config) as server:
...     server.get_json("/api/v1/query?query=up")
"""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

READY_WITHIN = 30.0
STOPPED_WITHIN = 10.0

# What a test may ask for, and the Debian package that has it.
PACKAGES = {
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "amtool": "prometheus-alertmanager",
    "prometheus-node-exporter": "prometheus-node-exporter",
    "logrotate": "logrotate",
    "systemd-journal-remote": "systemd-journal-remote",
    "systemd-analyze": "systemd",
    "journalctl": "systemd",
}
APT = "apt-get install -y --no-install-recommends " + " ".join(sorted(set(PACKAGES.values())))

# Debian keeps some of them where an ordinary user's PATH does not look.
_ELSEWHERE = ("/usr/sbin", "/sbin", "/usr/lib/systemd", "/lib/systemd")


def find(name: str) -> str | None:
    """Return the path of a program, or None when it is not installed."""
    if (found := shutil.which(name)) is not None:
        return found
    return shutil.which(name, path=":".join(_ELSEWHERE))


def missing() -> list[str]:
    """Return the programs that are not installed here, in order."""
    return [name for name in PACKAGES if find(name) is None]


def require(name: str) -> str:
    """Return the path of a program; skip the test, saying how to get it, when it is missing."""
    if (found := find(name)) is None:
        pytest.skip(f"needs {name}: apt-get install -y --no-install-recommends {PACKAGES[name]}")
    return found


def free_port() -> int:
    """Return a loopback port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(
    true: Callable[[], bool], what: str, *, within: float = READY_WITHIN, every: float = 0.05
) -> None:
    """Return as soon as *true* answers yes; fail, naming *what*, when the deadline has passed."""
    deadline = time.monotonic() + within
    while not true():
        if time.monotonic() > deadline:
            pytest.fail(f"{what}: not within {within:g} s")
        time.sleep(every)


@dataclass(frozen=True, slots=True)
class Server:
    """Name a running server: its address, its process and the file that holds its output."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def address(self) -> str:
        """Return ``host:port``."""
        return self.url.removeprefix("http://")

    def get(self, path: str) -> bytes:
        """Return the body of a GET; raise ``URLError`` when it fails."""
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return bytes(answer.read())

    def get_json(self, path: str) -> Any:
        """Return the JSON body of a GET."""
        return json.loads(self.get(path))

    def post_json(self, path: str, body: object) -> bytes:
        """Send *body* as JSON and return the answer's body."""
        request = urllib.request.Request(
            self.url + path,
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return bytes(answer.read())

    def answers(self, path: str) -> bool:
        """Say whether a GET succeeds now."""
        try:
            self.get(path)
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            return False
        return True


@contextlib.contextmanager
def running(
    command: Sequence[str],
    *,
    url: str,
    ready: str,
    log: Path,
    env: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """Start *command*, wait until ``GET url + ready`` succeeds, stop it at the end by its pid.

    A process that ends before it is ready, or never gets ready, fails the test with its output.
    """
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=env
        )
    server = Server(url, process, log)
    try:
        deadline = time.monotonic() + READY_WITHIN
        while not server.answers(ready):
            if process.poll() is not None or time.monotonic() > deadline:
                state = "ended" if process.poll() is not None else "not ready"
                tail = log.read_text(errors="replace")[-2000:]
                pytest.fail(f"{command[0]}: {state} (code {process.poll()}):\n{tail}")
            time.sleep(0.05)
        yield server
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> int:
    """End a process, kindly and then not, and return its exit code."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOPPED_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait(STOPPED_WITHIN)


@contextlib.contextmanager
def prometheus(folder: Path, config: str) -> Iterator[Server]:
    """Run a Prometheus with *config* (YAML text) until the block ends."""
    program = require("prometheus")
    file = folder / "prometheus.yml"
    file.write_text(config, encoding="utf-8")
    address = f"127.0.0.1:{free_port()}"
    command = [
        program,
        f"--config.file={file}",
        f"--storage.tsdb.path={folder / 'prometheus-data'}",
        f"--web.listen-address={address}",
        "--log.level=warn",
    ]
    with running(
        command, url=f"http://{address}", ready="/-/ready", log=folder / "prometheus.log"
    ) as server:
        yield server


@contextlib.contextmanager
def alertmanager(folder: Path, config: str | None = None) -> Iterator[Server]:
    """Run an Alertmanager that gossips with nobody; without *config* it keeps alerts to itself."""
    program = require("prometheus-alertmanager")
    file = folder / "alertmanager.yml"
    file.write_text(
        config or "route: {receiver: nobody, group_wait: 0s}\nreceivers: [{name: nobody}]\n",
        encoding="utf-8",
    )
    address = f"127.0.0.1:{free_port()}"
    command = [
        program,
        f"--config.file={file}",
        f"--storage.path={folder / 'alertmanager-data'}",
        f"--web.listen-address={address}",
        "--cluster.listen-address=",
        "--log.level=warn",
    ]
    with running(
        command, url=f"http://{address}", ready="/-/ready", log=folder / "alertmanager.log"
    ) as server:
        yield server


@contextlib.contextmanager
def node_exporter(folder: Path) -> Iterator[Server]:
    """Run a node exporter of this host."""
    program = require("prometheus-node-exporter")
    address = f"127.0.0.1:{free_port()}"
    command = [program, f"--web.listen-address={address}", "--log.level=error"]
    with running(
        command, url=f"http://{address}", ready="/metrics", log=folder / "node-exporter.log"
    ) as server:
        yield server


def scrape_config(*targets: str, job: str = "test", interval: str = "1s") -> str:
    """Return a Prometheus configuration that scrapes *targets* often."""
    return json.dumps(
        {
            "global": {"scrape_interval": interval, "evaluation_interval": interval},
            "scrape_configs": [{"job_name": job, "static_configs": [{"targets": list(targets)}]}],
        }
    )
