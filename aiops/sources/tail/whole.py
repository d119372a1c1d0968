"""Read a whole file once, front to back, for replay."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from aiops.model import Block, Stream
from aiops.sources.tail.inflate import Inflater
from aiops.sources.tail.lines import BLOCK, codec_of, cut_lines

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator


class Readable(Protocol):
    """Give up to so many bytes, none at the end."""

    def read(self, size: int, /) -> bytes | None: ...

    def close(self) -> None: ...


def read_file_blocks(
    path: str, stream: Stream, *, max_line: int = 2**20
) -> Generator[Block, None, bool]:
    """Yield a plain or gzip file as blocks of at most 256 KiB (or one longer line).

    ``cursor`` is the position in the (inflated) text, ``arrived`` is 0. A last line without
    newline gets one. Raises ``OSError``; a damaged gzip file ends where the damage is, and the
    generator's value says whether the file was whole.
    """
    with Path(path).open("rb", buffering=0) as plain:
        packed = plain.read(2) == b"\x1f\x8b"
        plain.seek(0)
        source = Inflater(path) if packed else plain
        try:
            yield from _blocks(source, stream, max_line)
        finally:
            source.close()
        return not (isinstance(source, Inflater) and source.broken)


def _blocks(source: Readable, stream: Stream, max_line: int) -> Iterator[Block]:
    raw, offset, cutting = b"", 0, False
    codec = codec_of(b"")
    while True:
        more = source.read(BLOCK // codec.width - min(len(raw), BLOCK // 2))
        raw += more or b""
        if not offset:
            codec = codec_of(raw)
        while raw:
            got = cut_lines(
                raw,
                max_line=max_line,
                codec=codec,
                cutting=cutting,
                first=offset == 0,
                final=not more,
            )
            if not got.used:
                break
            raw, cutting = raw[got.used :], got.cutting
            offset += got.used
            if got.data:
                yield Block(stream, got.data, str(offset), 0.0)
        if not more:
            return
