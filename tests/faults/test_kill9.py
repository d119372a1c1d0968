"""Twenty kills at random moments leave exactly what one uninterrupted run leaves."""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.faults.running import Running, hook, sure_end
from tests.real.servers import stop, wait_until

pytestmark = pytest.mark.slow

SEED = 20260
KILLS = 20
LINES = 500_000
ROTATE = 40_000
PER_SECOND = 20  # simulated lines a second, over all streams
BATCH = 250
SPEED = 3500  # real lines a second
STREAMS = ("checkout", "cart", "payment")
BEGIN = 1_735_689_600.0  # long ago: no wall clock takes part

_USUAL = (
    "INFO order {n} accepted for customer {m} in {k} ms",
    "INFO session {h} opened from 10.0.{a}.{b}",
    "INFO GET /api/v1/items/{n} 200 {k}ms",
    "DEBUG cache hit for key item:{n}",
    "INFO reserved {a} units of sku-{m} in warehouse {b}",
    "WARN slow query took {k} ms on shard {a}",
    "INFO payment {h} captured amount {m}.{a}",
    "INFO worker {a} finished batch {n} in {k} ms",
)
_BROKEN = (
    "ERROR connection to db-{a} refused: could not connect to server after {k} ms",
    "ERROR order {n} failed: PaymentGatewayTimeout after {k} ms",
    "CRITICAL circuit breaker open for upstream payments, {a} requests rejected",
)


def text(rng: random.Random, form: str) -> str:
    return form.format(
        n=rng.randrange(10**6),
        m=rng.randrange(10**4),
        k=rng.randrange(5, 900),
        a=rng.randrange(10),
        b=rng.randrange(256),
        h=f"{rng.getrandbits(48):012x}",
    )


def write(folder: str, enough: str, ready: str) -> None:
    """Write all streams, in the simulated time of one shop; run in a process of its own.

    The last tenth waits for the file *enough*: every kill happens while there is more to come.
    """
    rng = random.Random(SEED)
    weights = [30, 20, 25, 15, 8, 1, 10, 5]
    files = {name: (Path(folder) / f"{name}.log").open("ab", buffering=0) for name in STREAMS}
    written = dict.fromkeys(STREAMS, 0)
    parts = dict.fromkeys(STREAMS, 0)
    calm = LINES / PER_SECOND
    # The last quarter of an hour is calm, so that everything ends.
    starts = {"checkout": 0.3 * calm, "cart": 0.5 * calm, "payment": 0.75 * calm}
    began = time.monotonic()
    done = 0
    while done < LINES:
        batch: dict[str, list[str]] = {name: [] for name in STREAMS}
        for _ in range(BATCH):
            at = done / PER_SECOND
            name = rng.choices(STREAMS, (5, 4, 3))[0]
            bad = starts[name] <= at < starts[name] + 150.0
            form = rng.choice(_BROKEN) if bad and rng.random() < 0.4 else None
            line = text(rng, form or rng.choices(_USUAL, weights)[0])
            stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(BEGIN + at))
            batch[name].append(f"{stamp}.{int(at * 1000) % 1000:03d}Z {line}\n")
            if form and rng.random() < 0.2:
                batch[name].append("    at shop.Db.connect(Db.java:42)\n")
            done += 1
        for name, lines in batch.items():
            files[name].write("".join(lines).encode())
            written[name] += len(lines)
            if written[name] >= ROTATE * (parts[name] + 1):
                files[name].close()
                parts[name] += 1
                path = Path(folder) / f"{name}.log"
                for n in range(parts[name] - 1, 0, -1):
                    path.with_name(f"{name}.log.{n}").rename(path.with_name(f"{name}.log.{n + 1}"))
                path.rename(path.with_name(f"{name}.log.1"))
                files[name] = path.open("ab", buffering=0)
        while done >= 0.9 * LINES and not Path(enough).exists():
            time.sleep(0.05)
        ahead = done / SPEED - (time.monotonic() - began)
        if ahead > 0:
            time.sleep(ahead)
    for file in files.values():
        file.close()
    Path(ready).write_text("done")


