"""The model file: what goes in comes out, and damage costs only what is damaged."""

from __future__ import annotations

import resource
import signal
import struct
import zlib
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from aiops.model import Section
from aiops.storage import sections as module
from aiops.storage.sections import SectionProblem, read_sections, write_sections

if TYPE_CHECKING:
    from pathlib import Path

ONE = Section("one", 1, {"a": 1, "text": "häß", "deep": [{"x": None}]}, {"v": np.arange(10.0)})
TWO = Section("two", 7, {}, {"m": np.ones((2, 3), np.int32), "none": np.zeros((0, 4))})


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """Headers, arrays, shapes, types and versions come back, and so does the checksum."""
    path = tmp_path / "m.bin"
    written = write_sections(path, [ONE, TWO])
    sections, problems, checksum = read_sections(path)

    assert not problems
    assert checksum == written.checksum
    assert path.stat().st_size == written.size
    assert [(s.name, s.version) for s in sections] == [("one", 1), ("two", 7)]
    assert sections[0].header == ONE.header
    for found, given_ in zip(sections, [ONE, TWO], strict=True):
        for name, array in given_.arrays.items():
            assert found.arrays[name].dtype == array.dtype
            assert found.arrays[name].shape == array.shape
            np.testing.assert_array_equal(found.arrays[name], array)
            assert found.arrays[name].flags.writeable


