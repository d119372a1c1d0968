"""Shrink numbers and encoded ids of a whole block to ``0``: block by block, not line by line.

Lines that differ only in them share one key, and so one entry in every cache. Pure functions of
their input; ``detectors.masking`` gives a line the same mask before and after.
"""

from __future__ import annotations

import re

import numpy as np

_PIECE = 64 * 1024
_DIGITS_TO_ZERO = bytes.maketrans(b"123456789", b"000000000")
_ZERO = ord("0")
_HEX_DASH = b"0123456789abcdefABCDEF-"
MIN_ID = 7
"""Characters of the shortest id."""
_MAX_VERDICTS = 16_384
_RUN_CLASS = bytes(
    2 if code == _ZERO else int(chr(code).isalnum() or code in b"-_") if code < 128 else 0
    for code in range(256)
)
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
    repeated = zeros[1:] & zeros[:-1]
    codes[1:][repeated] = 0
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
        classes = np.frombuffer(piece.translate(_RUN_CLASS), dtype=np.uint8)
        ends = np.append(np.flatnonzero(classes == 0), len(piece))
        zeros = np.flatnonzero(classes == 2)
        begins = np.append(0, ends[:-1] + 1)
        maybe = np.flatnonzero(ends - begins >= MIN_ID)
        begins, ends = begins[maybe], ends[maybe]
        nearest = np.append(zeros, len(piece))[np.searchsorted(zeros, begins)]
        with_zero = nearest < ends
        first, last = begins[with_zero].tolist(), ends[with_zero].tolist()
        runs = [piece[b:e] for b, e in zip(first, last, strict=True)]
        at = 0
        for begin, stop, found in zip(first, last, map(known.__getitem__, runs), strict=True):
            if found:
                out.append(piece[at:begin])
                at = stop
                out.append(b"0")
        out.append(piece[at:])
    return b"".join(out)


def is_id(run: bytes) -> bool:
    """Say whether a run of letters, ``0``, ``-`` and ``_`` that holds a ``0`` is an encoded id."""
    length, digits = len(run), run.count(b"0")
    if length < MIN_ID or not digits:
        return False
    if not run.strip(_HEX_DASH):
        return length >= 8 or (digits > 1 and run.strip(b"0-") != b"")
    if length < 12 or run.islower() or run.isupper():
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
