"""Maintenance and escalation in a configuration: every problem is named, and what comes is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from aiops.assembly import build
from aiops.cli import face
from aiops.config import Settings
from aiops.errors import ConfigError

TWO: dict[str, Any] = {"stdout": [{"name": "chat"}, {"name": "phone"}]}
SUNDAYS = {"match": "db*", "cron": "0 3 * * sun", "duration": "2h"}


def test_maintenance_and_escalation_reach_the_engine() -> None:
    """Windows come as they were written; without a second receiver nobody is called."""
    wanted = {"escalate_to": ["phone"], "escalate_after": "20m", "ack_expires": "2h"}
    plan = build(Settings(alerting=wanted, notifiers=TWO, maintenance=[SUNDAYS]))
    ledger = plan.engine.ledger
    assert (ledger.escalate_after, ledger.ack_expires) == (1200.0, 7200.0)
    assert [(w.match, w.duration, w.timezone) for w in ledger.maintenance] == [
        ("db*", 7200.0, "UTC")
    ]
    assert [(r.name, r.second) for r in plan.routes] == [("chat", False), ("phone", True)]
    assert build(Settings()).engine.ledger.escalate_after == 0.0


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"cron": "0 3 * *"}, "maintenance[0].cron = '0 3 * *': 4 fields"),
        ({"cron": "0 0 31 2 *"}, "never happens"),
        ({"timezone": "Europe/Atlantis"}, "maintenance[0].timezone = 'Europe/Atlantis'"),
        ({"timezone": "../etc"}, "no such time zone"),
        ({"duration": "8d"}, "at most 7d"),
    ],
)
def test_a_wrong_window_is_named(changed: dict[str, str], said: str) -> None:
    """Key, value and remedy, as for every other key."""
    with pytest.raises(ConfigError) as caught:
        build(Settings(maintenance=[SUNDAYS | changed]))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [(["fone"], 'did you mean "phone"?'), (["chat", "phone"], "leave one that hears first")],
)
def test_a_wrong_second_receiver_is_named(wanted: list[str], said: str) -> None:
    """It must be a channel, and somebody must hear first."""
    with pytest.raises(ConfigError) as caught:
        build(Settings(alerting={"escalate_to": wanted}, notifiers=TWO))
    assert said in str(caught.value)


def test_check_says_when_the_next_window_begins(tmp_path: Path) -> None:
    """A line for each window, with its next start in UTC and how long it lasts."""
    config = tmp_path / "aiops.toml"
    text = '[[maintenance]]\nmatch = "db*"\ncron = "0 3 * * sun"\nduration = "2h"\n'
    config.write_text(text + f'[state]\ndirectory = "{tmp_path}"\n[[sources.stdin]]\n')

    result = CliRunner().invoke(face, ["check", "-c", str(config)])

    assert result.exit_code == 0, result.output
    (line,) = [one for one in result.stdout.splitlines() if one.startswith("maintenance")]
    assert line.startswith("maintenance of db*: next at 2")
    assert line.endswith("T03:00:00Z, for 2 h")
