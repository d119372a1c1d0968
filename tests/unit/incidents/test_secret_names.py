"""Services whose names sound like secrets: what is said of them is told."""

from __future__ import annotations

import pytest

from aiops.incidents.story import story, title
from aiops.model import (
    Anomaly,
    Incident,
    SampleLine,
    Series,
    Severity,
    State,
    Transition,
    TransitionKind,
)
from aiops.redaction import redact

AT = 1_767_571_200.0


def incident(entity: str, line: str) -> Incident:
    sample = SampleLine(AT, "file:a", line)
    told = [
        Anomaly(
            id=f"an_{kind}",
            series=series,
            kind=kind,
            at=AT,
            since=AT,
            surprise=9.0 if samples else 6.0,
            threshold=6.0,
            severity=Severity.ERROR,
            reason=reason,
            detector="test",
            actual=71.0,
            expected=20.0,
            low=18.0,
            high=22.0,
            severe=True,
            samples=samples,
        )
        for kind, series, reason, samples in (
            ("new_template", Series(entity, "template a", "log"), "new", (sample,)),
            ("level", Series(entity, "queue_length"), "level", ()),
        )
    ]
    return Incident(
        "i", 1, State.OPEN, Severity.ERROR, "", AT, AT, anomalies=tuple(told), entities=(entity,)
    )


@pytest.mark.parametrize("name", ["refresh-token", "token", "password", "api-key"])
def test_a_service_called_token_is_told_like_any_other(name: str) -> None:
    """Title and story show the line and the values, also after another redaction."""
    said = incident(f"service:{name}", "ERROR page_is_required by validation")

    text = redact(story(Transition(TransitionKind.OPENED, said, AT)))

    assert redact(title(said)).endswith(
        f'in service {name}, "ERROR page_is_required by validation"'
    )
    assert f"queue_length on (service {name}): 71, usual 20" in text
    assert "<redacted>" not in text


def test_other_names_stay_as_they_are() -> None:
    """An ordinary service stands without brackets."""
    said = incident("service:cart", "ERROR lost")

    assert "queue_length on service cart: 71" in story(Transition(TransitionKind.OPENED, said, AT))
    assert title(said) == 'new error line in service cart, "ERROR lost"'


def test_a_secret_in_a_line_stays_hidden() -> None:
    """What a line itself calls a token is still taken out."""
    said = incident("service:token", "ERROR token: hunter2-hunter2")

    assert "hunter2" not in story(Transition(TransitionKind.OPENED, said, AT))
