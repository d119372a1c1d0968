"""Turn the nouns into plain JSON values: the one shape that files, HTTP and webhooks share."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aiops.redaction import harmless

if TYPE_CHECKING:
    from aiops.cases import Similar
    from aiops.model import Anomaly, ChangeEvent, Incident, SampleLine, Suspect

_LAST = 253_402_300_799.0  # the end of the year 9999: no calendar goes further


def rfc3339(at: float) -> str:
    """Return a time in UTC, with milliseconds only where there are some."""
    milliseconds = round(min(max(at, 0.0), _LAST) * 1000)
    moment = datetime.fromtimestamp(milliseconds // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{moment}.{rest:03d}Z" if (rest := milliseconds % 1000) else f"{moment}Z"


def to_json(incident: Incident) -> dict[str, Any]:
    """Return an incident as ``--json``, the HTTP API and the webhook show it.

    Times are RFC 3339 UTC, unknown numbers are ``None``, texts are redacted and plain.
    """
    ended = incident.resolved_at
    return {
        "id": incident.id,
        "state": incident.state.value,
        "severity": incident.severity.label,
        "title": harmless(incident.title),
        "opened_at": rfc3339(incident.opened_at),
        "resolved_at": None if ended is None else rfc3339(ended),
        "told": incident.told,
        "entities": [harmless(entity) for entity in incident.entities],
        "suspects": [_suspect(suspect) for suspect in incident.suspects],
        "anomalies": [_anomaly(anomaly) for anomaly in incident.anomalies],
        "changes": [_change(change) for change in incident.changes],
        "samples": [_sample(sample) for sample in incident.samples],
        "similar": [_past(similar) for similar in incident.similar],
        "notified_at": [rfc3339(at) for at in incident.notified_at],
    }


def series_json(incident: Incident) -> list[dict[str, Any]]:
    """Return how the series of an incident go: phase, since when, how often they came and went."""
    return [
        {
            "series": harmless(course.series),
            "phase": course.phase.value,
            "since": rfc3339(course.since),
            "times": course.times,
            "flapping": course.flapping,
        }
        for course in incident.courses
    ]


def shown(sample: SampleLine) -> tuple[str, tuple[int, int] | None]:
    """Return a sample's harmless text and where its new part stands in it.

    The new part is ``None`` when it was itself a secret, or empty.
    """
    text = harmless(sample.text)
    if sample.new is None:
        return text, None
    part = harmless(sample.text[slice(*sample.new)])
    # Making the text harmless moves what follows, by as much as it lengthens what is before.
    near = len(harmless(sample.text[: sample.new[0]]))
    starts = [at for at in range(len(text)) if part and text.startswith(part, at)]
    if not starts:
        return text, None
    start = min(starts, key=lambda at: abs(at - near))
    return text, (start, start + len(part))


def _suspect(suspect: Suspect) -> dict[str, Any]:
    return {
        "entity": harmless(suspect.entity),
        "score": _number(suspect.score),
        "reasons": [harmless(reason) for reason in suspect.reasons],
    }


def _anomaly(anomaly: Anomaly) -> dict[str, Any]:
    return {
        "series": harmless(anomaly.series.id),
        "entity": harmless(anomaly.entity),
        "at": rfc3339(anomaly.at),
        "surprise": _number(anomaly.surprise),
        "expected": _number(anomaly.expected),
        "actual": _number(anomaly.actual),
        "reason": harmless(anomaly.reason),
    }


def _change(change: ChangeEvent) -> dict[str, Any]:
    return {
        "at": rfc3339(change.at),
        "kind": harmless(change.kind),
        "entity": harmless(change.entity),
        "title": harmless(change.title),
    }


def _past(similar: Similar) -> dict[str, Any]:
    return {
        "id": similar.id,
        "score": _number(similar.score),
        "opened_at": rfc3339(similar.at),
        "title": harmless(similar.title),
        "cause": harmless(similar.cause),
        "fix": harmless(similar.fix),
    }


def _sample(sample: SampleLine) -> dict[str, Any]:
    text, new = shown(sample)
    return {
        "at": rfc3339(sample.at),
        "stream": harmless(sample.stream),
        "text": text,
        "new": None if new is None else list(new),
    }


def _number(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
