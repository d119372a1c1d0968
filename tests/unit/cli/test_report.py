"""The page of a replay: whole, self-contained, and deaf to what log lines say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from aiops.cases import Similar
from aiops.cli import face
from aiops.cli.evidence import MOST, collect, wanted
from aiops.cli.plot import Dot
from aiops.cli.report import page
from aiops.incidents.passed import MOST as NEAREST
from aiops.incidents.passed import Passed, why_not
from aiops.incidents.record import Record
from aiops.model import (
    ChangeEvent,
    Incident,
    Points,
    Series,
    SeriesSet,
    Severity,
    State,
    Suspect,
)
from tests.unit.evidence import T, anomaly, first_sight

HOSTILE = (
    "</pre></title><script>alert(1)</script><img src=http://evil/x onerror=a()>"
    "<svg/onload=a()> \x1b]8;;http://evil\x07 \x1b[2J \u202egnp.exe \u05e9\u05dc\u05d5\u05dd"
    " & \" ' {{7*7}} password=hunter2"
)
ALLOWED = {
    *("html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "p", "section", "table"),
    *("tr", "td", "th", "ul", "li", "pre", "mark", "bdi", "code", "span"),
    *("svg", "rect", "line", "text", "polygon", "polyline", "circle"),
}
OPEN_ENDED = {"meta", "tr", "td", "th"}


class Reader(HTMLParser):
    """Read a page strictly: note every element, attribute and text, and what is left open."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []
        self.stack: list[str] = []
        self.wrong: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in OPEN_ENDED:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        if tag in OPEN_ENDED:
            return
        if not self.stack or self.stack.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def story(text: str = "errors in service cart", name: str = "inc_1") -> Incident:
    found = anomaly(text, text, reason=text, actual=9.0, expected=1.0, low=0.5, high=2.0)
    return Incident(
        id=name,
        seq=2,
        state=State.RESOLVED,
        severity=Severity.ERROR,
        title=text,
        opened_at=T + 10,
        updated_at=T + 60,
        resolved_at=T + 360,
        told=True,
        entities=(text,),
        suspects=(Suspect(text, 0.7, (text,)),),
        anomalies=(found, first_sight(text)),
        changes=(ChangeEvent(T - 60, text, text, text),),
        samples=first_sight(text).samples,
        similar=(Similar("inc_0", 0.8, T - 9e4, text, text, text),),
    )


def drawn(incident: Incident) -> Mapping[tuple[str, str], list[Dot]]:
    series = incident.anomalies[0].series.id
    rows = [Dot(T + 15.0 * n, float(n % 7), 0.5, 2.0, n == 5) for n in range(40)]
    return {(incident.id, series): rows}


def test_everything_is_on_the_page() -> None:
    """Timeline, plot with band and mark, bars, lines, suspects, changes, similar, near misses."""
    near = Incident("inc_2", 0, State.CANDIDATE, Severity.WARNING, "nearly", T, T)
    read = Reader(page([story()], [near], drawn(story()), lines=12, points=34))
    said = " ".join(read.words)

    assert {"polygon", "polyline", "circle", "rect"} <= read.tags
    for words in (
        *(
            "12 lines, 34 values: 1 incidents, 1 told.",
            "Timeline",
            "Severity",
            "Suspects",
            "Changes",
        ),
        *("Evidence", "Lines", "Seen before", "Not told", "nearly"),
    ):
        assert words in said, words


