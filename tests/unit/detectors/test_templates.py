from __future__ import annotations

import json
import random
from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.collapse import collapse_digits
from detectors.masking import Masker
from detectors.template_fields import Evidence, canonical, outlines, skeleton_of, split_fields
from detectors.template_groups import Cluster, Group
from detectors.templates import TemplateMiner

WORDS = ["job", "user", "disk", "started", "Paused", "<*>", "node-<*>", "key=<*>", "a.b", "[x, y]"]
LINE = st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map(" ".join).map(str.encode)
WINDOW = st.lists(st.tuples(LINE, st.integers(1, 5)), max_size=12)
WINDOWS = st.lists(WINDOW, max_size=6)


def mask(*lines: str) -> list[tuple[bytes, int]]:
    masker = Masker()
    return [(masker.mask(collapse_digits(line.encode())), 1) for line in lines]


def picture(miner: TemplateMiner) -> Any:
    header, arrays = miner.to_state()
    return (
        miner.templates(),
        msgspec.msgpack.encode(header),
        {name: array.tobytes() for name, array in arrays.items()},
    )


def restored(miner: TemplateMiner) -> TemplateMiner:
    header, arrays = miner.to_state()
    header = msgspec.msgpack.decode(msgspec.msgpack.encode(header))
    return TemplateMiner.from_state(header, arrays)


def small() -> TemplateMiner:
    return TemplateMiner("w", max_templates=6, novelty=8)


def run(miner: TemplateMiner, windows: list[list[tuple[bytes, int]]], at: int = 0) -> list[Any]:
    return [miner.learn(window, float(at + i)) for i, window in enumerate(windows)]


@given(WINDOWS, st.randoms(use_true_random=False))
def test_order_inside_a_window_changes_nothing(
    windows: list[list[tuple[bytes, int]]], rng: random.Random
) -> None:
    """What is learned depends on the set of lines of a window, not on their order."""
    shuffled = [rng.sample(window, len(window)) for window in windows]
    one, two = small(), small()
    assert run(one, windows) == run(two, shuffled)
    assert picture(one) == picture(two)


@given(WINDOWS)
def test_clearing_caches_changes_nothing(windows: list[list[tuple[bytes, int]]]) -> None:
    """Caches only save time."""
    one, two = small(), small()
    for at, window in enumerate(windows):
        first = one.learn(window, float(at))
        two.clear_caches()
        assert two.learn(window, float(at)) == first
    assert picture(one) == picture(two)


@given(WINDOWS, st.integers(0, 6))
def test_a_restored_miner_goes_on_as_if_it_never_stopped(
    windows: list[list[tuple[bytes, int]]], split: int
) -> None:
    """Saving and restoring at any window leaves the same bytes at the end."""
    whole, part = small(), small()
    expected = run(whole, windows)
    before = run(part, windows[:split])
    after = restored(part)
    assert before + run(after, windows[split:], at=len(windows[:split])) == expected
    assert picture(after) == picture(whole)


@given(WINDOWS)
def test_counts_are_conserved(windows: list[list[tuple[bytes, int]]]) -> None:
    """Template counts add up to what was learned, whatever was merged, refused or evicted."""
    miner = small()
    seen = 0
    for ids in run(miner, windows):
        seen += len(ids)
    learned = sum(n for window in windows for _, n in window)
    assert sum(t.count for t in miner.templates()) == learned
    assert len(miner.templates()) <= miner.max_templates + 1


@given(WINDOWS)
def test_every_line_gets_an_id_that_resolves(windows: list[list[tuple[bytes, int]]]) -> None:
    """Every learned line has an id, and it leads to a template or the template was evicted."""
    miner = TemplateMiner("w")
    known: set[str] = set()
    for window, ids in zip(windows, run(miner, windows), strict=True):
        assert set(ids) == {line for line, _ in window}
        known |= set(ids.values())
    assert {miner.resolve(id_) for id_ in known} <= {t.id for t in miner.templates()}


