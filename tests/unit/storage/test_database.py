"""The database file: broken ones are set aside, strangers' and newer ones are refused."""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING

import pytest

from aiops.errors import StateError
from aiops.storage import StateDirectory, Store, StoreError
from aiops.storage.schema import migrations, newest
from tests.unit.storage.nouns import Reports, cut, incident, notification, numbers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def filled(path: Path) -> None:
    """Leave a closed state with a cut, a message and enough incidents to fill some pages."""
    directory = StateDirectory.open(path)
    store = Store.open(directory, Reports())
    store.cuts.save(cut(1), 1.0)
    store.outbox.tell([notification()], 1.0)
    for number in range(100):
        store.history.save_incident(incident(f"inc_{number}"))
    store.close()
    directory.close()


def zeros(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def rubbish(path: Path) -> None:
    path.write_bytes(b"this is no database, it only looks like a file\n" * 500)


def torn_pages(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[8192:] = os.urandom(len(data) - 8192)
    path.write_bytes(data)


@pytest.mark.parametrize("damage", [zeros, rubbish, torn_pages])
def test_a_broken_database_is_set_aside(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    """A database that fails its check is renamed, never overwritten, and a new one begins."""
    filled(tmp_path)
    damage(tmp_path / "aiops.db")
    broken = (tmp_path / "aiops.db").read_bytes()
    (tmp_path / "aiops.db.broken-1").write_text("from an earlier time")
    reports = Reports()
    directory = StateDirectory.open(tmp_path)
    store = Store.open(directory, reports)

    assert (tmp_path / "aiops.db.broken-1").read_text() == "from an earlier time"
    assert (tmp_path / "aiops.db.broken-2").read_bytes() == broken
    assert reports.counts["state.database_set_aside", "corrupt"] == 1
    # What was learned is in the model file with its cursors; numbers of rows begin again.
    found = store.cuts.load()
    assert found is not None
    assert found.cursors == cut(1).cursors
    assert [s.name for s in found.sections] == ["engine", "ledger"]
    assert (found.command_seq, found.journal_seq) == (0, 0)
    assert reports.counts["state.salvaged", "database_lost"] == 1
    # The model file of the lost database is not overwritten by a number given twice.
    assert store.cuts.save(cut(5), 5.0) == 2
    assert numbers(store.cuts.load() or cut(0)) == {5}
    store.close()
    directory.close()


def test_a_newer_schema_is_refused_and_untouched(tmp_path: Path) -> None:
    """A database from a newer version is an error that says so; the file stays as it is."""
    filled(tmp_path)
    with sqlite3.connect(tmp_path / "aiops.db") as connection:
        connection.execute(f"PRAGMA user_version = {newest() + 1}")
    connection.close()
    directory = StateDirectory.open(tmp_path)
    for or_memory in (False, True):
        with pytest.raises(StateError, match="newer aiops"):
            Store.open(directory, Reports(), or_memory=or_memory)
    with pytest.raises(StateError, match="newer aiops"):
        Store.read_only(tmp_path, Reports())
    directory.close()

    assert not list(tmp_path.glob("*.broken-*"))


def test_a_strangers_database_is_refused(tmp_path: Path) -> None:
    """A database of another program is not migrated into ours."""
    with sqlite3.connect(tmp_path / "aiops.db") as connection:
        connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    directory = StateDirectory.open(tmp_path)
    with pytest.raises(StateError, match="another program"):
        Store.open(directory, Reports())
    directory.close()


def test_migrations_are_numbered_without_holes() -> None:
    """Every schema version has exactly one step, from 1 on."""
    assert sorted(migrations()) == list(range(1, newest() + 1))


def test_the_log_is_written_ahead(store: Store) -> None:
    """The database is in WAL mode, so readers never wait for the writer."""
    assert store._database.rows("PRAGMA journal_mode") == [("wal",)]
    assert store._database.rows("PRAGMA synchronous") == [(1,)]


def test_a_durable_transaction_ends_with_its_pragma(store: Store) -> None:
    """Only the transactions that ask for it wait for the disk."""
    with store._database.transaction(durable=True) as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)

    assert store._database.rows("PRAGMA synchronous") == [(1,)]


def test_a_failed_transaction_leaves_nothing(store: Store) -> None:
    """An error inside a transaction undoes all of it and passes on."""

    def interrupted() -> None:
        with store._database.transaction(durable=True) as connection:
            connection.execute("INSERT INTO meta VALUES ('a', 'b')")
            raise KeyError

    with pytest.raises(KeyError):
        interrupted()

    assert store._database.rows("SELECT * FROM meta") == []
    assert store._database.rows("PRAGMA synchronous") == [(1,)]


def test_a_defect_in_sql_is_no_state_error(store: Store) -> None:
    """A wrong statement is a defect and passes as what it is."""
    with pytest.raises(sqlite3.OperationalError):
        store._database.rows("SELECT nonsense")


def test_a_reader_works_beside_the_writer(store: Store, directory: StateDirectory) -> None:
    """A second opener reads what was committed and cannot write."""
    store.history.save_incident(incident())
    reader = Store.read_only(directory.path, Reports())

    assert reader.history.incident("inc_1") == incident()
    with pytest.raises(StoreError) as refused:
        reader.history.save_incident(incident())
    assert refused.value.reason == "read_only"
    reader.close()


def test_a_reader_works_without_the_daemon(tmp_path: Path) -> None:
    """When no daemon runs, the state can be read all the same."""
    filled(tmp_path)
    reader = Store.read_only(tmp_path, Reports())

    assert len(reader.history.incidents(limit=1000)) == 100
    assert numbers(reader.cuts.load() or cut(0)) == {1}
    reader.close()


@pytest.mark.parametrize("missing", ["directory", "file"])
def test_reading_what_is_not_there_is_an_error(tmp_path: Path, missing: str) -> None:
    """Reading never creates a state; the message says what to do."""
    path = tmp_path / "none" if missing == "directory" else tmp_path
    with pytest.raises(StateError, match="start aiops once"):
        Store.read_only(path, Reports())

    assert not list(tmp_path.iterdir())


def test_a_degraded_directory_is_read_into_memory(tmp_path: Path) -> None:
    """Where nothing can be written the last state is read, and all that follows is in memory."""
    filled(tmp_path)
    before = (tmp_path / "aiops.db").read_bytes()
    reports = Reports()
    store = Store.open(StateDirectory(tmp_path, degraded="Read-only file system"), reports)

    assert reports.counts["state.in_memory", "directory_not_writable"] == 1
    assert numbers(store.cuts.load() or cut(0)) == {1}
    assert [w.notification.key for w in store.outbox.waiting("ops")] == ["ntf_inc_1_1_ops"]
    assert store.inputs.command("ack", "inc_1", 2.0).seq == 1
    assert store.cuts.save(cut(2), 2.0) is None
    store.close()
    assert (tmp_path / "aiops.db").read_bytes() == before


def test_a_state_in_memory_touches_no_disk(tmp_path: Path) -> None:
    """A store without a directory works and keeps no cut."""
    reports = Reports()
    store = Store.in_memory(reports)

    assert store.outbox.tell([notification()], 1.0) == ["ntf_inc_1_1_ops"]
    assert store.cuts.save(cut(1), 1.0) is None
    assert store.cuts.load() is None
    assert not reports.counts
    assert not list(tmp_path.iterdir())
    store.close()
