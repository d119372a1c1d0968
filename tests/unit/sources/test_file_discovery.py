"""Which files a pattern means, what is left alone and why, and what a file is about."""

from __future__ import annotations

import asyncio
import gzip
import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from aiops.config import build_component
from aiops.entities import workload_of_pod
from aiops.errors import ConfigError
from aiops.model import Block, Stream
from aiops.sources.entity import entity_of
from aiops.sources.file import FileSource, read_file_blocks
from aiops.sources.tail.discovery import means
from aiops.sources.tail.siblings import base_of, rotated
from aiops.testing import MemoryIntake


async def run(source: FileSource, intake: MemoryIntake) -> MemoryIntake:
    """Run a source until its intake has slept enough."""
    with pytest.raises(asyncio.CancelledError):
        await source.run(intake)
    return intake


def source_on(*paths: Path | str, **fields: object) -> FileSource:
    table = {"paths": [str(p) for p in paths], "start": "beginning"} | fields
    return build_component(FileSource, table, "sources.file[0]")


@pytest.mark.parametrize(
    ("path", "labels", "expected"),
    [
        ("/var/log/shop/cart.log", {}, ("service:cart", "service:cart", "")),
        ("/var/log/nginx/error.log", {}, ("service:nginx", "service:nginx", "")),
        ("/var/log/nginx/cart-access.log.1", {}, ("service:cart", "service:cart", "")),
        ("/srv/pay/logs/stdout.log", {}, ("service:pay", "service:pay", "")),
        ("/var/log/syslog", {}, ("service:syslog", "service:syslog", "")),
        ("/x/cart-20260101.log", {}, ("service:cart", "service:cart", "")),
        ("/x/a.log", {"service": "pay", "host": "w1"}, ("service:pay", "service:pay", "w1")),
        ("/x/a.log", {"host": "w1"}, ("host:w1", "host:w1", "")),
        (
            "/var/log/pods/shop_cart-7d9f8b6c5d-x2x4z_0a1b/cart/0.log",
            {},
            ("service:cart", "service:cart", "cart-7d9f8b6c5d-x2x4z"),
        ),
        (
            f"/var/log/containers/db-0_shop_proxy-{'a' * 64}.log",
            {},
            ("service:db", "service:db/proxy", "db-0"),
        ),
    ],
)
def test_path_and_labels_say_what_a_file_is_about(
    path: str, labels: dict[str, str], expected: tuple[str, str, str]
) -> None:
    """Labels win, then Kubernetes' path, then the name, then the directory of a generic name."""
    assert entity_of(path, labels) == expected


@pytest.mark.parametrize(
    ("pod", "workload"),
    [
        ("cart-7d9f8b6c5d-x2x4z", "cart"),
        ("fluentd-bx2zq", "fluentd"),
        ("backup-28391230-bx2zq", "backup"),
        ("db-12", "db"),
        ("cart-service", "cart-service"),
    ],
)
def test_replica_names_share_their_workload(pod: str, workload: str) -> None:
    """The hashes and ordinals of replicas are no part of the workload's name."""
    assert workload_of_pod(pod) == workload


def test_rotated_names_are_known(tmp_path: Path) -> None:
    """Numbers, dates and backup endings mark older parts; a daily current file is none."""
    for name in ("a.log.1", "a.log-20260101", "a.log.20260101-123456", "a.log.2.gz", "a.log.old"):
        assert rotated(str(tmp_path / name)), name
        assert base_of(str(tmp_path / name)) == str(tmp_path / "a.log"), name
    assert not rotated(str(tmp_path / "a.log"))
    assert not rotated(str(tmp_path / "a-20260101.log"))
    (tmp_path / "a.log").touch()
    assert rotated(str(tmp_path / "a-20260101.log"))


def test_patterns_match_paths_that_are_gone() -> None:
    """A star stays in its directory, two stars span them, a directory means its files."""
    assert means("/var/log/*.log", "/var/log/a.log")
    assert not means("/var/log/*.log", "/var/log/x/a.log")
    assert means("/var/log/**/*.log", "/var/log/x/y/a.log")
    assert means("/var/log/**/*.log", "/var/log/a.log")
    assert means("/var/log", "/var/log/a.log")
    assert not means("/var/log/b.log", "/var/log/a.log")


