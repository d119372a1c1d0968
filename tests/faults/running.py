"""Start a daemon as a user does, ask it, end it; and receivers that remember."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.real.servers import free_port, wait_until


@dataclass
class Hook:
    """Take webhooks; ``answer`` and ``delay`` say how."""

    url: str = ""
    answer: int = 204
    release: threading.Event | None = None
    taken: list[dict[str, Any]] = field(default_factory=list)

    def kinds(self, incident: str | None = None) -> list[str]:
        """Return the kinds of messages in their order, greetings left out."""
        return [
            body["type"].rpartition(".")[2]
            for body in self.taken
            if body["subject"] != "learning" and incident in (None, body["subject"])
        ]

    def keys(self) -> list[str]:
        return [body["id"] for body in self.taken]


@contextlib.contextmanager
def hook(answer: int = 204, release: threading.Event | None = None) -> Iterator[Hook]:
    """Listen on a free loopback port; with *release* every answer waits for it."""
    stub = Hook(answer=answer, release=release)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert self.headers["webhook-id"] == body["id"]
            stub.taken.append(body)
            if stub.release is not None:
                stub.release.wait(60)
            with contextlib.suppress(OSError):
                self.send_response(stub.answer)
                self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    stub.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
    try:
        yield stub
    finally:
        if release is not None:
            release.set()
        server.shutdown()
        thread.join()
        server.server_close()


class Running:
    """One configuration, its state and its page, over any number of starts."""

    def __init__(self, folder: Path, text: str, name: str = "aiops") -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        self.state = folder / f"state-{name}"
        self.log = folder / f"{name}.err"
        self.config = folder / f"{name}.toml"
        self.process: subprocess.Popen[bytes] | None = None
        self.write(text)

    def write(self, text: str) -> None:
        """Write the configuration; ``URL`` and ``STATE`` stand for its own."""
        self.config.write_text(
            text.replace("URL", self.url.removeprefix("http://")).replace("STATE", str(self.state))
        )

    def start(self, *, ready: bool = True, env: Mapping[str, str] | None = None) -> None:
        with self.log.open("ab") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "aiops", "run", "-c", str(self.config)],
                stderr=err,
                stdout=subprocess.DEVNULL,
                env=None if env is None else {**os.environ, **env},
            )
        if ready:
            wait_until(self.is_ready, "the daemon is ready")

    def is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()[-3000:]
        try:
            with urllib.request.urlopen(self.url + "/readyz", timeout=5):
                return True
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    def end(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()[-3000:]
        self.process.send_signal(number)
        return self.process.wait(15)

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return json.loads(answer.read())

    def post(self, path: str, body: object) -> Any:
        request = urllib.request.Request(
            self.url + path,
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())

    def metrics(self) -> dict[str, float]:
        with urllib.request.urlopen(self.url + "/metrics", timeout=10) as answer:
            rows = answer.read().decode().splitlines()
        return {
            name: float(value)
            for name, _, value in (row.rpartition(" ") for row in rows if not row.startswith("#"))
        }

    def lines(self) -> float:
        """Return how many lines this process has taken."""
        return sum(v for k, v in self.metrics().items() if k.startswith("aiops_lines_total"))

    def incidents(self) -> list[dict[str, Any]]:
        return list(self.get("/api/v1/incidents")["incidents"])

    def counted(self) -> int:
        """Return how many lines all templates have counted; -1 when nobody answers."""
        try:
            return sum(t["count"] for t in self.get("/api/v1/templates")["templates"])
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return -1

    def has_cut(self) -> bool:
        """Say whether there is something to resume from."""
        return self.rows("SELECT count(*) FROM cursor") != [(0,)]

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        uri = f"file:{self.state}/aiops.db?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as database:
            return database.execute(sql).fetchall()

    def outbox(self) -> dict[str, tuple[str, str]]:
        """Return kind and state of every message by its key."""
        return {
            key: (kind, state)
            for key, kind, state in self.rows("SELECT key, kind, state FROM outbox")
        }

    def said(self, word: str) -> bool:
        return word in self.log.read_text()


@contextlib.contextmanager
def sure_end(*daemons: Running) -> Iterator[None]:
    """Kill what still runs at the end of the block."""
    try:
        yield
    finally:
        for daemon in daemons:
            if daemon.process is not None and daemon.process.poll() is None:
                daemon.process.kill()
                daemon.process.wait(10)
