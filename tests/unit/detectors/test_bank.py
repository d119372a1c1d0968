from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.bank import NEW_NORMAL, REASONS, BankScores, SeriesBank

START = 1_699_920_000.0  # a midnight
FIELDS = ("surprise", "expected", "low", "high", "reason", "since", "seen")


def noise(ticks: int, rows: int, seed: int = 0) -> np.ndarray:
    return 100.0 + 5.0 * np.random.default_rng(seed).standard_normal((ticks, rows))


def run(
    bank: SeriesBank,
    rows: np.ndarray,
    values: np.ndarray,
    *,
    start: float = START,
    step: float = 60.0,
) -> list[BankScores]:
    scores = []
    for i, tick in enumerate(values):
        at = start + step * i
        scores.append(bank.score(rows, at, tick))
        bank.learn(rows, at, tick)
    return scores


def surprises(scores: list[BankScores]) -> np.ndarray:
    return np.array([s.surprise for s in scores])


def same(a: BankScores, b: BankScores) -> None:
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)


def test_nothing_is_said_before_a_dozen_samples() -> None:
    """A young row is unknown, band included; a grown one has low <= expected <= high."""
    bank = SeriesBank(slots=0)
    scores = run(bank, bank.add(3), noise(20, 3))
    assert np.isnan(surprises(scores)[:12]).all()
    assert np.isnan(scores[5].expected).all()
    assert (surprises(scores)[12:] >= 0.0).all()
    assert (scores[-1].low <= scores[-1].expected).all()
    assert (scores[-1].expected <= scores[-1].high).all()
    assert scores[-1].seen.tolist() == [19, 19, 19]


def test_scoring_changes_nothing() -> None:
    """Scoring twice gives one answer, and a bank that scored equals one that only learned."""
    asked, silent = SeriesBank(slots=4), SeriesBank(slots=4)
    rows = asked.add(2)
    silent.add(2)
    values = noise(60, 2)
    for i, tick in enumerate(values):
        at = START + 60.0 * i
        same(asked.score(rows, at, tick), asked.score(rows, at, tick))
        asked.score(rows, at + 1.0, tick * 50)
        asked.learn(rows, at, tick)
        silent.learn(rows, at, tick)
    same(asked.score(rows, START + 6e3, tick), silent.score(rows, START + 6e3, tick))


def test_inputs_stay_as_they_are() -> None:
    """Neither rows nor values are written to."""
    bank = SeriesBank()
    rows, values = bank.add(2), np.array([1.0, np.nan])
    bank.score(rows, START, values)
    bank.learn(rows, START, values)
    np.testing.assert_array_equal(rows, [0, 1])
    np.testing.assert_array_equal(values, [1.0, np.nan])


@pytest.mark.parametrize("value", [0.0, 7.0, -1e12, 1e-12])
def test_a_constant_series_never_alarms(value: float) -> None:
    """A series that never moves has nothing surprising about it."""
    bank = SeriesBank()
    scores = run(bank, bank.add(2), np.full((200, 2), value))
    assert np.nanmax(surprises(scores)) < 1.0


def test_a_lasting_jump_from_constant_is_found() -> None:
    """A series constant for hours that doubles and stays there is found, whatever its unit."""
    for size in (1e-6, 1.0, 1e9):
        bank = SeriesBank(slots=0)
        values = np.full((320, 1), 7.0 * size)
        values[300:] *= 2.0
        found = surprises(run(bank, bank.add(1), values))[300:]
        assert found.max() > 5.0


def test_a_tiny_step_from_constant_is_not_a_call() -> None:
    """A thousandth more than ever before is no news by itself."""
    bank = SeriesBank(slots=0)
    values = np.full((320, 1), 7.0)
    values[300:] *= 1.001
    assert np.nanmax(surprises(run(bank, bank.add(1), values))) < 2.0


def test_a_first_event_after_silence_is_not_a_call() -> None:
    """One event in a series of zeros is worth a look only."""
    bank = SeriesBank(slots=0)
    values = np.zeros((200, 1))
    values[150] = 1.0
    assert np.nanmax(surprises(run(bank, bank.add(1), values))) < 4.0


@given(st.permutations(range(6)))
@settings(max_examples=8, deadline=None)
def test_order_of_rows_changes_nothing(order: list[int]) -> None:
    """Every series gets the same scores wherever its row is."""
    values = noise(60, 6)
    values[50:, 2] += 80.0
    plain, mixed = SeriesBank(slots=8), SeriesBank(slots=8)
    first = run(plain, plain.add(6), values)
    second = run(mixed, mixed.add(6), values[:, order])
    for a, b in zip(first, second, strict=True):
        for name in FIELDS:
            np.testing.assert_array_equal(getattr(a, name)[order], getattr(b, name))


