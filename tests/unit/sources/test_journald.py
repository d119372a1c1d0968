"""Reading the journal through a child; the child here is a script that prints records."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiops.config import build_component
from aiops.errors import SourceGone
from aiops.model import Block, ChangeEvent, Gap, Points, Watched
from aiops.sources.journal_record import Position, as_line, decode_record, stream_name
from aiops.sources.journald import JournaldSource
from aiops.testing import MemoryIntake

T = 1_700_000_000


def record(number: int, message: Any = "hello", unit: str = "cart.service", **more: Any) -> str:
    """Write record *number* as journalctl would; it was written *number* seconds after T."""
    fields = {
        "__CURSOR": f"s=aa;i={number:x};b=bb;m=1;t=1;x=1",
        "__REALTIME_TIMESTAMP": str((T + number) * 1_000_000 + 5),
        "MESSAGE": message,
        "PRIORITY": "6",
        "_SYSTEMD_UNIT": unit,
        "_PID": "1",
    }
    return json.dumps({**fields, **more})


def line_of(**more: Any) -> bytes:
    found = as_line(decode_record(record(0, **more).encode()), T * 1_000_000, 1000)
    assert found is not None
    return found[0]


class Watching(MemoryIntake):
    """End the source as soon as *enough* says so."""

    enough: Callable[[Watching], bool] = staticmethod(lambda _: False)

    async def put(self, item: Block | Points | Watched | Gap | ChangeEvent) -> None:
        await super().put(item)
        if self.enough(self):
            raise asyncio.CancelledError


class Journal:
    """A directory that looks like a journal and a child that prints what the test wants."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "x.journal").touch()
        self.child = folder / "journalctl"

    def prints(self, *records: str, then: str = "", live: str = "exec sleep 60") -> None:
        """Print *records* when asked for all there is; when asked to follow, do *live*."""
        (self.folder / "all").write_text("".join(line + "\n" for line in records))
        self.child.write_text(
            "#!/bin/sh\n"
            f'echo "$@" >> {self.folder}/asked\necho $$ >> {self.folder}/pids\n'
            f'case "$*" in *--follow*) {live};; *) cat {self.folder}/all; {then or ":"};; esac\n'
        )
        self.child.chmod(0o700)

    @property
    def asked(self) -> list[str]:
        return (self.folder / "asked").read_text().split("\n")[:-1]

    def source(self, **more: Any) -> JournaldSource:
        more = {"hostname": "web1", "journalctl": str(self.child), "history": 1e9, **more}
        return JournaldSource(directory=str(self.folder), **more)

    async def read(
        self,
        source: JournaldSource,
        enough: Callable[[Watching], bool],
        cursors: dict[str, str] | None = None,
    ) -> Watching:
        intake = Watching(cursors, at=T + 1000.0)
        intake.enough = enough
        async with asyncio.timeout(20):
            with pytest.raises(asyncio.CancelledError):
                await source.run(intake)
        return intake


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path)


def watched(intake: Watching) -> bool:
    return any(isinstance(item, Watched) for item in intake.items)


@pytest.mark.parametrize(
    ("priority", "word"),
    [("0", b"CRITICAL"), ("2", b"CRITICAL"), ("3", b"ERROR"), ("4", b"WARNING"), ("5", b"INFO"),
     ("6", b"INFO"), ("7", b"DEBUG")],
)  # fmt: skip
def test_a_record_is_a_line_with_stamp_and_level(priority: str, word: bytes) -> None:
    """Stamp in UTC with microseconds, the priority as a word, the message."""
    assert line_of(PRIORITY=priority) == b"2023-11-14T22:13:20.000000Z " + word + b" hello\n"


