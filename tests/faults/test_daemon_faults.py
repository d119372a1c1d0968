"""What goes wrong around a daemon is said, bounded and survived; each test runs real processes."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.faults.running import Running, hook, sure_end
from tests.real.servers import wait_until

pytestmark = pytest.mark.slow

BASIC = """
[alerting]
news_from = "beginning"
[web]
listen = "URL"
[state]
directory = "STATE"
interval = "1s"
[[sources.file]]
paths = ["LOGS/*.log"]
start = "beginning"
discovery_interval = "200ms"
"""
HOOK = """
[[notifiers.webhook]]
name = "hook"
url = "HOOK"
"""
LONG_AGO = 1_700_000_000


def story(first: int = LONG_AGO, *, calm: int = 1800, bad: int = 60, after: int = 900) -> str:
    """Return a calm half hour, a minute of errors and a quarter of an hour after it."""
    out = [f"{first + n // 4} INFO request {n} served in 12 ms" for n in range(4 * calm)]
    at = first + calm
    out += [f"{at + n // 20} CRITICAL database gone, request {n} failed" for n in range(20 * bad)]
    at += bad
    out += [f"{at + n // 4} INFO request {n} served in 12 ms" for n in range(4 * after)]
    return "\n".join(out) + "\n"


def make(tmp_path: Path, text: str, url: str = "", name: str = "aiops") -> Running:
    (tmp_path / "logs").mkdir(exist_ok=True)
    return Running(
        tmp_path, text.replace("LOGS", str(tmp_path / "logs")).replace("HOOK", url), name
    )


def run(*arguments: str, stdin: str | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "aiops", "run", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "AIOPS_WEB__LISTEN": "", **env},
        check=False,
    )


def test_sigterm_with_full_queues_loses_nothing(tmp_path: Path) -> None:
    """Stopped in the middle of a flood it ends within ten seconds, and goes on where it was."""
    # Every line is another kind of line: the engine is slower than the disk.
    words = ("".join(chr(97 + (n >> s) % 26) for s in (0, 3, 6, 9, 12, 15)) for n in range(10**9))
    with (tmp_path / "flood.txt").open("w") as out:
        for n in range(200_000):
            out.write(f"{LONG_AGO + n // 50} INFO {next(words)} {next(words)} took {n} ms\n")
        for n in range(2000):
            out.write(f"{LONG_AGO + 5000 + n} INFO calm {n}\n")
    daemon = make(tmp_path, BASIC)
    with sure_end(daemon):
        daemon.start()
        shutil.copyfile(tmp_path / "flood.txt", tmp_path / "logs" / "flood.log")
        wait_until(lambda: daemon.lines() > 0, "the flood has begun")
        taken = daemon.lines()
        began = time.monotonic()
        assert daemon.end() == 0
        assert time.monotonic() - began < 10.0
        assert taken < 202_000, "it was stopped in the middle"
        daemon.start()
        # The last window is open: its lines are counted when it closes.
        wait_until(lambda: daemon.counted() >= 202_000 - 20, "every line is counted", within=90)
        assert daemon.counted() <= 202_000
        assert daemon.end() == 0


def test_a_second_daemon_is_refused(tmp_path: Path) -> None:
    """On the same state a second one ends at once, with one line that names the first."""
    first = make(tmp_path, BASIC)
    second = make(tmp_path, BASIC, name="second")
    second.write(second.config.read_text().replace(str(second.state), str(first.state)))
    with sure_end(first, second):
        first.start()
        second.start(ready=False)
        assert first.process is not None
        assert second.process is not None
        assert second.process.wait(15) == 2
        said = second.log.read_text().splitlines()
        assert len(said) == 1
        assert f"pid {first.process.pid}" in said[0]
        assert first.end() == 0


def test_a_taken_port_is_refused(tmp_path: Path) -> None:
    """A port in use ends the start with one line that names the key and the remedy."""
    daemon = make(tmp_path, BASIC)
    with socket.socket() as taken, sure_end(daemon):
        taken.bind(("127.0.0.1", int(daemon.url.rpartition(":")[2])))
        taken.listen()
        daemon.start(ready=False)
        assert daemon.process is not None
        assert daemon.process.wait(15) == 2
        said = daemon.log.read_text().splitlines()
        assert len(said) == 1
        assert "web.listen" in said[0]


def test_all_problems_of_a_configuration_are_told(tmp_path: Path) -> None:
    """Unknown keys, wrong types, unknown kinds: one line each, nothing starts, exit code 2."""
    config = tmp_path / "wrong.toml"
    config.write_text(
        '[web]\nlistn = "x"\nlisten = "nowhere"\n[detection]\nwindow = "soon"\n'
        "[[sources.fiel]]\npaths = []\n[[sources.file]]\npaths = 3\n[[notifiers.slack]]\n"
    )
    ended = run("-c", str(config))
    assert ended.returncode == 2
    for word in ("web.listn", "detection.window"):
        assert word in ended.stderr
    config.write_text(
        '[web]\nlisten = "nowhere"\n[[sources.fiel]]\npaths = []\n'
        "[[sources.file]]\npaths = 3\n[[notifiers.slack]]\n"
        '[[sources.prometheus]]\ntargets = ["localhost:9797"]\n'
    )
    ended = run("-c", str(config), AIOPS_WEB__LISTEN="nowhere")
    assert ended.returncode == 2
    for word in ("web.listen", "sources.fiel", "sources.file[0].paths", "notifiers.slack"):
        assert word in ended.stderr, word
    assert "Traceback" not in ended.stderr
    ended = run("-c", str(config), AIOPS_WEB__LISTEN="127.0.0.1:9797")
    assert "our own web.listen" in ended.stderr


@pytest.mark.parametrize(
    "arguments", [["-c", "/nowhere/aiops.toml"], ["/nowhere/app.log", "/nowhere/too.log"]]
)
def test_what_is_not_there_is_named(arguments: list[str]) -> None:
    """A file that does not exist ends the start with one line each."""
    ended = run(*arguments)
    assert ended.returncode == 2
    assert ended.stderr.count("no such file") == ended.stderr.count("\n") > 0


def test_a_state_directory_that_is_a_file_is_refused(tmp_path: Path) -> None:
    """What cannot be a directory at all is a mistake, not a degradation."""
    (tmp_path / "state").write_text("")
    ended = run("-c", str(_config(tmp_path, str(tmp_path / "state"))))
    assert ended.returncode == 2
    assert "state.directory" in ended.stderr
    assert ended.stderr.count("\n") == 1


def _config(tmp_path: Path, directory: str) -> Path:
    path = tmp_path / "aiops.toml"
    path.write_text(f'[state]\ndirectory = "{directory}"\n[[sources.file]]\npaths = ["/nowhere"]\n')
    return path


def _mounted(daemon: Running, *mounts: str) -> list[str]:
    """Return a command that runs the daemon in a mount namespace of its own."""
    script = " && ".join([*mounts, f"exec {sys.executable} -m aiops run -c {daemon.config}"])
    return ["unshare", "-m", "sh", "-c", script]


needs_mounts = pytest.mark.skipif(
    os.geteuid() != 0
    or shutil.which("unshare") is None
    or subprocess.run(["unshare", "-m", "true"], check=False, capture_output=True).returncode != 0,
    reason="needs root and mount namespaces",
)


@needs_mounts
@pytest.mark.parametrize("fault", ["read-only", "full"])
def test_without_a_disk_it_watches_and_says_so(tmp_path: Path, fault: str) -> None:
    """A state that cannot be written makes it forgetful, not blind: the incident is told."""
    with hook() as stub:
        daemon = make(tmp_path, BASIC + HOOK, stub.url)
        daemon.state.mkdir()
        (tmp_path / "logs" / "app.log").write_text(story())
        if fault == "read-only":
            mounts = [
                f"mount -t tmpfs none {daemon.state}",
                f"mount -o remount,ro {daemon.state}",
            ]
        else:
            mounts = [
                f"mount -t tmpfs -o size=64k none {daemon.state}",
                f"dd if=/dev/zero of={daemon.state}/filler bs=4k count=16 2>/dev/null; true",
            ]
        with sure_end(daemon), daemon.log.open("wb") as err:
            daemon.process = subprocess.Popen(_mounted(daemon, *mounts), stderr=err)
            wait_until(daemon.is_ready, "the daemon is ready")
            wait_until(lambda: "resolved" in stub.kinds(), "the incident is told to its end")
            assert stub.kinds()[0] == "opened"
            assert daemon.said("state.in_memory")
            assert daemon.end() == 0
            assert not daemon.said("Traceback")


@pytest.mark.parametrize("broken", ["aiops.db", "models"])
def test_a_broken_state_is_set_aside(tmp_path: Path, broken: str) -> None:
    """Rubbish in the database or the models costs what was in it, and is kept for a look."""
    daemon = make(tmp_path, BASIC)
    (tmp_path / "logs" / "app.log").write_text(story())
    with sure_end(daemon):
        daemon.start()
        wait_until(lambda: daemon.counted() > 5000, "it has learned")
        assert daemon.end() == 0
        if broken == "models":
            for path in daemon.state.glob("models-*.bin"):
                path.write_bytes(b"rubbish" * 100)
        else:
            (daemon.state / "aiops.db").write_bytes(b"\0" * 8192)
            for path in daemon.state.glob("aiops.db-*"):
                path.unlink()
        daemon.start()
        assert any("broken" in path.name for path in daemon.state.iterdir())
        assert daemon.said("set_aside" if broken == "aiops.db" else "fell_back")
        with (tmp_path / "logs" / "app.log").open("a") as out:
            out.write(story(LONG_AGO + 4000))
        wait_until(lambda: daemon.counted() > 5000, "it learns on")
        assert daemon.end() == 0
        assert not daemon.said("Traceback")


def test_a_dead_receiver_slows_nobody(tmp_path: Path) -> None:
    """While one receiver hangs and another is gone, lines are counted and the third is told."""
    release = threading.Event()
    with hook(release=release) as slow, hook() as good:
        more = f"""
