"""Read what a person names on the command line: files, ``-``, plain or gzip."""

from __future__ import annotations

import contextlib
import csv
import gzip
import sys
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from aiops.cli.options import note
from aiops.errors import AiopsError

STDIN: Final = "-"
_GZIP: Final = b"\x1f\x8b"


class InputError(AiopsError):
    """Name another input, or mend this one."""


@contextlib.contextmanager
def text_lines(path: str) -> Iterator[Iterator[str]]:
    """Open *path* (``-`` is standard input) and yield its lines; bad bytes become U+FFFD.

    Raises ``InputError`` when it cannot be read, also in its middle.
    """
    try:
        with _opened(path) as raw:
            yield _lines(raw)
    except OSError as e:
        if e.filename not in (path, None) or isinstance(e, BrokenPipeError):
            raise
        raise InputError(f"{path}: cannot be read ({e.strerror or e}); check it") from e
    except (EOFError, zlib.error) as e:
        raise InputError(f"{path}: damaged gzip file ({e}); what came before was read") from e


def _lines(raw: IO[bytes]) -> Iterator[str]:
    first = raw.readline().removeprefix(b"\xef\xbb\xbf")
    while first:
        yield first.decode("utf-8", "replace").rstrip("\r\n")
        first = raw.readline()


@contextlib.contextmanager
def _opened(path: str) -> Iterator[IO[bytes]]:
    if path == STDIN:
        head = sys.stdin.buffer.peek(2) if hasattr(sys.stdin.buffer, "peek") else b""
        if head.startswith(_GZIP):
            with gzip.open(sys.stdin.buffer) as packed:
                yield packed  # type: ignore[misc]  # a gzip file is a binary file in all but name
        else:
            yield sys.stdin.buffer
        return
    with Path(path).open("rb") as file:
        packed_too = file.read(2) == _GZIP
        file.seek(0)
        if packed_too:
            with gzip.open(file) as packed:
                yield packed  # type: ignore[misc]  # as above
        else:
            yield file


def cells(line: str) -> list[str]:
    """Split one line of CSV; a quote that never closes harms this line alone."""
    if '"' not in line:
        return line.split(",")
    # Sequences of a long session are longer than the 128 KiB that a cell may have by default.
    csv.field_size_limit(2**31 - 1)
    try:
        return next(csv.reader([line]), [])
    except csv.Error:
        return line.split(",")


@contextlib.contextmanager
def kept_file(path: str) -> Iterator[str]:
    """Yield a path that can be read twice: standard input is copied to a temporary file."""
    if path != STDIN:
        where = Path(path)
        if where.is_dir():
            raise InputError(f"{path}: is a directory; name files, or a glob")
        try:
            with where.open("rb") as file:
                packed = file.read(2) == _GZIP
        except OSError as e:
            raise InputError(f"{path}: cannot be read ({e.strerror}); check it") from e
        if packed and _damaged(path):
            note(f"{path}: damaged gzip file; only what comes before the damage is read")
        yield path
        return
    with tempfile.NamedTemporaryFile(prefix="aiops-") as copy:
        while piece := sys.stdin.buffer.read(2**20):
            copy.write(piece)
        copy.flush()
        yield copy.name


def _damaged(path: str) -> bool:
    """Tell whether a gzip file breaks off: its reader ends there without a word."""
    from aiops.sources.tail.inflate import Inflater

    inflater = Inflater(path)
    try:
        while inflater.read(2**20):
            pass
    finally:
        inflater.close()
    return inflater.broken
