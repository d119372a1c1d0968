"""What a person decided is kept: the row is there before the answer, whatever comes after."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.running import Running, sure_end
from tests.real.servers import wait_until

pytestmark = pytest.mark.slow

CONFIG = """
[web]
listen = "URL"
[state]
directory = "STATE"
[[sources.file]]
paths = ["LOGS/*.log"]
"""


def test_a_silence_survives_kill_nine(tmp_path: Path) -> None:
    """Killed right after the answer, the next start knows it, and so does the audit."""
    (tmp_path / "logs").mkdir()
    daemon = Running(tmp_path, CONFIG.replace("LOGS", str(tmp_path / "logs")))
    with sure_end(daemon):
        daemon.start()
        body = {"entity": "cart*", "duration": "2h", "reason": "load test", "by": "kim"}
        name = daemon.post("/api/v1/silences", body)["id"]
        daemon.end(signal.SIGKILL)

        daemon.start()

        def known() -> dict[str, str]:
            return {s["id"]: s["reason"] for s in daemon.get("/api/v1/silences")["silences"]}

        wait_until(lambda: name in known(), "the silence is applied again")
        assert known() == {name: "load test"}
        daemon.post(f"/api/v1/silences/{name}", {"reason": "longer test"})
        daemon.end(signal.SIGKILL)
        daemon.start()
        wait_until(lambda: known() == {name: "longer test"}, "its change, too")
        daemon.end()
    words = [sys.executable, "-m", "aiops", "audit", "verify", "-c", str(daemon.config)]
    verdict = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (verdict.returncode, verdict.stderr) == (0, "")
    rows = daemon.rows("SELECT actor, action FROM audit WHERE action LIKE 'silence%' ORDER BY seq")
    assert rows == [("kim", "silence"), ("somebody", "silence-edit")]
