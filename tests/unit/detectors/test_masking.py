from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.collapse import collapse_digits, collapse_ids, is_id
from detectors.masking import WILD, Masker, mask_word
from detectors.templates import TemplateMiner

LINES = st.lists(
    st.one_of(
        st.text(alphabet="ab0F_-.:/ =[](),'\"<*>%+@xZ9\té", max_size=40).map(str.encode),
        st.binary(max_size=40),
        st.uuids().map(lambda u: f"id={u}, trace {u.hex} user_{u.hex[:7]}".encode()),
    ),
    max_size=12,
).map(lambda lines: [line.replace(b"\n", b" ").replace(b"\0", b"") for line in lines])


def masked(line: str) -> str:
    return Masker().mask(collapse_digits(line.encode())).decode()


@given(st.binary(max_size=300))
def test_collapse_is_what_the_regular_expression_says(data: bytes) -> None:
    """Every run of digits becomes one zero, NUL bytes vanish, nothing else changes."""
    assert collapse_digits(data) == re.sub(
        rb"\d+", b"0", re.sub(rb"\d+", b"0", data).replace(b"\0", b"")
    ) or (b"\0" in data)
    clean = data.replace(b"\0", b"")
    assert collapse_digits(clean) == re.sub(rb"[0-9]+", b"0", clean)
    assert collapse_digits(data).count(b"\n") == data.count(b"\n")


def test_a_run_of_digits_over_the_edge_of_a_piece_is_one_zero() -> None:
    """Working in pieces cannot be seen in the result."""
    for shift in (-2, -1, 0, 1):
        data = b"x" * (65536 + shift) + b"12345 y\n" + b"7" * 200_000 + b" z"
        assert collapse_digits(data) == b"x" * (65536 + shift) + b"0 y\n0 z"


@given(LINES)
def test_collapsing_ids_changes_no_mask(lines: list[bytes]) -> None:
    """A key masks the same before and after its encoded ids were collapsed."""
    keys = [collapse_digits(line) for line in lines]
    early = collapse_ids(b"\n".join(keys)).split(b"\n") if keys else []
    assert [Masker().mask(key) for key in early] == [Masker().mask(key) for key in keys]


RUNS = st.text(alphabet="0a-_gGF1 \n", max_size=40).map(str.encode)


@given(st.lists(RUNS, max_size=4).map(b"0".join))
def test_ids_are_what_the_regular_expression_finds(data: bytes) -> None:
    """Working on a whole block finds the runs and words that are ids, one by one."""
    expected = re.sub(rb"[0-9A-Za-z_-]{7,}", lambda run: b"0" if is_id(run[0]) else run[0], data)
    expected = re.sub(
        rb"(?<!\S)[0-9a-fA-F]{2,6}(?!\S)",
        lambda word: b"0" if word[0].count(b"0") > 1 else word[0],
        expected,
    )
    assert collapse_ids(data) == expected
    assert collapse_ids(data + b"\n" * 3000).rstrip(b"\n") == expected.rstrip(b"\n")


PIECES = ("/", "0", "a", "var", "F0", "-", "_", ".", ":0", "?", "=", "[", "\\", "0a-0a-0a-0a-0a")


@given(st.lists(st.sampled_from(PIECES), max_size=8).map(lambda some: f"/{''.join(some)}".encode()))
def test_a_path_is_masked_as_if_it_were_taken_apart(word: bytes) -> None:
    """What is known to be one path at once has the mask that all rules give it."""
    assert Masker().mask(word) == mask_word(word)


def test_short_ids_are_words() -> None:
    """A hexadecimal word with several numbers is an id; a stamp's letter or a name is none."""
    for line, expected in (
        (b"trace 0a0b0 span 0e0", b"trace 0 span 0"),
        (b"E0 0:0:0.0 a0 0b", b"E0 0:0:0.0 a0 0b"),
        (b"x=0a0 (0a0) 0a-0 0g0", b"x=0a0 (0a0) 0a-0 0g0"),
    ):
        assert collapse_ids(line) == expected
        assert collapse_ids(line + b"\n" * 3000).rstrip() == expected


@given(LINES)
def test_masking_many_is_masking_each(lines: list[bytes]) -> None:
    """Caches and their bounds change no result."""
    keys = [collapse_digits(line) for line in lines]
    fresh = [Masker().mask(key) for key in keys]
    small = Masker(max_cached=2, max_cached_bytes=4)
    assert small.mask_many(keys) == fresh
    warm = Masker()
    assert warm.mask_many(keys) == fresh
    assert warm.mask_many(keys) == fresh
    warm.clear()
    assert [warm.mask(key) for key in keys] == fresh