def test_the_same_sections_make_the_same_bytes(tmp_path: Path) -> None:
    """A model file depends on nothing but its sections."""
    assert write_sections(tmp_path / "a", [ONE]) == write_sections(tmp_path / "b", [ONE])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    arrays=st.dictionaries(
        st.text(max_size=5),
        npst.arrays(
            st.sampled_from([np.dtype(d) for d in [*sorted(module.DTYPES), ">f8", ">i4"]]),
            npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
        ),
        max_size=3,
    )
)
def test_any_allowed_array_comes_back(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Every allowed type and shape round-trips, big-endian and scalars included."""
    write_sections(tmp_path / "m", [Section("s", 1, {}, arrays)])
    (found,), problems, _ = read_sections(tmp_path / "m")

    assert not problems
    for name, array in arrays.items():
        assert found.arrays[name].shape == array.shape
        np.testing.assert_array_equal(found.arrays[name], array)


def test_strided_arrays_come_back(tmp_path: Path) -> None:
    """A view with gaps is written as what it shows."""
    array = np.arange(20).reshape(4, 5)[::2, 1::2]
    write_sections(tmp_path / "m", [Section("s", 1, {}, {"a": array})])

    np.testing.assert_array_equal(read_sections(tmp_path / "m")[0][0].arrays["a"], array)


def test_objects_are_left_out_and_named(tmp_path: Path) -> None:
    """An array that is not plain numbers costs its section, never a pickle."""
    bad = Section("bad", 1, {}, {"o": np.array([object()])})
    written = write_sections(tmp_path / "m", [bad, ONE])

    assert written.problems == (SectionProblem("bad", "array_type"),)
    assert [s.name for s in read_sections(tmp_path / "m")[0]] == ["one"]


def test_hostile_text_in_a_header_is_written(tmp_path: Path) -> None:
    """Text that is no valid Unicode is replaced, and the section lives."""
    write_sections(tmp_path / "m", [Section("s", 1, {"t": "a\udc80b", "n": 3})])

    assert read_sections(tmp_path / "m")[0][0].header == {"t": "a?b", "n": 3}


def test_numbers_of_numpy_in_a_header_are_plain(tmp_path: Path) -> None:
    """Scalars that came out of an array are written as the numbers they are."""
    header = {"n": np.int64(3), "x": [np.float32(0.5)], "b": np.bool_(True), "k": {7: "a"}}
    write_sections(tmp_path / "m", [Section("s", 1, header)])

    assert read_sections(tmp_path / "m")[0][0].header == {
        "n": 3, "x": [0.5], "b": True, "k": {7: "a"},
    }  # fmt: skip


def test_what_is_not_plain_is_a_defect(tmp_path: Path) -> None:
    """A header that holds an object is refused with its type, and no file is made."""
    with pytest.raises(TypeError, match="object is no plain value"):
        write_sections(tmp_path / "m", [Section("s", 1, {"o": object()})])

    assert not list(tmp_path.iterdir())


def test_one_flipped_bit_costs_one_section(tmp_path: Path) -> None:
    """A damaged section is left out and named; the others are read."""
    path = tmp_path / "m.bin"
    write_sections(path, [TWO, ONE])
    data = bytearray(path.read_bytes())
    data[-3] ^= 0x10
    path.write_bytes(data)
    sections, problems, _ = read_sections(path)

    assert [s.name for s in sections] == ["two"]
    assert problems == [SectionProblem("one", "checksum")]


def test_a_truncated_file_keeps_its_whole_sections(tmp_path: Path) -> None:
    """What was cut off is named; what is whole lives."""
    path = tmp_path / "m.bin"
    write_sections(path, [TWO, ONE])
    path.write_bytes(path.read_bytes()[:-40])
    sections, problems, _ = read_sections(path)

    assert [s.name for s in sections] == ["two"]
    assert problems == [SectionProblem("one", "truncated")]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "truncated"),
        (bytes(4096), "not_a_model_file"),
        (b"AIOPSCUT" + struct.pack("<III", 99, 0, 0), "unknown_format"),
        (b"AIOPSCUT" + struct.pack("<III", 1, 2**32 - 1, 0), "broken_table"),
        (b"AIOPSCUT" + struct.pack("<III", 1, 3, zlib.crc32(b"\xff\xff\xff")) + b"\xff" * 3,
         "broken_table"),
    ],
)  # fmt: skip
def test_a_file_that_is_none_is_named(tmp_path: Path, data: bytes, reason: str) -> None:
    """Empty, zero-filled, foreign and newer files give no sections and say why."""
    (tmp_path / "m").write_bytes(data)

    assert read_sections(tmp_path / "m")[:2] == ([], [SectionProblem("", reason)])


def test_every_truncation_is_survived(tmp_path: Path) -> None:
    """However short the file is, what is read is whole and the rest is named."""
    path = tmp_path / "m.bin"
    write_sections(path, [ONE, TWO])
    data = path.read_bytes()
    for length in range(len(data)):
        path.write_bytes(data[:length])
        sections, problems, _ = read_sections(path)

        assert problems
        assert all(s.header == {"one": ONE, "two": TWO}[s.name].header for s in sections)


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (["s", 2, 0, 0, 0, 0], "unknown_encoding"),
        (["s", 1, -8, 0, 0, 0], "too_large"),
        (["s", 1, 0, 2**62, 0, 0], "too_large"),
        (["s", 1, 0, 0, 2**62, 0], "too_large"),
        (["s", 1, 10, 5, 5, 0], "truncated"),
        (["s", 1, 0, 0, 0, 0], "broken_header"),
    ],
)
def test_a_lying_table_is_refused(tmp_path: Path, entry: list[object], reason: str) -> None:
    """Sizes and places that cannot be are refused before anything is allocated."""
    table = msgspec.msgpack.encode([entry])
    head = b"AIOPSCUT" + struct.pack("<III", 1, len(table), zlib.crc32(table))
    (tmp_path / "m").write_bytes(head + table)

    assert read_sections(tmp_path / "m")[:2] == ([], [SectionProblem("s", reason)])


@pytest.mark.parametrize(
    "array",
    [
        ["a", "|O", [1], 0],
        ["a", "<f8", [10**6, 10**6], 0],
        ["a", "<f8", [-1], 0],
        ["a", "<f8", [1], -8],
        ["a", "<f8", [1], 8],
        ["a", "<f8", [1, 1, 1, 1, 1], 0],
    ],
)
def test_a_lying_array_is_refused(tmp_path: Path, array: list[object]) -> None:
    """A type, shape or place that the section does not hold is refused."""
    header = msgspec.msgpack.encode([1, {}, [array]])
    body = header + bytes(8)
    table = msgspec.msgpack.encode([["s", 1, 0, len(header), 8, zlib.crc32(body)]])
    head = b"AIOPSCUT" + struct.pack("<III", 1, len(table), zlib.crc32(table))
    (tmp_path / "m").write_bytes(head + table + body)

    assert read_sections(tmp_path / "m")[:2] == ([], [SectionProblem("s", "array_type")])


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    """When the bytes do not fit, the file of that name is the old one and nothing else is left."""
    path = tmp_path / "m.bin"
    before = write_sections(path, [ONE])
    big = Section("big", 1, {}, {"a": np.zeros(100_000)})
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65536, old[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_sections(path, [big])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, handler)

    assert read_sections(path)[2] == before.checksum
    assert [p.name for p in tmp_path.iterdir()] == ["m.bin"]


def test_a_planted_link_is_not_followed(tmp_path: Path) -> None:
    """A symbolic link where the temporary file goes is removed, its target untouched."""
    (tmp_path / "victim").write_text("keep me")
    (tmp_path / "m.bin.tmp").symlink_to(tmp_path / "victim")
    write_sections(tmp_path / "m.bin", [ONE])

    assert (tmp_path / "victim").read_text() == "keep me"
    assert not read_sections(tmp_path / "m.bin")[1]
