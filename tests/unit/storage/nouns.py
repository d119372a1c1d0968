"""Small nouns and a remembering report for the tests of state and delivery."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from aiops.cases import Similar
from aiops.model import (
    Anomaly,
    ChangeEvent,
    Cut,
    Incident,
    Notification,
    SampleLine,
    Section,
    Series,
    Severity,
    State,
    Suspect,
    Transition,
    TransitionKind,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

AT = 1_700_000_000.0


class Reports:
    """Remember what was reported, how often and with which facts."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self.facts: list[tuple[str, Mapping[str, object]]] = []

    def __call__(self, event: str, reason: str, count: int = 1, **facts: object) -> None:
        self.counts[event, reason] += count
        self.facts.append((event, facts))


def anomaly(*, surprise: float = 6.5, text: str = "boom <script>") -> Anomaly:
    return Anomaly(
        id="ano_1",
        series=Series("service:cart", "errors", "log", "1/s"),
        kind="surge",
        at=AT,
        since=AT - 30,
        surprise=surprise,
        threshold=4.0,
        severity=Severity.ERROR,
        reason="level",
        detector="rate",
        actual=12.0,
        expected=0.0,
        low=None,
        high=3.5,
        unit="1/s",
        severe=True,
        seen=200,
        samples=(SampleLine(AT, "file:/a", text, (0, 4)),),
    )


def incident(
    incident_id: str = "inc_1",
    seq: int = 1,
    *,
    severity: Severity = Severity.ERROR,
    state: State = State.OPEN,
    at: float = AT,
    surprise: float = 6.5,
    text: str = "boom <script>",
) -> Incident:
    return Incident(
        id=incident_id,
        seq=seq,
        state=state,
        severity=severity,
        title="errors in cart",
        opened_at=at,
        updated_at=at + seq,
        resolved_at=at + seq if state is State.RESOLVED else None,
        told=True,
        entities=("service:cart",),
        suspects=(Suspect("service:payment", 0.6, ("first failing",)),),
        anomalies=(anomaly(surprise=surprise, text=text),),
        changes=(ChangeEvent(at - 60, "deploy", "service:cart", "v2"),),
        samples=(SampleLine(at, "file:/a", text, None),),
        similar=(Similar("inc_0", 0.75, fix="rolled back"),),
        notified_at=(at,),
    )


def transition(
    kind: TransitionKind = TransitionKind.OPENED,
    incident_id: str = "inc_1",
    seq: int = 1,
    *,
    severity: Severity = Severity.ERROR,
    tell: bool = True,
) -> Transition:
    state = State.RESOLVED if kind is TransitionKind.RESOLVED else State.OPEN
    picture = incident(incident_id, seq, severity=severity, state=state)
    return Transition(kind, picture, AT + seq, tell)


def notification(
    kind: TransitionKind = TransitionKind.OPENED,
    incident_id: str = "inc_1",
    seq: int = 1,
    receiver: str = "ops",
) -> Notification:
    return Notification(
        key=f"ntf_{incident_id}_{seq}_{receiver}",
        receiver=receiver,
        transition=transition(kind, incident_id, seq),
        title="errors in cart",
        body="since 10:00",
    )


def cut(number: int = 1, *, streams: int = 3, size: int = 64) -> Cut:
    """Return a cut whose cursors and arrays all say *number*: a mixed pair shows at once."""
    return Cut(
        cursors={f"file:/var/log/{i}.log": str(number) for i in range(streams)},
        command_seq=number,
        journal_seq=number,
        sections=(
            Section(
                "engine",
                1,
                {"number": number, "templates": ["a <*>", "b"], "none": None},
                {
                    "counts": np.full((4, size), number, np.float64),
                    "flags": np.array([True, False]),
                },
            ),
            Section("ledger", 2, {"number": number}),
        ),
    )


def numbers(found: Cut) -> set[int]:
    """Return every number a cut made by :func:`cut` says; one that is whole says one."""
    said = {int(cursor) for cursor in found.cursors.values()}
    said |= {found.command_seq, found.journal_seq}
    for section in found.sections:
        said.add(section.header["number"])
        if "counts" in section.arrays:
            said |= {int(n) for n in np.unique(section.arrays["counts"])}
    return said