CONFIG = """
[alerting]
news_from = "beginning"
[web]
listen = "URL"
[state]
directory = "STATE"
interval = "1s"
[detection]
hold = "1h"
[[sources.file]]
paths = ["LOGS/*.log"]
start = "beginning"
rotate_wait = "500ms"
discovery_interval = "500ms"
[[notifiers.webhook]]
name = "hook"
url = "HOOK"
"""
NEVER = ("aiops_late_lines_total", "aiops_idle_advances_total", "aiops_hold_timeouts_total")


def settled(*daemons: Running) -> bool:
    """Say whether all have read the same number of lines and sent what they had to send."""
    counted = {daemon.counted() for daemon in daemons}
    states = {state for daemon in daemons for _, state in daemon.outbox().values()}
    return len(counted) == 1 and min(counted) > 0.98 * LINES and "waiting" not in states


def templates(daemon: Running) -> dict[str, tuple[str, str, int]]:
    found = daemon.get("/api/v1/templates")["templates"]
    return {t["id"]: (t["severity"], t["template"], t["count"]) for t in found}


def incidents(daemon: Running) -> dict[str, tuple[str, ...]]:
    names = ("state", "severity", "title", "opened_at", "resolved_at")
    return {i["id"]: tuple(i[name] for name in names) for i in daemon.incidents()}


def test_twenty_kills_change_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Templates, incidents and messages are those of a run that nobody killed."""
    logs, enough, ready = tmp_path / "logs", tmp_path / "enough", tmp_path / "written"
    logs.mkdir()
    for name in STREAMS:
        (logs / f"{name}.log").write_bytes(b"2025-01-01T00:00:00.000Z INFO shop opened\n")
    rng = random.Random(SEED)
    with hook() as calm_hook, hook() as stub, contextlib.ExitStack() as stack:
        text = CONFIG.replace("LOGS", str(logs))
        calm = Running(tmp_path, text.replace("HOOK", calm_hook.url), "calm")
        killed = Running(tmp_path, text.replace("HOOK", stub.url), "killed")
        stack.enter_context(sure_end(calm, killed))
        for daemon in (calm, killed):
            daemon.start()
            wait_until(daemon.has_cut, "it tails, and says so on the disk")
        # As a module from the root: a script's own folder is all it can import from.
        module = [sys.executable, "-m", "tests.faults.test_kill9"]
        root = Path(__file__).parents[2]
        writer = subprocess.Popen([*module, str(logs), str(enough), str(ready)], cwd=root)
        stack.callback(lambda: stop(writer))
        for _ in range(KILLS):
            # Some die while they start, most while they work.
            if rng.random() < 0.75:
                wait_until(killed.is_ready, "it is back")
            time.sleep(rng.uniform(0.0, 4.0))
            killed.end(signal.SIGKILL)
            killed.start(ready=False)
        assert not ready.exists(), "every kill happens while the logs grow"
        enough.write_text("")
        wait_until(ready.exists, "the writer ends", within=240)
        wait_until(lambda: calm.is_ready() and killed.is_ready(), "both are ready")
        with contextlib.suppress(pytest.fail.Exception):
            wait_until(lambda: settled(calm, killed), "both have read it all", within=60, every=1.0)
        found = [(templates(d), incidents(d), d.metrics()) for d in (calm, killed)]
        assert [killed.end(), calm.end()] == [0, 0]
    for _, _, figures in found:
        assert [figures[name] for name in NEVER] == [0.0, 0.0, 0.0]
    assert found[0][0] == found[1][0]
    assert sum(count for _, _, count in found[0][0].values()) > 0.98 * LINES
    assert found[0][1] == found[1][1]
    assert len(found[0][1]) >= 2
    outboxes = calm.outbox(), killed.outbox()
    assert outboxes[0].keys() == outboxes[1].keys()
    for receiver, outbox in ((calm_hook, outboxes[0]), (stub, outboxes[1])):
        # An update that is overtaken by better news before it was sent is the one thing left out.
        assert {pair for pair in outbox.values() if pair[1] != "sent"} <= {("updated", "skipped")}
        assert set(receiver.keys()) == {k for k, (_, state) in outbox.items() if state == "sent"}
    assert len(calm_hook.keys()) == len(set(calm_hook.keys()))
    repeats = len(stub.keys()) - len(set(stub.keys()))
    with capsys.disabled():
        sys.stdout.write(f"\n{KILLS} kills, {len(outboxes[0])} messages, {repeats} sent twice\n")


if __name__ == "__main__":
    write(*sys.argv[1:])
