"""One incident with everything in it and one with nothing: what a template is tried with."""

from __future__ import annotations

from aiops.cases import Similar
from aiops.incidents.story import title
from aiops.model import (
    Anomaly,
    ChangeEvent,
    Incident,
    Notification,
    SampleLine,
    Series,
    Severity,
    State,
    Suspect,
    Transition,
    TransitionKind,
)

_AT = 1_767_225_600.0  # 2026-01-01T00:00:00Z
_LINE = SampleLine(_AT, "file:/var/log/cart.log", "ERROR payment 17 refused", (6, 24))

RICH = Incident(
    id="inc_specimen",
    seq=3,
    state=State.OPEN,
    severity=Severity.ERROR,
    title="errors rise in service cart",
    opened_at=_AT,
    updated_at=_AT + 120,
    told=True,
    entities=("service:cart", "service:payment"),
    suspects=(Suspect("service:cart", 0.6, ("first to fail",)), Suspect("host:web1", 0.3, ())),
    anomalies=(
        Anomaly(
            id="ano_specimen",
            series=Series("service:cart", "error_ratio", "gauge", "ratio"),
            kind="level",
            at=_AT,
            since=_AT - 30,
            surprise=6.5,
            threshold=4.0,
            severity=Severity.ERROR,
            reason="above usual",
            detector="bank",
            actual=0.2,
            expected=0.01,
            low=0.0,
            high=0.03,
            samples=(_LINE,),
        ),
    ),
    changes=(ChangeEvent(_AT - 60, "deploy", "service:cart", "v42"),),
    samples=(_LINE,),
    similar=(Similar("inc_before", 0.8, _AT - 86400, "errors in cart", "service:cart", "v41"),),
    notified_at=(_AT + 5,),
    acknowledged_by="kim",
    assigned_to="kim",
)
BARE = Incident("inc_specimen", 1, State.OPEN, Severity.WARNING, "", _AT, _AT)


def specimens(receiver: str = "ops") -> list[Notification]:
    """Return a message of every kind about the full incident, and the first about the bare one."""
    told = [Transition(TransitionKind.OPENED, BARE, _AT)]
    told += [Transition(kind, RICH, _AT + 120, note="a note") for kind in TransitionKind]
    link = "https://aiops.example/incidents/inc_specimen"
    return [Notification("specimen", receiver, t, title(t.incident), "", link) for t in told]
