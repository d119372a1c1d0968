"""Inflate gzip files piece by piece, within bounds."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import IO, Final

_INPUT: Final = 64 * 1024


class Inflater:
    """Inflate a gzip file piece by piece, several members included; memory stays bounded.

    A file that ends too early or is damaged ends where it does, with ``broken`` set.
    """

    def __init__(self, path: str) -> None:
        self.broken = False
        self._file: IO[bytes] = Path(path).open("rb")  # noqa: SIM115  closed by its reader
        self._engine = zlib.decompressobj(wbits=31)
        self._pending = b""

    def read(self, size: int) -> bytes:
        """Return up to *size* inflated bytes, empty at the end; raises ``OSError``."""
        out = b""
        while not out and not self.broken:
            if self._engine.eof:
                rest = (self._engine.unused_data or self._file.read(_INPUT)).lstrip(b"\0")
                if not rest:
                    break
                self._engine, self._pending = zlib.decompressobj(wbits=31), rest
            if not self._pending:
                self._pending = self._file.read(_INPUT)
                if not self._pending:
                    self.broken = True
                    break
            try:
                out = self._engine.decompress(self._pending, size)
            except zlib.error:
                self.broken = True
            self._pending = self._engine.unconsumed_tail
        return out

    def close(self) -> None:
        self._file.close()
