"""Windows count every line of a stream once, whatever the lines hold."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiops.decoding.kinds import KindCache
from aiops.decoding.windows import StreamWindows, WindowSettings
from aiops.model import Block, LogWindow, Stream

STREAM = Stream("file:/a", "file", "service:a", "service:a")
AT = 1_741_068_000.0  # 2025-03-04 06:00 UTC


def line(second: int, text: str = "INFO hello") -> bytes:
    return f"2025-03-04T06:{second // 60:02}:{second % 60:02}Z {text}\n".encode()


def count(*blocks: bytes, arrived: float = -AT) -> tuple[list[LogWindow], StreamWindows]:
    windows = StreamWindows(STREAM, WindowSettings(), KindCache())
    closed = []
    for data in blocks:
        closed += windows.add(Block(STREAM, data, "", arrived))
    return closed + windows.flush(), windows


def test_a_late_line_counts_into_the_oldest_open_window() -> None:
    """A closed window stays closed; the late line is counted as late."""
    closed, windows = count(line(0), line(20), line(30), line(1))
    assert [(w.start - AT, w.lines) for w in closed] == [(0, 1), (20, 2), (30, 1)]
    assert windows.facts["late"] == 1


def test_lines_without_a_stamp_take_the_one_before() -> None:
    """What stands between two stamped lines belongs to the first of them."""
    closed, windows = count(b"banner\n", line(0), b"plain words\n", line(30))
    assert [w.lines for w in closed] == [3, 1]
    assert not windows.facts


def test_a_live_stamp_from_the_future_is_not_believed() -> None:
    """A stamp far ahead of its arrival moves nothing and is counted."""
    closed, windows = count(line(0), line(3000), line(1), arrived=AT + 5.0)
    assert [w.lines for w in closed] == [3]
    assert windows.facts["distrusted"] == 1


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_in_history_three_lines_make_a_jump_true(cut: int) -> None:
    """Two lines over an hour ahead are doubted, the third is believed, however it is cut."""
    far = [b"2025-03-05T09:00:00Z INFO a\n"] * 5
    closed, windows = count(line(0), b"".join(far[:cut]), b"".join(far[cut:]))
    assert [w.lines for w in closed] == [3, 3]
    assert windows.facts["distrusted"] == 2


def test_continuations_hang_on_their_head() -> None:
    """A trace is shown below its head, over the cut of blocks too, and is never a kind."""
    closed, _ = count(
        line(0, "ERROR broken") + b"Traceback (most recent call last):\n",
        b'  File "a.py", line 1\n',
        b"ValueError: no\n" + line(1),
    )
    [window] = closed
    assert (window.lines, window.continuations, len(window.counts)) == (5, 3, 2)
    first = next(iter(window.samples.values()))
    assert first.text.count("\n") == 3


HOSTILE = [
    b"{" * 100_000 + b"\n",
    b'{"a":' * 100_000 + b"\n",
    b'{"msg":"x","n":' + b"9" * 5000 + b"}\n",
    b'{"msg":NaN}\n',
    b'{"msg":"\\ud800 lone"}\n',
    b'{"msg":"one","msg":"two"}\n',
    b'{"msg":{"a":{"message":5}}}\n',
    b'{"level":99999999999999999999,"msg":"x"}\n',
    b'{"level":"' + b"1" * 5000 + b'","msg":"x"}\n',
    b'{"time":"0000-99-99T99:99:99Z","msg":"x"}\n',
    b'{"service":"a\\u001fb\\n","msg":"x\\u001f\\ny"}\n',
    b'{"status":"abc","msg":7}\n',
    b"\x00\x00\x00\n",
    b"\xff\xfe\xfa\n",
    b"a\x1fb\x1fc\x1fd\n",
    b"\r\n",
    b"carriage\rreturn\r\n",
    "line separator\u2028here\n".encode(),
    b"x" * (1 << 20) + b"\n",
    b'"' + b'\\"' * (1 << 19) + b"\n",
    b"A." * (1 << 19) + b"\n",
    b"\n",
]
FIRST = {
    "plain": line(0),
    "json": b'{"time":"2025-03-04T06:00:00Z","msg":"hello"}\n',
    "access": b'h - - [04/Mar/2025:06:00:00 +0000] "GET / HTTP/1.1" 200 1\n',
    "syslog": b"<13>Mar  4 06:00:00 web1 a: hello\n",
    "logfmt": b"ts=2025-03-04T06:00:00Z level=30 msg=hello\n",
    "cri": b"2025-03-04T06:00:00.1Z stdout F hello\n",
}


@pytest.mark.parametrize("shape", FIRST)
def test_hostile_lines_are_counted_like_any(shape: str) -> None:
    """Nothing that a line can hold raises or is lost."""
    closed, windows = count(FIRST[shape], *HOSTILE)
    assert sum(w.lines for w in closed) == len(HOSTILE) + 1
    for w in closed:
        assert sum(w.counts.values()) + w.continuations + w.other == w.lines
        assert all(len(s.text) <= 3 * 2048 for s in w.samples.values())
    if shape == "json":
        assert windows.facts["unreadable"] >= 2


@given(st.lists(st.binary(max_size=60).map(lambda b: b.replace(b"\n", b"") + b"\n"), max_size=20))
def test_any_lines_are_counted(lines: list[bytes]) -> None:
    """heads + continuations + other = lines read."""
    for first in FIRST.values():
        closed, _ = count(first, *lines)
        assert sum(w.lines for w in closed) == len(lines) + 1
        for w in closed:
            assert sum(w.counts.values()) + w.continuations + w.other == w.lines


def test_entities_come_from_resources_and_services() -> None:
    """Only a service may split a stream; its place may be nested."""
    records = [
        {"msg": "a", "service": "cart"},
        {"msg": "a", "service": {"name": "mail"}},
        {"msg": "a", "resource": {"service.name": "db"}},
        {"msg": "a", "resource": {"attributes": {"service.name": "web"}}},
        {"msg": "a", "user": "cart"},
    ]
    stamped = [json.dumps({"ts": AT, **r}).encode() + b"\n" for r in records]
    [window], _ = count(*stamped)
    assert sorted(k.entity for k in window.counts) == [
        "",
        "service:cart",
        "service:db",
        "service:mail",
        "service:web",
    ]


def test_docker_lines_are_read_through_their_frame() -> None:
    """The frame of a container runtime is not the message: text, trace or JSON is inside."""

    def framed(text: str) -> bytes:
        record = {"log": text + "\n", "stream": "stdout", "time": "2025-03-04T06:00:00.1Z"}
        return json.dumps(record).encode() + b"\n"

    [window], _ = count(
        framed("ERROR it broke"),
        framed("\tat a.B(B.java:1)"),
        framed('{"level":"error","msg":"inner"}'),
    )
    assert window.continuations == 1
    assert sorted(k.masked for k in window.counts) == [b"inner", b"it broke"]
    assert {k.severity.label for k in window.counts} == {"error"}


def test_cri_pieces_are_counted_and_continue_their_line() -> None:
    """The pieces of a long line are one head and its continuations."""
    stamp = b"2025-03-04T06:00:00.1Z "
    closed, windows = count(
        stamp + b"stdout P INFO begins\n" + stamp + b"stderr F ERROR other\n",
        stamp + b"stdout P goes on\n",
        stamp + b"stdout F ends\n" + stamp + b"stdout F INFO next\n",
    )
    [window] = closed
    assert (window.lines, window.continuations) == (5, 2)
    assert windows.facts["partial"] == 2


def test_a_saved_sample_does_not_grow_with_later_lines() -> None:
    """What a cut holds is of its moment; both the live and the restored window go on from it."""
    windows = StreamWindows(STREAM, WindowSettings(), KindCache())
    # A shape is known after enough lines; the last one may still be continued.
    windows.add(Block(STREAM, line(0) * 300 + line(1, "ERROR boom"), "", -AT))
    state = windows.to_state()
    again = StreamWindows.from_state(state, WindowSettings(), KindCache())
    more = b"  at one\n  at two\n" + line(30)
    for one in (windows, again):
        closed = one.add(Block(STREAM, more, "", -AT)) + one.flush()
        texts = [s.text for s in closed[0].samples.values()]
        assert texts[1].endswith("boom\n  at one\n  at two")
        assert closed[0].lines == 303
    entities, severities, masked, counts = state["open"][0][1]
    assert (len(entities), len(severities), len(masked), counts) == (2, 2, 2, [300, 1])
    assert [len(text) for text in state["open"][0][2][1]] == [1, 1]
