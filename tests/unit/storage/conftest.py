"""A store in a temporary directory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aiops.storage import StateDirectory, Store
from tests.unit.storage.nouns import Reports

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def reports() -> Reports:
    return Reports()


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[StateDirectory]:
    held = StateDirectory.open(tmp_path / "state")
    yield held
    held.close()


@pytest.fixture
def store(directory: StateDirectory, reports: Reports) -> Iterator[Store]:
    opened = Store.open(directory, reports)
    yield opened
    opened.close()
