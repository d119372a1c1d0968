from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from aiops.pump.heap import THOROUGH, Heap


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    yield
    gc.unfreeze()


class Knot:
    """Something that refers to itself, so that only the collector can free it."""

    def __init__(self) -> None:
        self.itself = self


def test_the_collector_sleeps_while_a_cut_is_made_and_leaves_alone_what_lived_then() -> None:
    """Inside it is off; after it, it is on, and what lived at the cut is not looked at again."""
    gc.unfreeze()
    with Heap().still():
        assert not gc.isenabled()
        kept = [[n] for n in range(1000)]
    assert gc.isenabled()
    assert gc.get_freeze_count() > len(kept)


def test_a_cut_that_fails_wakes_the_collector() -> None:
    """Whatever happens in a cut, the collector is on after it."""
    with pytest.raises(ValueError, match="broken"), Heap().still():
        raise ValueError("broken")
    assert gc.isenabled()


def test_a_frozen_cycle_is_freed_at_a_thorough_turn() -> None:
    """What refers to itself and was alive at a cut is not leaked, only late."""
    heap = Heap()
    knot = Knot()
    gone = weakref.ref(knot)
    with heap.still():
        pass
    del knot
    for _ in range(THOROUGH - 2):
        with heap.still():
            pass
    assert gone() is not None
    with heap.still():
        pass
    assert gone() is None
