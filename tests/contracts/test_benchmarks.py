"""What holds for every benchmark: it is explained, and without its data it says so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BENCHMARKS = sorted(path.stem for path in (ROOT / "benchmarks").glob("[!_]*.py"))
ONLY_DATA = ("constants", "lo2", "memory", "nab", "rootcause", "sessions")


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_is_explained(name: str) -> None:
    """Every benchmark has its row: what it measures, beside what."""
    text = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    (row,) = [line for line in text.splitlines() if line.startswith(f"| `{name}.py` |")]

    assert all(cell.strip() for cell in row.strip("|").split("|"))


def test_all_of_them_or_some_are_run() -> None:
    """Every benchmark is run by ``make bench``, or those that are named."""
    for args, expected in (([], BENCHMARKS), (["ARGS=nab lo2"], ["nab", "lo2"])):
        command = ["make", "--dry-run", "bench", *args]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)

        loop = next(line for line in done.stdout.splitlines() if "for file in" in line)
        named = loop.partition("for file in ")[2].partition(";")[0].split()
        assert [Path(one).stem for one in named] == expected


@pytest.mark.slow
@pytest.mark.parametrize("name", ONLY_DATA)
def test_without_its_data_it_is_skipped(name: str, tmp_path: Path) -> None:
    """Where the recorded data are absent it says so, and that is no failure."""
    done = subprocess.run(
        [sys.executable, f"benchmarks/{name}.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "AIOPS_SHARED": str(tmp_path)},
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert "skipped, no " in done.stdout
    assert "AIOPS_SHARED" in done.stdout