[[notifiers.webhook]]
name = "slow"
url = "{slow.url}"
[[notifiers.webhook]]
name = "gone"
url = "http://127.0.0.1:9/hook"
"""
        daemon = make(tmp_path, BASIC + HOOK + more, good.url)
        with sure_end(daemon):
            daemon.start()
            wait_until(lambda: len(slow.taken) > 0, "the slow one is busy")
            (tmp_path / "logs" / "app.log").write_text(story())
            wait_until(lambda: "resolved" in good.kinds(), "the good one is told", within=15)
            wait_until(lambda: daemon.lines() == story().count("\n"), "all lines are counted")
            wait_until(
                lambda: daemon.metrics().get('aiops_outbox_waiting{receiver="slow"}', 0) >= 2,
                "what the slow one must get is kept",
            )
            failed = [k for k in daemon.metrics() if k.startswith("aiops_notifications_failed")]
            assert any('receiver="gone"' in name for name in failed)
            began = time.monotonic()
            assert daemon.end() == 0
            assert time.monotonic() - began < 10.0


def test_reload_swaps_parts_and_keeps_what_was_learned(tmp_path: Path) -> None:
    """A wrong file changes nothing; a right one changes sources and channels, not the models."""
    with hook() as old, hook() as new:
        daemon = make(tmp_path, BASIC + HOOK, old.url)
        good = daemon.config.read_text()
        (tmp_path / "logs" / "app.log").write_text(story(bad=0))
        with sure_end(daemon):
            daemon.start()
            wait_until(lambda: daemon.counted() > 5000, "it has learned")
            before = daemon.counted()

            daemon.config.write_text(good + "\n[surprise]\n")
            daemon.signal(signal.SIGHUP)
            gauge = "aiops_config_last_reload_successful"
            wait_until(lambda: daemon.metrics()[gauge] == 0.0, "the reload is refused")
            assert daemon.said("surprise")
            assert daemon.counted() == before

            (tmp_path / "more").mkdir()
            daemon.config.write_text(
                good.replace(old.url, new.url).replace(
                    f'["{tmp_path}/logs/*.log"]',
                    f'["{tmp_path}/logs/*.log", "{tmp_path}/more/*.log"]',
                )
            )
            daemon.signal(signal.SIGHUP)
            wait_until(lambda: daemon.metrics()[gauge] == 1.0, "the reload is taken")
            assert daemon.counted() == before
            with (tmp_path / "logs" / "app.log").open("a") as out:
                out.write(story(LONG_AGO + 2700, calm=0))
            wait_until(lambda: "resolved" in new.kinds(), "the new channel is told")
            assert old.kinds() == []
            (tmp_path / "more" / "late.log").write_text(story(LONG_AGO + 3700, bad=0, after=0))
            wait_until(lambda: daemon.metrics()["aiops_streams"] == 2, "the new source reads")
            assert daemon.end() == 0
            assert not daemon.said("Traceback")


def test_stdin_ends_at_its_end(tmp_path: Path) -> None:
    """What is piped in is told, and the command ends with it."""
    ended = run("-", stdin=story(), HOME=str(tmp_path))
    assert ended.returncode == 0, ended.stderr
    assert "OPENED critical" in ended.stdout
    assert "database gone" in ended.stdout
    assert "RESOLVED" in ended.stdout
    assert "Traceback" not in ended.stderr


def test_stdin_needs_no_port(tmp_path: Path) -> None:
    """Beside a service that has the default port, a look at a pipe just has no page."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = run("-", stdin=story(), HOME=str(tmp_path), AIOPS_WEB__LISTEN=listen)
    assert ended.returncode == 0
    assert "no page" in ended.stderr
    assert "OPENED" in ended.stdout


