"""Split masked lines into fields, and judge when differing fields are one variable."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from detectors.masking import WILD

_DELIMITERS = b" \t=:,;()[]{}\"'|<>"
_WORDS = bytes(sorted(set(range(256)) - set(_DELIMITERS)))
_WORDS_OF_LINES = _WORDS.replace(b"\n", b"")
_SPLIT = re.compile(rb"([ \t=:,;()\[\]{}\"'|]|<(?!\*>)|(?<!<\*)>)")
_RUN = re.compile(rb"(?<![^\s=:,;()\[\]{}\"'|])<\*>(?:[ ,;]+<\*>)+(?![^\s=:,;()\[\]{}\"'|])")
_LIST = re.compile(rb"(?<=\[)[\w./@+-]+(?:[,;] ?[\w./@+-]+)+(?=\])")
_BEFORE_VALUES = frozenset((b"=", b"[", b'"'))
_LETTER = re.compile(rb"[A-Za-z\x80-\xff]")
_QUOTED = re.compile(rb"(?<==\")[^\"<>]*(?=\")")
# Separators inside a run or a list are no delimiters: control characters stand in for them.
_HIDE = bytes.maketrans(b" ,;:=()[]{}|'", bytes(range(14, 27)))
_SHOW = bytes.maketrans(bytes(range(14, 27)), b" ,;:=()[]{}|'")
_COMMA = b",".translate(_HIDE)

_UNITS = frozenset(
    b"B KB MB GB TB KiB MiB GiB TiB kB bytes byte ns us ms s sec secs sec. secs. second seconds "
    b"min mins minute minutes h hour hours".split()
)
_NAMING = frozenset(
    b"user username login account host hostname node server client service name id uid "
    b"ruser rhost pod container process".split()
)
_DECIDING = frozenset(
    b"no not none all any a an the on off up down in out is are was were has have had can cannot "
    b"ok fail failed failure success error start stop open closed yes".split()
)
_NEVER = 1_000_000


def canonical(line: bytes) -> bytes:
    """Return a masked line as it is compared: lists and quoted values are one word.

    A run of wildcards (``<*>, <*> <*>``) is one ``<*>``; ``[a, b]`` keeps its words but loses its
    separators as delimiters.
    """
    return _join(line, WILD)


def skeleton_of(canon: bytes) -> bytes:
    """Return the delimiters of a canonical line in order: lines with others are never siblings."""
    return canon.replace(WILD, b"").translate(None, _WORDS)


def outlines(lines: list[bytes]) -> list[tuple[bytes, bytes]]:
    """Return (canonical form, skeleton) of every line, all in one go where that can be."""
    text = b"\n".join(lines)
    if text.count(b"\n") != len(lines) - 1:
        return [(canon, skeleton_of(canon)) for canon in map(canonical, lines)]
    # One byte is found ten times as fast as several.
    wild = b"<" in text
    if (
        (b"," in text or b";" in text)
        or (wild and b"<*> <*>" in text)
        or (b'"' in text and b'="' in text)
    ):
        lines = list(map(canonical, lines))
        text = b"\n".join(lines)
    bare = text.replace(WILD, b"") if wild else text
    bones = bare.translate(None, _WORDS_OF_LINES).split(b"\n")
    return list(zip(lines, bones, strict=True))


def split_fields(canon: bytes, skeleton: bytes | None = None) -> tuple[bytes, ...]:
    """Split a canonical line into words (even places, maybe empty) and delimiters.

    A *skeleton* of blanks alone saves the search for the others.
    """
    if not skeleton or skeleton.strip(b" "):
        return tuple(_SPLIT.split(canon))
    fields = [b" "] * (2 * len(skeleton) + 1)
    fields[::2] = canon.split(b" ")
    return tuple(fields)


def split_shown(line: bytes) -> tuple[bytes, ...]:
    """Split a masked line in the same places, runs and lists as they were written."""
    return tuple(_SPLIT.split(_join(line, _hide)))


def _join(line: bytes, run: bytes | Callable[[re.Match[bytes]], bytes]) -> bytes:
    """Make one word of every list and quoted value, and what *run* says of a run of wildcards."""
    if b"<*> <*>" in line or b",<*>" in line or b", <*>" in line or b";" in line:
        line = _RUN.sub(run, line)
    if b"[" in line and (b"," in line or b";" in line):
        line = _LIST.sub(_hide, line)
    if b'="' in line:
        line = _QUOTED.sub(_hide, line)
    return line


def _hide(found: re.Match[bytes]) -> bytes:
    return found[0].translate(_HIDE)


def value_places(fields: tuple[bytes, ...]) -> tuple[int, ...]:
    """Return the places of the values of ``key=value``, ``key="value"`` and ``key=[a, b]``."""
    after = [place for place in range(1, len(fields), 2) if fields[place] in _BEFORE_VALUES]
    return tuple([place + 1 for place in after if _is_value(fields, place + 1)])


def _is_value(fields: tuple[bytes, ...], place: int) -> bool:
    if place > 2 and fields[place - 1] in b'["' and not fields[place - 2]:
        place -= 2
    return fields[place - 1] == b"=" and fields[place - 2] != b""


def render(shown: tuple[bytes, ...]) -> bytes:
    """Join shown fields to text again."""
    return b"".join(shown).translate(_SHOW)


@dataclass(frozen=True, slots=True)
class Evidence:
    """State how many different values show that a field is a variable.

    The defaults were chosen on ten labelled systems together: ``benchmarks/templates.py constants``
    prints how the mean moves with each of them.
    """

    wild: int = 2
    unit: int = 2
    named: int = 2
    name: int = 4
    word: int = 5
    deciding: int = 12
    first: int = 10
    anchors: int = 5

    def needed(self, around: tuple[bytes, ...], place: int, values: set[bytes]) -> int:
        """Return how many values the field at *place* must have had to become a variable."""
        words = [value for value in values if value != WILD]
        before = around[place - 1] if place else b""
        named_by = around[place - 2] if place > 1 else b""
        anchors = len(list(filter(_LETTER.search, around[::2])))
        anchors -= _is_word(around[place])
        if not anchors:
            return _NEVER
        if named_by[-3:] == WILD and all(word in _UNITS for word in words):
            return self.unit
        if not place and anchors < self.anchors:
            return self.first
        if b"" in values and before not in b"=[(":
            return _NEVER
        if any(not _is_word(word) for word in words if word):
            return self.deciding
        if sum(map(_decides, words)) * 2 > len(words) or any(w.lower() in _DECIDING for w in words):
            return self.deciding
        if len(words) < len(values):
            return self.wild
        if named_by.lower() in _NAMING:
            return self.named
        listed = before == b"[" and any(_COMMA in word for word in words)
        if listed or (place and _is_value(around, place)):
            return self.name
        if all(map(_is_name, words)):
            return self.name
        return self.word


def _is_word(field: bytes) -> bool:
    """Say whether a field carries meaning: letters, not only marks and wildcards."""
    return _LETTER.search(field) is not None


def _is_name(word: bytes) -> bool:
    """Say whether a word looks like an identifier rather than like a word of a sentence."""
    return not word.isalpha() or not (word.islower() or word.istitle() or word.isupper())


def _decides(word: bytes) -> bool:
    """Say whether a word tells what happened (Started, stopping, RUNNING): such events differ."""
    if word.isupper():
        return len(word) > 2 and word.replace(b"_", b"").isalpha()
    return word[-2:] == b"ed" or word[-3:] == b"ing"
