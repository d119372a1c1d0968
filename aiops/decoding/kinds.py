"""From keys to kinds of lines; a pure cache, shared by all streams."""

from __future__ import annotations

from aiops.decoding.lines import Shape
from aiops.decoding.shapes import key_space
from aiops.model import LineKind, Severity
from detectors.masking import Masker

CONTINUATION = LineKind("", Severity.INFO, b"\x00continuation")
"""Stands for every line that only hangs on another."""

_MAX_KEYS = 100_000
_MAX_BYTES = 32 * 2**20
_LONGEST_KEY = 4096
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
        """Return the kind of a key that is not known yet."""
        parts = shape.split(key[:_LONGEST_READ])
        if parts.continuation:
            kind = CONTINUATION
        else:
            kind = LineKind(parts.entity, parts.severity, self.masker.mask(parts.message))
        if len(key) <= _LONGEST_KEY:
            self._kinds.setdefault(key_space(shape), {})[key] = kind
            self._keys += 1
            self._bytes += len(key) + len(kind.masked) + 200
        return kind

    def forget(self) -> None:
        """Drop the kinds of all keys."""
        self._kinds.clear()
        self._keys = self._bytes = 0

    def clear(self) -> None:
        """Drop everything that is only remembered for speed."""
        self.forget()
        self.masker.clear()
