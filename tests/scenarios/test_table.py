"""The table of scenarios names tests that exist, and every file of scenarios is in it."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
NAMED = re.compile(r"`(test_\w+\.py)(?:::(\w+))?` \|$", re.MULTILINE)


def test_the_table_is_true() -> None:
    """What it names is there under that name; no file is left out."""
    named = NAMED.findall((HERE / "README.md").read_text(encoding="utf-8"))
    texts = {path.name: path.read_text(encoding="utf-8") for path in HERE.glob("test_*.py")}

    assert [f"{f}::{t}" for f, t in named if t and f"def {t}(" not in texts.get(f, "")] == []
    assert {file for file, _ in named} == texts.keys() - {Path(__file__).name}
