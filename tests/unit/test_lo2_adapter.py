"""The adapter that replays five runs without dates, each as its own day."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("AIOPS_SHARED", ROOT.parent / "shared"))
LO2 = SHARED / "data" / "logs" / "lo2"

LINES = [
    ("cart", "\tat a.Frame.of.an.earlier(Line.java:1)\n"),
    ("cart", "16:29:36.000 [task-1] INFO begun\n"),
    ("key", "16:29:38.500 [task-2] INFO asked\n"),
    ("cart", "16:29:41.000 [task-1] ERROR lost\n"),
    ("cart", "\tat b.Frame(Line.java:2)\n"),
]


@pytest.fixture(scope="module")
def lo2() -> ModuleType:
    where = ROOT / "benchmarks" / "lo2.py"
    spec = importlib.util.spec_from_file_location("_lo2_under_test", where)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = made
    spec.loader.exec_module(made)
    return made


def test_only_stamps_change(lo2: ModuleType) -> None:
    """No line is dropped, joined or moved; what has no stamp stays as it is."""
    run = lo2.Run("correct_1", LINES)

    filled = list(lo2.adapted(run, 1, fill=True))
    kept = list(lo2.adapted(run, 1, fill=False))

    rest = [(service, text[12:] if text[0] == "1" else text) for service, text in LINES]
    for lines in (filled, kept):
        assert [(s, t[23:] if t[0] == "2" else t) for s, t in lines] == rest
    assert kept[1][1].startswith("2026-01-06 16:29:36.000 [task-1]")
    assert [t[:23] for _, t in filled if t[0] == "2"] == [
        "2026-01-06 00:00:00.000",
        "2026-01-06 11:59:59.500",
        "2026-01-06 23:59:59.000",
    ]


def test_daily_files_begin_anew_and_whole_ones_go_on(lo2: ModuleType, tmp_path: Path) -> None:
    """Two runs of two services are four files by day, or two."""
    found = [lo2.Run("correct_1", LINES), lo2.Run("bad", LINES)]
    for files, expected in (("daily", 4), ("whole", 2)):
        folder = tmp_path / files
        folder.mkdir()

        logs = lo2.write(found, f"fill, {files}", folder)

        assert len(logs) == len(list(folder.iterdir())) == expected
        assert sum(len(p.read_text().splitlines()) for p in folder.iterdir()) == 10


@pytest.mark.slow
@pytest.mark.skipif(not LO2.is_dir(), reason="recorded data: no labelled logs in ../shared")
def test_the_wrong_request_is_told_and_no_normal_run(lo2: ModuleType) -> None:
    """After the first normal run none is told; the bad one is, with its new line and service."""
    found = list(lo2.runs(LO2))
    stories = lo2.told(found, lo2.STATED)

    assert lo2.problems(found, stories) == []
    lines = {(a.entity, a.severity.label) for one in stories for a in one.new if one.run == 4}
    assert ("service:refresh-token", "error") in lines
