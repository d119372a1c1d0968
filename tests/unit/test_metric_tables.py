"""``[[metrics]]``: read from the file, checked like every table, and handed to the engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from aiops.assembly import engine_settings
from aiops.config import load_settings
from aiops.detection.rules import MetricRule
from aiops.errors import ConfigError


def write(folder: Path, text: str) -> Path:
    file = folder / "aiops.toml"
    file.write_text(text)
    return file


def test_tables_become_rules_in_their_order(tmp_path: Path) -> None:
    """What stands in the file is what the engine gets."""
    text = """
        [[metrics]]
        match = "shop_queue_*"
        direction = "up"
        smallest = 10
        limit = 5000
        [[metrics]]
        match = "service:cart/sent"
        kind = "counter"
        unit = "bytes"
    """
    assert engine_settings(load_settings(write(tmp_path, text))).metrics == (
        MetricRule("shop_queue_*", direction="up", smallest=10.0, limit=5000.0),
        MetricRule("service:cart/sent", kind="counter", unit="bytes"),
    )


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('direktion = "up"', 'metrics.0.direktion: unknown key; did you mean "direction"?'),
        ('direction = "sideways"', "metrics.0.direction = 'sideways': "),
        ("limit = 0", "metrics.0.limit = 0: "),
        ("smallest = -1", "metrics.0.smallest = -1: "),
    ],
)
def test_problems_name_key_and_remedy(tmp_path: Path, line: str, problem: str) -> None:
    """An unknown key names the nearest one, a wrong value itself."""
    with pytest.raises(ConfigError) as caught:
        load_settings(write(tmp_path, f'[[metrics]]\nmatch = "x"\n{line}\n'))
    assert caught.value.problems[0].startswith(problem)


def test_a_table_without_a_match_is_a_problem(tmp_path: Path) -> None:
    """It would be about nothing."""
    with pytest.raises(ConfigError) as caught:
        load_settings(write(tmp_path, '[[metrics]]\nunit = "bytes"\n'))
    assert caught.value.problems == ["metrics.0.match: missing; set it"]
