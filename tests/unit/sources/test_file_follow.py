"""Following one path through everything that happens to log files."""

from __future__ import annotations

import gzip
import os
from itertools import pairwise
from pathlib import Path

import pytest

from aiops.model import Block, Watched
from aiops.sources.tail.discovery import scan
from aiops.sources.tail.stream import Rules
from aiops.sources.tail.tailer import Start, Tailer
from aiops.testing import MemoryIntake


class Follower:
    """Drive a tailer by hand: write, poll, look."""

    def __init__(
        self, *patterns: str, intake: MemoryIntake | None = None, **changes: object
    ) -> None:
        self.intake = intake or MemoryIntake()
        self.patterns = list(patterns)
        options: dict[str, object] = {
            "max_line": 2**20,
            "start": "beginning",
            "size": 2**26,
            "age": 604800.0,
            "max_files": 1000,
            "max_open": 1000,
            "exclude": [],
        } | changes
        self.exclude = options["exclude"]
        self.tailer = Tailer(
            self.intake,
            patterns=self.patterns,
            rules=Rules(options["max_line"], 5.0, 5.0),
            start=Start(options["start"], size=options["size"], age=options["age"]),
            labels={},
            max_files=options["max_files"],
            max_open=options["max_open"],
        )

    def poll(self, seconds: float = 2.0) -> list[bytes]:
        """Scan, then give every path its turns until nothing more comes; return the new lines."""
        self.intake.clock += seconds
        now = self.intake.clock
        self.tailer.admit(scan(self.patterns, self.exclude, limit=10_000), now)
        fresh: list[bytes] = []
        while True:
            items = list(self.tailer.poll(now))
            for item in items:
                self.intake.items.append(item)
                if isinstance(item, Block):
                    self.intake.cursors[item.stream.id] = item.cursor
                    assert item.data.endswith(b"\n")
                    fresh += item.data.split(b"\n")[:-1]
            if not self.tailer.due(now):
                return fresh

    def settle(self) -> list[bytes]:
        """Poll until every rotated file is done with."""
        return [line for _ in range(5) for line in self.poll(6.0)]

    def restart(self, **changes: object) -> Follower:
        """Start again from the cursors handed over so far."""
        self.tailer.close()
        intake = MemoryIntake(self.intake.cursors, at=self.intake.clock)
        return Follower(*self.patterns, intake=intake, **changes)

    @property
    def reports(self) -> dict[tuple[str, str], int]:
        return dict(self.intake.reports)


def append(path: Path, data: str | bytes) -> None:
    with path.open("ab") as file:
        file.write(data.encode() if isinstance(data, str) else data)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "cart.log"


def test_appended_lines_arrive_once_and_in_order(log: Path) -> None:
    """What is appended is handed over once, in order, whole lines only."""
    append(log, "one\ntwo\nthr")
    f = Follower(str(log))
    assert f.poll() == [b"one", b"two"]
    append(log, "ee\nfour\n")
    assert f.poll() == [b"three", b"four"]
    assert f.poll() == []


def test_renamed_file_is_drained_before_the_new_one(log: Path) -> None:
    """A writer that still holds the renamed file loses nothing, and order is kept."""
    append(log, "a1\n")
    f = Follower(str(log))
    assert f.poll() == [b"a1"]
    with log.open("ab") as old:
        log.rename(log.with_name("cart.log.1"))
        append(log, "b1\n")
        old.write(b"a2\n")
        old.flush()
        assert f.poll() == [b"a2"]
        old.write(b"a3\n")
        old.flush()
        assert f.poll() == [b"a3"]
    assert f.settle() == [b"b1"]
    assert not any(event == "file_lost" for event, _ in f.reports)


def test_truncated_file_is_read_from_its_start(log: Path) -> None:
    """After copytruncate with a paused writer every line arrives once, and it is counted."""
    append(log, "a1\na2\n")
    f = Follower(str(log))
    f.poll()
    os.truncate(log, 0)
    append(log, "b1\n")
    assert f.poll() == [b"b1"]
    assert f.reports["source_truncated", "truncated"] == 1


def test_regrowth_past_the_old_position_is_noticed(log: Path) -> None:
    """A file cut and grown beyond the old offset with the same head is read from its start."""
    head = "# header\n" * 200
    append(log, head + "a1\n")
    f = Follower(str(log))
    f.poll()
    log.write_text(head + "b1\n" * 100)
    assert f.poll() == [b"# header"] * 200 + [b"b1"] * 100
    assert f.reports["source_truncated", "rewritten"] == 1


