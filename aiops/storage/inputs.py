"""Inputs that no source can read again: commands of people and departures from event time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from aiops.errors import StateError
from aiops.model import Command
from aiops.storage.audit import append
from aiops.storage.database import StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from sqlite3 import Connection

    from aiops.storage.database import Database

MOST_SPENT = 100_000
"""Links that were used and have not expired; one more is refused, none is forgotten before."""

_KEPT = 86400.0  # after its end, for a clock that goes back


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """Say that *kind* happened to a stream when it had been read up to *cursor*."""

    seq: int
    kind: str
    stream: str
    cursor: str
    at: float


@dataclass(frozen=True, slots=True)
class Once:
    """A permission that counts for one command and means nothing any more after ``until``."""

    nonce: str
    until: float


class SpentError(StateError):
    """Tell whoever asks that this permission was used before."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """Number inputs and keep them until every kept cut is past them."""

    database: Database

    def command(
        self,
        kind: str,
        target: str,
        at: float,
        by: str = "",
        args: Mapping[str, str] | None = None,
        *,
        once: Once | None = None,
    ) -> Command:
        """Commit one command to the disk and return it with its number.

        With *once* the permission is used up in the same transaction: raises ``SpentError``
        when it was before, and then nothing is committed.
        """
        given = dict(args or {})
        with self.database.transaction(durable=True) as connection:
            if once is not None:
                _spend(connection, once, at)
            seq = connection.execute(
                "INSERT INTO command (kind, target, at, by, args) VALUES (?, ?, ?, ?, ?)",
                (kind, target, at, by, msgspec.json.encode(given).decode()),
            ).lastrowid
            # Alerts of other systems are input, not what somebody did here.
            if kind != "alert":
                append(connection, at, by or "somebody", kind, target, detail=given)
        assert seq is not None
        return Command(seq, kind, target, at, by, given)

    def is_spent(self, nonce: str) -> bool:
        """Return whether a permission was used."""
        return bool(self.database.rows("SELECT 1 FROM spent_link WHERE nonce = ?", (nonce,)))

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


def _spend(connection: Connection, once: Once, at: float) -> None:
    connection.execute("DELETE FROM spent_link WHERE until < ?", (at - _KEPT,))
    (count,) = connection.execute("SELECT count(*) FROM spent_link").fetchone()
    if count >= MOST_SPENT:
        words = f"{count} links are used and not expired; set a shorter web.link_expires"
        raise StoreError(words, reason="links_full")
    new = connection.execute(
        "INSERT INTO spent_link VALUES (?, ?) ON CONFLICT DO NOTHING", (once.nonce, once.until)
    ).rowcount
    if not new:
        raise SpentError("this link was used before")