async def test_what_is_skipped_is_reported_once_with_its_reason(tmp_path: Path) -> None:
    """Rotated, compressed, binary, double and missing files are named, not read, once each."""
    (tmp_path / "a.log").write_text("a\n")
    (tmp_path / "a.log.1").write_text("old\n")
    (tmp_path / "a.log.2.gz").write_bytes(gzip.compress(b"older\n"))
    (tmp_path / "wtmp").write_bytes(b"\x02\0\0\0" * 100)
    (tmp_path / "x.journal").write_bytes(b"LPKSHHRH" + b"\0" * 200)
    (tmp_path / "link").symlink_to("a.log")
    os.mkfifo(tmp_path / "pipe")
    source = source_on(tmp_path, tmp_path / "none.log")
    intake = await run(source, MemoryIntake(asleep_limit=100))
    assert intake.lines() == [b"a"]
    assert intake.reports == {
        ("source_skipped", "rotated"): 1,
        ("source_skipped", "compressed"): 1,
        ("source_skipped", "binary"): 2,
        ("source_skipped", "same_file"): 1,
        ("source_skipped", "not_regular"): 1,
        ("source_skipped", "missing"): 1,
    }
    told = {Path(path).name: verdict for path, verdict in source.describe()}
    assert told == {
        "a.log": "watched",
        "a.log.1": "rotated",
        "a.log.2.gz": "compressed",
        "wtmp": "binary",
        "x.journal": "binary",
        "link": "same_file",
        "pipe": "not_regular",
        "none.log": "missing",
    }


async def test_new_files_and_home_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that appears later is read from its beginning, whatever the start says."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.log").write_text("a1\n")

    class Writing(MemoryIntake):
        async def sleep(self, seconds: float) -> None:
            (tmp_path / "b.log").write_text("b1\n")
            await super().sleep(seconds)

    intake = await run(source_on("~/*.log", start="end"), Writing(asleep_limit=50))
    assert intake.lines() == [b"b1"]
    assert intake.reports["source_skipped", "start_at_end"] == 1


async def test_history_is_bounded_and_starts_at_a_line(tmp_path: Path) -> None:
    """The first start learns from the end of a file, whole lines only, and says what it left."""
    path = tmp_path / "a.log"
    path.write_bytes(b"".join(b"line %04d\n" % n for n in range(1000)))
    old = tmp_path / "old.log"
    old.write_bytes(b"ancient\n")
    os.utime(old, (1, 1))
    now = path.stat().st_mtime
    source = source_on(tmp_path, start="history", history_size=95)
    intake = await run(source, MemoryIntake(at=now, asleep_limit=20))
    assert intake.lines() == [b"line %04d" % n for n in range(991, 1000)]
    assert intake.reports["source_skipped", "history"] == 2


@pytest.fixture
def unprivileged() -> Iterator[Path]:
    """Give up root's rights for one test; root may read everything."""
    # Python loads threads late; its files may be out of reach by then.
    ThreadPoolExecutor(1).shutdown()
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    directory = Path(tempfile.mkdtemp())
    try:
        yield directory
    finally:
        if root:
            os.seteuid(0)
        for inside in directory.iterdir():
            inside.chmod(0o700)
        shutil.rmtree(directory)


async def test_permission_granted_later_is_used(unprivileged: Path) -> None:
    """A file that may not be read is said once and read as soon as it may."""
    path = unprivileged / "a.log"
    path.write_text("a\n")
    path.chmod(0)

    class Granting(MemoryIntake):
        async def sleep(self, seconds: float) -> None:
            if self.clock > 1_700_000_010.0:
                path.chmod(0o600)
            await super().sleep(seconds)

    intake = await run(source_on(path), Granting(asleep_limit=100))
    assert intake.reports["source_skipped", "permission_denied"] == 1
    assert intake.lines() == [b"a"]


async def test_unreadable_directory_is_said_and_deletes_nothing(unprivileged: Path) -> None:
    """Losing the right to look is no deletion: the file goes on where it was."""
    path = unprivileged / "in" / "a.log"
    path.parent.mkdir()
    path.write_text("a\n")

    class Denying(MemoryIntake):
        async def sleep(self, seconds: float) -> None:
            if 1_700_000_005.0 < self.clock < 1_700_000_700.0:
                path.parent.chmod(0)
            elif self.clock > 1_700_000_700.0 and path.parent.stat().st_mode & 0o777 == 0:
                path.parent.chmod(0o700)
                with path.open("a") as file:
                    file.write("b\n")
            await super().sleep(seconds)

    intake = await run(
        source_on(path.parent / "*.log", discovery_interval=60), Denying(asleep_limit=1200)
    )
    assert intake.lines() == [b"a", b"b"]
    assert not intake.forgotten
    assert intake.reports["source_skipped", "permission_denied"] >= 1


async def test_exclude_takes_names_and_paths(tmp_path: Path) -> None:
    """Excluded files are neither read nor complained about."""
    for name in ("a.log", "b.log", "c.log"):
        (tmp_path / name).write_text(name + "\n")
    source = source_on(tmp_path / "*.log", exclude=["a.*", str(tmp_path / "b*")])
    intake = await run(source, MemoryIntake(asleep_limit=5))
    assert intake.lines() == [b"c.log"]
    assert not intake.reports