def recent(ago: float, **more: int) -> str:
    return story(int(time.time() - ago), **more)


def test_old_news_is_not_news(tmp_path: Path) -> None:
    """At the first start what has ended is history; what is still going on is told once."""
    with hook() as stub:
        text = BASIC.replace('news_from = "beginning"', "").replace('start = "beginning"', "")
        text += '[detection]\nwindow = "1s"\nallowed_lateness = "1s"\nhold = "2s"\n'
        daemon = make(tmp_path, text + HOOK, stub.url)
        (tmp_path / "logs" / "ended.log").write_text(recent(7200, after=5300))
        (tmp_path / "logs" / "going.log").write_text(recent(1860, after=0))
        with sure_end(daemon):
            daemon.start()
            wait_until(lambda: "opened" in stub.kinds(), "what goes on is told", within=60)
            found = {i["entities"][0]: i for i in daemon.incidents()}
            assert {e: (i["state"], i["told"]) for e, i in found.items()} == {
                "service:ended": ("resolved", False),
                "service:going": ("open", True),
            }
            assert stub.kinds() == ["opened"]
            # Killed and started again, nobody hears of it a second time.
            daemon.end(signal.SIGKILL)
            daemon.start()
            wait_until(lambda: daemon.counted() > 0, "it reads on")
            assert daemon.end() == 0
            assert stub.kinds(found["service:ended"]["id"]) == []
            assert stub.kinds(found["service:going"]["id"]).count("opened") == 1