def test_a_part_of_the_rows_can_be_scored() -> None:
    """Rows by index and rows by slice learn the same."""
    values = noise(60, 4)
    whole, parts = SeriesBank(slots=8), SeriesBank(slots=8)
    rows = whole.add(4)
    parts.add(4)
    for i, tick in enumerate(values):
        whole.learn(rows, START + 60.0 * i, tick)
        for some in (np.array([3, 0]), np.array([1, 2])):
            parts.learn(some, START + 60.0 * i, tick[some])
    same(whole.score(rows, START + 4e3, tick), parts.score(rows, START + 4e3, tick))


@pytest.mark.parametrize("weeks", [1, -7])
def test_a_shift_by_whole_weeks_changes_nothing(weeks: int) -> None:
    """Only the part of the day and the differences of time count."""
    values = noise(300, 2)
    values[250:] += 70.0
    a, b = SeriesBank(slots=24), SeriesBank(slots=24)
    first = run(a, a.add(2), values, step=900.0)
    second = run(b, b.add(2), values, step=900.0, start=START + weeks * 604800.0)
    np.testing.assert_array_equal(surprises(first), surprises(second))


@pytest.mark.parametrize("factor", [1000.0, 0.001])
def test_a_change_of_unit_changes_no_decision(factor: float) -> None:
    """Times a thousand gives the same surprises, within rounding."""
    values = noise(300, 4)
    values[250:, :2] += 60.0
    values[:, 3] = 5.0
    values[280:, 3] = 9.0
    a, b = SeriesBank(slots=24), SeriesBank(slots=24)
    first = surprises(run(a, a.add(4), values, step=900.0))
    second = surprises(run(b, b.add(4), values * factor, step=900.0))
    np.testing.assert_allclose(first, second, rtol=2e-3, atol=2e-3)


def test_the_future_changes_no_past_score() -> None:
    """Scores of a prefix are the prefix of the scores."""
    values = noise(120, 2)
    a, b = SeriesBank(), SeriesBank()
    whole = surprises(run(a, a.add(2), values))
    part = surprises(run(b, b.add(2), values[:70]))
    np.testing.assert_array_equal(whole[:70], part)


def test_a_missing_value_freezes_its_row_alone() -> None:
    """NaN and infinite values are unknown and learn nothing; their neighbours go on."""
    holes, full = SeriesBank(slots=8), SeriesBank(slots=8)
    rows = holes.add(3)
    full.add(3)
    values = noise(60, 3)
    run(holes, rows, values)
    run(full, rows, values)
    at = START + 3600.0
    bad = np.array([np.nan, 100.0, np.inf])
    score = holes.score(rows, at, bad)
    assert np.isnan(score.surprise).tolist() == [True, False, True]
    assert np.isfinite(score.expected).all()
    holes.learn(rows, at, bad)
    full.learn(rows[1:2], at, bad[1:2])
    same(holes.score(rows, at + 60.0, values[0]), full.score(rows, at + 60.0, values[0]))


def test_old_and_double_stamps_are_harmless() -> None:
    """A sample as old as the last one is scored and not learned."""
    once, twice = SeriesBank(slots=8), SeriesBank(slots=8)
    rows = once.add(2)
    twice.add(2)
    for i, tick in enumerate(noise(60, 2)):
        at = START + 60.0 * i
        once.learn(rows, at, tick)
        twice.learn(rows, at, tick)
        twice.learn(rows, at, tick * 9)
        twice.learn(rows, at - 30.0, tick * 9)
    same(once.score(rows, START + 4e3, tick), twice.score(rows, START + 4e3, tick))


def test_a_lasting_shift_is_accepted_and_told_once() -> None:
    """What stays becomes the new normal after its time: told once, then calm."""
    bank = SeriesBank(slots=0, accept_after=3600.0)
    values = noise(500, 1)
    values[300:] += 100.0
    scores = run(bank, bank.add(1), values)
    surprise = surprises(scores)[:, 0]
    told = [i for i, s in enumerate(scores) if s.reason[0] == NEW_NORMAL]
    assert len(told) == 1
    assert 360 <= told[0] <= 375
    assert (surprise[300:360] >= 4.0).mean() > 0.9
    assert (surprise[told[0] + 15 :] >= 4.0).sum() == 0
    assert scores[330].since[0] == START + 60.0 * 300
    assert np.isnan(scores[-1].since[0])
    assert abs(scores[-1].expected[0] - 200.0) < 10.0


