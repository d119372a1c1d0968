"""The pictures of the documents are what the detectors draw now."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="module")
def pictures() -> ModuleType:
    spec = importlib.util.spec_from_file_location("_pictures_under_test", DOCS / "pictures.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = made
    spec.loader.exec_module(made)
    return made


@pytest.mark.parametrize(
    "name", ["season", "learning", pytest.param("shop", marks=pytest.mark.slow)]
)
def test_a_picture_is_what_a_real_run_draws(pictures: ModuleType, name: str) -> None:
    """Drawn again, by the detectors as they are, it is the same file; else: docs/pictures.py."""
    assert pictures.DRAWINGS[name]() == (DOCS / "pictures" / f"{name}.svg").read_text()


def test_the_picture_of_learning_shows_what_the_text_says(pictures: ModuleType) -> None:
    """The band waits for an incident, and a new level is accepted two hours later, once."""
    svg = pictures.learning()

    marks = [float(x) for x in re.findall(r'<line x1="([\d.]+)" y1="22"', svg)]
    words = re.findall(r">(an incident|a new level|accepted)[^<]*<", svg)
    assert words == ["an incident", "a new level", "accepted"]
    assert marks[2] - marks[1] == pytest.approx(marks[1] - marks[0], rel=0.02)


def test_every_picture_is_shown() -> None:
    """No picture lies about that no page shows."""
    shown = set(re.findall(r"\]\(pictures/(\w+)\.svg\)", (DOCS / "detection.md").read_text()))

    assert shown == {path.stem for path in (DOCS / "pictures").iterdir()}