@settings(max_examples=40)
@given(WINDOWS)
def test_lookup_agrees_with_what_was_learned(windows: list[list[tuple[bytes, int]]]) -> None:
    """A line looked up after its window has the id that learning gave it."""
    miner = TemplateMiner("w")
    for window in windows:
        ids = miner.learn(window, 0.0)
        assert {line: miner.lookup(line) for line in ids} == ids
    assert miner.lookup(b"never = seen ; before") is None


def test_opposite_meanings_stay_apart() -> None:
    """Started and Paused are two events, however often both come."""
    verbs = ("Started", "Paused", "Resumed", "Stopped")
    miner = TemplateMiner("vm")
    ids = miner.learn(mask(*(f"VM {verb} (Lifecycle Event)" for verb in verbs)), 0.0)
    assert len(set(ids.values())) == 4


def test_siblings_merge_when_enough_of_them_show_a_variable() -> None:
    """User names become a wildcard, and the old ids lead to the smallest line's id."""
    miner = TemplateMiner("ssh")
    first = miner.learn(mask("Invalid user webmaster from 10.0.0.1"), 1.0)
    (old,) = first.values()
    second = miner.learn(mask("Invalid user admin from 10.0.0.1"), 2.0)
    (new,) = second.values()
    assert [t.text for t in miner.templates()] == ["Invalid user <*> from <*>"]
    assert miner.resolve(old) == new == miner.templates()[0].id
    assert miner.lookup(mask("Invalid user someone.else from 10.9.9.9")[0][0]) == new
    assert (miner.templates()[0].first_seen, miner.templates()[0].last_seen) == (1.0, 2.0)


def test_the_id_is_named_by_workload_and_smallest_line() -> None:
    """Two miners that saw the same give the same ids; another workload gives others."""
    lines = mask("hello world", "bye world")
    one, two, other = TemplateMiner("a"), TemplateMiner("a"), TemplateMiner("b")
    assert one.learn(lines, 0.0) == two.learn(lines[::-1], 5.0)
    assert set(one.learn(lines, 0.0).values()).isdisjoint(other.learn(lines, 0.0).values())


def test_lists_of_any_length_are_one_template() -> None:
    """A list shows as written while all are alike, and as one wildcard once lengths differ."""
    miner = TemplateMiner("lists")
    miner.learn(mask("ask 1 to delete blk_1 blk_2"), 0.0)
    assert miner.templates()[0].text == "ask <*> to delete <*> <*>"
    miner.learn(mask("ask 1 to delete blk_1 blk_2 blk_3 blk_4"), 1.0)
    assert [t.text for t in miner.templates()] == ["ask <*> to delete <*>"]


def test_lists_of_words_are_one_value() -> None:
    """Bracketed word lists of different length become one wildcard like any other name."""
    miner = TemplateMiner("lists")
    places = ("[nanjing, shanghai]", "[suzhou, nanjing, beijing]", "[shanghai]", "[a, b]")
    miner.learn(mask(*(f"check stations names: {place}" for place in places)), 0.0)
    assert [t.text for t in miner.templates()] == ["check stations names: [<*>]"]


def test_units_after_a_number_are_part_of_it() -> None:
    """KB and MB after a number are one template, at the second unit seen."""
    miner = TemplateMiner("units")
    miner.learn(mask("stored (size 5 KB, ok)", "stored (size 7.5 MB, ok)"), 0.0)
    assert len(miner.templates()) == 1


def test_optional_values_of_keys_are_one_template() -> None:
    """``user=`` with and without a value is one template once the value varies."""
    miner = TemplateMiner("auth")
    miner.learn(mask("failure; tty=ssh user=", "failure; tty=ssh user=root"), 0.0)
    assert len(miner.templates()) == 1


