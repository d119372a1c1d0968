"""What waits leaves in one order, and a cut keeps it."""

from __future__ import annotations

import math
import random

import numpy as np

from aiops.model import (
    ChangeEvent,
    LineKind,
    LogWindow,
    Points,
    SampleLine,
    Series,
    SeriesSet,
    Severity,
    Stream,
)
from aiops.ordering import Item, Waiting


def window(name: str, end: float) -> LogWindow:
    kind = LineKind("", Severity.ERROR, b"it broke \xff")
    stream = Stream(f"file:/{name}", "file", f"service:{name}", f"service:{name}")
    sample = SampleLine(end - 1.0, stream.id, "it broke")
    return LogWindow(stream, end - 10.0, end, {kind: 3}, {kind: sample}, 4, 1, 0)


COLUMNS = SeriesSet((Series("host:a", "cpu"), Series("host:a", "requests", "counter")))
ITEMS: list[Item] = [
    ChangeEvent(10.0, "deploy", "service:a", "v1"),
    Points("host", 10.0, COLUMNS, np.array([1.0, math.nan])),
    window("a", 10.0),
    window("b", 10.0),
    Points("host", 20.0, COLUMNS, np.array([2.0, 3.0]), 15.0),
    window("a", 20.0),
]


def drained(waiting: Waiting) -> list[str]:
    found = []
    while (taken := waiting.take(math.inf)) is not None:
        at, item = taken
        found.append(f"{at} {type(item).__name__} {getattr(item, 'stream', item)!r:.60}")
    return found


def test_the_order_does_not_depend_on_arrival() -> None:
    """Changes come before points before windows of the same time, windows by stream."""
    expected: list[str] | None = None
    for seed in range(20):
        waiting = Waiting()
        items = list(ITEMS)
        random.Random(seed).shuffle(items)
        for item in items:
            waiting.push(item)
        assert waiting.first == 10.0
        order = drained(waiting)
        expected = expected or order
        assert order == expected
    assert Waiting().first == math.inf


def test_a_restored_queue_is_the_same() -> None:
    """Items saved at a cut come back in order, columns shared as before."""
    waiting = Waiting()
    for item in ITEMS:
        waiting.push(item)
    section = waiting.to_section()
    again = Waiting()
    again.restore(section)
    assert again.to_section().header == section.header
    assert len(section.header["sets"]) == 1
    points = [
        item
        for _, item in (again.take(math.inf) or (0.0, None) for _ in range(6))
        if isinstance(item, Points)
    ]
    assert points[0].columns is points[1].columns
    np.testing.assert_array_equal(points[0].values, [1.0, math.nan])


def test_an_unknown_version_starts_empty() -> None:
    """A section of another version is left alone."""
    from dataclasses import replace

    waiting = Waiting()
    waiting.push(ITEMS[0])
    again = Waiting()
    again.restore(replace(waiting.to_section(), version=99))
    assert len(again) == 0


def test_what_is_due_is_taken_and_no_more_waits_than_the_limit() -> None:
    """Nothing later than the low watermark leaves, unless more wait than there is room for."""
    waiting = Waiting(limit=2)
    assert waiting.take(math.inf) is None
    for at in (10.0, 20.0, 30.0):
        waiting.push(window("a", at))
    assert waiting.take(5.0) is not None
    assert waiting.take(5.0) is None
    taken = waiting.take(20.0)
    assert taken is not None
    assert taken[0] == 20.0
    assert len(waiting) == 1