@pytest.mark.parametrize("more", [{"PRIORITY": None}, {"PRIORITY": "x"}, {"_TRANSPORT": "stdout"}])
def test_a_level_nobody_chose_is_not_written(more: dict[str, Any]) -> None:
    """Without a priority, or with the one systemd gives all output, the text speaks for itself."""
    found = line_of(message="ERROR no route", **more)
    assert found == b"2023-11-14T22:13:20.000000Z ERROR no route\n"


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ("one\ntwo\r\nthree\n", b"one\n\ttwo\n\tthree\n"),
        ([104, 105, 0, 255], b"hi\x00\xff\n"),
        (["one", [116, 119, 111]], b"one\n\ttwo\n"),
        ("", b"\n"),
        ("u\u2028v", b"u\xe2\x80\xa8v\n"),
    ],
)
def test_messages_of_all_forms_become_whole_lines(message: Any, text: bytes) -> None:
    """Several lines, bytes and repeated fields become one head with indented continuations."""
    assert line_of(message=message).removeprefix(b"2023-11-14T22:13:20.000000Z INFO ") == text


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ({}, "cart.service"),
        ({"unit": "user@1.service", "_SYSTEMD_USER_UNIT": "app.service"}, "app.service"),
        ({"unit": "session-3.scope", "SYSLOG_IDENTIFIER": "sudo"}, "sudo"),
        ({"unit": "run-u12.service", "SYSLOG_IDENTIFIER": "backup"}, "backup"),
        ({"unit": "init.scope", "SYSLOG_IDENTIFIER": "(cart)"}, "cart"),
        ({"unit": "", "SYSLOG_IDENTIFIER": "cron[77]"}, "cron"),
        ({"unit": "", "_TRANSPORT": "kernel", "SYSLOG_IDENTIFIER": "kernel"}, "kernel"),
        ({"unit": "", "SYSLOG_IDENTIFIER": "a b\nc"}, "a-b-c"),
        ({"unit": ""}, "unknown"),
    ],
)
def test_who_speaks(more: dict[str, Any], name: str) -> None:
    """The unit names the stream; numbered scopes give way to the identifier."""
    assert stream_name(decode_record(record(0, **more).encode())) == name


def test_positions_are_ordered_by_number_then_by_clock() -> None:
    """Inside one journal a clock that went back does not matter; between two it must."""
    one, two = Position("s=a;i=9;", 200), Position("s=a;i=a;", 100)
    assert two.after(one)
    assert not one.after(two)
    assert Position("s=b;i=1;", 300).after(one)
    assert Position.parse(one.text) == one
    assert Position.parse("nonsense") is None
    assert Position.parse("[1]") is None


@given(st.one_of(st.text(), st.binary().map(list)))
def test_any_message_is_one_head_and_its_continuations(message: str | list[int]) -> None:
    """Whatever is in a message, only its first line has no tab before it and nothing is torn."""
    head, *rest, end = line_of(message=message).split(b"\n")
    assert head.startswith(b"2023-11-14T22:13:20.000000Z INFO ")
    assert all(line.startswith(b"\t") for line in rest)
    assert end == b""


@given(st.binary(max_size=200), st.booleans())
def test_no_bytes_break_the_reader(noise: bytes, start: bool) -> None:
    """Bytes that are no record are refused by name."""
    line = record(1).encode()
    with contextlib.suppress(ValueError):
        decode_record(noise + line if start else line[: len(noise)] + noise)


async def test_units_become_streams(journal: Journal) -> None:
    """Every unit is a stream about its service, the kernel about the host; cursors are exact."""
    journal.prints(
        record(1), record(2, unit="pay@2.service"), record(3, message="again"),
        record(4, unit="", _TRANSPORT="kernel", message="oom"),
    )  # fmt: skip
    intake = await journal.read(journal.source(), watched)
    assert {b.stream.id: (b.stream.entity, b.data.count(b"\n")) for b in intake.blocks} == {
        "journald:pay@2.service": ("service:pay@2", 1),
        "journald:cart.service": ("service:cart", 2),
        "journald:kernel": ("host:web1", 1),
    }
    assert [b.stream.id for b in intake.blocks][-1] == "journald:kernel"
    cart = next(b for b in intake.blocks if b.stream.id == "journald:cart.service")
    assert Position.parse(cart.cursor) == Position(
        "s=aa;i=3;b=bb;m=1;t=1;x=1", (T + 3) * 1_000_000 + 5
    )
    assert "--follow" not in journal.asked[0]
    assert "--follow --no-tail --cursor s=aa;i=4;b=bb" in journal.asked[1]
    proof = next(item for item in intake.items if isinstance(item, Watched))
    assert proof.at == intake.now() - 1.0


async def test_each_stream_goes_on_at_its_own_cursor(journal: Journal) -> None:
    """Reading starts at the oldest cursor and every stream skips what it had."""
    lines = [record(i, message=f"m{i}", unit=f"{'ab'[i % 2]}.service") for i in range(10, 20)]
    journal.prints(*lines)

    def at(number: int) -> str:
        return Position(f"s=aa;i={number:x};b=bb;m=1;t=1;x=1", (T + number) * 1_000_000 + 5).text

    cursors = {"journald:a.service": at(14), "journald:b.service": at(11), "journald:z": at(-9999)}
    intake = await journal.read(journal.source(), watched, cursors)
    assert "--cursor s=aa;i=b;" in journal.asked[0]
    found = {b.stream.id: [x.split()[-1] for x in intake.lines(b.stream.id)] for b in intake.blocks}
    assert found == {
        "journald:a.service": [b"m16", b"m18"],
        "journald:b.service": [b"m13", b"m15", b"m17", b"m19"],
    }
    assert {i.stream.id for i in intake.items if isinstance(i, Watched)} <= set(cursors)


