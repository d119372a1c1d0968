from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.bank import FEW, BankScores, SeriesBank
from detectors.season import SeasonTable

START = 1_699_920_000.0  # a midnight
BANDS = ("expected", "low", "high")

# What happens to a series, in stretches: it wobbles, jumps, is missing, goes mad, stands still.
stretches = st.lists(
    st.tuples(
        st.sampled_from(["noise", "flat", "jump", "missing", "wild", "count", "giant"]),
        st.integers(1, 40),
    ),
    min_size=1,
    max_size=5,
)


def values(parts: list[tuple[str, int]], seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    made = {
        "noise": lambda n: 100.0 + 5.0 * rng.standard_normal(n),
        "flat": lambda n: np.full(n, 100.0),
        "jump": lambda n: 300.0 + 5.0 * rng.standard_normal(n),
        "missing": lambda n: np.full(n, np.nan),
        "wild": lambda n: 100.0 * rng.lognormal(0.0, 1.0, n),
        "count": lambda n: rng.poisson(0.5, n).astype(float),
        "giant": lambda n: np.array([1e40, np.inf, *np.full(n, 100.0)])[:n],
    }
    first = made["noise"](40)
    return np.concatenate([first, *[made[kind](count) for kind, count in parts]])


def alike(one: BankScores, many: BankScores) -> None:
    """Decisions are the same; numbers differ by what float32 rounds."""
    assert one.reason.tolist() == many.reason.tolist()
    assert one.seen.tolist() == many.seen.tolist()
    np.testing.assert_array_equal(one.since, many.since)
    np.testing.assert_allclose(one.surprise, many.surprise, rtol=1e-3, atol=1e-3)
    width = np.nan_to_num(many.high - many.low)
    for name in BANDS:
        told, asked = getattr(one, name), getattr(many, name)
        assert np.isnan(told).tolist() == np.isnan(asked).tolist()
        assert (np.abs(np.nan_to_num(told - asked)) <= 1e-3 * width + 1e-9).all()


def floats(name: str, array: np.ndarray) -> np.ndarray:
    return array.view(np.float32) if name == "season" else array


@settings(max_examples=15, deadline=None)
@given(
    parts=stretches,
    seed=st.integers(0, 1000),
    slots=st.sampled_from([0, 24]),
    interval=st.sampled_from([None, 600.0]),
    gap=st.integers(0, 200),
)
def test_a_few_rows_are_stepped_to_the_same_scores_and_state_as_many(
    parts: list[tuple[str, int]], seed: int, slots: int, interval: float | None, gap: int
) -> None:
    """Plain numbers and arrays give the same decisions, and the same state but for rounding."""
    plain, arrays = SeriesBank(slots=slots), SeriesBank(slots=slots)
    rows = plain.add(2, interval=interval)
    arrays.add(2, interval=interval)
    at = START
    for i, value in enumerate(values(parts, seed)):
        at += 600.0 if i != gap else 90_000.0
        tick = np.array([value, 7.0 + value / 3.0])
        one = plain.step(rows, at, tick)
        alike(one, arrays.score(rows, at, tick))
        arrays.learn(rows, at, tick)
    mine, theirs = plain.to_state()[1], arrays.to_state()[1]
    for name, array in theirs.items():
        np.testing.assert_allclose(
            floats(name, mine[name]), floats(name, array), rtol=1e-2, atol=1e-3, err_msg=name
        )


def test_a_season_is_learned_alike() -> None:
    """After days of a daily wave both ways lean on the season, and call the same hour odd."""
    plain, arrays = SeriesBank(slots=24), SeriesBank(slots=24)
    rows = plain.add(1, interval=3600.0)
    arrays.add(1, interval=3600.0)
    rng = np.random.default_rng(3)
    for i in range(24 * 9):
        wave = 100.0 + 30.0 * np.sin(2 * np.pi * i / 24)
        tick = np.array([wave + rng.standard_normal()])
        one = plain.step(rows, START + 3600.0 * i, tick)
        alike(one, arrays.score(rows, START + 3600.0 * i, tick))
        arrays.learn(rows, START + 3600.0 * i, tick)
    assert plain.to_state()[1]["weight"][0] > 0.5
    odd = plain.step(rows, START + 3600.0 * 24 * 9, np.array([180.0]))
    alike(odd, arrays.score(rows, START + 3600.0 * 24 * 9, np.array([180.0])))
    assert odd.surprise[0] > 4.0


def test_what_is_accepted_and_what_ends_is_told_alike() -> None:
    """A shift that stays becomes the new normal, one that goes ends, either way it is stepped."""
    plain, arrays = SeriesBank(slots=0), SeriesBank(slots=0)
    rows = plain.add(1, interval=60.0)
    arrays.add(1, interval=60.0)
    rng = np.random.default_rng(5)
    shift = np.zeros(450)
    shift[150:165] = 100.0
    shift[250:] = 60.0
    reasons = set()
    for i, more in enumerate(shift):
        tick = np.array([100.0 + more + rng.standard_normal()])
        one = plain.step(rows, START + 60.0 * i, tick)
        alike(one, arrays.score(rows, START + 60.0 * i, tick))
        arrays.learn(rows, START + 60.0 * i, tick)
        reasons.add(int(one.reason[0]))
    assert 7 in reasons  # new normal
    assert np.isnan(plain.to_state()[1]["since"][0])


def test_a_bank_saved_between_two_steps_goes_on_exactly() -> None:
    """All that a step leaves behind is in the arrays: nothing finer is kept beside them."""
    whole = SeriesBank(slots=24)
    rows = whole.add(2)
    tick = 100.0 + 5.0 * np.random.default_rng(1).standard_normal((120, 2))
    for i in range(60):
        whole.step(rows, START + 60.0 * i, tick[i])
    again = SeriesBank.from_state(*whole.to_state())
    for i in range(60, 120):
        whole.step(rows, START + 60.0 * i, tick[i])
        again.step(rows, START + 60.0 * i, tick[i])
    mine, theirs = whole.to_state()[1], again.to_state()[1]
    for name, array in mine.items():
        np.testing.assert_array_equal(array, theirs[name], err_msg=name)


@pytest.mark.parametrize("count", [1, FEW, FEW + 1])
def test_a_step_is_score_and_learn(count: int) -> None:
    """However many rows there are, a step scores them before it learns them."""
    stepped, asked = SeriesBank(), SeriesBank()
    rows = stepped.add(count)
    asked.add(count)
    tick = 100.0 + 5.0 * np.random.default_rng(2).standard_normal((40, count))
    for i, now in enumerate(tick):
        alike(stepped.step(rows, START + 60.0 * i, now), asked.score(rows, START + 60.0 * i, now))
        asked.learn(rows, START + 60.0 * i, now)
    assert stepped.seen(rows).tolist() == [40] * count


def test_an_old_or_repeated_sample_teaches_a_single_row_nothing() -> None:
    """A step at a time that was learned already changes no state."""
    bank = SeriesBank(slots=24)
    rows = bank.add(1)
    for i in range(20):
        bank.step(rows, START + 60.0 * i, np.array([5.0 + i % 3]))
    before = bank.to_state()[1]
    bank.step(rows, START + 60.0 * 19, np.array([900.0]))
    bank.step(rows, START, np.array([900.0]))
    bank.step(rows, START + 60.0 * 20, np.array([np.nan]))
    after = bank.to_state()[1]
    for name, array in before.items():
        np.testing.assert_array_equal(array, after[name], err_msg=name)


@given(
    value=st.floats(-1e6, 1e6, width=32),
    then=st.floats(-1e6, 1e6, width=32),
    gap=st.floats(0.0, 1e5),
    fresh=st.booleans(),
)
def test_a_slot_of_the_season_is_learned_alike_for_one_and_for_many(
    value: float, then: float, gap: float, *, fresh: bool
) -> None:
    """Value and passes of a slot agree, whichever way they were learned."""
    one, many = SeasonTable(4), SeasonTable(4)
    one.grow(1)
    many.grow(1)
    none = np.zeros(0, np.int64)
    for now, anew in ((value, True), (then, fresh)):
        one.learn_one(2, 0, now, gap, fresh=anew)
        many.learn(
            2,
            slice(0, 1),
            np.array([now], np.float32),
            np.array([gap], np.float32),
            fresh=np.array([anew]),
            kept=none,
        )
    values, passes = many.read(2, slice(0, 1))
    found, count = one.read_one(2, 0)
    assert count == passes[0]
    assert found == pytest.approx(float(values[0]), rel=1e-4, abs=1e-3 * max(abs(value), 1e-3))