def test_an_acknowledgement_survives_a_kill(tmp_path: Path) -> None:
    """Killed right after the answer, the acknowledgement is there after the restart, once."""
    with hook() as stub:
        daemon = make(tmp_path, BASIC.replace('"1s"', '"60s"') + HOOK, stub.url)
        (tmp_path / "logs" / "app.log").write_text(story(after=10))
        with sure_end(daemon):
            daemon.start()
            wait_until(lambda: "opened" in stub.kinds(), "the incident is told")
            name = daemon.incidents()[0]["id"]
            answer = daemon.post(f"/api/v1/incidents/{name}/ack", {"by": "ann"})
            daemon.end(signal.SIGKILL)
            # No cut knows of it: the first one is older, or was still on its way.
            assert daemon.rows("SELECT coalesce(max(command_seq), 0) FROM generation") == [(0,)]
            daemon.start()
            wait_until(
                lambda: [i["state"] for i in daemon.incidents()] == ["acknowledged"],
                "the acknowledgement is applied",
            )
            wait_until(lambda: stub.kinds(name).count("acknowledged") >= 1, "and told")
            assert daemon.end() == 0
            daemon.start()
            assert daemon.rows("SELECT max(command_seq) FROM generation") == [(answer["seq"],)]
            assert [i["state"] for i in daemon.incidents()] == ["acknowledged"]
            assert daemon.end() == 0
            keys = [b["id"] for b in stub.taken if b["type"].endswith("acknowledged")]
            assert len(set(keys)) == 1
