"""One SQLite file: opened, checked, set aside when broken, written in whole transactions."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from typing import TYPE_CHECKING, Any

from aiops.errors import StateError
from aiops.storage.schema import migrate, newest, version_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from aiops.storage.reporting import Report

_BUSY_MS = 5000
# Keep the write-ahead log from staying as large as its largest moment.
_LOG_LIMIT = 16 * 2**20
_SHORT_LOG_PAGES = 16
# How much of a directory that can only be read is copied into memory.
_COPY_LIMIT = 256 * 2**20

_CAUSES = {
    "SQLITE_FULL": ("disk_full", "free some space there"),
    "SQLITE_IOERR": ("io_error", "check the disk"),
    "SQLITE_READONLY": ("read_only", "make it writable for this user"),
    "SQLITE_PERM": ("read_only", "make it writable for this user"),
    "SQLITE_CANTOPEN": ("unreadable", "check that the directory exists and its rights"),
    "SQLITE_BUSY": ("busy", "stop the other program that writes to it"),
    "SQLITE_LOCKED": ("busy", "stop the other program that writes to it"),
    "SQLITE_CORRUPT": ("corrupt", "restart aiops: it sets a broken database aside"),
    "SQLITE_NOTADB": ("corrupt", "restart aiops: it sets a broken database aside"),
}


class StoreError(StateError):
    """Try again later: a read or write of the state failed; ``reason`` is one short word."""

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class Database:
    """Own one connection; used by one thread at a time (in the daemon: the writer thread)."""

    def __init__(self, connection: sqlite3.Connection, where: str) -> None:
        self._connection = connection
        self.where = where

    @classmethod
    def open(cls, path: Path, report: Report) -> Database:
        """Open or create the file; one that fails its check is renamed and a new one begun."""
        if path.exists() and (problem := _check(path)) is not None:
            try:
                aside = _set_aside(path)
            except OSError as e:
                raise StoreError(
                    f"{path}: broken ({problem}) and cannot be renamed ({e.strerror}); "
                    "move it away",
                    reason="corrupt",
                ) from e
            report("state.database_set_aside", "corrupt", kept_as=str(aside), problem=problem)
        with _named(str(path)):
            _create_private(path)
            return cls(_writable(str(path)), str(path))

    @classmethod
    def in_memory(cls, path: Path | None, report: Report) -> Database:
        """Open a database that ends with the process, filled from *path* where that is possible."""
        connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        database = cls(connection, "memory")
        if path is not None and path.exists():
            problem = database._copy_from(path)
            if problem:
                report("state.database_unread", problem, path=str(path))
        with _named(database.where):
            connection.execute("PRAGMA foreign_keys = ON")
            migrate(connection, str(path or "memory"))
        return database

    @classmethod
    def read_only(cls, path: Path) -> Database:
        """Open an existing file for reading beside whoever writes it."""
        if not path.exists():
            raise StateError(f"{path}: no such file; start aiops once or set state.directory")
        connection = _reader(path)
        with _named(str(path)):
            if version_of(connection, str(path)) < newest():
                raise StateError(f"{path}: from an older aiops; start this version once")
        return cls(connection, str(path))

    @contextlib.contextmanager
    def transaction(self, *, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """Commit all of the block or nothing; *durable* reaches the disk before it returns.

        Raises ``StoreError`` when the disk or the file fails.
        """
        with _named(self.where):
            if durable:
                self._connection.execute("PRAGMA synchronous = FULL")
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection
                self._connection.execute("COMMIT")
            finally:
                # Still inside one means that something was raised above.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                if durable:
                    self._connection.execute("PRAGMA synchronous = NORMAL")

    def save_space(self) -> None:
        """Fold the write-ahead log into the database, and keep it short from now on.

        Every page in the log is on the disk twice; where space is short that is most of it.
        """
        with contextlib.suppress(StoreError), _named(self.where):
            self._connection.execute(f"PRAGMA wal_autocheckpoint = {_SHORT_LOG_PAGES}").fetchall()
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return all rows of a bounded query; raise ``StoreError`` when it cannot be read."""
        with _named(self.where):
            return self._connection.execute(sql, values).fetchall()

    def close(self) -> None:
        self._connection.close()

    def _copy_from(self, path: Path) -> str:
        """Copy a file that may only be read; return why it could not be, or nothing."""
        try:
            if path.stat().st_size > _COPY_LIMIT:
                return "too_large"
            with contextlib.closing(_reader(path)) as source:
                version_of(source, str(path))
                if source.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
                    return "corrupt"
                source.backup(self._connection)
        except (OSError, sqlite3.Error, StoreError):
            return "unreadable"
        return ""