def test_copy_made_before_a_truncation_gives_the_unread_rest(log: Path) -> None:
    """Lines that only the copy of a copytruncate still has are read from the copy."""
    append(log, "a1\n")
    f = Follower(str(log))
    f.poll()
    append(log, "a2\n")
    log.with_name("cart.log.1").write_bytes(log.read_bytes())
    os.truncate(log, 0)
    append(log, "b1\n")
    assert f.poll() == [b"a2", b"b1"]


def test_hole_left_by_a_stale_writer_is_skipped(log: Path) -> None:
    """A writer that keeps its offset over a truncation leaves NULs that are no line."""
    with log.open("wb", buffering=0) as writer:
        writer.write(b"a1\n" * 3000)
        f = Follower(str(log))
        f.poll()
        os.truncate(log, 0)
        f.poll()
        writer.write(b"b1\nb2\n")
        assert f.poll() == [b"b1", b"b2"]
        writer.write(b"b3\n")
    assert f.poll() == [b"b3"]


def test_reused_inode_is_a_new_file(log: Path) -> None:
    """Delete and create under one name, with the same inode, is read from the start."""
    append(log, "a1 is the first line of the old file\n")
    f = Follower(str(log))
    f.poll()
    again = f.restart()
    log.unlink()
    append(log, "b1\nb2 and this one is longer than the old file ever was\n")
    assert again.poll()[0] == b"b1"
    assert sum(again.reports.values()) == 1


def test_symlink_switched_thirty_times_loses_nothing(tmp_path: Path, log: Path) -> None:
    """A link that is pointed at file after file, as the kubelet does, yields every line once."""
    f = Follower(str(log))
    expected, got = [], []
    for number in range(30):
        target = tmp_path / f"{number}.target"
        append(target, f"line {number}\n")
        expected.append(b"line %d" % number)
        fresh = tmp_path / "fresh"
        fresh.symlink_to(target)
        fresh.rename(log)
        got += f.poll()
    assert got + f.settle() == expected


def test_link_pointed_back_goes_on_where_it_was(tmp_path: Path, log: Path) -> None:
    """Returning to a file that was read before yields only what is new in it."""
    for name in ("a", "b"):
        append(tmp_path / name, f"{name}1\n")
    got = []
    f = Follower(str(log))
    for name in ("a", "b", "a"):
        log.unlink(missing_ok=True)
        log.symlink_to(tmp_path / name)
        got += f.poll() + f.settle()
    append(tmp_path / "a", "a2\n")
    assert got + f.poll() == [b"a1", b"b1", b"a2"]


def test_unlinked_file_is_read_to_its_end_then_freed(log: Path) -> None:
    """A deleted file's last lines arrive and its stream is forgotten only much later."""
    append(log, "a1\n")
    f = Follower(str(log))
    f.poll()
    with log.open("ab") as writer:
        log.unlink()
        writer.write(b"a2\nhalf")
    assert f.poll() == [b"a2"]
    assert f.settle() == [b"half"]
    assert f.tailer._tails[str(log)].descriptors == 0
    assert not f.intake.forgotten
    f.poll(700.0)
    f.poll(1.0)
    assert f.intake.forgotten == [f"file:{log}"]


def test_partial_line_waits_for_its_writer(log: Path) -> None:
    """A line in the making is held however long it takes, and is one line over a restart."""
    append(log, "whole\nha")
    f = Follower(str(log))
    assert f.poll() == [b"whole"]
    assert f.settle() == []
    again = f.restart()
    assert again.poll() == []
    append(log, "lf\n")
    assert again.poll() == [b"half"]


def test_twenty_quick_rotations_lose_nothing(log: Path) -> None:
    """Many renames, several between two looks, yield every line once and in order."""
    f = Follower(str(log))
    expected, got = [], []
    for number in range(20):
        append(log, f"line {number}\n")
        expected.append(b"line %d" % number)
        if number % 3 == 0:
            got += f.poll(0.1)
        for old in range(5, 0, -1):
            path = log.with_name(f"cart.log.{old}")
            if path.exists():
                path.rename(log.with_name(f"cart.log.{old + 1}"))
        log.rename(log.with_name("cart.log.1"))
    append(log, "last\n")
    assert got + f.settle() == [*expected, b"last"]


def test_rotations_while_stopped_are_caught_up(log: Path) -> None:
    """After a stop the rest of the old file, the parts between and the new file are read."""
    append(log, "a1\n")
    f = Follower(str(log))
    f.poll()
    append(log, "a2\n")
    log.rename(log.with_name("cart.log.2"))
    append(log.with_name("cart.log.1"), "b1\n")
    append(log, "c1\n")
    assert f.restart().settle() == [b"a2", b"b1", b"c1"]