@pytest.mark.parametrize("text", ["errors in service cart", HOSTILE])
def test_the_page_needs_nobody_and_obeys_nobody(text: str) -> None:
    """Whatever the logs say: only our elements, balanced, no script, no address, no control."""
    near = story(text, "inc_2")
    raw = page([story(text)], [near], drawn(story(text)), lines=1, points=1)
    read = Reader(raw)

    assert read.tags <= ALLOWED
    assert (read.wrong, read.stack) == ([], [])
    assert [name for name, _ in read.attributes if name.startswith("on")] == []
    assert {name for name, _ in read.attributes} & {"src", "href", "action", "xlink:href"} == set()
    assert not any("url(" in value or "@import" in value for _, value in read.attributes)
    assert re.findall(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", raw) == []
    assert "hunter2" not in raw
    assert [v for name, v in read.attributes if "//" in v and name != "xmlns"] == []


def test_the_page_is_bounded() -> None:
    """Hundreds of incidents with long words give a page that a browser opens, and say "+N"."""
    many = [story("x" * 5000, f"inc_{n}") for n in range(300)]
    raw = page(many, many, {}, lines=0, points=0)

    assert "+200 more incidents" in raw
    assert len(raw) < 2_000_000


def test_nothing_to_tell_is_a_page_too() -> None:
    """Without incidents the page says so."""
    said = " ".join(Reader(page([], [], {}, lines=5, points=0)).words)

    assert "0 incidents, 0 told" in said
    assert "Nothing came near the budget line." in said


def test_counters_are_drawn_as_rates_within_their_window() -> None:
    """A counter's plot shows increases a second; restarts, gaps and other times are left out."""
    series = Series("service:cart", "errors_total", "counter")
    columns = SeriesSet((Series("service:cart", "other"), series))
    found = anomaly(name="errors_total", at=T + 60, since=T, low=0.0, high=1.0)
    incident = Incident("i", 1, State.OPEN, Severity.ERROR, "", T, T + 60, anomalies=(found,))
    values = [10.0, 40.0, float("nan"), 5.0, 35.0]
    rows = [
        Points("f", T + 30.0 * n, columns, np.array([1.0, value])) for n, value in enumerate(values)
    ]
    far = Points("f", T + 1e6, columns, np.array([1.0, 99.0]))
    ((_, dots),) = collect([*rows, far], wanted([incident])).items()

    assert [(d.at - T, d.value) for d in dots] == [(30.0, 1.0), (120.0, 1.0)]
    assert all((d.low, d.high) == (0.0, 1.0) for d in dots)


def test_a_long_series_is_thinned_but_keeps_its_mark() -> None:
    """A plot has a bounded number of rows; the anomaly's own is among them."""
    columns = SeriesSet((Series("service:cart", "error_ratio"),))
    found = anomaly(at=T + 1000.0, since=T + 1000.0)
    incident = Incident("i", 1, State.OPEN, Severity.ERROR, "", T, T, anomalies=(found,))
    points = [Points("f", T + n / 2, columns, np.array([float(n % 11)])) for n in range(4000)]
    ((_, dots),) = collect(points, wanted([incident])).items()

    assert len(dots) <= MOST + 3
    assert [d.at for d in dots if d.anomaly] == [T + 1000.0]


def test_the_nearest_misses_are_kept() -> None:
    """Of many candidates the nearest to the line are kept, and say why they were not told."""
    passed = Passed()
    for n in range(3 * NEAREST):
        record = Record(f"inc_{n}", State.CANDIDATE, T, T)
        record.add(anomaly(at=T, surprise=3.0 + n / 30))
        passed.note(record)
    names = [i.id for i in passed.pictures]

    assert names == [f"inc_{n}" for n in range(3 * NEAREST - 1, 2 * NEAREST - 1, -1)]
    assert "of 5.0 against the 6.0 asked by the budget" in why_not(passed.pictures[0])


def test_replay_writes_the_page(tmp_path: Path) -> None:
    """``--report`` writes a page beside what is printed; a bad place is a usage error."""
    table = tmp_path / "m.csv"
    rows = [f"{1_700_000_000 + 15 * n},{n % 5}" for n in range(50)]
    table.write_text("\n".join(["timestamp,load", *rows]) + "\n", encoding="utf-8")
    out = tmp_path / "out.html"
    done = CliRunner().invoke(face, ["replay", "--metrics", str(table), "--report", str(out)])
    lost = CliRunner().invoke(
        face, ["replay", "--metrics", str(table), "--report", str(tmp_path / "no" / "x.html")]
    )

    assert done.exit_code == 0, done.output
    assert "50 values" in " ".join(Reader(out.read_text(encoding="utf-8")).words)
    assert lost.exit_code == 2