def test_an_incident_is_not_learned() -> None:
    """Half an hour of trouble leaves level and band nearly where they were."""
    bank = SeriesBank(slots=0)
    values = noise(400, 1)
    values[300:330] += 100.0
    scores = run(bank, bank.add(1), values)
    assert abs(scores[360].expected[0] - scores[299].expected[0]) < 3.0
    width = [s.high[0] - s.low[0] for s in (scores[299], scores[360])]
    assert width[1] < 1.3 * width[0]
    assert (surprises(scores)[345:] >= 4.0).sum() == 0


@pytest.mark.parametrize("rows", [1, 100])
def test_what_somebody_vouches_for_is_not_learned_by_the_tails(rows: int) -> None:
    """A departure teaches once how far a row strays, unless it is known to be an incident."""
    heard = []
    for excused in (False, True):
        bank = SeriesBank(slots=0)
        taken = bank.add(rows)
        values = noise(600, rows)
        for burst in (slice(400, 405), slice(500, 505)):
            values[burst] += 300.0
        told = []
        for i, tick in enumerate(values):
            told.append(bank.step(taken, START + 60.0 * i, tick).surprise)
            if excused:
                bank.excuse(taken)
        heard.append((told[400].mean(), told[500].mean()))

    (first, learned), (same, again) = heard
    assert first == same
    assert learned < 0.9 * again


def test_an_excuse_is_for_the_departure_that_goes_on() -> None:
    """Where nothing departs it changes nothing."""
    asked, plain = SeriesBank(slots=0), SeriesBank(slots=0)
    rows = asked.add(2)
    plain.add(2)
    for i, tick in enumerate(noise(60, 2)):
        asked.excuse(rows)
        same(asked.step(rows, START + i, tick), plain.step(rows, START + i, tick))


def test_a_daily_rhythm_is_expected_from_the_third_day() -> None:
    """A daily wave is foreseen after two days, and its absence is found."""
    step = 900.0
    ticks = int(5.5 * 86400 / step)
    at = START + step * np.arange(ticks)
    wave = 100.0 + 50.0 * np.sin(2 * np.pi * (at % 86400.0) / 86400.0)
    values = (wave + np.random.default_rng(5).standard_normal(ticks))[:, None]
    values[-8:] = 100.0
    bank = SeriesBank(slots=96)
    scores = run(bank, bank.add(1, interval=step), values, step=step)
    foreseen = np.array([s.expected[0] for s in scores[4 * 96 : 5 * 96]])
    assert np.abs(foreseen - wave[4 * 96 : 5 * 96]).mean() < 5.0
    calm, lost = surprises(scores)[2 * 96 : -8, 0], surprises(scores)[-8:, 0]
    assert (calm >= 5.0).sum() == 0
    assert lost.max() > 4.0


@pytest.mark.parametrize("rows", [1, 8])
def test_what_is_expected_of_a_day_is_neither_ahead_nor_behind(rows: int) -> None:
    """While a wave rises it is not expected lower than while it falls, nor higher."""
    step, per_day = 1800.0, 48
    at = START + step * np.arange(8 * per_day)
    turn = 2.0 * np.pi * (at % 86400.0) / 86400.0
    wave = 100.0 + 50.0 * np.sin(turn)
    values = wave + np.random.default_rng(5).standard_normal(len(at))
    bank = SeriesBank(slots=per_day)
    asked = bank.add(rows, interval=step)
    expected = [
        bank.step(asked, now, np.full(rows, x)).expected[0]
        for now, x in zip(at.tolist(), values, strict=True)
    ]
    off = (np.array(expected) - wave)[-3 * per_day :].reshape(3, per_day).mean(axis=0)
    swing = np.abs(np.fft.rfft(off)[1]) * 2.0 / per_day

    assert swing < 0.5


def test_a_season_that_comes_into_use_begins_new_tails() -> None:
    """How far values strayed from a band without a season says nothing of the band with one."""
    step, per_day = 1800.0, 48
    wave = 100.0 + 50.0 * np.sin(2.0 * np.pi * np.arange(4 * per_day) / per_day)
    values = (wave + np.random.default_rng(5).standard_normal(len(wave)))[:, None]
    seasonal, flat = SeriesBank(slots=per_day), SeriesBank(slots=0)
    for bank in (seasonal, flat):
        run(bank, bank.add(1, interval=step), values, step=step)
    mine, theirs = seasonal.to_state()[1], flat.to_state()[1]

    assert mine["weight"][0] > 0.5
    assert theirs["tail_count"][0, 0] > 3 * per_day
    assert 0.0 < mine["tail_count"][0, 0] < 2 * per_day


