"""How incidents live: the part of the configuration that the ledger needs."""

from __future__ import annotations

from dataclasses import dataclass

from aiops.incidents.maintenance import Window


@dataclass(frozen=True, slots=True)
class LedgerSettings:
    """How incidents live, in seconds of event time, and how many there may be.

    ``patience`` lets a story gather before it is told, ``grace`` is how long after a change its
    entity may say new things below an error, ``reopen_within`` how long a resolved incident is
    the same one when its symptoms come back. After ``ack_expires`` an acknowledged incident asks
    again, after ``escalate_after`` one that nobody acknowledged calls others (0: never).
    """

    resolve_after: float = 300.0
    update_interval: float = 900.0
    close_after: float = 3600.0
    max_candidates: int = 500
    max_live: int = 200
    patience: float = 30.0
    grace: float = 600.0
    reopen_within: float = 1800.0
    ack_expires: float = 0.0
    escalate_after: float = 0.0
    maintenance: tuple[Window, ...] = ()
