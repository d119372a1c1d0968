"""Identifiers are found in lines of the streams a rule is about."""

from __future__ import annotations

import pytest

from aiops.decoding.identifiers import LONGEST, Finder
from aiops.decoding.kinds import KindCache
from aiops.decoding.windows import StreamWindows, WindowSettings
from aiops.model import Block, LogWindow, Stream
from aiops.sessions import SessionRule

CART = Stream("file:/var/log/cart.log", "file", "service:cart", "service:cart")


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (b'{"msg":"hello","trace_id":"abc-1"}', "abc-1"),
        (b'{"trace_id" : 17,"msg":"hello"}', "17"),
        (b"level=info trace_id=abc-1 msg=hello", "abc-1"),
        (b'level=info trace_id="abc-1" msg=hello', "abc-1"),
        (b"level=info xtrace_id=abc-1 msg=hello", None),
        (b'{"other_trace_id":"abc-1"}', None),
        (b'{"trace_id":""}', None),
        (b'{"trace_id":null}', None),
        (b"trace_id=- msg=hello", None),
        (rb'{"log":"{\"trace_id\":\"abc-1\",\"msg\":\"hello\"}\n"}', "abc-1"),
    ],
)
def test_field_is_found_in_json_and_logfmt(line: bytes, name: str | None) -> None:
    """A field is found by its whole name, quoted or not."""
    finder = Finder(CART, (SessionRule("request", field="trace_id"),))

    assert finder.find(line) == ([] if name is None else [("request", name)])


def test_pattern_names_by_its_group_or_whole() -> None:
    """The one group is the identifier; without one, all that matches."""
    rules = (SessionRule("a", pattern=r"id=(\d+)"), SessionRule("b", pattern=r"blk_-?\d+"))

    assert Finder(CART, rules).find(b"id=7 of blk_-9") == [("a", "7"), ("b", "blk_-9")]


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        (SessionRule("a", field="session_token"), b'{"session_token":"hunter2hunter2","n":1}'),
        (SessionRule("a", pattern=r"(?<=token=)\w+"), b"token=hunter2hunter2 all is well"),
        (SessionRule("a", pattern=r"Bearer (\S+)"), b"Authorization: Bearer hunter2hunter2"),
    ],
)
def test_an_identifier_that_is_a_secret_is_kept_as_its_hash(rule: SessionRule, line: bytes) -> None:
    """Lines of one session stay together, and nobody reads its secret in a saved state."""
    finder = Finder(CART, (rule,))
    ((_, name),) = finder.find(line)

    assert name.startswith("hidden-")
    assert finder.find(line) == [("a", name)]
    assert finder.find(line.replace(b"hunter2hunter2", b"hunter3hunter3")) != [("a", name)]


def test_an_identifier_beside_a_secret_is_kept() -> None:
    """Only what is itself a secret is hidden."""
    finder = Finder(CART, (SessionRule("a", field="id"),))

    assert finder.find(b"id=abc-1 password=hunter2hunter2") == [("a", "abc-1")]


def test_long_identifiers_are_cut() -> None:
    """An identifier is no way to fill the memory."""
    ((_, name),) = Finder(CART, (SessionRule("a", field="x"),)).find(b"x=" + b"y" * 9999)

    assert len(name) == LONGEST


@pytest.mark.parametrize(
    ("streams", "fits"),
    [
        ("*", True),
        ("cart", True),
        ("service:c*", True),
        ("file:*/cart.log", True),
        ("mail", False),
    ],
)
def test_rule_is_about_some_streams(streams: str, fits: bool) -> None:
    """A rule's glob is held against id, entity and bare name of a stream."""
    assert bool(Finder(CART, (SessionRule("a", pattern="x", streams=streams),))) is fits


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (SessionRule("a"), "either pattern or field"),
        (SessionRule("a", pattern="x", field="y"), "either pattern or field"),
        (SessionRule("a", pattern="("), "no regular expression"),
        (SessionRule("a", pattern="(x)(y)"), "has 2 groups"),
        (SessionRule("a", field="y"), ""),
    ],
)
def test_what_is_wrong_with_a_rule_is_said(rule: SessionRule, words: str) -> None:
    """A rule that names nothing or too much is refused in words."""
    assert words in rule.problem()
    assert bool(rule.problem()) is bool(words)


def windows_of(data: bytes, *rules: SessionRule) -> list[LogWindow]:
    windows = StreamWindows(CART, WindowSettings(sessions=rules), KindCache())
    return [*windows.add(Block(CART, data, "", 0.0)), *windows.flush()]


LINES = b"""2024-05-01T10:00:00Z INFO open r1
2024-05-01T10:00:01Z INFO open r2
  at shop.Cart r1
2024-05-01T10:00:12Z INFO close r1
2024-05-01T10:00:13Z INFO nothing
"""


def test_windows_carry_the_lines_of_sessions_in_their_order() -> None:
    """Each line that names a session comes with its kind and time; continuations do not."""
    first, second = windows_of(LINES, SessionRule("request", pattern=r"\b(r\d)\b"))

    assert [(rule, s, at - first.start) for rule, s, _, at in first.named] == [
        ("request", "r1", 0.0),
        ("request", "r2", 1.0),
    ]
    ((_, name, kind, _),) = second.named
    assert (name, kind in second.counts) == ("r1", True)


def test_without_a_rule_nothing_is_carried() -> None:
    """Nobody pays for what nobody asked for."""
    assert [list(w.named) for w in windows_of(LINES)] == [[], []]


def test_lines_of_sessions_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """One window carries so many and counts the rest."""
    monkeypatch.setattr("aiops.decoding.windows.MOST_NAMED", 1)
    windows = StreamWindows(
        CART, WindowSettings(sessions=(SessionRule("r", pattern=r"r\d"),)), KindCache()
    )
    windows.add(Block(CART, LINES, "", 0.0))

    assert windows.facts["session_lines"] == 1
