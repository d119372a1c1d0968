"""Know the lines of which every word stays as it is, many words at a time and without a look-up.

Where lines are free text and no two are alike, nearly all words are known and none is masked. Such
words are kept here as numbers, sixteen bytes as two: so all words of many lines are compared in a
few numpy passes. It is a cache, exact and of fixed size: each word has two places (cuckoo hashing,
Pagh and Rodler 2004), and one that finds no room is forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_LONGEST = 16
_BITS = 14
_PLACES = 1 << _BITS  # of each half: half of a megabyte altogether
_ROUNDS = 8
_LEARNED = 1024  # words looked at in one go
_MIXERS = (
    (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)),
    (np.uint64(0xD6E8FEB86659FD93), np.uint64(0xA0761D6478BD642F)),
)
_SHIFT = np.uint64(64 - _BITS)
_BLANK = ord(" ")
_PAD = b" " * (_LONGEST + 1)
_HEAD = np.array([(1 << 8 * min(n, 8)) - 1 for n in range(_LONGEST + 2)], dtype="<u8")
_TAIL = np.array([(1 << 8 * max(n - 8, 0)) - 1 & (1 << 64) - 1 for n in range(18)], dtype="<u8")

_Numbers = NDArray[np.uint64]


class _Words(NamedTuple):
    """Where words between blanks begin, their lengths, and their bytes as two numbers."""

    starts: NDArray[np.intp]
    lengths: NDArray[np.intp]
    heads: _Numbers
    tails: _Numbers


class PlainWords:
    """Remember words whose masked form is the word itself and that nobody wants to see."""

    def __init__(self) -> None:
        self._heads: list[_Numbers] = []
        self._tails: list[_Numbers] = []
        self._rests = False

    def clear(self) -> None:
        """Forget every word; no later result changes."""
        self._heads, self._tails = [], []
        self._rests = False

    def others(
        self, lines: Sequence[bytes], forms: Mapping[bytes, bytes], longest: int
    ) -> list[int] | None:
        """Return the places of lines that may not stay as they are, ``None`` for all of them.

        A line stays when it has at most *longest* bytes and nothing but known words with one
        blank between two. *forms* has masked words, of which those are learned that are masked
        to themselves.
        """
        block = b" ".join(lines)
        if self._rests or b"\0" in block or block.count(b"0") * 4 > len(lines):
            self._rests = False
            return None
        if not self._heads:
            # Both numbers of a word lie side by side: where one is, the other is soon read.
            tables = [np.zeros((_PLACES, 2), dtype="<u8") for _ in _MIXERS]
            self._heads = [table[:, 0] for table in tables]
            self._tails = [table[:, 1] for table in tables]
        words = _words(block)
        new = self._missing(words.heads, words.tails)
        # No word is empty, and what is longer was compared by its first bytes.
        new |= (words.lengths == 0) | (words.lengths > _LONGEST)
        missing = np.flatnonzero(new)
        ends = np.cumsum(np.fromiter(map(len, lines), dtype=np.intp, count=len(lines)) + 1)
        strange = set(np.searchsorted(ends, words.starts[missing], side="right").tolist())
        if len(block) > longest:
            strange.update(i for i, line in enumerate(lines) if len(line) > longest)
        if missing.size:
            plain = _plain(block, words, missing[:_LEARNED], forms)
            self._keep(words.heads[plain], words.tails[plain])
        # Where it does not help, half of the time is enough to notice when it would.
        self._rests = len(strange) * 2 > len(lines)
        return sorted(strange)

    def _missing(self, heads: _Numbers, tails: _Numbers) -> NDArray[np.bool_]:
        at = _places(heads, tails, 0)
        missing: NDArray[np.bool_] = self._heads[0][at] != heads
        missing |= self._tails[0][at] != tails
        rest = np.flatnonzero(missing)
        heads, tails = heads[rest], tails[rest]
        at = _places(heads, tails, 1)
        missing[rest] = (self._heads[1][at] != heads) | (self._tails[1][at] != tails)
        return missing

    def _keep(self, heads: _Numbers, tails: _Numbers) -> None:
        for turn in range(_ROUNDS):
            if not heads.size:
                return
            half = turn % 2
            # One word a place: a head beside the tail of another would be a third word.
            at, chosen = np.unique(_places(heads, tails, half), return_index=True)
            heads, tails = heads[chosen], tails[chosen]
            there = self._heads[half][at], self._tails[half][at]
            self._heads[half][at], self._tails[half][at] = heads, tails
            # Whoever was there moves to the other half.
            moved = (there[0] != 0) & ((there[0] != heads) | (there[1] != tails))
            heads, tails = there[0][moved], there[1][moved]


def _words(block: bytes) -> _Words:
    codes = np.frombuffer(block + _PAD, dtype=np.uint8)
    ends = np.flatnonzero(codes[: len(block) + 1] == _BLANK)
    starts = np.zeros_like(ends)
    np.add(ends[:-1], 1, out=starts[1:])
    lengths = ends - starts
    shown = np.minimum(lengths, _LONGEST + 1)
    # Every eight bytes in a row, as they overlap.
    eights: _Numbers = np.ndarray((len(codes) - 7,), "<u8", codes.data, strides=(1,))
    return _Words(starts, lengths, eights[starts] & _HEAD[shown], eights[starts + 8] & _TAIL[shown])


def _plain(
    block: bytes, words: _Words, missing: NDArray[np.intp], forms: Mapping[bytes, bytes]
) -> list[int]:
    """Return those of *missing* that *forms* has, as themselves."""
    begins, lengths = words.starts[missing].tolist(), words.lengths[missing].tolist()
    found = [block[at : at + length] for at, length in zip(begins, lengths, strict=True)]
    return [
        i
        for i, word in zip(missing.tolist(), found, strict=True)
        if len(word) <= _LONGEST and forms.get(word) == word
    ]


def _places(heads: _Numbers, tails: _Numbers, half: int) -> NDArray[np.intp]:
    one, two = _MIXERS[half]
    return (((heads ^ tails * two) * one) >> _SHIFT).astype(np.intp)
