"""An incident's messages are what was reviewed, for each kind of change and each receiver."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.notifiers.golden import FOLDER, KINDS, file_of, said

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("kind", KINDS)
async def test_the_messages_are_those_that_were_reviewed(kind: str, tmp_path: Path) -> None:
    """Opened, updated and resolved are sent as they stand in golden/; see golden.py."""
    assert await said(kind, tmp_path) == file_of(kind).read_text(encoding="utf-8")


def test_no_reviewed_message_is_left_over() -> None:
    """Every file in golden/ belongs to a channel."""
    assert sorted(FOLDER.iterdir()) == sorted(file_of(kind) for kind in KINDS)
