"""What the bank knows of the week: weekends, and noise that grows with the level."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.bank import FEW, SeriesBank
from detectors.growth import above, height, learned
from detectors.proportion import Proportion
from detectors.season import SeasonTable
from detectors.week import BASE, PARTS, PROVEN, TIME, TOTAL, WEEK, WIDTH, WeekTable, line

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


def test_what_departs_teaches_a_known_part_what_was_expected() -> None:
    """A fault is not expected again a week later; of what nothing is known, all is taken."""
    week = WeekTable()
    week.grow(1)
    rows, one = slice(0, 1), np.ones(1, np.float32)
    week.close(np.arange(1), 7, 5.0 * one)
    held, none = np.zeros(1, np.intp), np.zeros(0, np.intp)
    season = SeasonTable(12)
    season.grow(1)
    flat = Proportion(season, one, 0 * one, 0 * one, 0 * one, 0 * one)
    for part, taught in ((7, 100.0), (8, 900.0)):
        at = MONDAY + (84 * 100 + part) * WIDTH - MONDAY % WEEK + 30.0
        week.fields[[TOTAL, TIME, BASE], 0] = 0.0
        seen = week.look(rows, at, np.array(at - 60.0), 2 * WEEK * one, flat)
        week.learn(
            seen,
            rows,
            at,
            np.array(at - 60.0),
            rest=np.full(1, 900.0),
            explained=np.zeros(1, np.float32),
            excess=np.full(1, 800.0, np.float32),
            dt=np.array(60.0, np.float32),
            old=none,
            held=held,
        )
        assert week.fields[TOTAL, 0] / week.fields[TIME, 0] == taught


def of_days(differences: list[float]) -> WeekTable:
    """Return one row whose fourth day differs so from six others, part by part."""
    table, row = WeekTable(), np.arange(1)
    table.grow(1)
    for part in range(PARTS):
        there = 36 <= part < 36 + len(differences)
        mean = differences[part - 36] if there else 0.0
        table.close(row, part, np.full(1, mean, np.float32))
    return table


def of_part(table: WeekTable, part: int) -> list[float]:
    """Return both ends of the line of a part."""
    parts = (table.difference(n, np.arange(1)) for n in (part - 1, part, part + 1))
    return line(*parts)[:, 0].tolist()


def test_a_step_between_two_parts_stays_a_step() -> None:
    """Parts beside a step are level, so nothing is expected to rise before it or after it."""
    table = of_days([0.0, 0.0, 8.0, 8.0, 8.0])
    lines = [of_part(table, 36 + n) for n in range(1, 4)]

    assert lines == [[0.0, 0.0], [8.0, 8.0], [8.0, 8.0]]


def test_a_slope_is_followed_and_the_mean_of_a_part_is_kept() -> None:
    """A part that lies on a slope rises as its neighbours do, around its own mean."""
    table = of_days([2.0, 4.0, 6.0, 7.0, 5.0])
    lines = [of_part(table, 36 + n) for n in range(1, 4)]

    assert lines == [[3.0, 5.0], [5.25, 6.75], [7.0, 7.0]]


def test_a_monday_that_begins_at_once_is_no_jump_and_hides_none() -> None:
    """In the fifth week the step at midnight is expected, and twice the usual step is told."""
    pace = 1800.0
    a_week = round(WEEK / pace)
    values = 100.0 + np.random.default_rng(3).standard_normal(4 * a_week + 4)
    values[np.arange(len(values)) % a_week >= a_week * 5 // 7] -= 30.0
    bank = SeriesBank()
    rows = bank.add(FEW + 1, interval=pace)
    for i, value in enumerate(values):
        now = np.full(FEW + 1, value)
        now[0] += 30.0 * (i >= 4 * a_week)
        told = bank.step(rows, MONDAY + pace * i, now)
        if i >= 4 * a_week:
            assert told.surprise[0] >= 4.0
            assert told.surprise[1] < 2.0


def test_a_forecast_goes_along_the_line_of_the_week() -> None:
    """What rises as it did every Saturday is usual all the way, and a fifth more is told."""
    pace = 1800.0
    a_week = round(WEEK / pace)
    clock = np.arange(5 * a_week) % a_week
    wave = 60.0 * np.sin(np.pi * (clock - 240) / 48) ** 2
    values = 100.0 + np.where((clock >= 240) & (clock < 288), wave, 0.0)
    values += np.random.default_rng(3).standard_normal(len(values))
    bank, found = SeriesBank(), np.zeros((len(values), FEW + 1))
    rows = bank.add(FEW + 1, interval=pace)
    for i, value in enumerate(values):
        now = np.full(FEW + 1, value)
        now[0] *= 1.2 if i >= 4 * a_week + 252 else 1.0
        found[i] = bank.step(rows, MONDAY + pace * i, now).surprise
    fifth = found[4 * a_week + 240 : 4 * a_week + 288]

    assert fifth[:, 0].max() >= 4.0
    assert fifth[:, 1].max() < 2.0


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


def test_rounding_stops_no_part_on_its_way() -> None:
    """Sixteen bits are coarse steps, of 4 at 700: a part comes as near to its mean as they go."""
    table, row = WeekTable(), np.arange(1)
    table.grow(1)
    table.close(row, 3, np.full(1, 700.0, np.float32))
    for _ in range(3):
        table._pass(table.fields, row, row, 3, np.full(1, 704.9, np.float32))

    assert table.part(3, row) == 704.0


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


def test_a_departing_row_keeps_what_the_day_added_last() -> None:
    """How far the week went since the last sample is known while a departure lasts too."""
    bank, day = SeriesBank(slots=12), 20.0 * np.sin(np.arange(12) * np.pi / 6)
    rows = bank.add(FEW + 1, interval=STEP)
    noise = np.random.default_rng(1).standard_normal(168)
    for i in range(168):
        now = np.full(FEW + 1, 100.0 + day[i % 12] + noise[i])
        now[0] += 90.0 * (i >= 165)
        told = bank.step(rows, MONDAY + STEP * i, now)
    offset = bank.to_state()[1]["offset"]

    assert told.since[0] == MONDAY + STEP * 165
    assert np.isnan(told.since[1])
    assert abs(offset[1]) > 5.0
    assert abs(offset[0] - offset[1]) < 0.1
