from __future__ import annotations

import itertools
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.masking import Masker
from detectors.plain_words import PlainWords

WORDS = st.sampled_from(
    [
        *(
            b"disk",
            b"user",
            b"Volume",
            b"a",
            b"sixteen-letters!",
            b"seventeen-letters",
            "café".encode(),
        ),
        *(b"", b"Sat", b"May", b"true", b"deadbeef", b"0", b"blk_0", b"\t", b"a\tb", b"\1", b"\0"),
        *(b"disk\0", b"password", b"disks", b"ab" * 700),
    ]
)
LINE = st.lists(WORDS, max_size=4).map(b" ".join)
# Few are drawn, which is what takes the time; all of them after one another make many.
LINES = st.lists(LINE, min_size=6, max_size=6).map(
    lambda few: few + [b" ".join(two) for two in itertools.product(few, few)]
)


def odd(word: bytes) -> bool:
    return b"pass" in word


@settings(max_examples=40, deadline=None)
@given(st.lists(LINES, min_size=1, max_size=3))
def test_what_was_learned_before_changes_no_line(blocks: list[list[bytes]]) -> None:
    """Lines are masked, and odd ones named, as one by one."""
    learned, single = Masker(odd=odd), Masker(odd=odd)
    one_by_one = [[single.mask_odd([line]) for line in lines] for lines in blocks]
    for lines, alone in [*zip(blocks, one_by_one, strict=True)] * 3:
        masked, places = learned.mask_odd(lines)
        assert masked == [form for forms, _ in alone for form in forms]
        assert sorted(places) == [i for i, (_, found) in enumerate(alone) if found]


def test_lines_of_known_words_stay() -> None:
    """A line stays once all its words are known; one new word, blank or bound and it does not."""
    plain, forms = PlainWords(), {word: word for word in (b"volume", b"mounted", b"read-only")}
    lines = [b"volume mounted", b"mounted read-only", b"volume"] * 20
    first = plain.others(lines, forms, 100)
    assert first == list(range(60))
    while plain.others(lines, {}, 100) is None:
        pass
    assert plain.others(lines, {}, 100) == []
    changed = [b"volume  mounted", b"volume mounted ", b"", b"volumes", b"volume mounted read-only"]
    assert plain.others([*lines, *changed], {}, 20) == [60, 61, 62, 63, 64]
    plain.clear()
    assert plain.others(lines, {}, 100) == first


def test_a_word_that_is_masked_is_never_known() -> None:
    """Only words that are masked to themselves are learned, and none of more than sixteen bytes."""
    plain, lines = PlainWords(), [b"true", b"May", b"x" * 17]
    forms = {b"true": b"<*>", b"May": b"May\1", b"x" * 17: b"x" * 17}
    seen = [plain.others(lines, forms, 100) for _ in range(4)]
    assert [others for others in seen if others is not None] == [[0, 1, 2]] * 2


def test_more_words_than_there_is_room_for_are_forgotten_not_mistaken() -> None:
    """Past the bound words displace each other; a line stays only for words that were learned."""
    plain, rng = PlainWords(), random.Random(5)
    made = sorted({bytes(rng.choices(b"abcdefghij", k=rng.randint(5, 14))) for _ in range(50_000)})
    known, never = made[::2], made[1::2]
    forms = {word: word for word in known}
    for _ in range(3):
        for start in range(0, len(known), 500):
            plain.others(known[start : start + 500], forms, 100)
    stayed = 0
    for start in range(0, len(known), 500):
        for some, most in ((known[start : start + 500], 500), (never[start : start + 500], 0)):
            others = plain.others(some, {}, 100)
            if others is not None:
                stayed += len(some) - len(others)
                assert len(some) - len(others) <= most
    assert stayed > 0
