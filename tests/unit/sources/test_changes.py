"""Changes that somebody wrote into a file: every line once, bad ones counted."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from aiops.model import ChangeEvent, Changes
from aiops.sources.changes import LONGEST, ChangesSource, read_change
from aiops.testing import MemoryIntake

AT = 1_767_600_000.0
GOOD = b'{"at": "2026-01-05T08:00:00Z", "kind": "deploy", "entity": "cart", "title": "v42"}'


async def follow(source: ChangesSource, intake: MemoryIntake) -> list[ChangeEvent]:
    """Let a source look a few times; return all changes that it has handed over."""
    with pytest.raises(asyncio.CancelledError):
        await source.run(intake)
    return [event for item in intake.items if isinstance(item, Changes) for event in item.events]


def change(n: int) -> str:
    return (
        json.dumps({"at": AT + n, "kind": "flag", "entity": "host:web1", "title": f"f{n}"}) + "\n"
    )


async def test_changes_are_read_and_followed(tmp_path: Path) -> None:
    """What stands there is read, and what is added later; the position is after the last."""
    path = tmp_path / "changes.jsonl"
    path.write_bytes(GOOD + b"\n")
    intake = MemoryIntake(at=AT, asleep_limit=3)
    source = ChangesSource(paths=[str(path)])
    assert await follow(source, intake) == [ChangeEvent(AT, "deploy", "service:cart", "v42")]
    (stream,) = intake.cursors
    assert stream == f"changes:{path}"

    with path.open("a") as file:
        file.write(change(1) + change(2))
    again = MemoryIntake(intake.cursors, at=AT, asleep_limit=3)
    assert [c.title for c in await follow(source, again)] == ["f1", "f2"]


async def test_a_rotated_file_loses_and_repeats_nothing(tmp_path: Path) -> None:
    """What was written before the rotation and not yet read comes first."""
    path = tmp_path / "changes.jsonl"
    path.write_text(change(1))
    intake = MemoryIntake(at=AT, asleep_limit=3)
    source = ChangesSource(paths=[str(path)])
    await follow(source, intake)
    with path.open("a") as file:
        file.write(change(2))
    path.rename(tmp_path / "changes.jsonl.1")
    path.write_text(change(3))

    again = MemoryIntake(intake.cursors, at=AT, asleep_limit=30)
    assert [c.title for c in await follow(source, again)] == ["f2", "f3"]


async def test_bad_lines_are_counted_and_harm_no_other(tmp_path: Path) -> None:
    """Each with its reason; blank lines are no lines."""
    path = tmp_path / "changes.jsonl"
    bad = [b"deploy v42", b"[1]", b'{"title": "x"}', b'{"at": "soon", "title": "x"}', b'{"at": 1}']
    path.write_bytes(b"\n".join([*bad, b"", b"\xff", GOOD, b""]))
    intake = MemoryIntake(at=AT, asleep_limit=3)

    assert [c.title for c in await follow(ChangesSource(paths=[str(path)]), intake)] == ["v42"]
    assert intake.reports == {
        ("change_rejected", "no_json"): 3,
        ("change_rejected", "no_time"): 2,
        ("change_rejected", "no_title"): 1,
    }


async def test_the_first_start_may_begin_at_the_end(tmp_path: Path) -> None:
    """Old changes are left out when asked for, and said so."""
    path = tmp_path / "changes.jsonl"
    path.write_text(change(1))
    intake = MemoryIntake(at=AT, asleep_limit=3)

    assert await follow(ChangesSource(paths=[str(path)], start="end"), intake) == []
    assert intake.reports["source_skipped", "start_at_end"] == 1


@pytest.mark.parametrize(
    ("fields", "event"),
    [
        ({"title": "v1"}, ChangeEvent(AT, "change", "", "v1")),
        ({"title": "v1", "entity": "host:a"}, ChangeEvent(AT, "change", "host:a", "v1")),
        ({"title": 42, "kind": None}, ChangeEvent(AT, "change", "", "42")),
    ],
)
def test_kind_and_entity_may_be_left_out(fields: dict[str, object], event: ChangeEvent) -> None:
    """A time and a title are enough; other types of values are no text."""
    assert read_change(json.dumps({"at": AT} | fields).encode()) == event


def test_hostile_titles_are_harmless_and_bounded() -> None:
    """Secrets are taken out, what acts is shown, what is long is cut."""
    title = "set password=hunter2hunter2 \x1b[31m\u202e" + "x" * 2000
    read = read_change(json.dumps({"at": AT, "title": title}).encode())

    assert isinstance(read, ChangeEvent)
    assert "hunter2" not in read.title
    assert "\x1b" not in read.title
    assert len(read.title) <= LONGEST


def test_the_start_screen_says_what_is_watched(tmp_path: Path) -> None:
    """A file that is there is watched; one that is not is missing."""
    path = tmp_path / "changes.jsonl"
    path.write_text(change(1))
    told = dict(ChangesSource(paths=[str(path), str(tmp_path / "none.jsonl")]).describe())

    assert told[str(path)] == "watched"
    assert told[str(tmp_path / "none.jsonl")] == "missing"
