"""The scanner of Prometheus text."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as open_families,
)
from prometheus_client.parser import text_string_to_metric_families

from aiops.sources.exposition import Limits, Scanner, Scrape, ScrapeError, _spell

NAMES = st.sampled_from(["a", "b_total", "c_seconds", "_d", ":e:f", "g9_count"])
LABELS = st.dictionaries(
    st.sampled_from(["x", "y2", "z_z"]),
    st.text(st.sampled_from('ab {}=,#"\\\n\té\u2028'), max_size=8),
    max_size=3,
)
VALUES = st.one_of(
    st.floats(),
    st.integers(-(10**12), 10**12).map(float),
)


def table(scrape: Scrape) -> dict[str, float]:
    pairs = zip(scrape.columns.series, scrape.values.tolist(), strict=True)
    return {series.name: value for series, value in pairs}


def page(*lines: str) -> bytes:
    return "".join(line + "\n" for line in lines).encode()


def same(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))


def quoted(labels: dict[str, str]) -> str:
    escaped = {
        k: v.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
        for k, v in labels.items()
    }
    return "{" + ",".join(f'{k}="{v}"' for k, v in escaped.items()) + "}" if labels else ""


def number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(value)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(NAMES, LABELS, VALUES, VALUES, st.booleans()), max_size=12))
def test_agrees_with_the_official_parser(
    rows: list[tuple[str, dict[str, str], float, float, bool]],
) -> None:
    """Every value of a generated page equals the official parser's, on a first and a later scan."""
    distinct = {}
    for name, labels, first, second, stamped in rows:
        kept = {k: v for k, v in labels.items() if v}
        distinct[_spell(name, kept)] = (name, kept, first, second, stamped)
    scanner = Scanner("service:x", buckets=True)
    for turn in (2, 3):
        text = "".join(
            f"{r[0]}{quoted(r[1])} {number(r[turn])}{' 1700000000000' if r[4] else ''}\n"
            for r in distinct.values()
        )
        expected = {
            _spell(sample.name, sample.labels): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }
        found = table(scanner.scan(text.encode()))
        assert found.keys() == expected.keys()
        assert all(same(found[name], expected[name]) for name in expected)


def test_agrees_with_the_official_parser_on_openmetrics() -> None:
    """Exemplars, units and timestamps of an OpenMetrics page do not disturb its values."""
    text = page(
        "# HELP http_requests Requests.",
        "# TYPE http_requests counter",
        'http_requests_total{code="200"} 17 1700000000.5 # {trace_id="a} b"} 1 1700000000.1',
        'http_requests_created{code="200"} 1.6e9 1700000000.5',
        "# TYPE latency_seconds histogram",
        "# UNIT latency_seconds seconds",
        'latency_seconds_bucket{le="0.1"} 3 # {trace_id="x"} 0.05',
        'latency_seconds_bucket{le="+Inf"} 4',
        "latency_seconds_count 4",
        "latency_seconds_sum 1.5",
        "# EOF",
    )
    expected = {
        _spell(s.name, s.labels): s.value
        for family in open_families(text.decode())
        for s in family.samples
        if not s.name.endswith(("_bucket", "_created"))
    }
    scrape = Scanner("service:x").scan(text, openmetrics=True)
    assert table(scrape) == expected
    assert scrape.skipped == {"bucket": 2, "created": 1}
    kinds = {s.name: (s.kind, s.unit) for s in scrape.columns.series}
    assert kinds == {
        'http_requests_total{code="200"}': ("counter", ""),
        "latency_seconds_count": ("counter", ""),
        "latency_seconds_sum": ("counter", "seconds"),
    }


def test_the_set_is_the_same_object_until_a_series_comes() -> None:
    """A page with the same series, in any order, keeps the set; a new series makes a new one."""
    scanner = Scanner("service:x")
    first = scanner.scan(page("a 1", "b 2"))
    second = scanner.scan(page("b 3", "a 4"))
    assert second.columns is first.columns
    assert second.values.tolist() == [4, 3]
    third = scanner.scan(page("a 1", "b 2", "c 3"))
    assert third.columns is not first.columns
    assert table(third) == {"a": 1, "b": 2, "c": 3}


def test_a_vanished_series_is_nan_and_then_forgotten() -> None:
    """A missing series is NaN while patience lasts, then it leaves the set, and may come back."""
    scanner = Scanner("service:x", patience=3)
    scanner.scan(page("a 1", "b 2", "c 3"))
    for _ in range(2):
        assert np.isnan(scanner.scan(page("a 1", "c 3")).values[1])
    assert table(scanner.scan(page("a 5", "c 6"))) == {"a": 5, "c": 6}
    assert table(scanner.scan(page("a 5", "c 6"))) == {"a": 5, "c": 6}
    assert table(scanner.scan(page("b 9", "a 5", "c 6"))) == {"a": 5, "c": 6, "b": 9}


