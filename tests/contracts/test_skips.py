"""Continuous integration may not stay green by skipping."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

CASES = {
    "missing server": (
        "import pytest\ndef test_a():\n    pytest.skip('needs prometheus: apt-get …')\n",
        {"failed": 1},
        {"skipped": 1},
    ),
    "in a fixture": (
        "import pytest\n@pytest.fixture\ndef f():\n    pytest.skip('no')\ndef test_a(f): pass\n",
        {"error": 1},
        {"skipped": 1},
    ),
    "by a mark": (
        "import pytest\n@pytest.mark.skipif(True, reason='no')\ndef test_a():\n    pass\n",
        {"error": 1},
        {"skipped": 1},
    ),
    "a whole module": (
        "import pytest\npytest.skip('no', allow_module_level=True)\n",
        {"error": 1},
        {"skipped": 1},
    ),
    "an allowed reason": (
        "import pytest\ndef test_a():\n    pytest.skip('recorded data: no folder')\n",
        {"skipped": 1},
        {"skipped": 1},
    ),
    "an expected failure": (
        "import pytest\n@pytest.mark.xfail\ndef test_a():\n    assert False\n",
        {"xfailed": 1},
        {"xfailed": 1},
    ),
}


def outcome(folder: Path, code: str, *, forbid: bool) -> dict[str, int]:
    """Run one test file under our rules and return how many tests ended how."""
    (folder / "test_case.py").write_text(code, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "AIOPS_", "COV_"))}
    if forbid:
        env["AIOPS_FORBID_SKIPS"] = "1"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "tests.conftest",
        "-p",
        "no:cacheprovider",
    ]
    plain = ["-p", "no:randomly", "-p", "no:xdist", "-W", "ignore", "-c", folder / "pytest.ini"]
    result = subprocess.run(
        [*command, *plain, folder],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    (last,) = result.stdout.strip().splitlines()[-1:]
    return {name.rstrip("s"): int(n) for n, name in re.findall(r"(\d+) ([a-z]+)", last)}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_an_unexpected_skip_is_a_failure(tmp_path: Path, case: str) -> None:
    """With skips forbidden only allowed reasons skip; without, every reason does."""
    code, forbidden, free = CASES[case]

    assert outcome(tmp_path, code, forbid=True) == forbidden
    assert outcome(tmp_path, code, forbid=False) == free
