"""The commands as a person or a service manager runs them, on this host."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.running import Running, sure_end
from tests.real.servers import free_port, stop, wait_until

pytestmark = pytest.mark.slow

QUIET_FOR = 20.0


def test_this_quiet_host_opens_nothing(tmp_path: Path) -> None:
    """Without any argument it says in one screen what it watches, and then keeps quiet."""
    address = f"127.0.0.1:{free_port()}"
    env = {
        **os.environ,
        "XDG_STATE_HOME": str(tmp_path),
        "AIOPS_WEB__LISTEN": address,
        "HOME": str(tmp_path),
    }
    env.pop("STATE_DIRECTORY", None)
    out, err = tmp_path / "out", tmp_path / "err"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "aiops", "run"], env=env, stdout=stdout, stderr=stderr
        )
    try:
        wait_until(lambda: "page: http" in err.read_text(), "the screen")
        deadline = time.monotonic() + QUIET_FOR
        wait_until(
            lambda: process.poll() is not None or time.monotonic() > deadline,
            "the quiet time",
            within=QUIET_FOR + 5,
            every=0.5,
        )
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
        assert time.monotonic() - began < 10.0
    finally:
        stop(process)
    screen = err.read_text()
    assert "host" in screen
    assert address in screen
    assert "learning" in screen
    assert "Traceback" not in screen
    told = out.read_text()
    assert "OPENED" not in told
    assert told.count("aiops is learning") == 1
    assert (tmp_path / "aiops" / "aiops.db").exists()


@contextmanager
def manager(tmp_path: Path) -> Iterator[tuple[str, list[str]]]:
    """Listen as a service manager does and give what it was told, message by message."""
    path = str(tmp_path / "notify")
    told: list[str] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(path)
        listener.setblocking(False)
        yield path, _Growing(listener, told)


class _Growing(list[str]):
    """A list that takes what has arrived whenever it is looked at."""

    def __init__(self, listener: socket.socket, told: list[str]) -> None:
        super().__init__(told)
        self._listener = listener

    def heard(self, word: str) -> bool:
        while True:
            try:
                self.append(self._listener.recv(4096).decode())
            except BlockingIOError:
                break
        return any(word in message for message in self)


def test_the_service_manager_hears_of_every_step(tmp_path: Path) -> None:
    """Ready, alive, reloading, ready again, stopping: each at its time."""
    (tmp_path / "app.log").write_text("hello\n")
    daemon = Running(
        tmp_path,
        f'[web]\nlisten = "URL"\n[state]\ndirectory = "STATE"\n'
        f'[[sources.file]]\npaths = ["{tmp_path}/app.log"]\n',
    )
    with manager(tmp_path) as (path, told), sure_end(daemon):
        daemon.start(env={"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "1000000"})
        wait_until(lambda: told.heard("READY=1"), "ready")
        wait_until(lambda: told.heard("WATCHDOG=1"), "alive")
        daemon.signal(signal.SIGHUP)
        wait_until(lambda: told.heard("RELOADING=1\nMONOTONIC_USEC="), "reloading")
        wait_until(
            lambda: told.heard("READY=1") and sum("READY=1" in m for m in told) == 2,
            "ready again",
        )
        assert daemon.end() == 0
        assert told.heard("STOPPING=1")
    assert "STOPPING=1" in told[-1]


def test_a_defect_ends_the_daemon_with_one_line(tmp_path: Path) -> None:
    """A defect in the engine is said in one line, with exit code 1, and nothing hangs."""
    script = tmp_path / "defect.py"
    script.write_text(
        "from aiops.engine import Engine\n"
        "from aiops.cli import face\n"
        "def judge(self, item):\n"
        "    raise ZeroDivisionError('one over nothing')\n"
        "Engine._process = judge\n"
        "face(prog_name='aiops')\n"
    )
    lines = "".join(f"{1_700_000_000 + n} INFO hello {n}\n" for n in range(100))
    began = time.monotonic()
    ended = subprocess.run(
        [sys.executable, str(script), "run", "-"],
        input=lines,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={
            **os.environ,
            "AIOPS_WEB__LISTEN": "",
            "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
        },
    )
    assert ended.returncode == 1, ended.stderr
    assert time.monotonic() - began < 20.0
    last = ended.stderr.splitlines()[-1]
    assert "ZeroDivisionError" in last
    assert "start it again" in last
    assert "Traceback" not in ended.stderr
