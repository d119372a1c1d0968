"""Give anomalies their derived ids and plain reasons."""

from __future__ import annotations

import hashlib


def anomaly_id(series_id: str, kind: str, since: float) -> str:
    """Derive an id from what, how and since when: the same departure has the same id."""
    text = f"{series_id}\x00{kind}\x00{since:.3f}"
    return "an_" + hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