def test_quoted_values_of_any_length_are_one_value() -> None:
    """A quoted value after ``=`` is one word, however many words are in it."""
    miner = TemplateMiner("locks")
    tags = ("View Lock", "ack", "*a* (b, c)", "three more words")
    miner.learn(mask(*(f'acquire tag="{tag}", flags=0x1' for tag in tags)), 0.0)
    assert [t.text for t in miner.templates()] == ['acquire tag="<*>", flags=<*>']


def test_values_of_keys_may_vary_together() -> None:
    """Lines that differ only in values of keys are one template, unless a value is a state."""
    trips = (("shanghai", "suzhou"), ("nanjing", "wuxi"), ("wuxi", "beijing"), ("suzhou", "jinan"))
    miner = TemplateMiner("trips")
    miner.learn(
        mask(
            *(
                f"Seat(no={i}, start={a}, dest={b}, stations=[{a}, x, {b}])"
                for i, (a, b) in enumerate(trips)
            )
        ),
        0.0,
    )
    assert [t.text for t in miner.templates()] == [
        "Seat(no=<*>, start=<*>, dest=<*>, stations=[<*>])"
    ]
    states = (("NEW", "wuxi"), ("RUNNING", "suzhou"), ("DONE", "jinan"), ("FAILED", "xian"))
    miner = TemplateMiner("jobs")
    miner.learn(mask(*(f"Job(state={a}, node={b})" for a, b in states)), 0.0)
    assert len(miner.templates()) == 4


def test_states_in_capitals_are_events() -> None:
    """Steps of a state machine stay apart."""
    states = ("NEW", "RUNNING", "FAILED", "KILLED", "SUCCEEDED", "SETUP")
    miner = TemplateMiner("jobs")
    miner.learn(mask(*(f"job_{i} moved to {state}" for i, state in enumerate(states))), 0.0)
    assert len(miner.templates()) == len(states)


def test_json_lines_keep_their_keys() -> None:
    """JSON messages with the same keys are one template that shows the keys."""
    lines = [
        json.dumps({"user_id": i, "ok": bool(i % 2), "path": f"/a/{i}", "token": f"{i:032x}"})
        for i in range(7, 30)
    ]
    miner = TemplateMiner("json")
    miner.learn(mask(*lines), 0.0)
    assert [t.text for t in miner.templates()] == [
        '{"user_id": <*>, "ok": <*>, "path": "<*>", "token": "<*>"}'
    ]


def test_eviction_takes_the_least_recently_seen_and_says_so() -> None:
    """At the cap the oldest templates leave; their counts move to the rest."""
    miner = TemplateMiner("w", max_templates=10)
    for at in range(4):
        lines = [f"{chr(97 + at) * 3} {chr(97 + i) * 4} alone" for i in range(4)]
        miner.learn([(line.encode(), 2) for line in lines], float(at))
    texts = {t.text for t in miner.templates()}
    assert miner.evicted == 6
    assert {t[:3] for t in texts} == {"bbb", "ccc", "ddd", "<ot"}
    assert sum(t.count for t in miner.templates()) == 32
    assert miner.lookup(b"aaa aaaa alone") is None


def test_a_flood_of_novel_lines_is_refused_beyond_the_credit() -> None:
    """A window learns so many new lines, the frequent first; the others count as one template."""
    miner = TemplateMiner("w", novelty=16)
    flood = [(f"{i:b} flood".replace("1", "l").replace("0", "o").encode(), 1) for i in range(100)]
    ids = miner.learn([*flood, (b"the usual line", 50)], 0.0)
    assert miner.refused == 85
    assert ids[b"the usual line"] != miner.other_id
    assert Counter(ids.values())[miner.other_id] == 85
    assert sum(t.count for t in miner.templates()) == 150


def test_forwards_are_bounded() -> None:
    """Old ids are forgotten at last, oldest first, so merging for years costs no memory."""
    miner = TemplateMiner("w", max_templates=5)
    for i in range(200):
        name = "".join(chr(97 + int(digit)) for digit in str(i))
        miner.learn([(f"event {name} for user {name}.x".encode(), 1)], float(i))
    header, _ = miner.to_state()
    assert len(header["forward"]) <= 20