async def test_more_files_than_allowed_are_counted(tmp_path: Path) -> None:
    """Beyond the cap the newest files win and the rest is counted."""
    for number in range(5):
        path = tmp_path / f"{number}.log"
        path.write_text(f"{number}\n")
        os.utime(path, (number, number))
    intake = await run(source_on(tmp_path, max_files=2), MemoryIntake(asleep_limit=20))
    assert sorted(intake.lines()) == [b"3", b"4"]
    assert intake.reports["source_skipped", "too_many"] == 3


async def test_gzip_is_read_once_whatever_its_name(tmp_path: Path) -> None:
    """An archive that is named is read once, over renames and restarts, members and all."""
    path = tmp_path / "a.log.1.gz"
    lines = [b"line %d" % n for n in range(50_000)]
    half = len(lines) // 2
    path.write_bytes(
        gzip.compress(b"\n".join(lines[:half]) + b"\n") + gzip.compress(b"\n".join(lines[half:]))
    )
    source = source_on(tmp_path / "*.gz")
    intake = await run(source, MemoryIntake(asleep_limit=50))
    assert intake.lines() == lines
    path.rename(tmp_path / "a.log.2.gz")
    again = await run(source, MemoryIntake(intake.cursors, asleep_limit=50))
    assert again.lines() == []


async def test_gzip_resumes_in_the_middle(tmp_path: Path) -> None:
    """An archive goes on after the last block that was taken."""
    path = tmp_path / "a.gz"
    lines = [b"%06d %s" % (n, b"x" * 50) for n in range(20_000)]
    path.write_bytes(gzip.compress(b"\n".join(lines) + b"\n"))
    intake = await run(source_on(path), MemoryIntake(asleep_limit=50))
    first = intake.blocks[0]
    cursors = {first.stream.id: first.cursor}
    again = await run(source_on(path), MemoryIntake(cursors, asleep_limit=50))
    assert first.data.split(b"\n")[:-1] + again.lines() == lines


async def test_gzip_bomb_and_damage_stay_bounded(tmp_path: Path) -> None:
    """Endless zeros are one cut line; a truncated archive gives what it has and is reported."""
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(b"\1" * 20_000_000))
    whole = gzip.compress(b"".join(os.urandom(20).hex().encode() + b"\n" for _ in range(20_000)))
    (tmp_path / "cut.gz").write_bytes(whole[: len(whole) // 2])
    intake = await run(source_on(tmp_path / "*.gz"), MemoryIntake(asleep_limit=60))
    assert max(len(line) for line in intake.lines()) == 2**20
    assert len(intake.lines()) > 5000
    assert intake.reports == {
        ("line_cut", "max_line"): 1,
        ("source_skipped", "gzip_damaged"): 1,
    }


def test_whole_file_is_read_for_replay(tmp_path: Path) -> None:
    """Plain and gzip, with and without last newline, give the same blocks of whole lines."""
    lines = [b"%06d %s" % (n, b"x" * (n % 90)) for n in range(30_000)]
    stream = Stream("s", "file", "service:a", "service:a")
    (tmp_path / "a.log").write_bytes(b"\r\n".join(lines))
    (tmp_path / "a.log.gz").write_bytes(gzip.compress(b"\n".join(lines) + b"\n"))
    for name in ("a.log", "a.log.gz"):
        blocks = list(read_file_blocks(str(tmp_path / name), stream))
        assert b"".join(b.data for b in blocks).split(b"\n")[:-1] == lines
        assert all(len(b.data) <= 256 * 1024 and b.arrived == 0.0 for b in blocks)


def test_wrong_configuration_is_named() -> None:
    """Every problem of a table is one line that names its key."""
    with pytest.raises(ConfigError) as caught:
        build_component(FileSource, {"paths": [], "max_line": 1, "pahts": 1}, "sources.file[0]")
    assert len(caught.value.problems) == 3
    assert 'did you mean "paths"' in str(caught.value)


async def test_slow_taker_holds_the_reading_back(tmp_path: Path) -> None:
    """While the queue is full nothing more is read, and nothing is lost."""
    path = tmp_path / "a.log"
    path.write_bytes(b"".join(b"%07d\n" % n for n in range(200_000)))
    gate = asyncio.Event()

    class Slow(MemoryIntake):
        async def put(self, item: object) -> None:
            if isinstance(item, Block) and len(self.blocks) == 2:
                await gate.wait()
            await super().put(item)

    intake = Slow(asleep_limit=10)
    task = asyncio.ensure_future(source_on(path).run(intake))
    for _ in range(200):
        await asyncio.sleep(0)
    held = len(intake.blocks)
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert held <= 2
    assert intake.lines() == [b"%07d" % n for n in range(200_000)]
