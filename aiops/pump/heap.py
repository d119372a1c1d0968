"""When garbage is looked for: what is young at every cut, everything at one in a hundred."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

THOROUGH = 100
"""Every so many cuts everything is looked at, for a tenth of a second: about once an hour."""


class Heap:
    """Keep the collector out of the engine's pause.

    A cut makes a list for every kind of line in an open window. Left alone, the collector wakes in
    the middle of them and goes through every object of the process, several times: five sixths of
    the pause. What lives at a cut is frozen instead: reference counts free it as ever, and the
    collector does not look at it again. Cycles among it wait for a thorough turn.
    """

    def __init__(self, cuts: int = 0) -> None:
        self._cuts = cuts

    @contextlib.contextmanager
    def still(self) -> Iterator[None]:
        """Collect what is young, hold the collector off while a cut is made, freeze what lives."""
        self._cuts += 1
        gc.disable()
        try:
            if self._cuts % THOROUGH == 0:
                gc.unfreeze()
                gc.collect()
            gc.collect(1)
            yield
        finally:
            gc.freeze()
            gc.enable()
