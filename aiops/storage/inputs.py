"""Inputs that no source can read again: commands of people and departures from event time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from aiops.model import Command
from aiops.storage.audit import append

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiops.storage.database import Database


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """Say that *kind* happened to a stream when it had been read up to *cursor*."""

    seq: int
    kind: str
    stream: str
    cursor: str
    at: float


@dataclass(frozen=True, slots=True)
class Inputs:
    """Number inputs and keep them until every kept cut is past them."""

    database: Database

    def command(
        self, kind: str, target: str, at: float, by: str = "", args: Mapping[str, str] | None = None
    ) -> Command:
        """Commit one command to the disk and return it with its number."""
        given = dict(args or {})
        with self.database.transaction(durable=True) as connection:
            seq = connection.execute(
                "INSERT INTO command (kind, target, at, by, args) VALUES (?, ?, ?, ?, ?)",
                (kind, target, at, by, msgspec.json.encode(given).decode()),
            ).lastrowid
            # Alerts of other systems are input, not what somebody did here.
            if kind != "alert":
                append(connection, at, by or "somebody", kind, target, detail=given)
        assert seq is not None
        return Command(seq, kind, target, at, by, given)

    def commands_after(self, seq: int, limit: int = 1000) -> list[Command]:
        """Return the commands after row *seq*, oldest first."""
        rows = self.database.rows(
            "SELECT seq, kind, target, at, by, args FROM command"
            " WHERE seq > ? ORDER BY seq LIMIT ?",
            (seq, limit),
        )
        return [
            Command(number, kind, target, at, by, msgspec.json.decode(args, type=dict[str, str]))
            for number, kind, target, at, by, args in rows
        ]

    def journal(self, stream: str, cursor: str, at: float, kind: str = "idle") -> int:
        """Note an input that the stream's bytes do not show, before it is used."""
        with self.database.transaction() as connection:
            seq = connection.execute(
                "INSERT INTO journal (kind, stream, cursor, at) VALUES (?, ?, ?, ?)",
                (kind, stream, cursor, at),
            ).lastrowid
        assert seq is not None
        return seq

    def journal_after(self, seq: int, limit: int = 10_000) -> list[JournalEntry]:
        """Return the journal after row *seq*, oldest first."""
        rows = self.database.rows(
            "SELECT seq, kind, stream, cursor, at FROM journal WHERE seq > ? ORDER BY seq LIMIT ?",
            (seq, limit),
        )
        return [JournalEntry(*row) for row in rows]
