"""Streams and counts as plain values: how a cut saves them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from aiops.model import Cut, LineKind, Severity, Stream
from aiops.redaction import redact, redact_bytes

_STREAM_FIELDS = ("id", "source", "entity", "workload", "instance", "resumable")


def save_stream(stream: Stream) -> list[Any]:
    """Return the fields of a stream."""
    return [getattr(stream, name) for name in _STREAM_FIELDS]


def load_stream(saved: Iterable[Any]) -> Stream:
    """Return the stream whose fields were saved."""
    return Stream(*saved)


def save_counts(counts: Mapping[LineKind, int]) -> list[list[Any]]:
    """Return entities, severities, masked texts and counts of kinds, in their order.

    Four lists, not one for each kind: they are made in the engine's pause.
    """
    entities, severities, masked = zip(*counts, strict=True) if counts else ((), (), ())
    return [list(entities), list(severities), list(masked), list(counts.values())]


def load_counts(saved: Iterable[Iterable[Any]]) -> dict[LineKind, int]:
    """Return the counts that were saved, in the same order."""
    kinds = zip(*saved, strict=True)
    return {LineKind(e, Severity(s), bytes(m)): n for e, s, m, n in kinds}


def save_named(named: Iterable[tuple[str, str, LineKind, float]]) -> list[list[Any]]:
    """Return the lines of sessions as plain values."""
    return [[rule, session, *kind, at] for rule, session, kind, at in named]


def load_named(saved: Iterable[Iterable[Any]]) -> list[tuple[str, str, LineKind, float]]:
    """Return the lines of sessions that were saved."""
    return [
        (rule, session, LineKind(e, Severity(s), bytes(m)), at)
        for rule, session, e, s, m, at in saved
    ]


def without_secrets(cut: Cut) -> Cut:
    """Hide the secrets in the raw lines a cut holds, in place; call it before anything is written.

    Raw lines stand in the samples of open and waiting windows and in the first lines of streams
    whose shape is not known yet. Everything else was redacted when it was learned.
    """
    for section in cut.sections:
        if section.name == "engine":
            for stream in section.header["streams"]:
                state = stream[0]
                state["probe"] = redact_bytes(state["probe"])
                for window in state["open"]:
                    texts = window[2][1]
                    window[2][1] = [[redact_bytes(line) for line in text] for text in texts]
        elif section.name == "waiting":
            for kind, state in section.header["items"]:
                if kind == "window":
                    for sample in state[4]:
                        sample[2] = redact(sample[2])
    return cut
