"""From keys to kinds of lines; a pure cache, shared by all streams."""

from __future__ import annotations

import re

from aiops.decoding.lines import SEP, Shape
from aiops.decoding.shapes import key_space
from aiops.model import LineKind, Severity
from aiops.redaction import redact_bytes
from detectors.masking import Masker, collapse_ids, is_id

CONTINUATION = LineKind("", Severity.INFO, b"\x00continuation")
"""Stands for every line that only hangs on another."""

_MAX_KEYS = 100_000
_MAX_BYTES = 32 * 2**20
_LONGEST_KEY = 4096
_TINY = 2048  # bytes for which a regular expression is done before numpy has begun
_RUN = re.compile(rb"[0-9A-Za-z_-]{7,}")
_LONGEST_READ = 16_384  # what comes later in a line no template shows


class KindCache:
    """Take keys apart and mask them once; clearing it changes no later result."""

    def __init__(self) -> None:
        self.masker = Masker()
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

    def resolve_many(self, shape: Shape, keys: list[bytes]) -> dict[bytes, LineKind]:
        """Return the kinds of keys that are not known yet.

        What a key means is read from its form without ids: lines that differ in the id of a
        request alone are read once.
        """
        space = key_space(shape)
        known = self._kinds.setdefault(space, {})
        found: dict[bytes, LineKind] = {}
        for key, reduced in zip(keys, _without_ids(keys), strict=True):
            kind = known.get(reduced)
            if kind is None:
                kind = self._read(shape, reduced)
                if len(reduced) <= _LONGEST_KEY:
                    known[reduced] = kind
                    self._keys += 1
                    self._bytes += len(reduced) + len(kind.masked) + 200
            found[key] = kind
        return found

    def _read(self, shape: Shape, key: bytes) -> LineKind:
        parts = shape.split(key)
        if parts.continuation:
            return CONTINUATION
        # Templates are kept for good: a password among their words must not be.
        masked = redact_bytes(self.masker.mask(parts.message))
        return LineKind(parts.entity, parts.severity, masked)

    def forget(self) -> None:
        """Drop the kinds of all keys."""
        self._kinds.clear()
        self._keys = self._bytes = 0

    def clear(self) -> None:
        """Drop everything that is only remembered for speed."""
        self.forget()
        self.masker.clear()


def _without_ids(keys: list[bytes]) -> list[bytes]:
    """Return every key with the ids of its text as ``0``; what stands before the text stays."""
    heads = []
    texts = []
    size = 0
    for key in keys:
        head, sep, text = key.rpartition(SEP)
        heads.append(head + sep)
        texts.append(text if len(text) <= _LONGEST_READ else text[:_LONGEST_READ])
        size += len(text)
    if size <= _TINY:
        reduced = [_RUN.sub(_shrunk, text) for text in texts]
    else:
        reduced = collapse_ids(b"\n".join(texts)).split(b"\n")
    return [head + text if head else text for head, text in zip(heads, reduced, strict=True)]


def _shrunk(run: re.Match[bytes]) -> bytes:
    return b"0" if is_id(run[0]) else run[0]
