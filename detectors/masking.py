"""Turn a log message into its masked form: every variable part becomes ``<*>``.

Two steps, both pure functions of their input. ``collapse_digits`` shrinks every run of digits of
a whole block to one ``0`` without any regular expression; what follows sees that *key* alone, so
lines that differ only in numbers share one entry in every cache. ``Masker.mask`` replaces the
variable parts of one key. The delimiters and the order of the rules follow the correction rules
for template labels of Khan et al. (ICSE 2022).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

WILD = b"<*>"

_PIECE = 64 * 1024
_DIGITS_TO_ZERO = bytes.maketrans(b"123456789", b"000000000")
_ZERO = ord("0")
_HEX = b"0123456789abcdefABCDEF"
_LITERALS = frozenset((b"true", b"false", b"null", b"nil", b"nan"))

_CALENDAR = frozenset(
    b"Mon Tue Wed Thu Fri Jan Feb Mar Apr Jun Jul Aug Sep Oct Nov Dec UTC GMT PST PDT EST EDT CET"
    b" CEST CST".split()
)

_MAX_CACHED_LINE = 2048
_MIN_ID = 7
_MAX_VERDICTS = 16_384
_HEX_DASH = _HEX + b"-"
_RUN_CLASS = bytes(
    2 if code == _ZERO else int(chr(code).isalnum() or code in b"-_") if code < 128 else 0
    for code in range(256)
)
_CASE = bytes(
    ord("A") if chr(code).isupper() else ord("a") if chr(code).islower() else code
    for code in range(128)
) + bytes(range(128, 256))
_ID_RUN = re.compile(rb"[0-9A-Za-z_-]{7,}")
# "Sat", "Sun" and "May" are also words: only before a number are they part of a date.
_SHY_CALENDAR = re.compile(rb"(?<!\S)(?:Sat|Sun|May)(?= (?:(?:May|Sun) )?<\*>)")
_COARSE = re.compile(rb"([,!;:=|\"'\[\](){}<>])")
_FINE = re.compile(rb"([-+@#$%&.])")
_EDGE = rb"(?<![0-9A-Za-z])"
# What a general split at delimiters would cut into pieces: addresses, ids, paths with a query.
_WHOLE = re.compile(
    rb"(?<![A-Za-z0+.-])[A-Za-z][A-Za-z0+.-]{0,63}://[^\s\"'<>\[\]{},;]*[^\s\"'<>\[\]{},;.:)]"
    rb"|" + _EDGE + rb"/?0\.0\.0\.0:0(?![0-9A-Za-z])"
    rb"|" + _EDGE + rb"[a-z][0a-z-]{0,62}(?:\.[0a-z-]{1,63}){2,8}:0(?![0-9A-Za-z])"
    rb"|" + _EDGE + rb"[0a-fA-F]{1,8}(?:-[0a-fA-F]{1,12}){4}[_A-Za-z0]{0,64}"
    rb"|" + _EDGE + rb"[0a-fA-F]{1,4}(?:[:-][0a-fA-F]{1,4}){5,19}(?![0-9A-Za-z])"
    rb"|(?<![A-Za-z])[A-Za-z]:\\[^\s\"'<>|,;]*"
    rb"|(?<![0-9A-Za-z*])/[^\s\"'<>\[\](){},;|?]{0,512}\?[^\s\"']*"
)
_CHAIN = re.compile(rb"<\*>(?:\.?<\*>)+")
_HOST = re.compile(rb"[0a-z_-]+(?:\.[0a-z_-]+){2,}")
_NODE = re.compile(rb"(?:[A-Za-z]+0[A-Za-z]*-)+[A-Za-z]+0[A-Za-z0]*")
_KEPT_NAME = re.compile(rb"[A-Za-z]{2,6}0|[A-Za-z]0")
_JOINT = re.compile(rb"[-_0]+")
_CAMEL = re.compile(rb"[A-Z]*[a-z]{2,}(?:[A-Z]+[a-z]{2,})*|[A-Z]+")
_VOWEL = re.compile(rb"[aeiouyAEIOUY]")
_CONSONANTS = re.compile(rb"[a-z](?:(?![aeiouyAEIOUY])[A-Za-z]){7,}")
_SHORT_HUMP = re.compile(rb"[A-Z][a-z](?=[A-Z])|[a-z][A-Z](?=[a-z0][A-Z0])")


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


class _Verdicts(dict[bytes, bool]):
    """Remember which runs are ids: the id of one request stands in many lines."""

    def __missing__(self, run: bytes) -> bool:
        if len(self) >= _MAX_VERDICTS:
            self.clear()
        verdict = self[run] = is_id(run)
        return verdict


def collapse_ids(data: bytes, verdicts: _Verdicts | None = None) -> bytes:
    """Return digit-collapsed *data* with every encoded id (hex, uuid, base64) as one ``0``.

    ``Masker.mask`` gives the same result before and after: this only makes keys of id-heavy logs
    equal early, where a numpy pass over many lines costs less than a look at each word.
    """
    known = _Verdicts() if verdicts is None else verdicts
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
        maybe = np.flatnonzero(ends - begins >= _MIN_ID)
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
    if length < _MIN_ID or not digits:
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


class Masker:
    """Mask the variable parts of collapsed log messages; caches change speed, never results.

    Parameters
    ----------
    max_tokens
        Words of a line that are looked at; the rest of a longer line becomes one ``<*>``.
    max_bytes
        Length at which a masked line is cut; the rest becomes one ``<*>``.
    max_cached
        Entries per cache; a full cache is cleared.
    max_cached_bytes
        Longest token that is worth a place in the cache.
    """

    def __init__(
        self,
        *,
        max_tokens: int = 256,
        max_bytes: int = 4096,
        max_cached: int = 65_536,
        max_cached_bytes: int = 128,
    ) -> None:
        self.max_tokens = max_tokens
        self.max_bytes = max_bytes
        self.max_cached = max_cached
        self.max_cached_bytes = max_cached_bytes
        self._tokens: dict[bytes, bytes] = {}
        self._lines: dict[bytes, bytes] = {}
        self._verdicts = _Verdicts()

    def clear(self) -> None:
        """Forget everything cached; no later result changes."""
        self._tokens.clear()
        self._lines.clear()
        self._verdicts.clear()

    def mask_many(self, keys: Sequence[bytes]) -> list[bytes]:
        """Return ``[mask(key) for key in keys]``, faster; no key may hold a newline."""
        if not keys:
            return []
        known = self._lines
        reduced = collapse_ids(b"\n".join(keys), self._verdicts).split(b"\n")
        masked: list[bytes | None] = list(map(known.get, reduced))
        if None in masked:
            for i, found in enumerate(masked):
                if found is None:
                    line = reduced[i]
                    masked[i] = here = known.get(line) or self.mask(line)
                    if len(line) <= _MAX_CACHED_LINE:
                        if len(known) >= self.max_cached // 4:
                            known.clear()
                        known[line] = here
        return masked  # type: ignore[return-value]  # no None is left

    def mask(self, key: bytes) -> bytes:
        """Return the masked form of a message key (digits already collapsed)."""
        words = key.split(None, self.max_tokens)
        if len(words) > self.max_tokens:
            words[-1] = WILD
        known = self._tokens
        masked: list[bytes | None] = list(map(known.get, words))
        if None in masked:
            for i, found in enumerate(masked):
                if found is None:
                    masked[i] = self._learn(words[i])
        line = b" ".join(masked)  # type: ignore[arg-type]  # no None is left
        if b"Sat " in line or b"Sun " in line or b"May " in line:
            line = _SHY_CALENDAR.sub(WILD, line)
        if len(line) > self.max_bytes:
            line = _CHAIN.sub(WILD, line[: self.max_bytes].rstrip(b"<*>") + WILD)
        return line

    def _learn(self, word: bytes) -> bytes:
        # Bare hexadecimal ids are cheaper to see than to remember, and there is no end of them.
        if b"0" in word and not word.strip(_HEX):
            return WILD
        masked = mask_word(word)
        if len(word) <= self.max_cached_bytes:
            if len(self._tokens) >= self.max_cached:
                self._tokens.clear()
            self._tokens[word] = masked
        return masked


def mask_word(word: bytes) -> bytes:
    """Return one blank-free word of a key with its variable parts as ``<*>``."""
    if b"0" not in word:
        if word.isalpha() and len(word) < 16:
            if word in _CALENDAR:
                return WILD
            if word.lower() in _LITERALS or (len(word) >= 8 and not word.strip(_HEX)):
                return WILD
            return word
    elif not word.strip(_HEX):
        return WILD
    elif len(word) >= _MIN_ID:
        word = _ID_RUN.sub(_shrink, word)
    parts: list[bytes] = []
    if b":" in word or b"-" in word or b"?" in word:
        at = 0
        for found in _WHOLE.finditer(word):
            parts += _mask_parts(word[at : found.start()])
            parts.append(WILD)
            at = found.end()
        parts += _mask_parts(word[at:])
    else:
        parts = _mask_parts(word)
    return _CHAIN.sub(WILD, b"".join(parts))


def _shrink(run: re.Match[bytes]) -> bytes:
    return b"0" if is_id(run[0]) else run[0]


def _mask_parts(text: bytes) -> list[bytes]:
    parts: list[bytes] = _COARSE.split(text)
    for i in range(0, len(parts), 2):
        if parts[i]:
            parts[i] = _mask_part(parts[i])
    return parts


def _mask_part(part: bytes) -> bytes:
    if part.lower() in _LITERALS:
        return WILD
    if b"/" in part:
        return _mask_slashed(part)
    if part[:1] == b"\\" and part.count(b"\\") > 1:
        return WILD
    if b"0" not in part:
        return WILD if _looks_random(part) else part
    if _KEPT_NAME.fullmatch(part):
        return part[:-1] + WILD
    if _looks_random(part) or _HOST.fullmatch(part) or _NODE.fullmatch(part):
        return WILD
    pieces: list[bytes] = _FINE.split(part)
    for i in range(0, len(pieces), 2):
        if b"0" not in pieces[i] and not _looks_random(pieces[i]):
            continue
        pieces[i] = WILD
        # A minus without a word before it is a sign, not a joint.
        if i and pieces[i - 1] in (b"-", b"+"):
            before = pieces[i - 2]
            if not before or before[-1:] == b"_":
                pieces[i - 2] = pieces[i - 1] = b""
    return b"".join(pieces)


def _mask_slashed(part: bytes) -> bytes:
    if part[:1] == b"/":
        return WILD if len(part) > 2 or b"0" in part else part
    pieces = part.split(b"/")
    if len(pieces) <= 3 and all(pieces):
        return b"/".join([_mask_part(piece) for piece in pieces])
    if b"0" in part or len(pieces) > 3:
        return WILD
    return part


def _looks_random(part: bytes) -> bool:
    """Say whether a word is an encoded number: long hex, or letters that form no words."""
    length = len(part)
    if length < 8:
        return False
    if not part.strip(_HEX):
        return True
    if length < 12 or part.islower() or part.isupper():
        return False
    if not part.replace(b"-", b"").replace(b"_", b"").isalnum():
        return False
    return length >= 16 and (
        len(_SHORT_HUMP.findall(part)) >= 2 or _CONSONANTS.search(part) is not None
    )


def _is_ordinary(piece: bytes) -> bool:
    """Say whether a piece of an identifier may be a word or words in camel case."""
    return (
        len(piece) > 2
        and _CAMEL.fullmatch(piece) is not None
        and _VOWEL.search(piece) is not None
        and _CONSONANTS.search(piece) is None
    )
