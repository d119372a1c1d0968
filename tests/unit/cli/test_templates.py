"""``aiops templates`` finds what lines have in common."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from aiops.cli import face
from aiops.cli.templates import changed
from aiops.decoding.kinds import KindCache
from aiops.decoding.windows import StreamWindows, WindowSettings
from aiops.detection.logs import LogDetection
from aiops.model import Block, Stream

LINES = [
    *(f"2024-05-01T10:00:{n:02d}Z INFO user {n} logged in" for n in range(40)),
    "2024-05-01T10:01:00Z ERROR cannot write order 77",
    "Traceback (most recent call last):",
    '  File "shop.py", line 3, in order',
    "OSError: disk full",
    "2024-05-01T10:02:00Z WARN cart of 5 is slow",
]


def run(*words: object, text: str | None = None) -> Result:
    return CliRunner().invoke(face, ["templates", *map(str, words)], input=text)


def objects(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "shop.log"
    path.write_text("\n".join(LINES) + "\n")
    return path


def test_counts_add_up_to_the_lines_read(log: Path) -> None:
    """Every line counts for exactly one template, continuations for that of their head."""
    found = objects(run(log, "--json"))

    assert sum(t["count"] for t in found) == len(LINES)
    by_severity = {t["severity"]: t for t in found}
    assert by_severity["info"]["count"] == 40
    assert by_severity["error"]["count"] == 4
    assert by_severity["info"]["template"] == "user <*> logged in"
    assert set(found[0]) == {
        *("id", "severity", "template", "count", "sample", "first_seen", "last_seen")
    }
    assert by_severity["info"]["first_seen"] == "2024-05-01T10:00:00Z"
    assert by_severity["info"]["last_seen"] == "2024-05-01T10:00:39Z"


def test_every_line_is_assigned(log: Path, tmp_path: Path) -> None:
    """``--assign`` writes one id a line, in order, of the same ids as ``--json``."""
    out = tmp_path / "ids.txt"

    found = objects(run(log, "--json", "--assign", out))

    ids = out.read_text().splitlines()
    counts = {t["id"]: t["count"] for t in found}
    assert len(ids) == len(LINES)
    assert {i: ids.count(i) for i in set(ids)} == counts
    assert len({*ids[40:44]}) == 1


def test_ids_are_final_though_fields_become_variables_late(tmp_path: Path) -> None:
    """Lines before a merge get the id that their template has at the end."""
    path, out = tmp_path / "a.log", tmp_path / "ids"
    names = ("anna", "bert", "carl", "dora", "emil", "fritz", "gerd", "hans", "ina", "jens")
    text = "".join(f"user {name}{n} said hello\n" for n in range(3000) for name in names)
    path.write_text(text)

    found = objects(run(path, "--json", "--assign", out, "--content"))

    ids = out.read_text().splitlines()
    assert set(ids) == {t["id"] for t in found}
    assert sum(t["count"] for t in found) == len(ids) == 30_000


def test_content_joins_and_cuts_nothing(tmp_path: Path) -> None:
    """With ``--content`` lines have no header, and each stands for itself."""
    path, out = tmp_path / "c.log", tmp_path / "ids"
    lines = ["ERROR in block 3", "  at line 4", "", "ERROR in block 9", "}"]
    path.write_text("\n".join(lines) + "\n")

    found = objects(run(path, "--content", "--json", "--assign", out))

    ids = out.read_text().splitlines()
    assert len(ids) == 5
    assert ids[0] == ids[3]
    assert len(set(ids)) == 4
    assert "ERROR in block <*>" in {t["template"] for t in found}


def test_standard_input_and_gzip_are_read(log: Path, tmp_path: Path) -> None:
    """The same lines give the same templates from a pipe, plain and packed."""
    packed = tmp_path / "shop.log.gz"
    packed.write_bytes(gzip.compress(log.read_bytes()))

    plain, unpacked = objects(run(log, "--json")), objects(run(packed, "--json"))
    piped = objects(run("-", "--json", text=log.read_text()))

    assert plain == unpacked
    assert [t["count"] for t in piped] == [t["count"] for t in plain]


def test_lines_before_any_head_stand_for_themselves(tmp_path: Path) -> None:
    """A file that begins in the middle of a trace loses no line."""
    path, out = tmp_path / "a.log", tmp_path / "ids"
    path.write_text("\n  at shop.order\n" + "\n".join(LINES) + "\n")

    found = objects(run(path, "--json", "--assign", out))

    assert sum(t["count"] for t in found) == len(LINES) + 2
    assert all(out.read_text().splitlines())


def test_same_line_has_the_id_that_the_daemon_gives_it(log: Path) -> None:
    """The ids of a file are those of the daemon's detection for the same workload."""
    stream = Stream(f"file:{log}", "file", "service:shop", "service:shop")
    windows = StreamWindows(stream, WindowSettings(), KindCache())
    detection = LogDetection()
    closed = windows.add(Block(stream, log.read_bytes(), "", 0.0)) + windows.flush()
    for window in closed:
        detection.judge(window, 3.0)

    known = {t["id"] for t in detection.templates()}

    assert {t["id"] for t in objects(run(log, "--json"))} == known


