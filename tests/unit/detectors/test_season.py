from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.season import TRUSTED, SeasonTable, ramp

ALL = slice(0, 2)


def visit(table: SeasonTable, slot: int, value: float, *, fresh: bool = True) -> None:
    table.learn(
        slot,
        ALL,
        np.array([value, value], np.float32),
        np.full(1, 300.0, np.float32),
        fresh=np.full(1, fresh),
        kept=np.array([1]),
    )


def test_a_slot_remembers_its_value_and_its_passes() -> None:
    """A slot takes its first value, counts passes up to 3, and leaves unlearned rows alone."""
    table = SeasonTable(288)
    table.grow(2)
    for expected in (1, 2, 3, 3):
        visit(table, 7, 1234.5)
        value, passes = table.read(7, ALL)
        assert passes.tolist() == [expected, 0]
        assert value[0] == pytest.approx(1234.5, rel=1e-6)
    assert value[1] == 0.0


def test_samples_of_one_pass_do_not_make_a_slot_trusted() -> None:
    """A slot seen many times in one pass has been seen once."""
    table = SeasonTable(288)
    table.grow(2)
    visit(table, 0, 1.0)
    for _ in range(50):
        visit(table, 0, 1.0, fresh=False)
    assert table.read(0, ALL)[1][0] < TRUSTED


@given(st.floats(0, 2e9), st.integers(-3, 3))
def test_whole_periods_change_no_slot(at: float, weeks: int) -> None:
    """A time and the same time weeks later fall into one slot."""
    table = SeasonTable(288)
    at = float(round(at))
    assert table.slot(at) == table.slot(at + weeks * 604800.0)
    assert 0 <= table.slot(at) < 288


def test_learning_says_how_far_the_slot_moved() -> None:
    """What is returned is what was added to the slot, nothing for rows that are kept."""
    table = SeasonTable(4)
    table.grow(2)
    visit(table, 3, 5.0)
    step = table.learn(
        3,
        ALL,
        np.array([9.0, 9.0], np.float32),
        np.full(1, 300.0, np.float32),
        fresh=np.full(1, True),
        kept=np.array([1]),
    )

    assert step[0] > 0.0
    assert table.read(3, ALL)[0][0] == pytest.approx(5.0 + step[0], rel=1e-5)
    assert step[1] == 0.0


def test_growing_keeps_what_was_learned() -> None:
    """More room changes no slot."""
    table = SeasonTable(4)
    table.grow(2)
    visit(table, 3, 5.0)
    table.grow(100)
    assert table.read(3, ALL)[0][0] == 5.0


def test_a_table_without_slots_is_refused() -> None:
    """Slots and period must be positive."""
    with pytest.raises(ValueError, match="positive"):
        SeasonTable(0)


def test_a_season_comes_into_use_smoothly() -> None:
    """One step of the weight is the share of the ramp that passed."""
    moved = ramp(np.zeros(1, np.float32), np.ones(1, np.bool_), np.full(1, 108.0), 10800.0)
    assert 0.009 < moved[0] < 0.011
