"""Lines say in whose span they were written, in the fields and words of the usual formats."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aiops.decoding import windows
from aiops.decoding.kinds import KindCache
from aiops.decoding.spans import Fields, context_in, context_of, fields_of
from aiops.decoding.windows import StreamWindows, WindowSettings
from aiops.model import Block, LogWindow, Stream

TRACE, OWN, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", "b9c7c989f97918e1"
STREAM = Stream("file:/cart", "file", "service:cart", "service:cart")
STAMP = "2026-01-05T00:00:0"


def windows_of(*lines: str, cut: int = 0) -> list[LogWindow]:
    """Return what becomes of lines, cut into blocks of so many (0: one block)."""
    made = StreamWindows(STREAM, WindowSettings(), KindCache())
    found = []
    for n in range(0, len(lines), cut or len(lines)):
        data = "".join(f"{line}\n" for line in lines[n : n + (cut or len(lines))])
        found += made.add(Block(STREAM, data.encode(), str(n), 1_767_571_200.0))
    return found + made.flush()


def record(**fields: object) -> str:
    return json.dumps({"time": STAMP + "1Z", "level": "info", "message": "got it"} | fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"trace_id": TRACE, "span_id": OWN, "parent_span_id": CALLER},
        {"traceId": TRACE, "spanId": OWN, "parentSpanId": CALLER},
        {"traceId": TRACE, "spanId": OWN, "parentId": CALLER},
        {"TraceId": TRACE, "SpanId": OWN, "ParentId": CALLER},
        {"trace.id": TRACE, "span.id": OWN, "parent.id": CALLER},
        {"X-B3-TraceId": TRACE, "X-B3-SpanId": OWN, "X-B3-ParentSpanId": CALLER},
        {"span_id": OWN, "traceparent": f"00-{TRACE}-{CALLER}-01"},
        {"TRACE_ID": TRACE.upper(), "span_id": OWN, "parent_id": CALLER.upper()},
    ],
)
def test_the_usual_fields_say_who_called(fields: dict[str, Any]) -> None:
    """OpenTelemetry, Sleuth, .NET, Elastic, B3 and the W3C header all name trace and parent."""
    for lines in (
        [record(**fields)],
        [record(**fields)] * 9,
        [json.dumps({"log": record(**fields)})],
    ):
        assert windows_of(*lines)[0].spans == [("", TRACE, OWN, CALLER)]


@pytest.mark.parametrize(
    "line",
    [
        f"INFO trace_id={TRACE} span_id={OWN} parent_span_id={CALLER} got it",
        f'msg="got it" traceId="{TRACE}" spanId="{OWN}" parentId="{CALLER}"',
        f"INFO span_id={OWN} traceparent: 00-{TRACE}-{CALLER}-01 got it",
    ],
)
def test_words_of_text_say_who_called(line: str) -> None:
    """In plain text and logfmt the same names stand before their values."""
    assert windows_of(f"{STAMP}1Z {line}")[0].spans == [("", TRACE, OWN, CALLER)]


def test_what_says_no_parent_or_no_id_says_nothing_more() -> None:
    """Zeros, other words and numbers are no ids; a header with the own span is the one sent."""
    zeros = {"trace_id": TRACE, "span_id": OWN, "parent_span_id": "0" * 16}
    sent = {"span_id": OWN, "traceparent": f"00-{TRACE}-{OWN}-01"}
    for fields in (zeros, sent):
        names = fields_of(fields)
        assert names is not None
        assert context_of((fields, names)) == (TRACE, OWN, "")
    odd = Fields("a", "b", "c", "d")
    assert context_of(({"a": "secret password", "b": OWN, "c": CALLER}, odd)) is None
    assert context_of(({"a": 7, "b": 8, "c": 9, "d": 10}, odd)) is None
    assert context_in(b"the parent id of this row is 12") is None
    assert fields_of(["parent_id", "trace_id", "message"]) is None


def test_a_service_named_in_the_record_owns_its_span() -> None:
    """Streams of several services are told apart by the field that names them."""
    line = record(service="pay", trace_id=TRACE, span_id=OWN)
    assert windows_of(line)[0].spans == [("service:pay", TRACE, OWN, "")]


def test_many_spans_of_a_window_are_cut_alike_however_blocks_are_cut(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first hundred of a stream's window are kept, and what is beyond them is counted."""
    monkeypatch.setattr(windows, "MOST_SPANS", 5)
    lines = [record(trace_id=TRACE, span_id=f"{n:016x}") for n in range(1, 10)]
    whole, apart = windows_of(*lines), windows_of(*lines, cut=2)
    assert whole[0].spans == apart[0].spans
    assert len(whole[0].spans) == 5


def test_open_windows_keep_their_spans_over_a_restart() -> None:
    """What a cut saves of an open window holds its spans, too."""
    made = StreamWindows(STREAM, WindowSettings(), KindCache())
    line = record(trace_id=TRACE, span_id=OWN, parent_span_id=CALLER) + "\n"
    assert made.add(Block(STREAM, line.encode(), "1", 1_767_571_200.0)) == []
    again = StreamWindows.from_state(made.to_state(), WindowSettings(), KindCache())
    assert again.flush()[0].spans == [("", TRACE, OWN, CALLER)]