@pytest.mark.parametrize("family", ["normal", "t3", "lognormal", "poisson", "walk"])
def test_a_cold_start_does_not_shout(family: str) -> None:
    """In the first four hours of 200 healthy series hardly anything passes surprise 5."""
    rng = np.random.default_rng(6)
    shape = (240, 200)
    values = {
        "normal": lambda: 50 + rng.standard_normal(shape),
        "t3": lambda: 50 + rng.standard_t(3, shape),
        "lognormal": lambda: np.exp(rng.standard_normal(shape)),
        "poisson": lambda: rng.poisson(0.3, shape).astype(float),
        "walk": lambda: 1000 + np.cumsum(rng.standard_normal(shape), axis=0),
    }[family]()
    bank = SeriesBank()
    found = surprises(run(bank, bank.add(200, interval=60.0), values))
    assert np.nansum(found >= 5.0) <= 0.0005 * values.size


def test_state_goes_on_exactly() -> None:
    """A restored bank gives every later score that the saved one gives."""
    bank = SeriesBank(slots=24)
    rows = bank.add(5)
    values = noise(400, 5)
    values[150:200, 1] += 90.0
    values[60:90, 2] = np.nan
    run(bank, rows, values[:170], step=900.0)
    bank.remove(rows[4:])
    header, arrays = bank.to_state()
    restored = SeriesBank.from_state(header, arrays)
    assert restored.rows == bank.rows == 4
    for i, tick in enumerate(values[170:]):
        at = START + 900.0 * (170 + i)
        same(bank.score(rows[:4], at, tick[:4]), restored.score(rows[:4], at, tick[:4]))
        bank.learn(rows[:4], at, tick[:4])
        restored.learn(rows[:4], at, tick[:4])
    np.testing.assert_array_equal(bank.add(2), restored.add(2))


def test_another_version_is_refused() -> None:
    """State of another version raises, it is not guessed at."""
    header, arrays = SeriesBank().to_state()
    with pytest.raises(ValueError, match="version"):
        SeriesBank.from_state({**header, "version": 99}, arrays)


def test_rows_are_bounded_and_reused_forgotten() -> None:
    """A full bank hands out fewer rows, and a row given back knows nothing of its past."""
    bank = SeriesBank(slots=4, max_rows=5)
    rows = bank.add(3)
    run(bank, rows, noise(30, 3))
    bank.remove(rows[1:2])
    again = bank.add(10)
    assert again.tolist() == [1, 3, 4]
    assert bank.rows == 5
    assert bank.score(again[:1], START + 1e4, np.array([1.0])).seen.tolist() == [0]
    assert len(bank.add(1)) == 0


def test_a_row_stays_small() -> None:
    """A row costs at most 400 bytes without a season and 1.5 KB with a day at five minutes."""
    for slots, most in ((0, 400), (288, 1536)):
        bank = SeriesBank(slots=slots, max_rows=1000)
        bank.add(1000)
        assert bank.nbytes / 1000 <= most


def test_an_unrest_and_its_end_are_named() -> None:
    """A series that goes wild is "variance", one that freezes is "flat"."""
    values = noise(600, 2)
    values[400:, 0] = 100.0 + 4.0 * (values[400:, 0] - 100.0)
    values[400:, 1] = 100.0
    bank = SeriesBank(slots=0)
    scores = run(bank, bank.add(2), values)
    loud = {REASONS[s.reason[0]] for s in scores[400:]}
    still = {REASONS[s.reason[1]] for s in scores[400:]}
    assert loud & {"variance", "spike", "level"}
    assert "flat" in still


def test_an_unrest_that_was_accepted_and_is_over_is_not_told_for_ever() -> None:
    """Noise that is back after an accepted unrest is usual again after its own acceptance."""
    values = noise(5000, 1)
    values[4200:4500] = 100.0 + 12.0 * (values[4200:4500] - 100.0)
    bank = SeriesBank(slots=0)
    row = bank.add(1)
    scores = [bank.step(row, START + 60.0 * i, tick) for i, tick in enumerate(values)]
    assert "new normal" in {REASONS[s.reason[0]] for s in scores[4200:4500]}
    assert np.nanmax([s.surprise[0] for s in scores[4800:]]) < 4.0