def test_rename_without_a_new_file_while_stopped_is_finished(log: Path) -> None:
    """The rest of a log that was rotated away is read although its path has no file yet."""
    append(log, "a1\n")
    f = Follower(str(log.with_name("*.log")))
    f.poll()
    append(log, "a2\n")
    log.rename(log.with_name("cart.log-20260101"))
    again = f.restart()
    assert again.settle() == [b"a2"]
    append(log, "b1\n")
    assert again.settle() == [b"b1"]


def test_truncation_while_stopped_reads_copy_and_new_text(log: Path) -> None:
    """The rest in the copy and all of the new text come, and nothing twice."""
    append(log, "a1\n")
    f = Follower(str(log))
    f.poll()
    append(log, "a2\n")
    log.with_name("cart.log.1").write_bytes(log.read_bytes())
    log.write_text("b1\nb2\nb3\nb4\n")
    again = f.restart()
    assert again.settle() == [b"a2", b"b1", b"b2", b"b3", b"b4"]
    assert again.reports["source_truncated", "away"] == 1


def test_lost_file_is_reported(log: Path) -> None:
    """When the file a cursor belongs to is nowhere to be found, that is said."""
    append(log, "a1\n")
    f = Follower(str(log))
    f.poll()
    log.rename(log.with_name("aside"))
    append(log, "b1\n")
    again = f.restart()
    log.with_name("aside").unlink()
    assert again.poll() == [b"b1"]
    assert again.reports["file_lost", "not_found"] == 1


def test_rubbish_cursor_starts_anew_and_says_so(log: Path) -> None:
    """A cursor that cannot be read costs a repeat, never the file."""
    append(log, "a1\n")
    f = Follower(str(log), intake=MemoryIntake({f"file:{log}": "\0\0\0"}))
    assert f.poll() == [b"a1"]
    assert f.reports["cursor_rejected", "unreadable"] == 1


def test_long_line_is_cut_once_and_counted(log: Path) -> None:
    """A line beyond the limit is one shorter line, complete or not, over a restart too."""
    f = Follower(str(log), max_line=100)
    append(log, b"x" * 150)
    assert f.poll() == [b"x" * 100]
    again = f.restart(max_line=100)
    append(log, b"x" * 1000)
    assert again.poll() == []
    append(log, b"x\nnext\n" + b"y" * 300 + b"\nlast\n")
    assert again.poll() == [b"next", b"y" * 100, b"last"]
    assert f.reports["line_cut", "max_line"] + again.reports["line_cut", "max_line"] == 2


def test_ten_megabyte_line_is_one_record(log: Path) -> None:
    """A 10 MB line neither stops the file nor grows memory."""
    append(log, b"a\n" + b"x" * 10**7 + b"\nb\n")
    f = Follower(str(log))
    assert [len(line) for line in f.poll()] == [1, 2**20, 1]


def test_saved_cursors_end_blocks_again(log: Path) -> None:
    """A block that is read again ends where it ended before."""
    append(log, "a1\na2\n")
    f = Follower(str(log))
    f.poll()
    stop = f.intake.cursors[f"file:{log}"]
    append(log, "a3\n")
    intake = MemoryIntake()
    intake.stop_at[f"file:{log}"] = [stop]
    g = Follower(str(log), intake=intake)
    g.poll()
    assert [block.data for block in intake.blocks] == [b"a1\na2\n", b"a3\n"]
    assert intake.blocks[0].cursor == stop


def test_idle_stream_is_watched_once_a_second(log: Path) -> None:
    """At the end of a file the stream proves that it watches, not faster than each second."""
    append(log, "a1\n")
    f = Follower(str(log))
    for _ in range(10):
        f.poll(0.5)
    at = [item.at for item in f.intake.items if isinstance(item, Watched)]
    assert len(at) == 5
    assert all(b - a >= 1.0 for a, b in pairwise(at))


def test_rotated_stream_is_not_watched_until_it_has_caught_up(log: Path) -> None:
    """While the next file waits for the old one, nothing is claimed."""
    append(log, "a1\n")
    f = Follower(str(log))
    f.poll()
    log.rename(log.with_name("cart.log.1"))
    append(log, "b1\n")
    f.intake.items.clear()
    f.poll(3.0)
    assert not any(isinstance(item, Watched) for item in f.intake.items)


