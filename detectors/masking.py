"""Turn a log message into its masked form: every variable part becomes ``<*>``.

Two steps, both pure functions of their input. ``detectors.collapse`` shrinks every run of digits
of a whole block to one ``0`` without any regular expression; what follows sees that *key* alone, so
lines that differ only in numbers share one entry in every cache. ``Masker.mask`` replaces the
variable parts of one key. The delimiters and the order of the rules follow the correction rules
for template labels of Khan et al. (ICSE 2022).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from detectors.collapse import CONSONANTS, MIN_ID, Verdicts, collapse_ids, is_id
from detectors.plain_words import PlainWords

WILD = b"<*>"

_HEX = b"0123456789abcdefABCDEF"
_LITERALS = frozenset((b"true", b"false", b"null", b"nil", b"nan"))

_CALENDAR = frozenset(
    b"Mon Tue Wed Thu Fri Jan Feb Mar Apr Jun Jul Aug Sep Oct Nov Dec UTC GMT PST PDT EST EDT CET"
    b" CEST CST".split()
)

_MAX_CACHED_LINE = 2048
_AT_ONCE = 128  # lines of some 40 KB: larger blocks are pages that the allocator gives back
_MANY = 32  # lines of which those without a word to mask are found first
_ID_RUN = re.compile(rb"[0-9A-Za-z_-]{7,}")
# "Sat", "Sun" and "May" are also words: only before a number are they part of a date.
_SHY = frozenset((b"Sat", b"Sun", b"May"))
_SHY_CALENDAR = re.compile(rb"(?<!\S)(?:Sat|Sun|May)(?= (?:(?:May|Sun) )?<\*>)")
# What ends a path, or may be read as something else in it; so do four dashes.
_NO_PATH = re.compile(rb"[,!;:=|\"'\[\](){}<>?]")
_COARSE = re.compile(rb"([,!;:=|\"'\[\](){}<>])")
_FINE = re.compile(rb"([-+@#$%&.])")
_EDGE = rb"(?<![0-9A-Za-z])"
# Control characters in the text of a block: no masked word brings one of its own.
_BREAK = b"\0"
_ODD = b"\1"
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
_SHORT_HUMP = re.compile(rb"[A-Z][a-z](?=[A-Z])|[a-z][A-Z](?=[a-z0][A-Z0])")


class _Words(dict[bytes, bytes]):
    """Remember the masked form of words; a mark behind it says that the word is odd."""

    def __init__(self, odd: Callable[[bytes], bool] | None, most: int, longest: int) -> None:
        self._odd, self._most, self._longest = odd, most, longest
        self._wild_odd = odd is not None and odd(WILD)

    def __missing__(self, word: bytes) -> bytes:
        # Bare hexadecimal ids are cheaper to see than to remember, and there is no end of them.
        if b"0" in word and not word.strip(_HEX):
            return WILD
        odd = self._odd
        if word[:1] == b"/" and _is_path(word):
            masked = WILD
            if odd and (self._wild_odd or odd(word)):
                masked += _ODD
        else:
            masked = mask_word(word)
            if masked in _SHY or (odd and (odd(word) or (masked != word and odd(masked)))):
                masked += _ODD
        if len(word) <= self._longest:
            if len(self) >= self._most:
                self.clear()
            self[word] = masked
        return masked


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
    odd
        Says of a word whether its line needs a closer look; ``mask_odd`` names such lines. It is
        asked once for each word, as it was written and as it is masked, but not for bare
        hexadecimal ids.
    """

    def __init__(
        self,
        *,
        max_tokens: int = 256,
        max_bytes: int = 4096,
        max_cached: int = 65_536,
        max_cached_bytes: int = 128,
        odd: Callable[[bytes], bool] | None = None,
    ) -> None:
        self.max_tokens = max_tokens
        self.max_bytes = max_bytes
        self.max_cached = max_cached
        # Within this length neither bound of a line can bite.
        self._short = min(2 * max_tokens - 1, max_bytes // len(WILD))
        self._words = _Words(odd, max_cached, max_cached_bytes)
        self._plain = PlainWords()
        self._lines: dict[bytes, bytes] = {}
        self._verdicts = Verdicts()

    def clear(self) -> None:
        """Forget everything cached; no later result changes."""
        self._words.clear()
        self._plain.clear()
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
            missing = list(
                dict.fromkeys(
                    line for line, form in zip(reduced, masked, strict=True) if form is None
                )
            )
            fresh = dict(zip(missing, self.mask_odd(missing)[0], strict=True))
            masked = [
                fresh[line] if form is None else form
                for line, form in zip(reduced, masked, strict=True)
            ]
            for line, form in fresh.items():
                if len(line) <= _MAX_CACHED_LINE:
                    if len(known) >= self.max_cached // 4:
                        known.clear()
                    known[line] = form
        return masked  # type: ignore[return-value]  # no None is left

    def mask_odd(self, keys: Sequence[bytes]) -> tuple[list[bytes], list[int]]:
        """Return ``[mask(key) for key in keys]`` and the places of lines that may hold odd words.

        All lines are masked in one go: one dictionary look-up a word, and nothing a line. Free
        text has lines without a word to mask, and they are not looked at by word.
        """
        if len(keys) <= _AT_ONCE:
            return self._mask_others(keys)
        lines: list[bytes] = []
        odd: list[int] = []
        for start in range(0, len(keys), _AT_ONCE):
            some, places = self._mask_others(keys[start : start + _AT_ONCE])
            lines += some
            odd += [start + place for place in places]
        return lines, odd

    def _mask_others(self, keys: Sequence[bytes]) -> tuple[list[bytes], list[int]]:
        """Mask the lines that do not stay as they are."""
        others = self._plain.others(keys, self._words, self._short) if len(keys) >= _MANY else None
        if others is None:
            return self._mask_some(keys)
        masked, odd = self._mask_some([keys[i] for i in others])
        lines = list(keys)
        for i, line in zip(others, masked, strict=True):
            lines[i] = line
        return lines, [others[i] for i in odd]

    def _mask_some(self, keys: Sequence[bytes]) -> tuple[list[bytes], list[int]]:
        block = b" \0 ".join(keys)
        hostile = _ODD in block or block.count(_BREAK) != len(keys) - 1
        short = self._short
        alone: list[int] = []
        if hostile or max(map(len, keys), default=0) > short:
            rest = list(keys)
            for i, key in enumerate(keys):
                if len(key) > short or _ODD in key or _BREAK in key:
                    alone.append(i)
                    rest[i] = b""
            block = b" \0 ".join(rest)
        text = b" ".join(list(map(self._words.__getitem__, block.split())))
        lines = [line.strip() for line in text.split(_BREAK)] if keys else []
        odd = []
        if _ODD in text:
            for i, line in enumerate(lines):
                if _ODD in line:
                    odd.append(i)
                    lines[i] = _SHY_CALENDAR.sub(WILD, line.replace(_ODD, b""))
        for i in alone:
            lines[i], is_odd = self._mask_alone(keys[i])
            if is_odd:
                odd.append(i)
        return lines, odd

    def mask(self, key: bytes) -> bytes:
        """Return the masked form of a message key (digits already collapsed)."""
        return self._mask_alone(key)[0]

    def _mask_alone(self, key: bytes) -> tuple[bytes, bool]:
        """Return the masked form of one key of any length, and whether it may hold odd words."""
        words = key.split(None, self.max_tokens)
        if len(words) > self.max_tokens:
            words[-1] = WILD
        is_odd = _ODD in key
        if is_odd:
            line = b" ".join([mask_word(word) for word in words])
        else:
            line = b" ".join(map(self._words.__getitem__, words))
            is_odd = _ODD in line
            line = line.replace(_ODD, b"")
        if b"Sat " in line or b"Sun " in line or b"May " in line:
            line = _SHY_CALENDAR.sub(WILD, line)
        if len(line) > self.max_bytes:
            line = _CHAIN.sub(WILD, line[: self.max_bytes].rstrip(b"<*>") + WILD)
        return line, is_odd


def _is_path(word: bytes) -> bool:
    """Say whether a word that begins with a slash is one path and no more: it is masked whole."""
    return len(word) > 2 and _NO_PATH.search(word) is None and word.count(b"-") < 4


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
    elif len(word) >= MIN_ID:
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
        len(_SHORT_HUMP.findall(part)) >= 2 or CONSONANTS.search(part) is not None
    )
