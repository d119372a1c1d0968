"""Read a gzip file once: known by its text, whatever its name is today."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from aiops.model import Block, Stream, Watched
from aiops.sources.tail.identity import HEAD, digest
from aiops.sources.tail.inflate import Inflater
from aiops.sources.tail.lines import BLOCK, codec_of, cut_lines
from aiops.sources.tail.stream import TURN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aiops.protocols import Intake


class Spot(msgspec.Struct, frozen=True, array_like=True):
    """Say how far the inflated text has been read; the cursor of an archive."""

    kind: str
    offset: int
    cutting: bool = False
    done: bool = False


def fingerprint(path: str) -> str | None:
    """Return the hash of the first KiB of the inflated text; ``None`` when there is none.

    Raises ``OSError``.
    """
    inflater = Inflater(path)
    try:
        head = b""
        while len(head) < HEAD and (more := inflater.read(HEAD - len(head))):
            head += more
    finally:
        inflater.close()
    return digest(head) if head else None


class Archive:
    """Turn one gzip file into blocks, a bounded turn at a time."""

    def __init__(
        self,
        stream: Stream,
        path: str,
        *,
        max_line: int,
        intake: Intake,
        stops: Sequence[str] = (),
    ) -> None:
        self.stream = stream
        self.path = path
        self.done = False
        self._intake = intake
        self._max_line = max_line
        self._raw = b""
        self._codec = codec_of(b"")
        self._offset = 0
        self._cutting = False
        self._inflater: Inflater | None = None
        self._skip = 0
        self._stops = sorted(s.offset for cursor in stops if (s := decode_spot(cursor)))
        if (cursor := intake.resume(stream.id)) and (spot := decode_spot(cursor)):
            self._skip, self._cutting, self.done = spot.offset, spot.cutting, spot.done

    def turn(self, now: float) -> Iterator[Block | Watched]:
        """Hand over at most about 1 MiB of inflated text."""
        budget = TURN
        try:
            if self._inflater is None:
                self._inflater = Inflater(self.path)
            while budget > 0 and not self.done:
                used = self._offset
                block = self._step(self._inflater, now)
                budget -= max(self._offset - used, 1)
                if block is not None:
                    yield block
        except OSError as e:
            self._intake.report("source_skipped", "unreadable", path=self.path, error=str(e))
            self.done = True
        if self.done:
            self.close()

    def close(self) -> None:
        if self._inflater is not None:
            self._inflater.close()

    def _step(self, inflater: Inflater, now: float) -> Block | None:
        more = inflater.read(BLOCK)
        if self._offset < self._skip:
            self._offset += len(more)
            if not self._codec.name and self._offset == len(more):
                self._codec = codec_of(more)
            over = self._offset - self._skip
            if over > 0:
                self._raw, self._offset = more[len(more) - over :], self._skip
            self.done = not more
            return None
        self._raw += more
        if self._offset == 0:
            self._codec = codec_of(self._raw)
        raw = self._raw
        stop = next((s for s in self._stops if self._offset < s <= self._offset + len(raw)), None)
        if stop is not None:
            raw = raw[: stop - self._offset]
        got = cut_lines(
            raw[: max(BLOCK, self._max_line + 2)],
            max_line=self._max_line,
            codec=self._codec,
            cutting=self._cutting,
            first=self._offset == 0,
            final=not more or stop is not None,
        )
        if not got.used:
            self.done = not more
            if self.done and inflater.broken:
                self._intake.report("source_skipped", "gzip_damaged", path=self.path)
            return None
        self._raw = self._raw[got.used :]
        self._offset += got.used
        self._cutting = got.cutting
        if got.cut:
            self._intake.report("line_cut", "max_line", got.cut, path=self.path)
        if not got.data:
            return None
        spot = Spot("gzip", self._offset, self._cutting, not more and not self._raw)
        return Block(self.stream, got.data, msgspec.json.encode(spot).decode(), now)


def decode_spot(cursor: str) -> Spot | None:
    """Read an archive's cursor; ``None`` when it is something else."""
    try:
        spot = msgspec.json.decode(cursor, type=Spot)
    except msgspec.MsgspecError:
        return None
    return spot if spot.kind == "gzip" else None
