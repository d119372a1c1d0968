"""Turn a log message into its masked form: every variable part becomes ``<*>``.

Two steps, both pure functions of their input. ``collapse_digits`` shrinks every run of digits of
a whole block to one ``0`` without any regular expression; what follows sees that *key* alone, so
lines that differ only in numbers share one entry in every cache. ``Masker.mask`` replaces the
variable parts of one key. The delimiters and the order of the rules follow the correction rules
for template labels of Khan et al. (ICSE 2022).
"""

from __future__ import annotations

import re

import numpy as np

WILD = b"<*>"

_PIECE = 64 * 1024
_DIGITS_TO_ZERO = bytes.maketrans(b"123456789", b"000000000")
_ZERO = ord("0")
_HEX = b"0123456789abcdefABCDEF"
_LITERALS = frozenset((b"true", b"false", b"null", b"nil", b"nan"))

# "Sat", "Sun" and "May" are also words; next to dates the miner finds them out.
_CALENDAR = frozenset(
    b"Mon Tue Wed Thu Fri Jan Feb Mar Apr Jun Jul Aug Sep Oct Nov Dec UTC GMT PST PDT EST EDT CET"
    b" CEST CST".split()
)

_COARSE = re.compile(rb"([,!;:=|\"'\[\](){}<>])")
_FINE = re.compile(rb"([-+@#$%&.])")
_EDGE = rb"(?<![0-9A-Za-z])"
# What a general split at delimiters would cut into pieces: addresses, ids, paths with a query.
_WHOLE = re.compile(
    rb"[A-Za-z][A-Za-z0+.-]*://[^\s\"'<>\[\]{},;]*[^\s\"'<>\[\]{},;.:)]"
    rb"|" + _EDGE + rb"/?0\.0\.0\.0:0(?![0-9A-Za-z])"
    rb"|" + _EDGE + rb"[0a-fA-F]+(?:-[0a-fA-F]+){4}[_A-Za-z0]*"
    rb"|" + _EDGE + rb"[0a-fA-F]{1,4}(?:[:-][0a-fA-F]{1,4}){5,}(?![0-9A-Za-z])"
    rb"|(?<![A-Za-z])[A-Za-z]:\\[^\s\"'<>|,;]*"
    rb"|(?<![0-9A-Za-z*])/[^\s\"'<>\[\](){},;|?]*\?[^\s\"']*"
)
_CHAIN = re.compile(rb"<\*>(?:\.?<\*>)+")
_HOST = re.compile(rb"[0a-z_-]+(?:\.[0a-z_-]+){2,}")
_NODE = re.compile(rb"(?:[A-Za-z]+0[A-Za-z]*-)+[A-Za-z]+0[A-Za-z0]*")
_KEPT_NAME = re.compile(rb"[A-Za-z]{2,6}0|[A-Za-z]0")
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


class Masker:
    """Mask the variable parts of collapsed log messages; caches change speed, never results.

    Parameters
    ----------
    max_tokens
        Words of a line that are looked at; the rest of a longer line becomes one ``<*>``.
    max_cached
        Entries per cache; a full cache is cleared.
    max_cached_bytes
        Longest token that is worth a place in the cache.
    """

    def __init__(
        self, *, max_tokens: int = 256, max_cached: int = 65_536, max_cached_bytes: int = 128
    ) -> None:
        self.max_tokens = max_tokens
        self.max_cached = max_cached
        self.max_cached_bytes = max_cached_bytes
        self._tokens: dict[bytes, bytes] = {}

    def clear(self) -> None:
        """Forget everything cached; no later result changes."""
        self._tokens.clear()

    def mask(self, key: bytes) -> bytes:
        """Return the masked form of a message key (digits already collapsed)."""
        words = key.split(None, self.max_tokens)
        if len(words) > self.max_tokens:
            words[-1] = WILD
        known = self._tokens
        masked = []
        for word in words:
            found = known.get(word)
            if found is None:
                found = mask_word(word)
                if len(word) <= self.max_cached_bytes:
                    if len(known) >= self.max_cached:
                        known.clear()
                    known[word] = found
            masked.append(found)
        return b" ".join(masked)


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
        return WILD if len(part) > 2 else part
    pieces = part.split(b"/")
    if len(pieces) <= 3 and all(pieces):
        return b"/".join([_mask_part(piece) for piece in pieces])
    if b"0" in part or len(pieces) > 3:
        return WILD
    return part


def _looks_random(part: bytes) -> bool:
    """Say whether a word is an encoded number: long hex, or case changing too often for words."""
    length = len(part)
    if length < 8:
        return False
    if not part.strip(_HEX):
        return True
    if length < 20 or not part.replace(b"-", b"").replace(b"_", b"").isalnum():
        return False
    return len(_SHORT_HUMP.findall(part)) >= 2
