"""Numbers for named series: rows are stable, bounded and given on when forgotten."""

from __future__ import annotations

import numpy as np

from aiops.detection.table import FORGET, Table


def table(most: int = 100) -> Table:
    return Table(most, {"level": ((), 7.0), "ring": ((3,), 0.0)})


def test_an_id_keeps_its_row() -> None:
    """Asked again, in another order, with others, it has the same row; new rows start as said."""
    made = table()
    first = made.rows_of(["a", "b"], 0.0)
    made["level"][first] = 1.0, 2.0
    again = made.rows_of([f"x{n}" for n in range(50)] + ["b", "a"], 1.0)
    assert made["level"][again[-2:]].tolist() == [2.0, 1.0]
    assert set(made["level"][again[:-2]].tolist()) == {7.0}


def test_the_bound_holds_and_is_counted() -> None:
    """Beyond it an id has no row."""
    made = table(most=2)
    assert made.rows_of(["a", "b", "c"], 0.0).tolist() == [0, 1, -1]
    assert (len(made), made.refused) == (2, 1)


def test_what_was_not_seen_for_long_makes_room() -> None:
    """The rows of the forgotten begin anew for others; what was seen of late stays."""
    made = table(most=2)
    rows = made.rows_of(["a", "b"], 0.0)
    made["level"][rows] = 1.0, 2.0
    made.rows_of(["b"], FORGET)
    row = made.rows_of(["c"], FORGET + 1.0)
    assert row.tolist() != [-1]
    assert made["level"][row].tolist() == [7.0]
    assert made.row("a") == -1
    assert made["level"][made.row("b")] == 2.0


def test_what_is_asked_for_makes_no_room() -> None:
    """However long ago it was seen, an id that is asked for again keeps its row."""
    made = table(most=2)
    rows = made.rows_of(["a", "b"], 0.0)
    made["level"][rows] = 1.0, 2.0
    rows = made.rows_of(["c", "a", "b"], 2.0 * FORGET)
    assert made["level"][rows[1:]].tolist() == [1.0, 2.0]
    assert (rows[0], made.taken) == (-1, 0)


def test_the_longest_unseen_makes_room_first() -> None:
    """As many as are needed, the oldest first; who holds a row of before is told by a count."""
    made = table(most=3)
    for n, one in enumerate("abc"):
        made.rows_of([one], float(n))
    assert (made.rows_of(["d"], FORGET + 10.0) >= 0).all()
    assert [one for one, _ in made.items()] == ["b", "c", "d"]
    assert made.taken == 1


def test_what_was_saved_goes_on() -> None:
    """Loaded, every id has its numbers, also when rows were given back."""
    made = table()
    rows = made.rows_of(["a", "b", "c"], 5.0)
    made["ring"][rows] = np.arange(9.0).reshape(3, 3)
    made.drop("b")
    other = table()
    other.load(*made.to_state())
    assert other["ring"][other.rows_of(["c", "a"], 6.0)].tolist() == [[6, 7, 8], [0, 1, 2]]
    assert len(other) == 2
    assert other.rows_of(["d"], 6.0).tolist() == [2]
