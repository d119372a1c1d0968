"""Keep quiet about what follows from the cause of a story that is told.

A story has chosen its root once the first of its suspects is believed by ``SURE``. For as long as
that root is seen to fail, whatever else would open a story of its own is *inhibited* when everybody
who suffers in it is known to depend on the root, by declared or learned calls: it joins the story,
and nobody is paged, however late and however far away it is. It comes through when anybody in it
does not depend on the root, or when it has a cause of its own: a change, or a suspect that is not
one of those.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final

from aiops.incidents.firing import Firing
from aiops.incidents.joining import Explains
from aiops.incidents.record import LIVE, Record, counts

SURE: Final = 0.5
"""Share of belief from which the first suspect of a story is its root."""

Depends = Callable[[str, str], bool]
"""Whether the first entity is known to depend on the second, directly or through others."""


def inhibitor(
    record: Record, records: Iterable[Record], depends: Depends, firing: Firing, at: float
) -> Record | None:
    """Return the open incident whose root explains all of a candidate, the oldest of several."""
    every = [a for a in record.anomalies.values() if counts(a)]
    felt = {a.entity for a in every if a.severe} or {a.entity for a in every}
    if not felt or any(s.entity == c.id for s in record.suspects[:1] for c in record.changes):
        return None
    concerned = {*felt, *(s.entity for s in record.suspects[:1])}
    found = [
        host
        for host in records
        if host is not record
        and (root := root_of(host))
        and all(e == root or depends(e, root) for e in concerned)
        and _is_seen(root, host, firing, at)
    ]
    return min(found, key=lambda host: (host.opened_at, host.id), default=None)


def root_of(record: Record) -> str:
    """Return the entity that an open incident has chosen as its root, "" for none."""
    if record.state not in LIVE or not record.suspects or record.suspects[0].score < SURE:
        return ""
    return record.suspected()


@dataclass(frozen=True, slots=True)
class Follows:
    """Say which open incident takes what a candidate shows, by these two measures."""

    explains: Explains = lambda *_: True
    depends: Depends = lambda *_: False

    def host(
        self,
        record: Record,
        beside: Record | None,
        records: Iterable[Record],
        firing: Firing,
        at: float,
    ) -> tuple[Record | None, str]:
        """Return who takes a candidate, and why when it is inhibited; its evidence says so, too.

        The incident *beside* which it began need only explain it; any other has to be known to.
        """
        if beside is not None and self.explains(beside.picture(), record.picture(), at):
            return beside, ""
        host = inhibitor(record, records, self.depends, firing, at)
        return host, "" if host is None else _mark(record, root_of(host), host.id)


FOLLOWS: Final = Follows()


def _mark(record: Record, root: str, of: str) -> str:
    """Note on what a candidate holds that it is inhibited; return the note on incident *of*."""
    why = f"inhibited by {root} of incident {of}"
    for key, anomaly in record.anomalies.items():
        if counts(anomaly) and anomaly.entity != root:
            reason = f"{anomaly.reason}, {why}" if anomaly.reason else why
            record.anomalies[key] = replace(anomaly, reason=reason)
    return f"{', '.join(record.entities())}: {why}"


def _is_seen(root: str, host: Record, firing: Firing, at: float) -> bool:
    return any(
        a.entity == root and counts(a) and firing.goes_on(key, at)
        for key, a in host.anomalies.items()
    )
