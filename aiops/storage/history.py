"""What people look back at: incidents, their timelines, changes, and who did what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from aiops.model import ChangeEvent, Incident, State, Transition, TransitionKind
from aiops.storage.audit import ANCHOR_DIGEST, ANCHOR_SEQ, AuditRow, append, broken_at, rows
from aiops.storage.pictures import decode_incident, encode_incident

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from sqlite3 import Connection

    from aiops.storage.database import Database
    from aiops.storage.reporting import Report

# What a receiver was told is forgotten only with its incident: the end must still find it.
_PRUNE_OUTBOX = """
    DELETE FROM outbox WHERE id IN (
        SELECT id FROM outbox
        WHERE state <> 'waiting' AND done_at < ? AND NOT EXISTS (
            SELECT 1 FROM incident
            WHERE incident.id = outbox.incident AND incident.state IN ('open', 'acknowledged')
        )
        ORDER BY id LIMIT ?
    )"""
_PRUNE_INCIDENTS = """
    DELETE FROM incident WHERE id IN (
        SELECT id FROM incident
        WHERE updated_at < ? AND state NOT IN ('open', 'acknowledged')
        ORDER BY updated_at LIMIT ?
    )"""
_PRUNE_CHANGES = """
    DELETE FROM change WHERE id IN (SELECT id FROM change WHERE at < ? ORDER BY at LIMIT ?)"""
# Commands and journal are read again after a crash, from the oldest cut that is kept.
_PRUNE_COMMANDS = """
    DELETE FROM command WHERE seq IN (
        SELECT seq FROM command
        WHERE at < ? AND seq <= (SELECT MIN(command_seq) FROM generation)
        ORDER BY seq LIMIT ?
    )"""
_PRUNE_JOURNAL = """
    DELETE FROM journal WHERE seq IN (
        SELECT seq FROM journal
        WHERE seq <= (SELECT MIN(journal_seq) FROM generation)
        ORDER BY seq LIMIT ?
    )"""


@dataclass(frozen=True, slots=True)
class Moment:
    """One transition on an incident's timeline."""

    seq: int
    kind: TransitionKind
    at: float
    tell: bool


@dataclass(frozen=True, slots=True)
class History:
    """Keep the newest picture of every incident; the engine is the truth, this is its copy."""

    database: Database
    report: Report

    def record(self, transitions: Sequence[Transition]) -> None:
        """Save the pictures and timeline rows of *transitions* in one transaction.

        Telling the same transition again changes nothing.
        """
        if not transitions:
            return
        with self.database.transaction() as connection:
            for transition in transitions:
                _save(connection, transition.incident)
                _audit(connection, transition)
                connection.execute(
                    "INSERT OR REPLACE INTO timeline VALUES (?, ?, ?, ?, ?)",
                    (
                        transition.incident.id,
                        transition.incident.seq,
                        transition.kind.value,
                        transition.at,
                        transition.tell or transition.newcomers,
                    ),
                )

    def save_incident(self, incident: Incident) -> None:
        """Save one picture; the last one saved is the one that is shown."""
        with self.database.transaction() as connection:
            _save(connection, incident)

    def incident(self, incident_id: str) -> Incident | None:
        """Return the newest picture of one incident."""
        rows = self.database.rows("SELECT id, picture FROM incident WHERE id = ?", (incident_id,))
        return next(iter(self._pictures(rows)), None)

    def incidents(
        self, *, limit: int = 100, states: Collection[State] | None = None, since: float = 0.0
    ) -> list[Incident]:
        """Return pictures, newest opening first; *states* ``None`` means all but candidates."""
        wanted = set(State) - {State.CANDIDATE} if states is None else set(states)
        rows = self.database.rows(
            "SELECT id, picture FROM incident WHERE opened_at >= ?"
            " AND state IN (SELECT value FROM json_each(?))"
            " ORDER BY opened_at DESC, id LIMIT ?",
            (since, msgspec.json.encode(sorted(wanted)).decode(), limit),
        )
        return self._pictures(rows)

    def timeline(self, incident_id: str) -> list[Moment]:
        """Return what happened to one incident, in order."""
        rows = self.database.rows(
            "SELECT seq, kind, at, tell FROM timeline WHERE incident = ? ORDER BY seq",
            (incident_id,),
        )
        return [Moment(seq, TransitionKind(kind), at, bool(tell)) for seq, kind, at, tell in rows]

    def told_of(self, incident_id: str) -> list[tuple[float, str]]:
        """Return the timeline of one incident as times and words."""
        return [
            (m.at, m.kind.value + ("" if m.tell else ", nobody was told"))
            for m in self.timeline(incident_id)
        ]

    def save_change(self, change: ChangeEvent) -> None:
        """Save a change; the same one again is the same row."""
        with self.database.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO change VALUES (?, ?, ?, ?, ?)",
                (change.id, change.at, change.kind, change.entity, change.title),
            )

    def changes(self, *, since: float = 0.0, limit: int = 100) -> list[ChangeEvent]:
        """Return changes, newest first."""
        rows = self.database.rows(
            "SELECT at, kind, entity, title FROM change WHERE at >= ? ORDER BY at DESC, id LIMIT ?",
            (since, limit),
        )
        return [ChangeEvent(*row) for row in rows]

    def audit(
        self, at: float, actor: str, action: str, target: str, detail: Mapping[str, str]
    ) -> int:
        """Append what somebody did and return its number."""
        with self.database.transaction(durable=True) as connection:
            return append(connection, at, actor, action, target, detail=detail)

    def audit_rows(self, *, after: int = 0, limit: int = 1000) -> list[AuditRow]:
        """Return what was done, oldest first."""
        return rows(self.database, after=after, limit=limit)

    def audit_count(self) -> int:
        """Return how many things that were done are kept."""
        return int(self.database.rows("SELECT count(*) FROM audit")[0][0])

    def audit_broken_at(self) -> int | None:
        """Return the first row that does not follow from those before it, ``None`` when all do."""
        return broken_at(self.database)

    def _pictures(self, rows: Iterable[tuple[Any, ...]]) -> list[Incident]:
        found = []
        for incident_id, picture in rows:
            try:
                found.append(decode_incident(picture))
            except msgspec.MsgspecError as e:
                self.report("state.incident_unreadable", "decode", id=incident_id, problem=str(e))
        return found