def test_utf16_text_becomes_utf8_and_the_cursor_stays_in_the_file(log: Path) -> None:
    """UTF-16 with a byte order mark is transcoded; a restart goes on at the right byte."""
    log.write_bytes("\ufeffgrün\r\nzwei ਊ\n".encode("utf-16-le"))
    f = Follower(str(log))
    assert f.poll() == ["grün".encode(), "zwei ਊ".encode()]
    again = f.restart()
    append(log, "drei\n".encode("utf-16-le"))
    assert again.poll() == [b"drei"]


def test_carriage_returns_go_and_nul_stays(log: Path) -> None:
    """CR LF ends a line like LF; a NUL or a CR inside a line is kept."""
    append(log, b"one\r\ntw\ro\nth\0ree is a line with one NUL\n")
    f = Follower(str(log))
    assert f.poll() == [b"one", b"tw\ro", b"th\0ree is a line with one NUL"]


def test_more_files_than_descriptors_are_read_once_each(tmp_path: Path) -> None:
    """200 files with 20 descriptors: every line once, none taken for deleted."""
    for number in range(200):
        append(tmp_path / f"s{number}.log", f"a{number}\n")
    f = Follower(str(tmp_path / "*.log"), max_open=20)
    assert sorted(f.poll()) == sorted(b"a%d" % n for n in range(200))
    assert sum(tail.descriptors for tail in f.tailer._tails.values()) <= 20
    for number in range(200):
        append(tmp_path / f"s{number}.log", f"b{number}\n")
    assert sorted(f.poll()) == sorted(b"b%d" % n for n in range(200))
    assert f.reports == {}


def test_big_backlog_does_not_starve_a_small_file(tmp_path: Path) -> None:
    """One turn of a file is about 1 MiB, then the others have theirs."""
    (tmp_path / "big.log").write_bytes(b"x" * 99 + b"\n" + b"y" * 99 + b"\n" * 4_000_000)
    append(tmp_path / "small.log", "here\n")
    f = Follower(str(tmp_path / "*.log"))
    f.tailer.admit(scan(f.patterns, [], limit=100), f.intake.clock)
    turn = list(f.tailer.poll(f.intake.clock))
    assert any(isinstance(i, Block) and i.data == b"here\n" for i in turn)
    assert sum(len(i.data) for i in turn if isinstance(i, Block)) < 1.3 * 2**20
    assert max(len(i.data) for i in turn if isinstance(i, Block)) <= 256 * 1024


def test_clock_that_goes_back_does_not_stop_the_reading(log: Path) -> None:
    """After the wall clock was set back ten minutes, lines go on arriving."""
    append(log, "a1\n")
    f = Follower(str(log))
    f.poll()
    f.intake.clock -= 600
    append(log, "a2\n")
    assert f.poll() == [b"a2"]


def test_unreadable_new_file_does_not_hide_the_old_one(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the file that came after a rotation may not be opened, the old one is still drained."""
    append(log, "a1\n")
    f = Follower(str(log))
    f.poll()
    append(log, "a2\n")
    log.rename(log.with_name("cart.log.1"))
    append(log, "b1\n")
    real = os.open

    def refuse(path: str, *args: int) -> int:
        if path == str(log):
            raise PermissionError(13, "no", path)
        return real(path, *args)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        assert f.poll() == [b"a2"]
    assert f.settle() == [b"b1"]
    assert f.reports["source_skipped", "permission_denied"] == 1


def test_part_compressed_while_stopped_is_finished(log: Path) -> None:
    """The unread rest of a file that was rotated and compressed is read from the archive."""
    append(log, "a1\n")
    f = Follower(str(log))
    f.poll()
    append(log, "a2\n")
    times = (log.stat().st_atime_ns, log.stat().st_mtime_ns)
    packed = log.with_name("cart.log.1.gz")
    packed.write_bytes(gzip.compress(log.read_bytes()))
    os.utime(packed, ns=times)
    log.unlink()
    append(log, "b1\n")
    assert f.restart().settle() == [b"a2", b"b1"]


def test_part_compressed_while_read_is_not_read_twice(log: Path) -> None:
    """A file that is compressed and deleted under us is finished by its descriptor alone."""
    append(log, "a1\n")
    f = Follower(str(log))
    f.poll()
    append(log, "a2\n")
    log.with_name("cart.log.1.gz").write_bytes(gzip.compress(log.read_bytes()))
    log.unlink()
    append(log, "b1\n")
    assert f.settle() == [b"a2", b"b1"]
