"""What departs at the same hour every day is how it always is."""

from __future__ import annotations

from aiops.incidents.habits import MAX_SERIES, Habits

NIGHT = 7800.0
DAY = 86400.0


def test_two_earlier_nights_make_a_habit() -> None:
    """The third night a batch raises a series it is usual, a quarter of an hour either way."""
    habits = Habits()
    for day in range(2):
        assert not habits.usual("worker/cpu", day * DAY + NIGHT)
        habits.learn("worker/cpu", day * DAY + NIGHT)
    assert habits.usual("worker/cpu", 2 * DAY + NIGHT + 900.0)
    assert not habits.usual("worker/cpu", 2 * DAY + NIGHT + 3600.0)
    assert not habits.usual("cart/cpu", 2 * DAY + NIGHT)


def test_who_departs_at_any_hour_has_no_habit_of_one() -> None:
    """What was met twice at this hour in ten days by a series of many departures is chance."""
    habits = Habits()
    hours = [26.3, 37.0, 50.0, 58.5, 75.2, 88.0, 99.0, 117.7, 129.1, 146.0, 157.4, 170.0, 181.9]
    for hour in sorted([*hours, 108.0, 204.0]):
        habits.learn("s", hour * 3600.0)
    assert not habits.usual("s", 252.0 * 3600.0)
    # The same two days of a series that rests at other hours are no accident.
    for hour in (108.0, 204.0):
        habits.learn("t", hour * 3600.0)
    assert habits.usual("t", 252.0 * 3600.0)


def test_a_departure_that_goes_on_is_one() -> None:
    """Learning the same departure at every sample counts it once."""
    habits = Habits()
    for minute in range(60):
        habits.learn("worker/cpu", NIGHT)
        assert not habits.usual("worker/cpu", NIGHT + 60.0 * minute + 1000.0)


def test_a_series_that_always_departs_is_chronic() -> None:
    """A dozen departures within a day make any further one usual."""
    habits = Habits()
    for hour in range(12):
        habits.learn("disk/io", hour * 3600.0)
    assert habits.usual("disk/io", 12 * 3600.0 + 1234.0)
    assert not habits.usual("disk/io", 40 * 3600.0 + 1234.0)


def test_habits_are_bounded_and_restored() -> None:
    """The series not seen for longest makes room; what was saved goes on."""
    habits = Habits()
    for n in range(MAX_SERIES + 5):
        habits.learn(str(n), float(n))
    state = habits.to_state()
    assert len(state) == MAX_SERIES
    assert Habits.from_state(state).to_state() == state
