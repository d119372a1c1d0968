"""Who did what, in a chain: every row's digest covers the row and the digest before it.

Rows are appended in the transaction of what they tell of. The chain shows what was altered, moved
or taken out, also at its end (the database counts the rows it ever gave); it is no proof against
somebody who writes the whole chain anew.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from sqlite3 import Connection

    from aiops.storage.database import Database

ANCHOR_SEQ = "audit_anchor_seq"
ANCHOR_DIGEST = "audit_anchor_digest"
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One thing that somebody did; ``digest`` covers it and all rows before it."""

    seq: int
    at: float
    actor: str
    action: str
    target: str
    detail: str
    digest: str


def append(
    connection: Connection,
    at: float,
    actor: str,
    action: str,
    target: str,
    *,
    detail: Mapping[str, str],
) -> int:
    """Append what somebody did within an open transaction and return its number."""
    text = msgspec.json.encode(dict(sorted(detail.items()))).decode()
    last = connection.execute("SELECT digest FROM audit ORDER BY seq DESC LIMIT 1").fetchone()
    before = last[0] if last is not None else _meta(connection, ANCHOR_DIGEST)
    seq = connection.execute(
        "INSERT INTO audit (at, actor, action, target, detail, digest) VALUES (?, ?, ?, ?, ?, ?)",
        (at, actor, action, target, text, _digest(before, at, actor, action, target, text)),
    ).lastrowid
    assert seq is not None
    return seq


def rows(database: Database, *, after: int = 0, limit: int = _PAGE) -> list[AuditRow]:
    """Return what was done, oldest first."""
    # As bytes: text that was damaged must be readable to be named.
    found = database.rows(
        "SELECT seq, at, CAST(actor AS BLOB), CAST(action AS BLOB), CAST(target AS BLOB),"
        " CAST(detail AS BLOB), CAST(digest AS BLOB) FROM audit WHERE seq > ? ORDER BY seq LIMIT ?",
        (after, limit),
    )
    return [AuditRow(seq, at, *map(_text, texts)) for seq, at, *texts in found]


def broken_at(database: Database) -> int | None:
    """Return the first row that is not as it was written, or missing; ``None`` when all are."""
    anchor = database.rows("SELECT key, value FROM meta WHERE key LIKE 'audit_anchor_%'")
    known = dict(anchor)
    before, seq = str(known.get(ANCHOR_DIGEST, "")), int(known.get(ANCHOR_SEQ, 0))
    for row in _every(database):
        expected = _digest(before, row.at, row.actor, row.action, row.target, row.detail)
        if row.seq != seq + 1 or row.digest != expected:
            return seq + 1
        before, seq = row.digest, row.seq
    given = database.rows("SELECT seq FROM sqlite_sequence WHERE name = 'audit'")
    return seq + 1 if given and given[0][0] != seq else None


def _every(database: Database) -> Iterator[AuditRow]:
    seq = -(2**63)
    while page := rows(database, after=seq):
        yield from page
        seq = page[-1].seq


def _text(data: Any) -> str:
    return data.decode("utf-8", "replace") if isinstance(data, bytes) else repr(data)


def _meta(connection: Connection, key: str) -> str:
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return str(row[0]) if row is not None else ""


def _digest(before: str, at: float, *texts: str) -> str:
    data = msgspec.json.encode([before, at, *texts])
    return hashlib.blake2b(data, digest_size=16).hexdigest()
