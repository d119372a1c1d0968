"""From keys to kinds of lines; a pure cache, shared by all streams."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from aiops.decoding.levels import guess_level, may_sound_bad
from aiops.decoding.lines import SEP, Shape, split_plain_many, without_ids
from aiops.decoding.plain import PlainShape
from aiops.decoding.shapes import key_space
from aiops.decoding.spans import names_parent
from aiops.model import LineKind, Severity
from aiops.redaction import is_suspect, redact_bytes
from detectors.masking import Masker

CONTINUATION = LineKind("", Severity.INFO, b"\x00continuation")
"""Stands for every line that only hangs on another."""

# The constructor of a named tuple, without the function around it.
_kind: Callable[[tuple[object, ...]], LineKind] = partial(tuple.__new__, LineKind)

_MAX_KEYS = 100_000
_MAX_BYTES = 8 * 2**20  # more is slower where every line is new, and no faster where few are
_LONGEST_KEY = 8192
_NO_HEAD = (Severity.INFO, b"")
_MANY = 16  # keys that are worth a look at what they share
_AT_ONCE = 256  # keys of some 50 KB: larger blocks are pages that the allocator gives back


class KindCache:
    """Take keys apart and mask them once; clearing it changes no later result."""

    def __init__(self) -> None:
        self.masker = Masker(odd=_is_odd)
        self.parents = False  # whether a line that is known may name the parent of a span
        self._kinds: dict[str, dict[bytes, LineKind]] = {}
        self._keys = 0
        self._bytes = 0

    def of(self, shape: Shape) -> dict[bytes, LineKind]:
        """Return what is known of keys of this shape."""
        if self._keys > _MAX_KEYS or self._bytes > _MAX_BYTES:
            self.forget()
        return self._kinds.setdefault(key_space(shape), {})

    def resolve(self, shape: Shape, key: bytes) -> LineKind:
        """Return the kind of one key."""
        return self.resolve_many(shape, [key])[key]

    def resolve_many(
        self, shape: Shape, keys: list[bytes], *, reduced: bool = False
    ) -> dict[bytes, LineKind]:
        """Return the kinds of keys that are not known yet, in the order of the keys.

        No key comes twice; *reduced* ones have no ids any more.

        What a key means is read from its form without ids: lines that differ in the id of a
        request alone are read once.
        """
        known = self._kinds.setdefault(key_space(shape), {})
        found: dict[bytes, LineKind] = {}
        for start in range(0, len(keys), _AT_ONCE):
            some = keys[start : start + _AT_ONCE]
            forms = some if reduced else _without_ids(some)
            if forms is some:
                fresh = dict(zip(some, self._read(shape, some), strict=True))
                found |= fresh
            else:
                missing = [key for key in dict.fromkeys(forms) if key not in known]
                kinds = self._read(shape, missing) if missing else []
                fresh = dict(zip(missing, kinds, strict=True))
                for key, form in zip(some, forms, strict=True):
                    found[key] = known.get(form) or fresh[form]
            self._remember(known, fresh)
        return found

    def _remember(self, known: dict[bytes, LineKind], fresh: dict[bytes, LineKind]) -> None:
        if max(map(len, fresh), default=0) > _LONGEST_KEY:
            fresh = {form: kind for form, kind in fresh.items() if len(form) <= _LONGEST_KEY}
        known |= fresh
        self._keys += len(fresh)
        # What a key is masked to is hardly ever longer.
        self._bytes += 2 * sum(map(len, fresh)) + 200 * len(fresh)

    def _read(self, shape: Shape, keys: list[bytes]) -> list[LineKind]:
        """Take keys apart, all in one go: most lines have no word that asks for a closer look."""
        entities: list[str | None] = []  # none: a continuation
        levels: list[Severity | None] = []  # none: to be guessed
        texts: list[bytes] = []
        if isinstance(shape, PlainShape):
            fmt = None if shape.stamps is None else shape.stamps.format
            for plain in split_plain_many(keys, fmt):
                level, text = plain or _NO_HEAD
                entities.append(None if plain is None else "")
                levels.append(level)
                texts.append(text)
        else:
            for parts in map(shape.split, keys):
                entities.append(None if parts.continuation else parts.entity)
                levels.append(parts.severity)
                texts.append(b"" if parts.continuation else parts.message)
        masked, odd = self.masker.mask_odd(texts)
        for i in odd:
            # Templates are kept for good: a password among their words must not be.
            masked[i] = redact_bytes(masked[i])
            if levels[i] is None:
                levels[i] = guess_level(texts[i])
        self.parents = self.parents or names_parent(b"\n".join(masked))
        stated = [level or Severity.INFO for level in levels]
        kinds = list(map(_kind, zip(entities, stated, masked, strict=True)))
        if None in entities:
            pairs = zip(entities, kinds, strict=True)
            return [CONTINUATION if entity is None else kind for entity, kind in pairs]
        return kinds

    def forget(self) -> None:
        """Drop the kinds of all keys."""
        self._kinds.clear()
        self.parents = False
        self._keys = self._bytes = 0

    def clear(self) -> None:
        """Drop everything that is only remembered for speed."""
        self.forget()
        self.masker.clear()


def _is_odd(word: bytes) -> bool:
    return is_suspect(word) or may_sound_bad(word)


def _without_ids(keys: list[bytes]) -> list[bytes]:
    """Return every key with the ids of its text as ``0``; what stands before the text stays."""
    if len(keys) >= _MANY:
        zeros, rest = divmod(b"\n".join(keys).count(b"0"), len(keys))
        if not rest and _common(keys).count(b"0") == zeros:
            # An id holds a digit: here they all stand in what the keys share, mostly a stamp.
            return keys
    parts = [key.rpartition(SEP) for key in keys]
    texts = without_ids([text for _, _, text in parts])
    return [
        head + sep + text if sep else text
        for (head, sep, _), text in zip(parts, texts, strict=True)
    ]


def _common(keys: list[bytes]) -> bytes:
    """Return with what all keys begin."""
    first, last = min(keys), max(keys)
    for i, (one, two) in enumerate(zip(first, last, strict=False)):
        if one != two:
            return first[:i]
    return first
