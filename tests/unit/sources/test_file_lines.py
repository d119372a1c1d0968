"""Cutting bytes into lines does not depend on how the bytes were cut before."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aiops.sources.tail.lines import codec_of, cut_lines

TEXT = st.lists(
    st.text(alphabet="ab\r\0é\u2028\u0a0a\u0d0a", max_size=30).filter(
        lambda s: not s.startswith("\ufeff")
    ),
    max_size=20,
)


def lines_of(raw: bytes, sizes: list[int], max_line: int) -> tuple[list[bytes], int]:
    """Feed *raw* in pieces of *sizes* (round and round); return lines and how many were cut."""
    out, buffer, cutting, offset, cut, turn = b"", b"", False, 0, 0, 0
    codec = codec_of(b"")
    while True:
        more, raw = raw[: sizes[turn % len(sizes)]], raw[sizes[turn % len(sizes)] :]
        buffer += more
        turn += 1
        if not offset:
            codec = codec_of(buffer)
        while buffer and (offset or len(buffer) > 2 or not raw):
            got = cut_lines(
                buffer,
                max_line=max_line,
                codec=codec,
                cutting=cutting,
                first=offset == 0,
                final=not raw,
            )
            if not got.used:
                break
            assert not got.data or got.data.endswith(b"\n")
            out, buffer, cutting = out + got.data, buffer[got.used :], got.cutting
            offset, cut = offset + got.used, cut + got.cut
        if not raw:
            return out.split(b"\n")[:-1], cut


@given(TEXT, st.lists(st.integers(1, 50), min_size=1, max_size=5), st.booleans())
def test_lines_do_not_depend_on_the_pieces(text: list[str], sizes: list[int], ended: bool) -> None:
    """Any pieces of a text give the same lines, cut at the limit or whole."""
    raw = ("\n".join(text) + ("\n" if ended else "")).encode()
    for max_line in (8, 1000):
        assert lines_of(raw, sizes, max_line) == lines_of(raw, [len(raw) + 1], max_line)


@given(TEXT, st.lists(st.integers(2, 50), min_size=1, max_size=5), st.sampled_from(["le", "be"]))
def test_utf16_gives_the_lines_of_utf8(text: list[str], sizes: list[int], order: str) -> None:
    """UTF-16 in either order, cut anywhere, gives what the same text in UTF-8 gives."""
    whole = "\n".join(text) + "\n"
    wide = ("\ufeff" + whole).encode(f"utf-16-{order}")
    assert lines_of(wide, sizes, 1000) == lines_of(whole.encode(), [10_000], 1000)
