"""A daemon tells in its owner's words, and in the built-in ones where those break."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.running import Running, hook, sure_end
from tests.faults.test_daemon_faults import BASIC, HOOK, story
from tests.real.servers import wait_until

pytestmark = pytest.mark.slow

# Right for every specimen, wrong for what ends here: its incident has no fourth sample.
WORDS = """\
{% if kind == "resolved" and incident.id != "inc_specimen" %}
{{ incident.samples[99].text }}
{% endif %}
In my words: {{ title }} ({{ incident.severity }})
"""


def test_own_words_reach_the_receiver_and_lose_nothing(tmp_path: Path) -> None:
    """Opened is told in the template's words; where it breaks, the built-in story is sent."""
    (tmp_path / "logs").mkdir()
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "webhook.j2").write_text(WORDS)
    (tmp_path / "logs" / "app.log").write_text(story())
    with hook() as stub:
        text = (BASIC + HOOK).replace("LOGS", str(tmp_path / "logs")).replace("HOOK", stub.url)
        daemon = Running(tmp_path, text + '[templates]\ndirectory = "words"\n')
        with sure_end(daemon):
            daemon.start()
            wait_until(lambda: "resolved" in stub.kinds(), "the incident's life is told")
            failed = 'aiops_events_total{event="template_failed",reason="webhook"}'
            wait_until(lambda: daemon.metrics().get(failed, 0) >= 1, "the failure is counted")
            assert daemon.said("template_failed")
            assert daemon.end() == 0
        told = {b["type"].rpartition(".")[2]: b["data"]["story"] for b in stub.taken}
    assert told["opened"].startswith("In my words: ")
    assert told["resolved"].startswith("RESOLVED critical: ")
    assert "webhook.j2:2" in daemon.log.read_text()