async def test_a_block_ends_where_it_ended_before(journal: Journal) -> None:
    """A saved cursor at which a block must end cuts the block there."""
    journal.prints(*(record(i) for i in range(1, 6)))
    intake = Watching(at=T + 1000.0)
    intake.enough = watched
    position = Position("s=aa;i=2;b=bb;m=1;t=1;x=1", (T + 2) * 1_000_000 + 5)
    intake.stop_at["journald:cart.service"] = [position.text]
    with pytest.raises(asyncio.CancelledError):
        await journal.source().run(intake)
    assert [b.data.count(b"\n") for b in intake.blocks] == [2, 3]
    assert intake.blocks[0].cursor == position.text


async def test_what_is_left_out_is_counted(journal: Journal) -> None:
    """Own records, records without a message, torn JSON and old ones are counted by reason."""
    journal.prints(
        record(-90000, message="old"),
        record(1, SYSLOG_IDENTIFIER="aiops"), record(2, unit="aiops.service"),
        record(2000, _PID=str(os.getpid())), record(3, message=None), "{torn", "[]",
        record(4, __REALTIME_TIMESTAMP="x"), record(5, message="y" * 3000),
    )  # fmt: skip
    intake = await journal.read(journal.source(history=86400.0, max_line=100), watched)
    assert intake.reports == {
        ("record_skipped", "before_history"): 1,
        ("record_skipped", "own"): 3,
        ("record_skipped", "no_message"): 1,
        ("record_skipped", "malformed"): 3,
        ("line_cut", "max_line"): 1,
    }
    (line,) = intake.lines()
    assert line.endswith(b" " + b"y" * 100)


async def test_a_child_that_dies_is_started_again_where_it_was(journal: Journal) -> None:
    """After the child's death another goes on at the last record, and nothing comes twice."""
    journal.prints(
        record(1), record(2),
        live=f"if [ -e {journal.folder}/died ]; then exec sleep 60; fi;"
        f" touch {journal.folder}/died; tail -n 1 {journal.folder}/all; exit 3",
    )  # fmt: skip
    intake = await journal.read(journal.source(), watched)
    assert len(intake.lines()) == 2
    assert intake.reports["child_restarted", "journalctl"] == 1
    assert len(journal.asked) == 4
    assert all("--cursor s=aa;i=2;" in asked for asked in journal.asked[1:])


async def test_cancelling_ends_the_child(journal: Journal) -> None:
    """No child outlives the source."""
    journal.prints(record(1))
    await journal.read(journal.source(), watched)
    for pid in (journal.folder / "pids").read_text().split():
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)


async def test_records_lost_to_the_journal_itself_are_a_gap(journal: Journal) -> None:
    """When the saved record was vacuumed away the source says that it missed something."""
    journal.prints(record(50))
    saved = Position("s=aa;i=1;b=bb;m=1;t=1;x=1", (T + 1) * 1_000_000).text
    intake = await journal.read(journal.source(), watched, {"journald:cart.service": saved})
    assert intake.items[0] == Gap("journald", T + 1.0, T + 50 + 5e-6, "vacuumed")
    assert intake.reports["records_lost", "vacuumed"] == 1
    assert len(intake.lines()) == 1


async def test_units_over_the_bound_share_a_stream(journal: Journal) -> None:
    """More units than streams are regrouped and counted, none is lost."""
    journal.prints(*(record(i, unit=f"u{i}.service") for i in range(1, 6)))
    intake = await journal.read(journal.source(max_streams=2), watched)
    assert {b.stream.id for b in intake.blocks} == {
        "journald:u1.service", "journald:u2.service", "journald:other",
    }  # fmt: skip
    assert len(intake.lines()) == 5
    assert intake.reports["record_regrouped", "max_streams"] == 3


async def test_without_a_journal_the_remedy_is_named(tmp_path: Path) -> None:
    """No journal, no journalctl or a child that fails is ``SourceGone`` with what to do."""
    with pytest.raises(SourceGone, match="no journal in"):
        await JournaldSource(directory=str(tmp_path)).run(MemoryIntake())
    journal = Journal(tmp_path)
    with pytest.raises(SourceGone, match="install systemd"):
        await journal.source().run(MemoryIntake())
    journal.prints(then="echo Failed to open: no rights >&2; exit 1")
    with pytest.raises(SourceGone, match="no rights; check the rights"):
        await journal.source().run(MemoryIntake())
    assert JournaldSource(directory=str(tmp_path / "none")).describe()[0][1].startswith("no ")


def test_the_configuration_builds_the_source() -> None:
    """A table becomes a source; what it remembers is no key."""
    source = build_component(JournaldSource, {"history": "2d"}, "sources.journald[0]")
    assert source.history == 2 * 86400