def prune(database: Database, before: float, chunk: int = 500) -> int:
    """Delete up to *chunk* rows a table of what ended before *before*; return how many went.

    Call it again until it returns 0: between calls the writer thread is free. What is open,
    waiting, or newer than the oldest kept cut stays whatever its age.
    """
    ended: tuple[float, ...] = (before,)
    statements: list[tuple[str, tuple[float, ...]]] = [
        (_PRUNE_OUTBOX, ended),
        (_PRUNE_INCIDENTS, ended),
        (_PRUNE_CHANGES, ended),
        (_PRUNE_COMMANDS, ended),
        (_PRUNE_JOURNAL, ()),
    ]
    gone = 0
    with database.transaction() as connection:
        for statement, values in statements:
            gone += connection.execute(statement, (*values, chunk)).rowcount
        gone += _prune_audit(connection, before, chunk)
    return gone


def _prune_audit(connection: Connection, before: float, chunk: int) -> int:
    # Only from the front: rows after the first young one stay, so the chain has no hole.
    last = connection.execute(
        "SELECT seq, digest FROM audit WHERE seq IN (SELECT seq FROM audit WHERE seq <"
        " COALESCE((SELECT MIN(seq) FROM audit WHERE at >= ?), 9e18) ORDER BY seq LIMIT ?)"
        " ORDER BY seq DESC LIMIT 1",
        (before, chunk),
    ).fetchone()
    if last is None:
        return 0
    connection.executemany(
        "INSERT OR REPLACE INTO meta VALUES (?, ?)",
        [(ANCHOR_SEQ, str(last[0])), (ANCHOR_DIGEST, last[1])],
    )
    return connection.execute("DELETE FROM audit WHERE seq <= ?", (last[0],)).rowcount


def _audit(connection: Connection, transition: Transition) -> None:
    incident = transition.incident
    known = connection.execute(
        "SELECT 1 FROM timeline WHERE incident = ? AND seq = ?", (incident.id, incident.seq)
    ).fetchone()
    # What is read again after a crash was decided once.
    if known is None:
        few = "newcomers" if transition.newcomers else "no"
        told = "yes" if transition.tell else few
        detail = {"seq": str(incident.seq), "tell": told, "note": transition.note}
        kind = transition.kind.value
        append(connection, transition.at, "engine", kind, incident.id, detail=detail)


def _save(connection: Connection, incident: Incident) -> None:
    # An upsert, not a replace: replacing would delete the timeline with the row.
    connection.execute(
        "INSERT INTO incident VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
        " seq = excluded.seq, state = excluded.state, severity = excluded.severity,"
        " opened_at = excluded.opened_at, updated_at = excluded.updated_at,"
        " resolved_at = excluded.resolved_at, picture = excluded.picture",
        (
            incident.id,
            incident.seq,
            incident.state.value,
            int(incident.severity),
            incident.opened_at,
            incident.updated_at,
            incident.resolved_at,
            encode_incident(incident),
        ),
    )
