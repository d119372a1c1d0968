"""How far the lines of a minute are from their usual shares."""

from __future__ import annotations

import random

import pytest

from detectors.mix import ENOUGH, Mix, MixDistance

SHARES = {"hit": 0.7, "miss": 0.2, "evict": 0.08, "odd": 0.02}
T = 1_700_000_000.0


def minute(chance: random.Random, lines: int = 300) -> dict[str, float]:
    """Draw the lines of one minute."""
    drawn = chance.choices(list(SHARES), list(SHARES.values()), k=lines)
    return {key: float(drawn.count(key)) for key in SHARES}


def learned(minutes: int = 200) -> tuple[Mix, float, random.Random]:
    mix, at, chance = Mix(), T, random.Random(7)
    for _ in range(minutes):
        at += 60.0
        mix.learn(minute(chance), at)
    return mix, at, chance


def known(mix: Mix, counts: dict[str, float]) -> MixDistance:
    found = mix.distance(counts)
    assert found is not None
    return found


def test_by_chance_the_distance_is_about_the_root_of_the_kinds() -> None:
    """Whether a minute has two hundred lines or two thousand."""
    mix, _, chance = learned()
    for lines in (200, 2000):
        usual = [known(mix, minute(chance, lines)).value for _ in range(40)]
        assert 0.8 < sum(usual) / len(usual) < 2.4


def test_what_moved_most_comes_first() -> None:
    """A cache that misses what it hit: no new kind, no more lines, another mix."""
    mix, _, _ = learned()
    found = known(mix, {"hit": 60.0, "miss": 210.0, "evict": 24.0, "odd": 6.0})
    assert found.value > 10.0
    assert [m.key for m in found.moved[:2]] == ["miss", "hit"]
    assert found.moved[0].lines == 210.0
    assert found.moved[0].expected == pytest.approx(60.0, rel=0.1)
    assert (found.lines, found.kinds) == (300.0, 4)


def test_too_little_is_unknown() -> None:
    """Few lines, or kinds that are not settled, say nothing."""
    mix, _, _ = learned()
    assert mix.distance({"hit": ENOUGH - 1.0}) is None
    assert learned(10)[0].distance({"hit": 500.0}) is None


def test_a_new_kind_is_learned_before_it_is_judged() -> None:
    """It moves no share of the others, and after an hour its share is its own, not a part of it."""
    mix, at, chance = learned()
    for _ in range(70):
        at += 60.0
        counts = minute(chance) | {"new": 300.0}
        early = known(mix, counts)
        assert early.value < 6.0
        mix.learn(counts, at)
    assert known(mix, minute(chance) | {"new": 300.0}).value < 6.0
    assert known(mix, minute(chance) | {"new": 30.0}).moved[0].key == "new"


def test_an_incident_does_not_become_usual_at_once() -> None:
    """After half an hour of misses the usual is nearly what it was; after days it has moved."""
    mix, at, chance = learned(1000)
    bad = {"hit": 60.0, "miss": 210.0, "evict": 24.0, "odd": 6.0}
    before = known(mix, bad).value
    for n in range(3 * 1440):
        at += 60.0
        mix.learn(bad, at)
        if n == 30:
            assert known(mix, bad).value > 0.8 * before
    assert known(mix, bad).value < 0.3 * before
    assert known(mix, minute(chance)).value > 5.0


def test_merged_kinds_are_counted_as_one() -> None:
    """What was two is expected as the sum."""
    mix, _, _ = learned()
    mix.merge("evict", "miss")
    assert "evict" not in mix
    found = known(mix, {"hit": 210.0, "miss": 84.0, "odd": 6.0})
    assert found.value < 2.0


def test_what_was_saved_goes_on() -> None:
    """A rebuilt mix answers and learns as the saved one."""
    mix, at, chance = learned(80)
    again = Mix.from_state(mix.to_state())
    counts = minute(chance)
    assert again.distance(counts) == mix.distance(counts)
    mix.learn(counts, at + 60.0)
    again.learn(counts, at + 60.0)
    assert again.to_state() == mix.to_state()