def test_secrets_are_not_printed(tmp_path: Path) -> None:
    """Samples and templates are redacted."""
    path = tmp_path / "a.log"
    path.write_text("2024-05-01T10:00:00Z login password=hunter2xyz ok\n")

    result = run(path, "--json")

    assert result.exit_code == 0
    assert "hunter2xyz" not in result.stdout


def test_empty_file_has_no_templates(tmp_path: Path) -> None:
    """An empty file is no error."""
    path, out = tmp_path / "a.log", tmp_path / "ids"
    path.write_text("")

    assert objects(run(path, "--json", "--assign", out)) == []
    assert out.read_text() == ""


def test_difference_names_what_is_new_gone_and_changed(tmp_path: Path) -> None:
    """``--diff`` tells what NEW holds that OLD did not, and the other way round."""
    old, new = tmp_path / "old.log", tmp_path / "new.log"
    old.write_text("a tick of the clock\n" * 90 + "b tock went by\n" * 10 + "c gone soon\n")
    new.write_text("a tick of the clock\n" * 50 + "b tock went by\n" * 50 + "d came late\n")

    found = objects(run("--diff", old, new, "--json"))

    shown = {t["template"]: (t["change"], t["old"], t["new"]) for t in found}
    assert shown == {
        "d came late": ("new", 0, 1),
        "c gone soon": ("gone", 1, 0),
        "b tock went by": ("more", 10, 50),
    }


@pytest.mark.parametrize("side", ["good", "good/*.log"])
def test_a_failed_run_differs_from_all_good_ones(tmp_path: Path, side: str) -> None:
    """A side may be several runs: what only some good ones held is neither new nor gone."""
    good = tmp_path / "good"
    good.mkdir()
    for n, more in enumerate(("retried upload\n", "cache was cold\n", "")):
        (good / f"{n}.log").write_text("compiled module\n" * 50 + "all tests passed\n" + more)
    failed = tmp_path / "failed.log"
    failed.write_text("compiled module\n" * 20 + "retried upload\n" + "linker ran out of memory\n")

    found = objects(run("--diff", tmp_path / side, failed, "--json"))

    assert {(t["change"], t["template"], t["old"], t["new"]) for t in found} == {
        ("new", "linker ran out of memory", 0, 1),
        ("gone", "all tests passed", 3, 0),
    }


def test_difference_of_a_file_with_itself_is_nothing(log: Path) -> None:
    """A file does not differ from itself."""
    assert objects(run("--diff", log, log, "--json")) == []


def test_small_counts_do_not_count_as_change() -> None:
    """Twice as often is a change only when chance would not do it."""
    assert changed(1, 1000, 3, 1000) is None
    assert changed(100, 10_000, 300, 10_000) == "more"
    assert changed(300, 10_000, 100, 10_000) == "less"


@pytest.mark.parametrize(
    "words",
    [
        ("no-such-file.log",),
        (".",),
        ("{log}", "--assign", "/no/such/place"),
        (),
        ("{log}", "--diff", "a", "b"),
        ("--diff", "{empty}", "{log}"),
    ],
)
def test_wrong_use_is_one_line(log: Path, words: tuple[str, ...]) -> None:
    """What cannot be read or written, or means nothing, is one line and exit code 2."""
    empty = log.parent / "empty"
    empty.mkdir()
    result = run(*(word.format(log=log, empty=empty) for word in words))

    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1


def test_hostile_lines_are_counted_like_all_others(tmp_path: Path) -> None:
    """Broken bytes, NULs, separators, giants and bottomless JSON each stay one line."""
    path, out = tmp_path / "a.log", tmp_path / "ids"
    lines = [
        b"2024-05-01T10:00:00Z ok 1",
        b"broken \xff\xfe bytes",
        b"\x00\x00 nothing \x00",
        b"5xx\x1f separated \x1f",
        b'{"a":' * 5000,
        b"x" * 300_000,
        b"\r",
        b"\x1b[2J clears the screen",
        b"no newline",
    ]
    path.write_bytes(b"\n".join(lines))

    for more in ((), ("--content",)):
        found = objects(run(path, "--json", "--assign", out, *more))

        assert len(out.read_text().splitlines()) == len(lines)
        assert sum(t["count"] for t in found) == len(lines)
        assert not any("\x1b" in t["sample"] or "\x00" in t["sample"] for t in found)


def test_several_files_follow_each_other(log: Path, tmp_path: Path) -> None:
    """The ids of several files come in the order in which they were named."""
    other, out = tmp_path / "other.log", tmp_path / "ids"
    other.write_text("  continues nothing\nalone in the world\n")

    found = objects(run(log, other, "--json", "--assign", out))

    ids = out.read_text().splitlines()
    assert len(ids) == len(LINES) + 2
    assert ids[len(LINES)] not in ids[: len(LINES)]
    assert sum(t["count"] for t in found) == len(ids)


def test_damaged_archive_is_said_so(log: Path, tmp_path: Path) -> None:
    """Of a damaged gzip file what comes before the damage is read, and stderr says so."""
    packed = tmp_path / "shop.log.gz"
    packed.write_bytes(gzip.compress(log.read_bytes() * 50)[:-30])

    result = run(packed)

    assert result.exit_code == 0
    assert "damaged gzip file" in result.stderr
