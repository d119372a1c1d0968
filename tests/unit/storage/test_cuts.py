"""Cuts: cursors and models come back as one pair, the newest whole one."""

from __future__ import annotations

import resource
import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import pytest

from aiops.model import Cut, Section
from aiops.storage import StateDirectory, Store
from tests.unit.storage.nouns import Reports, cut, numbers

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def no_file_over(size: int) -> Iterator[None]:
    """Let every write beyond *size* bytes of a file fail, as a full disk would."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, handler)


def test_an_empty_store_has_no_cut(store: Store) -> None:
    """Before the first cut there is none, and nothing is reported."""
    assert store.cuts.load() is None


def test_a_cut_comes_back(store: Store, reports: Reports) -> None:
    """Cursors, numbers and sections are those that were saved."""
    assert store.cuts.save(cut(5), 1.0) == 1
    found = store.cuts.load()

    assert found is not None
    assert numbers(found) == {5}
    assert found.cursors == cut(5).cursors
    assert found.sections[0].header == cut(5).sections[0].header
    assert not reports.counts


def test_three_generations_are_kept(store: Store, directory: StateDirectory) -> None:
    """The newest and two older model files stay; the rest is deleted."""
    for number in range(1, 8):
        store.cuts.save(cut(number), float(number))

    assert sorted(directory.generations()) == [5, 6, 7]


@pytest.mark.parametrize("damage", ["missing", "empty", "zeros", "truncated", "flipped", "swapped"])
def test_an_older_pair_replaces_a_broken_one(
    store: Store, directory: StateDirectory, reports: Reports, damage: str
) -> None:
    """A newest model file that is damaged in any way gives the older one with its own cursors."""
    for number in (1, 2, 3):
        store.cuts.save(cut(number), float(number))
    path = directory.models(3)
    data = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(
            {
                "empty": b"",
                "zeros": bytes(len(data)),
                "truncated": data[: len(data) // 2],
                "flipped": data[:-5] + bytes([data[-5] ^ 1]) + data[-4:],
                "swapped": directory.models(1).read_bytes(),
            }[damage]
        )
    found = store.cuts.load()

    assert found is not None
    assert numbers(found) == {2}
    assert reports.counts["state.fell_back", "older_generation"] == 1
    assert any(event == "state.section_broken" for event, _ in reports.counts)


def test_after_falling_back_the_next_cut_is_the_newest(
    store: Store, directory: StateDirectory
) -> None:
    """A generation that was given up never comes back, and its file is kept for a look."""
    for number in (1, 2):
        store.cuts.save(cut(number), float(number))
    directory.models(2).write_bytes(b"rubbish")
    store.cuts.load()
    store.cuts.save(cut(9), 9.0)
    found = store.cuts.load()

    assert found is not None
    assert numbers(found) == {9}
    assert (directory.path / "models-2.bin.broken").exists()


def test_when_all_are_damaged_the_rest_lives(
    store: Store, directory: StateDirectory, reports: Reports
) -> None:
    """With no whole generation, the newest readable one comes without its broken section."""
    for number in (1, 2):
        store.cuts.save(cut(number), float(number))
        data = bytearray(directory.models(number).read_bytes())
        data[-1] ^= 1
        directory.models(number).write_bytes(data)
    found = store.cuts.load()

    assert found is not None
    assert [s.name for s in found.sections] == ["engine"]
    assert numbers(found) == {2}
    assert reports.counts["state.section_broken", "checksum"] == 2


def test_nothing_readable_is_a_cold_start(
    store: Store, directory: StateDirectory, reports: Reports
) -> None:
    """Without any readable model file there is no cut: models and cursors start together."""
    store.cuts.save(cut(1), 1.0)
    directory.models(1).unlink()

    assert store.cuts.load() is None
    assert reports.counts["state.fell_back", "cold_start"] == 1
    assert store.cuts.save(cut(2), 2.0) is not None


def test_a_full_disk_keeps_the_old_cut(
    store: Store, directory: StateDirectory, reports: Reports
) -> None:
    """A cut that does not fit is reported, the one before it stays whole, and the next works."""
    store.cuts.save(cut(1), 1.0)
    with no_file_over(65536):
        assert store.cuts.save(cut(2, size=100_000), 2.0) is None
    found = store.cuts.load()

    assert found is not None
    assert numbers(found) == {1}
    assert reports.counts["state.cut_failed", "disk_full"] == 1
    assert sorted(directory.generations()) == [1]
    assert store.cuts.save(cut(3, size=100_000), 3.0) is not None
    assert numbers(store.cuts.load() or cut(0)) == {3}


def test_a_database_that_cannot_grow_keeps_the_old_cut(
    store: Store, directory: StateDirectory, reports: Reports
) -> None:
    """When the row does not fit, its model file goes too, and the one before it stays."""
    store.cuts.save(cut(1), 1.0)
    with no_file_over(400_000):
        assert store.cuts.save(cut(2, streams=20_000), 2.0) is None
    found = store.cuts.load()

    assert found is not None
    assert numbers(found) == {1}
    assert sorted(directory.generations()) == [1]
    assert any(event == "state.cut_failed" for event, _ in reports.counts)
    assert store.cuts.save(cut(3), 3.0) is not None


def test_a_model_file_without_a_row_is_never_read(store: Store, directory: StateDirectory) -> None:
    """A crash between file and row leaves a file that no one reads and the next cut removes."""
    store.cuts.save(cut(1), 1.0)
    directory.models(2).write_bytes(directory.models(1).read_bytes())
    (directory.path / "models-9.bin.tmp").write_bytes(b"half")

    assert numbers(store.cuts.load() or cut(0)) == {1}
    assert store.cuts.save(cut(2), 2.0) == 3
    assert sorted(directory.generations()) == [1, 3]
    assert not list(directory.path.glob("*.tmp"))


def test_a_broken_file_of_a_lost_database_is_passed_over(
    store: Store, directory: StateDirectory, reports: Reports
) -> None:
    """Without rows the newest file that is whole is resumed from, never a damaged one."""
    for number in (1, 2):
        store.cuts.save(cut(number), float(number))
    directory.models(2).write_bytes(directory.models(2).read_bytes()[:-9])
    with store._database.transaction() as connection:
        connection.execute("DELETE FROM generation")
    found = store.cuts.load()

    assert found is not None
    assert found.cursors == cut(1).cursors
    assert reports.counts["state.salvaged", "database_lost"] == 1


def test_a_cut_of_ten_thousand_series_is_quick(store: Store) -> None:
    """Six megabytes of arrays and 1,000 cursors cost less than 0.1 s of processor time."""
    arrays = {f"a{i}": np.zeros((10_000, 8)) for i in range(10)}
    big = Cut(
        {f"file:/var/log/app/{i}.log": "x" * 80 for i in range(1000)},
        0,
        0,
        (Section("engine", 1, {"templates": ["text " * 10] * 1000}, arrays),),
    )
    began = time.process_time()
    store.cuts.save(big, 1.0)

    assert time.process_time() - began < 0.1
