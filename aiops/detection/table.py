"""Keep a few numbers for each of many named series, in arrays that grow and are bounded."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray

FORGET = 7200.0  # a series unseen for so long gives its row to another when rows run out
AT_ONCE = 64  # a row in so many is given back then: looking for them costs more than they do


class Table:
    """Hold one row per id; *fields* maps a field's name to its shape and what it starts with.

    ``table["name"]`` is the array of a field, one entry a row, in single precision when it is
    named in *small*. At most *most* rows; ``refused`` counts ids that asked for one and got none.
    ``taken`` counts rows that were taken from what was not seen for long: rows handed out before
    may belong to others after it.
    """

    def __init__(
        self,
        most: int,
        fields: Mapping[str, tuple[tuple[int, ...], float]],
        small: Collection[str] = (),
    ) -> None:
        self.most = most
        self.refused = self.taken = 0
        self._fields = dict(fields)
        self._row: dict[str, int] = {}
        self._free: list[int] = []
        self._top = 0
        self._full_until = -math.inf  # a cache: before then no row can be forgotten
        self._arrays = {
            name: np.zeros((0, *shape), np.float32 if name in small else np.float64)
            for name, (shape, _) in (*fields.items(), _SEEN_AT)
        }

    def __len__(self) -> int:
        return len(self._row)

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._arrays[name]

    def rows_of(self, ids: Sequence[str], at: float) -> NDArray[np.intp]:
        """Return one row per id, new ones where needed, -1 where no row was left."""
        fresh = [one for one in dict.fromkeys(ids) if one not in self._row]
        if fresh:
            # What is asked for now must not make room for what is new beside it.
            known = [row for one in ids if (row := self._row.get(one)) is not None]
            self._arrays["seen_at"][known] = at
            self._place(fresh, at)
        rows = np.array([self._row.get(one, -1) for one in ids], np.intp)
        self.refused += int(np.count_nonzero(rows < 0))
        self._arrays["seen_at"][rows[rows >= 0]] = at
        return rows

    def row(self, one: str) -> int:
        """Return the row of an id, -1 when it has none."""
        return self._row.get(one, -1)

    def items(self) -> list[tuple[str, int]]:
        """Return every id with its row, oldest first."""
        return list(self._row.items())

    def drop(self, one: str) -> None:
        """Forget an id; its row is handed out again."""
        self._free.append(self._row.pop(one))

    def _place(self, fresh: Sequence[str], at: float) -> None:
        lacking = len(self._row) + len(fresh) - self.most
        if lacking > 0 and at > self._full_until:
            self._forget(lacking, at)
        for one in fresh[: max(self.most - len(self._row), 0)]:
            if self._free:
                row = self._free.pop()
            else:
                row = self._top
                self._top += 1
                self._grow()
            self._row[sys.intern(one)] = row
            for name, (_, start) in self._fields.items():
                self._arrays[name][row] = start

    def _forget(self, lacking: int, at: float) -> None:
        """Drop what was not seen for longest, as far as it was not seen for ``FORGET``."""
        ids = list(self._row)
        rows = np.fromiter(self._row.values(), np.intp, len(ids))
        gone = longest_unseen(self._arrays["seen_at"][rows], at, lacking)
        self.taken += len(gone)
        for i in gone.tolist():
            self.drop(ids[i])
        if len(gone) < lacking:
            left = np.fromiter(self._row.values(), np.intp, len(self._row))
            self._full_until = float(self._arrays["seen_at"][left].min(initial=at)) + FORGET

    def _grow(self) -> None:
        have = len(self._arrays["seen_at"])
        if self._top <= have:
            return
        room = min(max(2 * have, 16), max(self.most, 16))
        for name, old in self._arrays.items():
            new = np.zeros((room, *old.shape[1:]), old.dtype)
            new[:have] = old
            self._arrays[name] = new

    def to_state(self) -> tuple[list[str], dict[str, NDArray[Any]]]:
        """Return (ids, arrays) with one entry per id: all that ``load`` needs."""
        rows = np.array(list(self._row.values()), np.intp)
        return list(self._row), {name: array[rows] for name, array in self._arrays.items()}

    def load(self, ids: Sequence[str], arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take back what ``to_state`` returned."""
        count = len(ids)
        self._row = {one: row for row, one in enumerate(ids)}
        self._free, self._top = [], count
        self._full_until = -math.inf
        self._arrays = {name: np.array(arrays[name], a.dtype) for name, a in self._arrays.items()}


def longest_unseen(seen_at: NDArray[np.float64], at: float, lacking: int) -> NDArray[np.intp]:
    """Return places to give back when *lacking* rows are asked for and none is left.

    Those longest unseen first, in the order given where they are alike; none of the last two hours.
    """
    old = np.flatnonzero(seen_at < at - FORGET)
    order = np.argsort(seen_at[old], kind="stable")
    return np.asarray(old[order[: max(lacking, len(seen_at) // AT_ONCE)]], np.intp)


_SEEN_AT: tuple[str, tuple[tuple[int, ...], float]] = ("seen_at", ((), 0.0))
