"""What people decide about an incident: take it, give it, put it off, end it, join it, part it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from typing import Protocol

from aiops.incidents.muting import number
from aiops.incidents.record import Record
from aiops.model import Command, State, Transition, TransitionKind
from aiops.units import duration

LIVE = (State.OPEN, State.ACKNOWLEDGED)


class Emit(Protocol):
    """Give a record its next number and a picture of it."""

    def __call__(
        self, record: Record, kind: TransitionKind, at: float, note: str = ""
    ) -> Transition: ...


class Limits(Protocol):
    """How long people may take, in seconds; 0 is for ever."""

    @property
    def ack_expires(self) -> float: ...
    @property
    def escalate_after(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Hands:
    """What a decision may do to the ledger that it is about."""

    records: MutableMapping[str, Record]
    emit: Emit
    take: Callable[[Record, Record], None]
    facts: Counter[str]


def obey(command: Command, record: Record, hands: Hands) -> list[Transition]:
    """Apply a decision about a live incident; what cannot be done is counted."""
    at, emit = command.at, hands.emit
    done: list[Transition] | None = None
    if command.kind == "ack" and record.state is State.OPEN:
        record.state, record.acknowledged_by, record.acknowledged_at = (
            State.ACKNOWLEDGED,
            command.by,
            at,
        )
        done = [emit(record, TransitionKind.ACKNOWLEDGED, at)]
    elif command.kind == "assign":
        record.assigned_to = command.args.get("to", "")
        note = f"assigned to {record.assigned_to}" if record.assigned_to else "assigned to nobody"
        done = [emit(record, TransitionKind.UPDATED, at, note)]
    elif command.kind == "snooze":
        # Whoever puts it off has seen it: nobody else is called before the snooze is over.
        record.asked_at = max(record.asked_at, number(command.args.get("until"), at))
        done = []
    elif command.kind == "again":
        kind = TransitionKind.REOPENED if record.told else TransitionKind.OPENED
        done = [emit(record, kind, at, command.args.get("note", ""))]
    elif command.kind == "merge":
        done = _merge(command, record, hands)
    elif command.kind == "split":
        done = _split(command, record, hands)
    hands.facts["command_refused"] += done is None
    return done or []


def overdue(record: Record, at: float, limits: Limits, emit: Emit) -> list[Transition]:
    """Remind of an acknowledgement that expired; call others when nobody answers."""
    expires, patience = limits.ack_expires, limits.escalate_after
    if record.state is State.ACKNOWLEDGED:
        if not 0.0 < expires <= at - record.acknowledged_at:
            return []
        note = f"acknowledged by {record.acknowledged_by or 'somebody'} {duration(expires)} ago"
        record.state, record.acknowledged_by, record.asked_at = State.OPEN, "", at
        return [emit(record, TransitionKind.REOPENED, at, note)]
    if record.escalated or not record.told or not 0.0 < patience <= at - record.asked_at:
        return []
    record.escalated = True
    note = f"nobody acknowledged it for {duration(patience)}"
    return [emit(record, TransitionKind.ESCALATED, at, note)]


def _merge(command: Command, record: Record, hands: Hands) -> list[Transition] | None:
    """Let one incident go on in another: whoever knew of either hears of it once."""
    into = hands.records.get(command.args.get("into", ""))
    if into is None or into is record or into.state not in LIVE:
        return None
    at = command.at
    hands.take(into, record)
    into.without = [entity for entity in into.without if entity not in record.entities()]
    record.state, record.resolved_at = State.CLOSED, at
    news = TransitionKind.UPDATED if into.told or not record.told else TransitionKind.OPENED
    return [
        hands.emit(record, TransitionKind.MERGED, at, f"into {into.id}"),
        hands.emit(into, news, at, f"with {record.id}"),
    ]


def _split(command: Command, record: Record, hands: Hands) -> list[Transition] | None:
    """Make what one entity shows an incident of its own; it does not come back."""
    at, entity = command.at, command.args.get("entity", "")
    leaving = [key for key, a in record.anomalies.items() if a.entity == entity]
    if not leaving or len(leaving) == len(record.anomalies):
        return None
    digest = hashlib.blake2b(f"{record.id}/{entity}@{command.seq}".encode(), digest_size=6)
    name = "inc_" + digest.hexdigest()
    new = Record(name, State.OPEN, record.started, record.updated, pace=record.pace, opened_at=at)
    for key in leaving:
        new.add(record.anomalies.pop(key))
        new.last[key] = record.last.pop(key, new.last[key])
        if (times := record.risen.pop(key, None)) is not None:
            new.risen[key] = times
    record.failing = [other for other in record.failing if other != entity]
    record.seen.pop(entity, None)
    record.onsets.pop(entity, None)
    record.without = [*record.without, entity]
    record.dirty = True
    hands.records[name] = new
    return [
        hands.emit(new, TransitionKind.OPENED, at, f"split from {record.id}"),
        hands.emit(record, TransitionKind.UPDATED, at, f"without {entity}, now {name}"),
    ]
