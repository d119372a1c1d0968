"""Changes that somebody writes into a file are each known once, whenever the daemon dies."""

from __future__ import annotations

import json
import random
import signal
import time
from pathlib import Path

import pytest

from aiops.storage.sections import read_sections
from tests.faults.running import Running, sure_end
from tests.real.servers import wait_until

pytestmark = pytest.mark.slow

SEED = 7
KILLS = 6
ROUND = 20  # changes written around a kill
AT = 1_767_600_000.0
CONFIG = """
[web]
listen = "URL"
[state]
directory = "STATE"
interval = "1s"
[[sources.changes]]
paths = ["FOLDER/changes.jsonl"]
start = "beginning"
interval = "100ms"
"""


def known(daemon: Running) -> list[str]:
    """Return the titles of the changes in the newest cut, in their order."""
    files = sorted(daemon.state.glob("models-*.bin"), key=lambda path: path.stat().st_mtime_ns)
    try:
        sections, problems, _ = read_sections(files[-1])
    except FileNotFoundError:  # the next cut has just taken its place
        return []
    assert problems == []
    (found,) = [s.header["expected"]["changes"] for s in sections if s.name == "ledger"]
    return [change["title"] for change in found]


def test_no_change_is_lost_or_known_twice_over_kills(tmp_path: Path) -> None:
    """Killed at any moment, over a rotation, every line of the file is one change, in order."""
    rng, path = random.Random(SEED), tmp_path / "changes.jsonl"
    daemon = Running(tmp_path, CONFIG.replace("FOLDER", str(tmp_path)))
    written: list[str] = []

    def write(count: int) -> None:
        with path.open("a") as file:
            for _ in range(count):
                n = len(written)
                record = {"at": AT + n, "kind": "flag", "entity": "cart", "title": f"f{n}"}
                file.write(json.dumps(record) + "\n")
                written.append(f"f{n}")

    with sure_end(daemon):
        write(ROUND)
        for n in range(KILLS):
            # Some die while they start, most while they work.
            daemon.start(ready=rng.random() < 0.75)
            write(ROUND // 2)
            time.sleep(rng.uniform(0.0, 2.0))
            if n == KILLS // 2:
                path.rename(tmp_path / "changes.jsonl.1")
            write(ROUND // 2)
            time.sleep(rng.uniform(0.0, 0.3))
            daemon.end(signal.SIGKILL)
        daemon.start()
        write(1)
        wait_until(lambda: written[-1:] == known(daemon)[-1:], "the last change is in a cut")
        assert daemon.end() == 0
    assert known(daemon) == written
