"""What the bank knows of the week: weekends, and noise that grows with the level."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.bank import FEW, SeriesBank
from detectors.growth import above, height, learned
from detectors.week import PARTS, PROVEN, TIME, WEEK, WIDTH, WeekTable

MONDAY = 1_699_833_600.0
STEP = 7200.0
A_WEEK = round(WEEK / STEP)
SATURDAY = 60


def usual(ticks: int, *, weekend: float = 30.0, seed: int = 0) -> np.ndarray:
    """Return a level of 100 with noise, lower by *weekend* on Saturdays and Sundays."""
    rng = np.random.default_rng(seed)
    day = np.arange(ticks) * STEP // 86400.0 % 7
    return 100.0 - weekend * (day >= 5) + rng.standard_normal(ticks)


def follow(values: np.ndarray, *, start: float = MONDAY) -> tuple[np.ndarray, np.ndarray]:
    """Return surprise and expectation of every value, judged in arrays."""
    bank = SeriesBank()
    rows = bank.add(FEW + 1, interval=STEP)
    found = [
        bank.step(rows, start + STEP * i, np.full(FEW + 1, value)) for i, value in enumerate(values)
    ]
    return np.array([s.surprise[0] for s in found]), np.array([s.expected[0] for s in found])


def test_the_first_weekend_is_a_departure_and_the_fifth_is_expected() -> None:
    """Nobody can know the first one; what came back every week is usual."""
    surprise, expected = follow(usual(5 * A_WEEK))
    first = slice(SATURDAY, SATURDAY + 24)
    fifth = slice(4 * A_WEEK + SATURDAY + 1, 5 * A_WEEK - 1)

    assert np.nanmax(surprise[first]) >= 4.0
    assert np.nanmax(surprise[fifth]) < 2.0
    assert (abs(expected[fifth] - 70.0) < 8.0).all()


def test_the_first_weekend_is_known_in_full() -> None:
    """Parts of the first week are of one base: Sunday night is as low as Saturday morning."""
    bank = SeriesBank()
    rows = bank.add(1, interval=STEP)
    for i, value in enumerate(usual(A_WEEK + 1)):
        bank.step(rows, MONDAY + STEP * i, np.array([value]))
    week = WeekTable()
    week.grow(1)
    week.load(bank.to_state()[1])
    first = int(MONDAY // WIDTH) % PARTS
    parts = np.array([week.part((first + n) % PARTS, rows)[0] for n in range(A_WEEK)])
    usually = np.nanmedian(parts[:SATURDAY])

    np.testing.assert_allclose(parts[SATURDAY:], usually - 30.0, atol=5.0)


def test_whole_weeks_later_all_is_judged_alike() -> None:
    """Only the hour of the week matters, not which week it is."""
    values = usual(A_WEEK + 24)
    early, late = follow(values), follow(values, start=MONDAY + 9 * WEEK)

    np.testing.assert_array_equal(early[0], late[0])
    np.testing.assert_array_equal(early[1], late[1])


def test_what_departs_teaches_a_known_part_nothing() -> None:
    """A fault is not expected again a week later; of what nothing is known, all is taken."""
    week = WeekTable()
    week.grow(1)
    rows, one = slice(0, 1), np.ones(1, np.float32)
    week.close(np.arange(1), 7, 5.0 * one)
    held, none = np.zeros(1, np.intp), np.zeros(0, np.intp)
    for part, learned_time in ((7, 0.0), (8, 60.0)):
        at = MONDAY + (84 * 100 + part) * WIDTH - MONDAY % WEEK + 30.0
        seen = week.look(rows, at, np.array(at - 60.0), 2 * WEEK * one)
        week.learn(
            seen,
            rows,
            at,
            np.array(at - 60.0),
            rest=np.full(1, 900.0),
            explained=np.zeros(1, np.float32),
            dt=np.array(60.0, np.float32),
            old=none,
            held=held,
        )
        assert week.fields[TIME, 0] == learned_time


def test_missing_values_close_no_part_twice() -> None:
    """A row that is silent over the end of a part closes it when it speaks again, once."""
    silent, plain = SeriesBank(), SeriesBank()
    rows = silent.add(FEW + 1, interval=STEP / 4)
    plain.add(FEW + 1, interval=STEP / 4)
    for i, value in enumerate(usual(240)):
        at, now = MONDAY + STEP / 4 * i, np.full(FEW + 1, value)
        gone = i >= 230
        silent.step(rows, at, np.full(FEW + 1, np.nan) if gone else now)
        if not gone:
            plain.step(rows, at, now)
    mine, theirs = silent.to_state()[1], plain.to_state()[1]

    np.testing.assert_array_equal(mine["week"], theirs["week"])
    np.testing.assert_array_equal(mine["week_total"], theirs["week_total"])


def test_few_rows_and_many_learn_the_week_alike() -> None:
    """Plain numbers and arrays hold the same parts after five weeks, and judge them alike."""
    few, many = SeriesBank(slots=12), SeriesBank(slots=12)
    one, rows = few.add(1, interval=STEP), many.add(1, interval=STEP)
    for i, value in enumerate(usual(5 * A_WEEK, weekend=40.0)):
        at, now = MONDAY + STEP * i, np.array([value])
        told, asked = few.step(one, at, now), many.score(rows, at, now)
        many.learn(rows, at, now)
        np.testing.assert_allclose(told.surprise, asked.surprise, rtol=2e-3, atol=2e-3)
        np.testing.assert_allclose(told.expected, asked.expected, rtol=1e-3)
    mine, theirs = few.to_state()[1], many.to_state()[1]

    assert theirs["week_used"][0] == 1.0
    for name, array in theirs.items():
        if name.startswith("week"):
            mine_, theirs_ = mine[name].astype(float), array.astype(float)
            np.testing.assert_allclose(mine_, theirs_, rtol=2e-2, atol=2e-2, err_msg=name)


def test_a_part_keeps_values_of_any_size() -> None:
    """Sixteen bits hold eight of the value, whatever its size and sign."""
    table = WeekTable()
    table.grow(3)
    values = np.array([1e-9, -37.0, 4e12], np.float32)
    for part in range(PARTS):
        table.close(np.arange(3), part, values)
    kept = table.part(5, np.arange(3))

    np.testing.assert_allclose(kept, values, rtol=2**-8)
    assert PROVEN == 3 * WEEK
    assert WIDTH * PARTS == WEEK


def test_a_part_differs_from_the_lower_median_of_the_days_that_are_known() -> None:
    """Of seven days up to two may be unknown; a part that is unknown differs by nothing."""
    rng = np.random.default_rng(4)
    table = WeekTable()
    table.grow(300)
    for part in range(PARTS):
        values = (50.0 * rng.standard_normal(300)).astype(np.float32)
        some = np.flatnonzero(rng.random(300) < 0.8)
        table.close(some, part, values[some])
    days = np.array([table.part(part, np.arange(300)) for part in range(5, PARTS, 12)])
    wanted = np.zeros(300, np.float32)
    for row, (own, known) in enumerate(zip(days[2], days.T, strict=True)):
        ordered = sorted(known[~np.isnan(known)])
        if len(ordered) >= 5 and not np.isnan(own):
            wanted[row] = own - ordered[(len(ordered) - 1) // 2]

    assert 100 < np.count_nonzero(wanted) < 250
    np.testing.assert_array_equal(table.difference(5 + 2 * 12, slice(0, 300)), wanted)
    np.testing.assert_array_equal(table.difference(5 + 2 * 12, np.arange(40)), wanted[:40])


@pytest.mark.parametrize(("power", "within"), [(0.0, (0.0, 0.2)), (1.0, (0.8, 1.0))])
def test_how_noise_grows_is_learned(power: float, within: tuple[float, float]) -> None:
    """Noise in proportion to the level is told from noise that stays the same."""
    rng = np.random.default_rng(4)
    found, centre = np.zeros(1, np.float32), np.zeros(1, np.float32)
    spread, weight = np.full(1, 0.1, np.float32), np.full(1, 2e-3, np.float32)
    for i in range(3000):
        level = np.array([np.exp(np.sin(i / 50.0))], np.float32)
        over = above(height(level, spread), centre)
        noise = abs(rng.standard_normal()) / 0.8 * level**power
        found = learned(found, over, (noise / np.exp(found * over)).astype(np.float32), weight)

    assert within[0] <= found[0] <= within[1]