@given(LINES)
def test_lines_with_odd_words_are_named(lines: list[bytes]) -> None:
    """Many at once mask as each does, and no line with an odd word is left out."""

    def is_odd(word: bytes) -> bool:
        return b"x" in word or b"<*>=" in word

    keys = [collapse_digits(line) for line in lines]
    masker = Masker(max_cached=3, max_cached_bytes=4, odd=is_odd)
    plain = [Masker().mask(key) for key in keys]
    masked, odd = masker.mask_odd(keys)
    assert masked == plain == [masker.mask(key) for key in keys] == masker.mask_many(keys)
    for i, (key, line) in enumerate(zip(keys, masked, strict=True)):
        if any(map(is_odd, [*key.split(), *line.split()])):
            assert i in odd
        elif len(key) < 500 and not {0, 1} & {*key} and not re.search(rb"Sat|Sun|May", line):
            assert i not in odd


@settings(max_examples=50)
@given(st.integers(0, 10**12), st.integers(0, 10**6))
def test_numbers_never_show(one: int, two: int) -> None:
    """Lines that differ only in numbers have one key and one mask."""
    line = f"took {one} ms for job-{two} at 10.0.{two % 256}.{one % 256}:80"
    assert masked(line) == masked("took 7 ms for job-8 at 10.0.1.2:80")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "PacketResponder 1 for block blk_-388650 terminating",
            "PacketResponder <*> for block <*> terminating",
        ),
        ("Receiving src: /10.250.17.225:38889 ok", "Receiving src: <*> ok"),
        ("GET /api/v1/users?id=5&x=a HTTP/1.1", "GET <*> HTTP/<*>"),
        ("fetch https://shop.example/a/b?c=1, done", "fetch <*>, done"),
        (
            "[instance: b9000564-fe1a-409b-b8cc-1e88b294cd1d] VM Started",
            "[instance: <*>] VM Started",
        ),
        ("open /var/log/messages failed", "open <*> failed"),
        ("open C:\\Windows\\Temp\\a.log failed", "open <*> failed"),
        ("enabled=true retries=3 owner=null", "enabled=<*> retries=<*> owner=<*>"),
        ("token abcdefab and dQw4w9WgXcQ1kLmN-zQ end", "token <*> and <*> end"),
        ("user=bob took 1.5s (load 0.25)", "user=bob took <*> (load <*>)"),
        ("offset -12 at node-7", "offset <*> at node-<*>"),
        ('{"status":404,"path":"/x/y"}', '{"status":<*>,"path":"<*>"}'),
        ("Upload0OneMinuteDataToEngine started", "<*> started"),
        ("uploadOneMinuteDataToEngine started", "uploadOneMinuteDataToEngine started"),
        ("Jul 14 was quiet on eth0", "<*> <*> was quiet on eth<*>"),
    ],
)
def test_variable_parts_become_wildcards(line: str, expected: str) -> None:
    """Addresses, ids, paths, literals and numbers are variable; words stay."""
    assert masked(line) == expected


def test_a_very_long_line_is_cut() -> None:
    """Words beyond the bound are one wildcard."""
    short = Masker(max_tokens=4)
    assert short.mask(b"a b c d e f g") == b"a b c d <*>"
    assert short.mask(b"a b c d") == b"a b c d"


@pytest.mark.parametrize(
    "unit",
    ["a", "a-", "/", "a.", "0,", "<*> ", "aB0", "0-", "[a,", "f0:", 'k="', "bcd ", "{", "C:\\"],
)
def test_monotonous_lines_cost_no_more_than_their_length(unit: str) -> None:
    """A line made to provoke backtracking is masked and learned in linear time, and cut."""
    line = unit.encode() * (60_000 // len(unit)) + b"!x"
    form = Masker().mask(collapse_digits(line))
    assert len(form) <= 4096 + 3
    miner = TemplateMiner("hostile")
    assert miner.learn([(form, 1)], 0.0) == {form: miner.lookup(form)}


def test_bytes_that_are_no_text_are_harmless() -> None:
    """Invalid UTF-8 and control bytes pass through."""
    assert Masker().mask(b"bad \xff\xfe byte 0\x80") == b"bad \xff\xfe byte <*>"


def test_words_and_dates_are_no_ids() -> None:
    """What people write is not taken for an encoded id; what machines write is."""
    assert not any(map(is_id, (b"TravelPlan0Controller", b"0-0-0", b"task-0", b"node_0_backup")))
    assert all(map(is_id, (b"0a0bc0de", b"0b0e-0a-0b-0c-0d0e0f", b"bU0BhTTDWksdRR0B0dg")))
    assert WILD == b"<*>"
