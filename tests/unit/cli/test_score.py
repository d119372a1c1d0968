"""``aiops score`` prints one row for every row."""

from __future__ import annotations

import csv
import gzip
import json
import math
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from aiops.cli import face
from aiops.cli.plot import MOST, Dot, Drawing, render_plot
from aiops.cli.score import HEADER
from detectors.base import Score


def run(*words: object, text: str | None = None) -> Result:
    return CliRunner().invoke(face, ["score", *map(str, words)], input=text)


def rows(result: Result) -> list[dict[str, str]]:
    assert result.exit_code == 0, result.stderr
    return list(csv.DictReader(result.stdout.splitlines()))


def metric(*, spike: bool = True, count: int = 300) -> str:
    values = [10 + math.sin(n * 1.7) + 0.3 * math.sin(n * 0.31) for n in range(count)]
    if spike:
        values[250] = 60.0
    lines = [f"2024-05-01 {n // 60:02d}:{n % 60:02d}:00,{v:.3f}" for n, v in enumerate(values)]
    return "timestamp,value\n" + "\n".join(lines) + "\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "cpu.csv"
    path.write_text(metric())
    return path


def test_every_row_is_scored_in_order(file: Path) -> None:
    """Output rows are the input rows with what was expected; the spike is the anomaly."""
    found = rows(run(file))
    given = list(csv.DictReader(file.read_text().splitlines()))

    assert tuple(found[0]) == HEADER
    assert [(r["timestamp"], r["value"]) for r in found] == [
        (r["timestamp"], r["value"]) for r in given
    ]
    assert [n for n, r in enumerate(found) if r["anomaly"] == "1"] == [250]
    assert found[0]["surprise"] == ""
    assert float(found[250]["surprise"]) > 3
    assert float(found[250]["low"]) < float(found[250]["expected"]) < float(found[250]["high"])


def test_scores_do_not_look_ahead(file: Path) -> None:
    """A row's score is the same whatever follows it."""
    short = "\n".join(file.read_text().splitlines()[:200]) + "\n"

    assert rows(run("-", text=short)) == rows(run(file))[:199]


def test_bad_rows_are_kept_and_counted(tmp_path: Path) -> None:
    """Gaps, duplicates, unordered and unreadable rows keep their place; one line counts them."""
    path = tmp_path / "a.csv"
    path.write_text("timestamp,value\n5,1\n5,1\n3,2\n6,\n,4\n7,high\n8,inf\n9,nan\n10\n11,1\n")

    result = run(path)

    assert [r["timestamp"] for r in rows(result)] == [
        "5",
        "5",
        "3",
        "6",
        "",
        "7",
        "8",
        "9",
        "10",
        "11",
    ]
    assert [r["value"] for r in rows(result)] == [
        "1",
        "1",
        "2",
        "",
        "4",
        "high",
        "inf",
        "nan",
        "",
        "1",
    ]
    (line,) = result.stderr.splitlines()
    assert "4 rows of 10" in line
    assert "line 6" in line


def test_columns_are_found_by_name(tmp_path: Path) -> None:
    """Further columns and another order are fine; a file without a header is read as it is."""
    named, bare = tmp_path / "a.csv", tmp_path / "b.csv"
    named.write_text('host,value,timestamp\n"a,b",3,1700000000\n')
    bare.write_text("1700000000,3\n1700000060,4\n")

    assert rows(run(named))[0]["value"] == "3"
    assert [r["value"] for r in rows(run(bare))] == ["3", "4"]


def test_gzip_is_read(file: Path, tmp_path: Path) -> None:
    """A packed file gives what the plain one gives; a damaged one is said so."""
    packed = tmp_path / "cpu.csv.gz"
    packed.write_bytes(gzip.compress(file.read_bytes()))
    broken = tmp_path / "broken.csv.gz"
    broken.write_bytes(packed.read_bytes()[:-20])

    assert run(packed).stdout == run(file).stdout
    result = run(broken)
    assert result.exit_code == 2
    assert "damaged gzip" in result.stderr


def test_alpha_decides_what_is_an_anomaly(file: Path) -> None:
    """A higher alpha flags less."""
    assert not [r for r in rows(run(file, "--alpha", "50")) if r["anomaly"] == "1"]


def test_json_rows_say_null_for_unknown(file: Path) -> None:
    """With ``--json`` every row is an object and unknown is null."""
    found = [json.loads(line) for line in run(file, "--json").stdout.splitlines()]

    assert len(found) == 300
    assert found[0]["surprise"] is None
    assert found[250]["anomaly"] == 1


@pytest.mark.parametrize("ending", [".svg", ".html"])
def test_plot_is_written(file: Path, tmp_path: Path, ending: str) -> None:
    """``--plot`` draws the series, its band and its anomalies, with nothing from elsewhere."""
    out = tmp_path / f"cpu{ending}"

    assert run(file, "--plot", out).exit_code == 0

    text = out.read_text()
    start = text.index("<svg")
    tree = ET.fromstring(text[start : text.index("</svg>") + 6])
    names = [element.tag.rpartition("}")[2] for element in tree.iter()]
    assert names.count("circle") == 1
    assert "polygon" in names
    assert "script" not in text
    assert "href" not in text


def test_plot_stays_small() -> None:
    """However many rows there are, a bounded number is drawn, and the extremes are among them."""
    drawing = Drawing()
    for n in range(60_000):
        score = Score(value=None)
        drawing.add(float(n), 500.0 if n == 31_415 else n % 7, score, anomaly=n == 31_415)

    drawn = drawing.rows()

    assert len(drawn) <= 2 * MOST + 4
    assert [row.value for row in drawn if row.anomaly] == [500.0]
    assert [row.at for row in drawn] == sorted(row.at for row in drawn)


