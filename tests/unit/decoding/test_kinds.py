"""What a block of new lines is read as is what each of them is read as."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiops.decoding.kinds import CONTINUATION, KindCache
from aiops.decoding.levels import guess_level, may_sound_bad, stated_level
from aiops.decoding.lines import Shape, collapse, split_plain, split_plain_many, split_text
from aiops.decoding.plain import LogfmtShape, PlainShape, SyslogShape
from aiops.decoding.stamps import StampReader, find_stamp
from aiops.model import LineKind, Severity
from aiops.redaction import redact_bytes
from detectors.masking import Masker
from tests.unit.test_redaction import HIDDEN

STAMPED = PlainShape(find_stamp(b"2024-03-01 10:00:00,123 INFO x", 0.0))
SHAPES: list[Shape] = [PlainShape(None), STAMPED, LogfmtShape(None), SyslogShape(None)]

WORDS = st.one_of(
    st.sampled_from([text for text, _ in HIDDEN if "\n" not in text]),
    st.sampled_from(
        [
            *("2024-03-01 10:00:00,123", "W0301 10:00:00.000", "Sat", "May 0", "at x.y(z)", "}"),
            *("ERROR", "CRIT:", "xINFO", "[error]", "level=warn", "panic", "no errors"),
            *("out of memory", "memory", "timed out", "-----BEGIN", "PASSWORD", "://u:p@h/"),
            *("<*>", "a\1b", "\1", "\t", "  ", "tok=1", "deadbeef01", "/a/b?c=d"),
        ]
    ),
    st.text(alphabet="ab0 =:[]-_.ERINFOW\t\1é", max_size=12),
)
LINES = st.lists(st.lists(WORDS, max_size=6).map(" ".join).map(str.encode), max_size=8)


def keys_of(lines: list[bytes]) -> list[bytes]:
    return collapse(b"\n".join(lines)).split(b"\n") if lines else []


def read_alone(shape: Shape, key: bytes) -> LineKind:
    parts = shape.split(key)
    if parts.continuation:
        return CONTINUATION
    return LineKind(parts.entity, parts.severity, redact_bytes(Masker().mask(parts.message)))


@given(LINES, st.sampled_from(SHAPES))
def test_a_block_is_read_as_its_lines_are(lines: list[bytes], shape: Shape) -> None:
    """Severity, mask and redaction of many lines at once are those of each of them alone."""
    keys = keys_of(lines)
    found = KindCache().resolve_many(shape, keys)
    warm = KindCache()
    warm.resolve_many(shape, keys[::2])
    assert found == warm.resolve_many(shape, keys)
    for key in keys:
        assert found[key] == KindCache().resolve(shape, key)


@given(LINES)
def test_nothing_that_is_hidden_in_a_line_passes_in_a_block(lines: list[bytes]) -> None:
    """Redaction asks only lines with an odd word, and leaves none out that it would change."""
    shape = PlainShape(None)
    keys = keys_of(lines)
    kinds = KindCache()
    for key, kind in zip(keys, kinds._read(shape, keys), strict=True):
        assert kind == read_alone(shape, key)
        assert kind is CONTINUATION or redact_bytes(kind.masked) == kind.masked


@pytest.mark.parametrize(("secret", "_"), [pair for pair in HIDDEN if "\n" not in pair[0]])
def test_every_known_secret_is_hidden_among_harmless_lines(secret: str, _: str) -> None:
    """One line with a secret in a block of others is redacted as if it were alone."""
    keys = keys_of([b"all is well here", secret.encode(), b"nothing to see", b"x" * 3000])
    shape = PlainShape(None)
    found = KindCache()._read(shape, keys)
    assert found == [read_alone(shape, key) for key in keys]


_HEAD = re.compile(
    rb"(?:^|[\s\[(|:>\-])(EMERG(?:ENCY)?|ALERT|PANIC|FATAL|CRIT(?:ICAL)?|ERROR|ERR|SEVERE|WARNING|WARN"
    rb"|NOTICE|INFO|DEBUG|TRACE|VERBOSE|FINE|FINER|FINEST|CONFIG|LOG|HINT|DETAIL|STATEMENT)(?=$|[\s\])|:,\-])"
)


@given(
    st.lists(
        st.sampled_from([*"[](|:>- \tx", "ERROR", "ERR", "INFO", "WARN", "FINER", "Z" * 130]),
        max_size=12,
    )
)
def test_level_words_are_found_where_one_pattern_finds_them(parts: list[str]) -> None:
    """Looking for the word first and then before it finds the same as both in one pattern."""
    text = "".join(parts).encode()
    expected = _HEAD.search(text, 0, 140)
    stated = stated_level(text)
    if expected is not None:
        assert stated is not None
        assert stated[0] == expected[1].lower()
    else:
        assert stated is None


@given(WORDS)
def test_a_line_of_calm_words_is_information(text: str) -> None:
    """What no word suggests is not guessed from the line either."""
    line = text.encode()
    if not any(may_sound_bad(word) for word in line.split()):
        assert guess_level(line) is Severity.INFO


def test_a_level_that_is_not_stated_is_guessed_from_the_words() -> None:
    """The same words give the same severity alone and in a block."""
    keys = [b"disk 0 failed", b"disk 0 is fine", b"run with no errors", b"kernel: out of memory"]
    found = KindCache().resolve_many(PlainShape(None), keys)
    assert [found[key].severity for key in keys] == [split_text(key).severity for key in keys]
    assert found[keys[0]].severity is Severity.WARNING
    assert found[keys[1]].severity is Severity.INFO


STAMPS = st.sampled_from(
    ["0-0-0 0:0:0,0", "0-0-0T0:0:0.0Z", "0:0:0", "0/Jan/0:0:0:0 +0", "0-0-0", "0T0"]
)
AFTER = st.sampled_from(
    ["", " ", " x", "Z", " Z", " UTC a", " +0 b", "] c", ".0 d", " 0 e", "  -- f=1", " ERROR g"]
)
STAMPED_LINES = st.lists(st.tuples(STAMPS, AFTER, AFTER).map("".join).map(str.encode), max_size=6)


@given(STAMPED_LINES, st.sampled_from([None, STAMPED.stamps]))
def test_lines_of_one_stamp_are_split_as_each_is(
    keys: list[bytes], stamps: StampReader | None
) -> None:
    """What the first line begins with helps with the others and decides nothing."""
    fmt = None if stamps is None else stamps.format
    assert list(split_plain_many(keys, fmt)) == [split_plain(key, fmt) for key in keys]
