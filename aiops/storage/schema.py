"""Bring a database to this version's schema: numbered SQL files, each in one transaction."""

from __future__ import annotations

import sqlite3
from importlib import resources
from typing import TYPE_CHECKING

from aiops.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Iterator

# Marks a SQLite file as ours ("aiop"), so a stranger's database is refused, not migrated.
APPLICATION_ID = 0x61696F70


def migrations() -> dict[int, str]:
    """Return the SQL of every schema step by its number."""
    folder = resources.files("aiops.storage") / "migrations"
    return {
        int(file.name.split("_")[0]): file.read_text(encoding="utf-8")
        for file in sorted(folder.iterdir(), key=lambda f: f.name)
        if file.name.endswith(".sql")
    }


def newest() -> int:
    """Return the schema version this program writes."""
    return max(migrations())


def version_of(connection: sqlite3.Connection, where: str) -> int:
    """Return the schema version of a database; 0 is an empty one.

    Raises ``StateError`` when it is somebody else's or from a newer version.
    """
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    owner = int(connection.execute("PRAGMA application_id").fetchone()[0])
    tables = int(connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0])
    if owner != APPLICATION_ID and (version or tables):
        raise StateError(f"{where}: belongs to another program; set another state.directory")
    if version > newest():
        raise StateError(
            f"{where}: written by a newer aiops (schema {version}, this one knows {newest()}); "
            "run the newer version or set another state.directory"
        )
    return version


def migrate(connection: sqlite3.Connection, where: str) -> None:
    """Apply every step the database lacks, in order; a step is whole or not at all."""
    version = version_of(connection, where)
    for number, sql in sorted(migrations().items()):
        if number <= version:
            continue
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in _statements(sql):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {number}")
            connection.execute("COMMIT")
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def _statements(sql: str) -> Iterator[str]:
    statement = ""
    for line in sql.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
