"""Streams and counts as plain values: how a cut saves them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from aiops.model import LineKind, Severity, Stream

_STREAM_FIELDS = ("id", "source", "entity", "workload", "instance", "resumable")


def save_stream(stream: Stream) -> list[Any]:
    """Return the fields of a stream."""
    return [getattr(stream, name) for name in _STREAM_FIELDS]


def load_stream(saved: Iterable[Any]) -> Stream:
    """Return the stream whose fields were saved."""
    return Stream(*saved)


def save_counts(counts: Mapping[LineKind, int]) -> list[list[Any]]:
    """Return counts by kind in their order."""
    return [[k.entity, int(k.severity), k.masked, n] for k, n in counts.items()]


def load_counts(saved: Iterable[Any]) -> dict[LineKind, int]:
    """Return the counts that were saved, in the same order."""
    return {LineKind(e, Severity(s), bytes(m)): n for e, s, m, n in saved}
