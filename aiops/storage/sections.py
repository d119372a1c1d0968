"""Write and read one model file: sections of plain values and raw arrays, each with a checksum.

Layout, all little-endian: magic, format version, length and crc32 of the table of contents, the
table (MessagePack), then per section its header (MessagePack) and its arrays. The table comes
first, so one damaged section costs nothing but itself. No code is ever stored or run.
"""

from __future__ import annotations

import contextlib
import os
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from aiops.model import Section
from aiops.storage.pictures import encode_values

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_MAGIC = b"AIOPSCUT"
_FORMAT = 1
_ENCODING = 1
_HEAD = struct.Struct("<8sIII")  # magic, format, length of the table, crc32 of the table

# Bounds: a reader must never be talked into allocating what the file does not hold.
MAX_TABLE = 4 * 2**20
MAX_HEADER = 64 * 2**20
MAX_ARRAYS = 2**30
MAX_DIMENSIONS = 4
DTYPES = frozenset({"|b1", "|i1", "|u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f4", "<f8"})


class _Entry(msgspec.Struct, array_like=True, frozen=True):
    name: str
    encoding: int
    offset: int
    header: int
    body: int
    crc: int


class _Array(msgspec.Struct, array_like=True, frozen=True):
    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int


class _Header(msgspec.Struct, array_like=True, frozen=True):
    version: int
    values: dict[str, Any]
    arrays: list[_Array]


@dataclass(frozen=True, slots=True)
class SectionProblem:
    """Name a section that is left out and why; ``section`` is empty for the whole file."""

    section: str
    reason: str


@dataclass(frozen=True, slots=True)
class Written:
    """Describe a model file: its checksum, its bytes, and what had to be left out."""

    checksum: str
    size: int
    problems: tuple[SectionProblem, ...] = ()


def write_sections(path: Path, sections: Sequence[Section]) -> Written:
    """Write *sections* so that *path* either holds all of them, on the disk, or is untouched.

    A section that breaks a bound is left out and named. Raises ``OSError`` (disk full and the
    like) with nothing left behind, and ``TypeError`` for a header that is not plain values.
    """
    problems: list[SectionProblem] = []
    entries: list[_Entry] = []
    parts: list[bytes | memoryview] = []
    offset = 0
    for section in sections:
        packed = _pack(section)
        if isinstance(packed, SectionProblem):
            problems.append(packed)
            continue
        header, body = packed
        crc = zlib.crc32(header)
        for part in body:
            crc = zlib.crc32(part, crc)
        size = sum(len(part) for part in body)
        entries.append(_Entry(section.name, _ENCODING, offset, len(header), size, crc))
        parts += [header, *body]
        offset += len(header) + size
    table = msgspec.msgpack.encode(entries)
    head = _HEAD.pack(_MAGIC, _FORMAT, len(table), zlib.crc32(table))
    return Written(*_place(path, [head, table, *parts]), tuple(problems))


def read_sections(path: Path) -> tuple[list[Section], list[SectionProblem], str]:
    """Return what lives in a model file, what does not, and the checksum of its bytes.

    Raises ``OSError`` when the file cannot be read at all.
    """
    data = path.read_bytes()
    checksum = _checksum(zlib.crc32(data), len(data))
    try:
        magic, version, length, crc = _HEAD.unpack_from(data)
    except struct.error:
        return [], [SectionProblem("", "truncated")], checksum
    if magic != _MAGIC:
        return [], [SectionProblem("", "not_a_model_file")], checksum
    if version != _FORMAT:
        return [], [SectionProblem("", "unknown_format")], checksum
    table = data[_HEAD.size : _HEAD.size + length]
    if length > MAX_TABLE or len(table) < length or zlib.crc32(table) != crc:
        return [], [SectionProblem("", "broken_table")], checksum
    try:
        entries = msgspec.msgpack.decode(table, type=list[_Entry])
    except msgspec.MsgspecError:
        return [], [SectionProblem("", "broken_table")], checksum
    sections: list[Section] = []
    problems: list[SectionProblem] = []
    view = memoryview(data)[_HEAD.size + length :]
    for entry in entries:
        found = _unpack(entry, view)
        if isinstance(found, SectionProblem):
            problems.append(found)
        else:
            sections.append(found)
    return sections, problems, checksum


def _pack(section: Section) -> tuple[bytes, list[bytes | memoryview]] | SectionProblem:
    arrays: list[_Array] = []
    body: list[bytes | memoryview] = []
    offset = 0
    for name, given in section.arrays.items():
        array = np.ascontiguousarray(given, dtype=given.dtype.newbyteorder("<"))
        if array.dtype.str not in DTYPES or given.ndim > MAX_DIMENSIONS:
            return SectionProblem(section.name, "array_type")
        # ascontiguousarray makes a scalar one-dimensional; the shape is the given one's.
        arrays.append(_Array(name, array.dtype.str, given.shape, offset))
        body.append(array.reshape(-1).view(np.uint8).data)
        offset += array.nbytes
    header = encode_values(_Header(section.version, dict(section.header), arrays))
    if len(header) > MAX_HEADER or offset > MAX_ARRAYS:
        return SectionProblem(section.name, "too_large")
    return header, body


def _unpack(entry: _Entry, view: memoryview) -> Section | SectionProblem:
    if entry.encoding != _ENCODING:
        return SectionProblem(entry.name, "unknown_encoding")
    start, middle = entry.offset, entry.offset + entry.header
    end = middle + entry.body
    sizes_hold = 0 <= start <= middle <= end and entry.header <= MAX_HEADER
    if not sizes_hold or entry.body > MAX_ARRAYS:
        return SectionProblem(entry.name, "too_large")
    if end > len(view):
        return SectionProblem(entry.name, "truncated")
    if zlib.crc32(view[start:end]) != entry.crc:
        return SectionProblem(entry.name, "checksum")
    try:
        header = msgspec.msgpack.decode(view[start:middle], type=_Header)
    except msgspec.MsgspecError:
        return SectionProblem(entry.name, "broken_header")
    arrays: dict[str, NDArray[Any]] = {}
    for item in header.arrays:
        array = _array(item, view[middle:end])
        if array is None:
            return SectionProblem(entry.name, "array_type")
        arrays[item.name] = array
    return Section(entry.name, header.version, header.values, arrays)


def _array(item: _Array, body: memoryview) -> NDArray[Any] | None:
    if item.dtype not in DTYPES or len(item.shape) > MAX_DIMENSIONS:
        return None
    if item.offset < 0 or any(n < 0 for n in item.shape):
        return None
    count = 1
    for n in item.shape:
        count *= n
    dtype = np.dtype(item.dtype)
    if item.offset + count * dtype.itemsize > len(body):
        return None
    # A copy, so the part may go on writing into it.
    return np.frombuffer(body, dtype, count, item.offset).reshape(item.shape).copy()


def _place(path: Path, parts: Sequence[bytes | memoryview]) -> tuple[str, int]:
    """Write to a temporary file beside *path*, reach the disk, then take its name."""
    temporary = path.with_name(path.name + ".tmp")
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    crc = size = 0
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        with os.fdopen(os.open(temporary, flags, 0o600), "wb") as file:
            for part in parts:
                file.write(part)
                crc = zlib.crc32(part, crc)
                size += len(part)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_directory(path.parent)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    return _checksum(crc, size), size


def sync_directory(path: Path) -> None:
    """Make the names in a directory survive a power loss."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _checksum(crc: int, size: int) -> str:
    return f"crc32:{crc:08x}:{size}"