@given(st.lists(st.one_of(LINE, st.binary(max_size=20)), max_size=6))
def test_many_lines_are_outlined_as_each(lines: list[bytes]) -> None:
    """Canonical form, skeleton and fields do not depend on what stands beside a line."""
    found = outlines(lines)
    assert found == [(canonical(line), skeleton_of(canonical(line))) for line in lines]
    for canon, skeleton in found:
        assert split_fields(canon, skeleton) == split_fields(canon)


FIELDS = st.lists(st.sampled_from(["a", "b", "c=1", "d=2", "d=3", "Xy"]), min_size=3, max_size=3)


@given(st.lists(FIELDS.map(" ".join).map(str.encode), unique=True, max_size=30))
def test_siblings_are_found_among_all(lines: list[bytes]) -> None:
    """The few that are looked at hold every sibling; what left leaves nothing behind."""
    group = Group()
    made = []
    for line in lines:
        if skeleton_of(line) == skeleton_of(lines[0]):
            fields = split_fields(line)
            made.append(
                Cluster(str(line), line, fields, fields, (), skeleton_of(line), line, 1, 0.0, 0.0)
            )
            group.add(made[-1])
    for one in made:
        for two in made:
            if {h for h, _ in one.siblings()} & {h for h, _ in two.siblings()}:
                assert set(one.shared()) & set(two.shared())
    eager = Evidence(1, 1, 1, 2, 2, 2, 2, 0)
    everywhere = {key: set(made) for key in group.near}
    found = group.siblings(made, eager)
    for one in made:
        group.remove(one)
    assert not group.near
    group.near.update(everywhere)
    assert found == group.siblings(made, eager)


def test_words_that_change_places_make_no_siblings() -> None:
    """Lines with the same words in another order share no hash of what surrounds a word."""
    hashes: set[int] = set()
    for n in range(200):
        line = f"x {n} {n + 1000}".encode(), f"x {n + 1000} {n}".encode()
        for one in line:
            fields = split_fields(one)
            cluster = Cluster("", one, fields, fields, (), skeleton_of(one), one, 1, 0.0, 0.0)
            around = [h for h, places in cluster.siblings() if places == (0,)]
            assert not hashes.intersection(around)
            hashes.update(around)


def test_a_list_may_be_divided_by_semicolons() -> None:
    """What is shown is divided in the same places as what is compared."""
    miner = TemplateMiner("w")
    miner.learn([(f"got [a;b] from user {name}".encode(), 1) for name in ("kim", "bo", "al")], 0.0)
    assert [t.text for t in miner.templates()] == ["got [a;b] from user <*>"]


def test_evidence_is_configuration() -> None:
    """Asking for more siblings keeps more templates apart."""
    lines = mask(*(f"state of user {name}" for name in ("ann", "bob", "eve")))
    eager, careful = TemplateMiner("w"), TemplateMiner("w", evidence=Evidence(named=4))
    eager.learn(lines, 0.0)
    careful.learn(lines, 0.0)
    assert (len(eager.templates()), len(careful.templates())) == (1, 3)


def test_a_damaged_state_is_an_error_by_name() -> None:
    """Rows that do not fit together are refused, so that the owner can start cold."""
    miner = TemplateMiner("w")
    miner.learn(mask("one line"), 0.0)
    header, arrays = miner.to_state()
    with pytest.raises(ValueError, match="zip"):
        TemplateMiner.from_state(header, {**arrays, "count": arrays["count"][:1]})


def test_samples_are_kept_with_the_template_they_found() -> None:
    """The sample is the raw line that came with the founding masked line."""
    miner = TemplateMiner("w")
    miner.learn([(b"took <*> ms", 1)], 0.0, {b"took <*> ms": b"took 12 ms"})
    assert miner.templates()[0].sample == "took 12 ms"
