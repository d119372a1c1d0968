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
_ZERO = np.uint8(ord("0"))
_HEX_DASH = b"0123456789abcdefABCDEF-"
MIN_ID = 7
"""Characters of the shortest id."""
_MIXED_ID = 12
_TURNS, _OF = 9, 4  # more turns than in four of nine places are not those of words
_TINY = 1 << 11
_MAX_VERDICTS = 16_384
# What characters are, as bits: so the bits of a run are all that it holds. Only what ends a run
# is less than a digit.
_BLANK, _DIGIT, _HEX, _OTHER, _LOWER, _UPPER, _DASH = 1, 2, 4, 8, 16, 32, 64
_CASED = _LOWER | _UPPER


def _bits(char: str) -> int:
    if char in " \t\n\r\f\v":
        return _BLANK
    if char == "-":
        return _DASH
    if char.isdigit():
        return _DIGIT if char == "0" else _HEX
    if not (char.isascii() and (char.isalpha() or char == "_")):
        return 0
    kind = _HEX if char.encode() in _HEX_DASH else _OTHER
    return kind | _LOWER * char.islower() | _UPPER * char.isupper()


_BITS = bytes(_bits(chr(code)) for code in range(256))
_EDGE = bytes((_BLANK,))
_CASE = bytes(
    ord("A") if chr(code).isupper() else ord("a") if chr(code).islower() else code
    for code in range(128)
) + bytes(range(128, 256))
_RUN = re.compile(rb"[0-9A-Za-z_-]{7,}")
_SHORT = re.compile(rb"0[0-9a-fA-F]{0,4}0")  # every short word that is an id holds one
_SHORT_WORD = re.compile(rb"(?<!\S)[0-9a-fA-F]{2,6}(?!\S)")
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
    if len(data) <= _PIECE:
        return _drop_repeats(data, False)
    pieces = []
    after_digit = False
    for start in range(0, len(data), _PIECE):
        piece = data[start : start + _PIECE]
        pieces.append(_drop_repeats(piece, after_digit))
        after_digit = piece[-1:].isdigit()
    return b"".join(pieces)


def _drop_repeats(piece: bytes, after_digit: bool) -> bytes:
    if not piece:
        return b""
    codes = np.frombuffer(piece, dtype=np.uint8)
    # Below "0" the difference wraps around to a large number.
    digits = codes - _ZERO < 10
    kept = codes.copy()
    # Multiplied by one or nothing: a third of the time of an indexed assignment.
    kept[1:] *= ~(digits[1:] & digits[:-1])
    if after_digit and digits[0]:
        kept[0] = 0
    return kept.tobytes().translate(_DIGITS_TO_ZERO, b"\0")


class Verdicts(dict[bytes, bool]):
    """Remember which runs are ids: the id of one request stands in many lines."""

    def __missing__(self, run: bytes) -> bool:
        if len(self) >= _MAX_VERDICTS:
            self.clear()
        verdict = self[run] = is_id(run)
        return verdict


def collapse_ids(data: bytes, verdicts: Verdicts | None = None) -> bytes:
    """Return digit-collapsed *data* with every encoded id (hex, uuid, base64) as one ``0``.

    An id is what ``is_id`` says of a run of letters, digits and dashes, and of a shorter word
    whatever is hexadecimal with several numbers in it. ``Masker.mask`` gives the same result
    before and after: this only makes keys of id-heavy logs equal early, where a numpy pass over
    many lines costs less than a look at each word.
    """
    if len(data) <= _TINY:
        # For a few lines a regular expression is done before numpy has begun.
        data = _RUN.sub(_shrunk, data)
        return data if _SHORT.search(data) is None else _SHORT_WORD.sub(_shrunk_word, data)
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
        out.append(_without_ids(piece, known) if b"0" in piece else piece)
    return b"".join(out)


def _shrunk(run: re.Match[bytes]) -> bytes:
    return b"0" if is_id(run[0]) else run[0]


def _shrunk_word(word: re.Match[bytes]) -> bytes:
    return b"0" if word[0].count(b"0") > 1 else word[0]


def _without_ids(piece: bytes, known: Verdicts) -> bytes:
    bits = np.frombuffer(_EDGE + piece.translate(_BITS) + _EDGE, dtype=np.uint8)
    # Only what ends a run and the digits in it have to be found to know the runs with digits.
    marks = np.flatnonzero(bits <= _DIGIT)
    kinds = bits[marks]
    breaks = np.flatnonzero(kinds < _DIGIT)
    places = marks[breaks]
    digits = breaks[1:] - breaks[:-1] - 1
    length = places[1:] - places[:-1] - 1
    blank = kinds[breaks]
    word = blank[1:] & blank[:-1] == _BLANK
    chosen = np.flatnonzero(((digits > 0) & (length >= MIN_ID)) | ((digits > 1) & word))
    if not chosen.size:
        return piece
    # Each run, and what lies between it and the next.
    edges = np.stack((places[chosen] + 1, places[chosen + 1]), axis=1).ravel()
    first, last = _ids(piece, bits, edges, digits[chosen], known)
    kept = zip([0, *last], [*first, len(piece)], strict=True)
    return b"0".join([piece[a:b] for a, b in kept])


def _ids(
    piece: bytes,
    bits: NDArray[np.uint8],
    edges: NDArray[np.intp],
    digits: NDArray[np.intp],
    known: Verdicts,
) -> tuple[list[int], list[int]]:
    """Return where ids begin and end; ``is_id`` is asked only where bits do not decide."""
    held = np.bitwise_or.reduceat(bits, edges)[::2]
    begins, ends = edges[::2] - 1, edges[1::2] - 1
    length = ends - begins
    is_hex = held & _OTHER == 0
    case = held & _CASED
    mixed = (case == 0) | (case == _CASED)
    # A shorter one was chosen because it is a word.
    sure = is_hex & ((length > MIN_ID) | ((length < MIN_ID) & (held & _DASH == 0)))
    asked = ~sure & ((is_hex & (length == MIN_ID)) | (mixed & (length >= _MIXED_ID)))
    if np.count_nonzero(asked):
        case = bits & _CASED
        turn = np.zeros(len(bits), np.bool_)
        np.equal(case[:-1] ^ case[1:], _CASED, out=turn[:-1])
        turns = np.add.reduceat(turn, edges, dtype=np.int32)[::2]
        sure |= asked & ~is_hex & ((turns + 2 * digits) * _TURNS >= length * _OF)
        places = np.flatnonzero(asked & ~sure)
        runs = zip(begins[places].tolist(), ends[places].tolist(), strict=True)
        sure[places] = [known[piece[a:b]] for a, b in runs]
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
    if turns * _TURNS >= length * _OF:
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