@pytest.mark.parametrize(
    "line",
    [
        "a", "a ", "a one", "a 1 two", "a 1_000", "a \u0661", '{x="y"} 1', 'a{x="y} 1', "a{x=y} 1",
        'a{x="y"', 'a{x="1",x="2"} 1', "a 1 2 3", "1a 1", "a{,} 1", "# TYPE a banana",
        "# TYPE a", 'a{"b"} 1', "a-b 1",
    ],
)  # fmt: skip
def test_one_malformed_line_rejects_the_page(line: str) -> None:
    """A page with a malformed line is rejected whole and leaves the scanner as it was."""
    scanner = Scanner("service:x")
    before = scanner.scan(page("good 1"))
    with pytest.raises(ScrapeError) as caught:
        scanner.scan(page("good 2", "other 3", line))
    assert caught.value.reason == "malformed"
    after = scanner.scan(page("good 4"))
    assert after.columns is before.columns
    assert table(after) == {"good": 4}


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ('a{x="y",} 1', 'a{x="y"}'),
        ('a { x = "y" , z="" }\t1', 'a{x="y"}'),
        ('a{x="y"}1', 'a{x="y"}'),
        ("  a   1  ", "a"),
        ("a{} 1", "a"),
        ('{"a.b",x="y"} 1', 'a.b{x="y"}'),
        (r'a{x="\\ \" \n \q {}"} 1', 'a{x="\\\\ \\" \\n \\\\q {}"}'),
        ('a{z="1",b="2"} 1', 'a{b="2",z="1"}'),
        ('a{x="u\u2028v"} 1', 'a{x="u\u2028v"}'),
        ("a 1\r", "a"),
        ("a 1 -5", "a"),
    ],
)
def test_spellings_of_one_series(line: str, name: str) -> None:
    """Blanks, empty labels and the order of labels do not make another series."""
    scanner = Scanner("service:x")
    for _ in range(2):
        assert table(scanner.scan(page("", "# a comment", line, "   "))) == {name: 1}


def test_kinds_follow_types_then_names() -> None:
    """An explicit type is believed; without one only ``_total`` makes a counter."""
    scrape = Scanner("service:x").scan(
        page(
            "# TYPE a_total gauge", "a_total 1", "b_total 1", "b_count 1",
            "# TYPE c summary", 'c{quantile="0.5"} 1', "c_sum 1", "c_count 1",
            "# TYPE d counter", "d 1", 'e_bucket{le="1"} 1', "f_seconds 2",
        )
    )  # fmt: skip
    kinds = {series.name: series.kind for series in scrape.columns.series}
    assert [name for name, kind in kinds.items() if kind == "counter"] == [
        "b_total", "c_sum", "c_count", "d",
    ]  # fmt: skip
    assert scrape.skipped == {"bucket": 1}
    assert {s.name: s.unit for s in scrape.columns.series}["f_seconds"] == "seconds"


def test_a_changed_type_changes_the_kind() -> None:
    """A family whose type changes keeps its columns and gets a new set with the new kind."""
    scanner = Scanner("service:x")
    assert scanner.scan(page("# TYPE a gauge", "a 1")).columns.series[0].kind == "gauge"
    assert scanner.scan(page("# TYPE a counter", "a 2")).columns.series[0].kind == "counter"


def test_the_first_of_two_equal_series_counts() -> None:
    """A series that stands twice on a page keeps its first value and the other is counted."""
    scrape = Scanner("service:x").scan(page('a{x="1",y="2"} 1', 'a{y="2",x="1"} 2', "b 3"))
    assert scrape.values.tolist() == [1, 3]
    assert scrape.skipped == {"duplicate": 1}


def test_the_instance_is_a_label() -> None:
    """Targets that share an entity differ in ``instance``; the page's own label steps aside."""
    scanner = Scanner("service:x", instance="h:1")
    assert scanner.series("up").name == 'up{instance="h:1"}'
    found = table(scanner.scan(page('a{instance="q"} 1')))
    assert found == {'a{exported_instance="q",instance="h:1"}': 1}


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(samples=1), "sample_limit"),
        (Limits(labels=1), "label_limit"),
        (Limits(name_length=3), "label_limit"),
        (Limits(value_length=3), "label_limit"),
    ],
)
def test_a_page_over_a_limit_is_rejected(limits: Limits, reason: str) -> None:
    """Too many samples or labels, or too long ones, reject the page by name."""
    with pytest.raises(ScrapeError) as caught:
        Scanner("service:x", limits=limits).scan(page('long{one="12345",two="2"} 1', "b 1"))
    assert caught.value.reason == reason


def test_bytes_that_are_not_utf8_reject_the_page() -> None:
    """One invalid byte rejects the page."""
    with pytest.raises(ScrapeError) as caught:
        Scanner("service:x").scan(b'a 1\nb{x="\xff"} 1\n')
    assert caught.value.reason == "encoding"


def test_openmetrics_without_an_end_is_half_a_page() -> None:
    """An OpenMetrics page must end in ``# EOF``."""
    scanner = Scanner("service:x")
    with pytest.raises(ScrapeError) as caught:
        scanner.scan(page("a 1"), openmetrics=True)
    assert caught.value.reason == "half_body"
    assert table(scanner.scan(page("a 1", "# EOF"), openmetrics=True)) == {"a": 1}


def test_memory_stays_flat_under_churn() -> None:
    """A target with ever new labels stays as wide as its patience allows, caches included."""
    scanner = Scanner("service:x", patience=3)
    for turn in range(60):
        scrape = scanner.scan(page(*(f'a{{id="{turn}-{i}"}} 1' for i in range(50))))
    assert len(scrape.columns.series) <= 150
    assert len(scanner._known) <= 1150


def test_pages_longer_than_a_chunk_are_read_whole() -> None:
    """Cutting a long page into pieces loses no line and tears none."""
    lines = [f'a{{id="{i}",text="{"x" * 90}"}} {i}' for i in range(6000)]
    scrape = Scanner("service:x").scan(page(*lines))
    assert scrape.values.tolist() == list(range(6000))