def _writable(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=_BUSY_MS / 1000, isolation_level=None, check_same_thread=False
    )
    try:
        for pragma in (
            "journal_mode = WAL",
            "synchronous = NORMAL",
            f"busy_timeout = {_BUSY_MS}",
            f"journal_size_limit = {_LOG_LIMIT}",
            "foreign_keys = ON",
            "trusted_schema = OFF",
        ):
            connection.execute(f"PRAGMA {pragma}").close()
        migrate(connection, path)
    except (sqlite3.Error, StateError):
        connection.close()
        raise
    return connection


def _reader(path: Path) -> sqlite3.Connection:
    uri = path.absolute().as_uri()
    with _named(str(path)):
        connection = sqlite3.connect(
            uri + "?mode=ro",
            uri=True,
            timeout=_BUSY_MS / 1000,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        except sqlite3.OperationalError:
            connection.close()
            if _log_has_content(path):
                raise
            # The side files of the write-ahead log cannot be made here, so no one else writes.
            connection = sqlite3.connect(
                uri + "?immutable=1", uri=True, isolation_level=None, check_same_thread=False
            )
        return connection


def _log_has_content(path: Path) -> bool:
    """Return whether commits wait in the log, which an immutable opening would not see."""
    try:
        return path.with_name(path.name + "-wal").stat().st_size > 0
    except FileNotFoundError:
        return False


def _check(path: Path) -> str | None:
    """Return what is wrong with an existing file, ``None`` when it is sound."""
    connection = sqlite3.connect(path, timeout=_BUSY_MS / 1000, isolation_level=None)
    try:
        found = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
    except sqlite3.DatabaseError as e:
        if _cause(e)[0] == "corrupt":
            return str(e)
        raise _failed(e, str(path)) from e
    finally:
        connection.close()
    return None if found == "ok" else found


def _set_aside(path: Path) -> Path:
    number = 1
    while (aside := path.with_name(f"{path.name}.broken-{number}")).exists():
        number += 1
    # The log goes with its database: alone, either would be read as something else.
    for suffix in ("-wal", "-shm", ""):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(aside.with_name(aside.name + suffix))
    return aside


def _create_private(path: Path) -> None:
    try:
        # SQLite gives its side files the rights of the main file.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as e:
        raise StoreError(
            f"{path}: cannot be opened ({e.strerror}); make it writable for this user",
            reason="unreadable",
        ) from e


@contextlib.contextmanager
def _named(where: str) -> Iterator[None]:
    """Turn what SQLite says about disks and files into our error; defects pass."""
    try:
        yield
    except sqlite3.DatabaseError as e:
        if _cause(e)[0] == "defect":
            raise
        raise _failed(e, where) from e


def _cause(e: sqlite3.Error) -> tuple[str, str]:
    name = getattr(e, "sqlite_errorname", None) or ""
    return _CAUSES.get("_".join(name.split("_")[:2]), ("defect", ""))


def _failed(e: sqlite3.Error, where: str) -> StoreError:
    reason, remedy = _cause(e)
    return StoreError(f"{where}: {e}; {remedy or 'this is a defect'}", reason=reason)
