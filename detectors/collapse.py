"""Shrink numbers and encoded ids of a whole block to ``0``: block by block, not line by line.

Lines that differ only in them share one key, and so one entry in every cache. Pure functions of
their input; ``detectors.masking`` gives a line the same mask before and after.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

_PIECE = 64 * 1024
_DIGITS_TO_ZERO = bytes.maketrans(b"123456789", b"000000000")
_ZERO = ord("0")
_HEX_DASH = b"0123456789abcdefABCDEF-"
MIN_ID = 7
"""Characters of the shortest id."""
_MIXED_ID = 12
_MAX_VERDICTS = 16_384
# What characters of a run are, as bits: so the bits of a run are all that it holds.
_DIGIT, _HEXLIKE, _OTHER, _LOWER, _UPPER = 1, 2, 4, 8, 16


def _bits(char: str) -> int:
    if not (char.isascii() and (char.isalnum() or char in "-_")):
        return 0
    if char.isdigit():
        return _DIGIT if char == "0" else _HEXLIKE
    kind = _HEXLIKE if char.encode() in _HEX_DASH else _OTHER
    return kind | _LOWER * char.islower() | _UPPER * char.isupper()


_NOTHING = np.zeros(1, dtype=np.uint8)
_RUN_BITS = bytes(_bits(chr(code)) for code in range(256))
_CASE = bytes(
    ord("A") if chr(code).isupper() else ord("a") if chr(code).islower() else code
    for code in range(128)
) + bytes(range(128, 256))
_JOINT = re.compile(rb"[-_0]+")
_CAMEL = re.compile(rb"[A-Z]*[a-z]{2,}(?:[A-Z]+[a-z]{2,})*|[A-Z]+")
_VOWEL = re.compile(rb"[aeiouyAEIOUY]")
CONSONANTS = re.compile(rb"[a-z](?:(?![aeiouyAEIOUY])[A-Za-z]){7,}")
"""More consonants in a row than a word has."""


def collapse_digits(data: bytes) -> bytes:
    """Return *data* with every run of ASCII digits as one ``0``; NUL bytes vanish.

    The number of newlines stays. Works through pieces of 64 KiB, so that the temporary arrays
    stay small enough to be reused by the allocator.
    """
    zeroed = data.translate(_DIGITS_TO_ZERO)
    if len(zeroed) <= _PIECE:
        return _drop_repeats(zeroed, False)
    pieces = []
    after_zero = False
    for start in range(0, len(zeroed), _PIECE):
        piece = zeroed[start : start + _PIECE]
        pieces.append(_drop_repeats(piece, after_zero))
        after_zero = piece[-1] == _ZERO
    return b"".join(pieces)


def _drop_repeats(piece: bytes, after_zero: bool) -> bytes:
    if not piece:
        return b""
    codes = np.frombuffer(piece, dtype=np.uint8).copy()
    zeros = codes == _ZERO
    new = ~(zeros[1:] & zeros[:-1])
    # Multiplied by one or nothing: a third of the time of an indexed assignment.
    codes[1:] *= new.view(np.uint8)
    if after_zero and zeros[0]:
        codes[0] = 0
    return codes.tobytes().translate(None, b"\0")


class Verdicts(dict[bytes, bool]):
    """Remember which runs are ids: the id of one request stands in many lines."""

    def __missing__(self, run: bytes) -> bool:
        if len(self) >= _MAX_VERDICTS:
            self.clear()
        verdict = self[run] = is_id(run)
        return verdict


def collapse_ids(data: bytes, verdicts: Verdicts | None = None) -> bytes:
    """Return digit-collapsed *data* with every encoded id (hex, uuid, base64) as one ``0``.

    ``Masker.mask`` gives the same result before and after: this only makes keys of id-heavy logs
    equal early, where a numpy pass over many lines costs less than a look at each word.
    """
    known = Verdicts() if verdicts is None else verdicts
    out: list[bytes] = []
    start, size = 0, len(data)
    while start < size:
        end = start + _PIECE
        if end < size:
            # A run must not be cut: a line break ends every run.
            end = data.rfind(b"\n", start, end) + 1 or data.find(b"\n", end) + 1 or size
        piece = data[start:end]
        start = end
        if b"0" not in piece:
            out.append(piece)
            continue
        bits = np.frombuffer(piece.translate(_RUN_BITS), dtype=np.uint8)
        ends = np.append(np.flatnonzero(bits == 0), len(piece))
        begins = np.append(0, ends[:-1] + 1)
        long = np.flatnonzero(ends - begins >= MIN_ID)
        if not long.size:
            out.append(piece)
            continue
        begins, ends = begins[long], ends[long]
        # A zero behind the last run: where one ends another segment has to begin.
        edges = np.stack((begins, ends), axis=1).ravel()
        held = np.bitwise_or.reduceat(np.append(bits, _NOTHING), edges)[::2]
        first, last = _ids(piece, begins, ends, held, known)
        kept = zip([0, *last], [*first, len(piece)], strict=True)
        out.append(b"0".join([piece[a:b] for a, b in kept]))
    return b"".join(out)


def _ids(
    piece: bytes,
    begins: NDArray[np.intp],
    ends: NDArray[np.intp],
    held: NDArray[np.uint8],
    known: Verdicts,
) -> tuple[list[int], list[int]]:
    """Return where ids begin and end; ``is_id`` is asked only where bits do not decide."""
    has_digit = held & _DIGIT != 0
    is_hex = held & _OTHER == 0
    length = ends - begins
    sure = has_digit & is_hex & (length > MIN_ID)
    case = held & (_LOWER | _UPPER)
    mixed = (case == 0) | (case == _LOWER | _UPPER)
    asked = np.flatnonzero(has_digit & ~sure & (is_hex | (mixed & (length >= _MIXED_ID))))
    if asked.size:
        edges = zip(begins[asked].tolist(), ends[asked].tolist(), strict=True)
        verdicts = map(known.__getitem__, [piece[a:b] for a, b in edges])
        sure[asked] = np.fromiter(verdicts, dtype=bool, count=asked.size)
    return begins[sure].tolist(), ends[sure].tolist()


def is_id(run: bytes) -> bool:
    """Say whether a run of letters, ``0``, ``-`` and ``_`` that holds a ``0`` is an encoded id."""
    length, digits = len(run), run.count(b"0")
    if length < MIN_ID or not digits:
        return False
    if not run.strip(_HEX_DASH):
        return length >= 8 or (digits > 1 and run.strip(b"0-") != b"")
    if length < _MIXED_ID or run.islower() or run.isupper():
        return False
    case = run.translate(_CASE)
    turns = case.count(b"aA") + case.count(b"Aa") + 2 * digits
    if turns * 9 >= length * 4:
        return True
    pieces = _JOINT.split(run)
    odd = sum(len(piece) for piece in pieces if not _is_ordinary(piece))
    return odd * 2 > length


def _is_ordinary(piece: bytes) -> bool:
    """Say whether a piece of an identifier may be a word or words in camel case."""
    return (
        len(piece) > 2
        and _CAMEL.fullmatch(piece) is not None
        and _VOWEL.search(piece) is not None
        and CONSONANTS.search(piece) is None
    )