def test_plot_of_nothing_says_so() -> None:
    """Without values there is a picture that says it."""
    assert "no values" in render_plot([], "svg")
    assert "no values" in render_plot([Dot(1.0, None, None, None, anomaly=False)], "svg")


def test_sequences_are_scored_row_by_row(tmp_path: Path) -> None:
    """Each row is a session; the one that differs stands out, however long a row is."""
    path = tmp_path / "s.csv"
    usual = [f"{n},a b b c" for n in range(200)]
    usual[150] = f"150,{'a ' * 100_000}"
    path.write_text("name,event_ids\n" + "\n".join(usual) + "\n")

    found = rows(run("--sequences", path))

    assert [r["session"] for r in found] == [str(n) for n in range(1, 201)]
    assert [r["session"] for r in found if r["anomaly"] == "1"] == ["151"]
    assert found[0]["surprise"] == ""


def test_sessions_of_a_log_are_scored(tmp_path: Path) -> None:
    """One row for each session that the pattern names, in order of first sight."""
    path = tmp_path / "blocks.log"
    lines = []
    for n in range(120):
        at = f"2024-05-01T10:{n // 60:02d}:{n % 60:02d}Z INFO"
        lines += [f"{at} open blk_{n}", f"{at} write blk_{n}"]
        lines += [f"{at} retry of blk_{n} after timeout"] * (20 if n == 99 else 0)
        lines += [f"{at} moved blk_{n} beside blk_{n}", f"{at} close blk_{n}"]
    path.write_text("\n".join(lines) + "\n")

    found = rows(run("--log", path, "--session", r"blk_\d+"))

    assert [r["session"] for r in found] == [f"blk_{n}" for n in range(120)]
    assert [r["session"] for r in found if r["anomaly"] == "1"] == ["blk_99"]


def requests(path: Path) -> Path:
    lines = []
    for n in range(150):
        at = f"2024-05-01T10:{n // 60:02d}:{n % 60:02d}"
        lines.append(f"{at}.100Z INFO request r{n} accepted")
        if n != 120:
            lines.append(f"{at}.200Z INFO payment of r{n} booked")
        lines.append(f"{at}.900Z INFO request r{n} answered")
    path.write_text("\n".join(lines) + "\n")
    return path


def test_odd_session_says_why_by_its_template(tmp_path: Path) -> None:
    """A session that lost a step names the template of the step; ordinary ones say nothing."""
    result = run("--log", requests(tmp_path / "r.log"), "--session", r"\b(r\d+)\b")

    (odd,) = [r for r in rows(result) if r["anomaly"] == "1"]
    assert odd["session"] == "r120"
    assert odd["reason"].startswith('without "')
    assert "payment of r<*> booked" in odd["reason"]
    assert {r["reason"] for r in rows(result) if r["anomaly"] == "0"} == {""}


def test_only_anomalies_can_be_asked_for(tmp_path: Path) -> None:
    """With --anomalies only odd sessions are printed; as JSON each oddity has its parts."""
    path = requests(tmp_path / "r.log")
    result = run("--log", path, "--session", r"\b(r\d+)\b", "--anomalies", "--json")

    assert result.exit_code == 0
    (odd,) = [json.loads(line) for line in result.stdout.splitlines()]
    assert (odd["session"], odd["anomaly"]) == ("r120", 1)
    first = odd["odd"][0]
    assert (first["kind"], first["actual"], first["usual"]) == ("missing", 0.0, 1)
    assert first["template"].endswith("payment of r<*> booked")


def test_scores_of_sessions_do_not_look_ahead(tmp_path: Path) -> None:
    """A row's score is the same whatever rows follow it."""
    text = "event_ids\n" + "a b c\n" * 80 + "a c\n" * 3 + "a b b c\n" * 40
    long, short = tmp_path / "l.csv", tmp_path / "s.csv"
    long.write_text(text)
    short.write_text("\n".join(text.splitlines()[:90]) + "\n")

    assert rows(run("--sequences", short)) == rows(run("--sequences", long))[:89]


def test_longest_session_is_cut_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a session without end the first events are scored, and one line says how many not."""
    monkeypatch.setattr("aiops.cli.sessions.LONGEST", 2)

    result = run("--log", requests(tmp_path / "r.log"), "--session", "(INFO)")

    assert "447 events past the first 2 of a session left out" in result.stderr


def test_line_belongs_to_every_session_it_names(tmp_path: Path) -> None:
    """A line that names two sessions counts for both, and groups choose the name."""
    path = tmp_path / "a.log"
    path.write_text("moved id=1 to id=2\n  beside id=3\nclosed id=2\n")

    found = rows(run("--log", path, "--session", r"id=(\d)"))

    assert sorted(r["session"] for r in found) == ["1", "2", "3"]


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("no-such.csv",),
        ("{file}", "--alpha", "nan"),
        ("{file}", "--plot", "a.png"),
        ("{file}", "--plot", "/no/such/a.svg"),
        ("{file}", "--sequences", "{file}"),
        ("{file}", "--anomalies"),
        ("--sequences", "{file}"),
        ("--log", "{file}"),
        ("--log", "{file}", "--session", "("),
        ("--log", "no-such.log", "--session", "a"),
    ],
)
def test_wrong_use_is_one_line(file: Path, words: tuple[str, ...]) -> None:
    """What cannot be read or means nothing is one line that says so, and exit code 2."""
    result = run(*(word.format(file=file) for word in words))

    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1


def test_file_without_its_columns_is_refused(tmp_path: Path) -> None:
    """A header that names other columns is refused with what to name them."""
    path = tmp_path / "a.csv"
    path.write_text("time,cpu\n1,2\n")

    result = run(path)

    assert result.exit_code == 2
    assert "timestamp,value" in result.stderr
