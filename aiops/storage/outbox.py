"""Messages committed before they are sent: one row a message, told once per key."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec

from aiops.model import Notification, TransitionKind
from aiops.storage.audit import append
from aiops.storage.database import StoreError
from aiops.storage.pictures import decode_notification, encode_notification

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiops.storage.database import Database
    from aiops.storage.directory import StateDirectory
    from aiops.storage.reporting import Report

_RECEIPT = """
    SELECT taken.receipt FROM outbox AS taken
    WHERE taken.incident = outbox.incident AND taken.receiver = outbox.receiver
    AND taken.receipt <> '' ORDER BY taken.id DESC LIMIT 1"""


@dataclass(frozen=True, slots=True)
class Waiting:
    """One message that is still to be sent, and what has been tried."""

    notification: Notification
    created_at: float
    next_at: float
    attempts: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message that was given up, for people to see."""

    key: str
    receiver: str
    incident: str
    kind: str
    created_at: float
    at: float
    attempts: int
    reason: str


@dataclass(frozen=True, slots=True)
class Outbox:
    """Keep what must be sent, in the order it was told."""

    database: Database
    report: Report
    directory: StateDirectory | None = None

    def tell(self, notifications: Sequence[Notification], at: float) -> list[str]:
        """Commit *notifications* to the disk and return the keys that are new.

        A key that is known, in whatever state, is left as it is: lines read again tell nothing
        twice. On a full disk the space held back is used. Raises ``StoreError``; then none is
        committed.
        """
        if not notifications:
            return []
        try:
            return self._tell(notifications, at)
        except StoreError as e:
            if self.directory is not None and self.directory.release_reserve():
                self.report("state.reserve_used", e.reason)
            self.database.save_space()
            return self._tell(notifications, at)

    def _tell(self, notifications: Sequence[Notification], at: float) -> list[str]:
        new: list[str] = []
        with self.database.transaction(durable=True) as connection:
            for item in notifications:
                inserted = connection.execute(
                    "INSERT INTO outbox (key, receiver, incident, seq, kind, created_at, next_at,"
                    " payload) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING",
                    (
                        item.key,
                        item.receiver,
                        item.transition.incident.id,
                        item.transition.incident.seq,
                        item.transition.kind.value,
                        at,
                        at,
                        encode_notification(item),
                    ),
                ).rowcount
                if inserted:
                    new.append(item.key)
                    about = item.transition.incident
                    detail = {"incident": about.id, "seq": str(about.seq), "key": item.key}
                    append(connection, at, "delivery", "told", item.receiver, detail=detail)
        return new

    def waiting(self, receiver: str, limit: int = 100) -> list[Waiting]:
        """Return the oldest messages for *receiver* that are not settled, in order.

        Also those whose ``next_at`` is not reached: the order is the caller's to keep. Each has
        the receipt of the last message of its incident that the receiver took.
        """
        rows = self.database.rows(
            f"SELECT key, payload, created_at, next_at, attempts, reason, ({_RECEIPT})"  # noqa: S608 - two constants
            " FROM outbox WHERE state = 'waiting' AND receiver = ? ORDER BY id LIMIT ?",
            (receiver, limit),
        )
        found: list[Waiting] = []
        for key, payload, created_at, next_at, attempts, reason, receipt in rows:
            try:
                notification = replace(decode_notification(payload), receipt=receipt or "")
            except msgspec.MsgspecError:
                # It can never be sent; leaving it at the head would stop the receiver for ever.
                self.dead(key, next_at, "unreadable")
                continue
            found.append(Waiting(notification, created_at, next_at, attempts, reason))
        return found

    def due(self, receiver: str, now: float, limit: int = 100) -> list[Waiting]:
        """Return what may be sent now: nothing while the oldest message waits for its retry."""
        found = self.waiting(receiver, limit)
        ready = next((i for i, item in enumerate(found) if item.next_at > now), len(found))
        return found[:ready]

    def receivers(self) -> list[str]:
        """Return every receiver for which something waits, also ones no longer configured."""
        rows = self.database.rows(
            "SELECT DISTINCT receiver FROM outbox WHERE state = 'waiting' ORDER BY receiver"
        )
        return [str(receiver) for (receiver,) in rows]

    def told(self, incident: str) -> set[str]:
        """Return the receivers that were told, or will be, that this incident exists."""
        rows = self.database.rows(
            "SELECT DISTINCT receiver FROM outbox WHERE incident = ? AND state IN"
            " ('waiting', 'sent') AND kind IN (?, ?, ?)",
            (
                incident,
                TransitionKind.OPENED.value,
                TransitionKind.ESCALATED.value,
                TransitionKind.REOPENED.value,
            ),
        )
        return {str(receiver) for (receiver,) in rows}

    def sent(self, key: str, at: float, reason: str = "", receipt: str = "") -> None:
        """Settle a message that the receiver took; *receipt* is what it calls it."""
        self._settle(key, "sent", at, reason, receipt)

    def dead(self, key: str, at: float, reason: str) -> None:
        """Settle a message that is given up; it is counted and stays visible."""
        self._settle(key, "dead", at, reason)
        self.report("outbox.dead_letter", reason, key=key)

    def retry(self, key: str, attempts: int, next_at: float, reason: str) -> None:
        """Keep a message for another attempt, not before *next_at*."""
        with self.database.transaction() as connection:
            connection.execute(
                "UPDATE outbox SET attempts = ?, next_at = ?, reason = ?"
                " WHERE key = ? AND state = 'waiting'",
                (attempts, next_at, reason, key),
            )

    def skip_superseded(self, receiver: str, at: float) -> int:
        """Skip updates behind which a newer message of the same incident waits; return how many.

        Only ``updated`` is ever skipped: it is the one kind that the next message says better.
        """
        with self.database.transaction() as connection:
            skipped = connection.execute(
                "UPDATE outbox SET state = 'skipped', done_at = ?, reason = 'superseded'"
                " WHERE state = 'waiting' AND receiver = ? AND kind = ? AND EXISTS"
                " (SELECT 1 FROM outbox AS newer WHERE newer.incident = outbox.incident"
                " AND newer.receiver = outbox.receiver AND newer.state = 'waiting'"
                " AND newer.id > outbox.id)",
                (at, receiver, TransitionKind.UPDATED.value),
            ).rowcount
        if skipped:
            self.report("outbox.skipped", "superseded", skipped, receiver=receiver)
        return skipped

    def abandon_strangers(self, known: Sequence[str], before: float, at: float) -> int:
        """Give up what was told before *before* to receivers not in *known*; return how many."""
        with self.database.transaction() as connection:
            gone = connection.execute(
                "UPDATE outbox SET state = 'dead', done_at = ?, reason = 'receiver_gone'"
                " WHERE state = 'waiting' AND created_at < ?"
                " AND receiver NOT IN (SELECT value FROM json_each(?))",
                (at, before, msgspec.json.encode(list(known)).decode()),
            ).rowcount
        if gone:
            self.report("outbox.dead_letter", "receiver_gone", gone)
        return gone

    def dead_letters(self, limit: int = 100) -> list[DeadLetter]:
        """Return what was given up, newest first."""
        rows = self.database.rows(
            "SELECT key, receiver, incident, kind, created_at, done_at, attempts, reason"
            " FROM outbox WHERE state = 'dead' ORDER BY id DESC LIMIT ?",
            (limit,),
        )
        return [DeadLetter(*row) for row in rows]

    def about(self, incident: str, limit: int = 1000) -> list[tuple[float, str]]:
        """Return the messages about one incident, oldest first: when, and to whom what."""
        rows = self.database.rows(
            "SELECT created_at, receiver, kind, state FROM outbox WHERE incident = ?"
            " ORDER BY id LIMIT ?",
            (incident, limit),
        )
        return [(at, f"{kind} to {receiver}: {state}") for at, receiver, kind, state in rows]

    def counts(self) -> dict[tuple[str, str], int]:
        """Return how many messages are in each (receiver, state)."""
        rows = self.database.rows(
            "SELECT receiver, state, count(*) FROM outbox GROUP BY receiver, state"
        )
        return {(receiver, state): n for receiver, state, n in rows}

    def _settle(self, key: str, state: str, at: float, reason: str, receipt: str = "") -> None:
        with self.database.transaction() as connection:
            settled = connection.execute(
                "UPDATE outbox SET state = ?, done_at = ?, reason = ?, receipt = ?,"
                " attempts = attempts + 1 WHERE key = ? AND state = 'waiting'",
                (state, at, reason, receipt, key),
            ).rowcount
            if settled:
                append(connection, at, "delivery", state, key, detail={"reason": reason})
