"""Decide what people hear of: old news is learned in silence, ends go to who heard beginnings."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from aiops.incidents.ledger import Ledger
from aiops.model import Incident, Severity, State, Transition, TransitionKind

_LAST = (TransitionKind.RESOLVED, TransitionKind.MERGED)
_LIVE = (State.OPEN, State.ACKNOWLEDGED)


class News:
    """Mark transitions as told or not, and end what was told but is not derived again.

    ``since`` is the event time from which things are news; before it they are history: known,
    never told, unless still open when event time reaches it.
    """

    def __init__(self, ledger: Ledger, since: float, facts: Counter[str]) -> None:
        self.since = since
        self.caught_up = since == -math.inf
        self._ledger = ledger
        self._facts = facts
        self._orphans: dict[str, Incident] = {}

    def begin(self, since: float) -> None:
        """Take everything before *since* as history again (after a downtime)."""
        self.since = since
        self.caught_up = False

    def say(self, transitions: Sequence[Transition]) -> list[Transition]:
        """Return the transitions with ``tell`` decided."""
        said: list[Transition] = []
        for t in _folded(transitions):
            known = self._ledger.is_told(t.incident.id)
            tell = (
                (self.caught_up or (known and t.kind in _LAST))
                and t.incident.state is not State.CANDIDATE
                and t.incident.severity >= Severity.WARNING
                and (known or t.kind in (TransitionKind.OPENED, TransitionKind.REOPENED))
            )
            if tell:
                self._ledger.told(t.incident.id, t.at)
            picture = replace(t.incident, told=True) if known or tell else t.incident
            said.append(Transition(t.kind, picture, t.at, tell=tell))
        return said

    def pass_time(self, at: float, wait: float) -> list[Transition]:
        """Tell what is still open when history ends; end orphans after *wait* quiet seconds."""
        done: list[Transition] = []
        if not self.caught_up and at >= self.since:
            self.caught_up = True
            done += self.say(self._ledger.tell_open(at))
        return done + self._adopt(at, wait) if self._orphans else done

    def expect(self, told: Sequence[Incident]) -> None:
        """Remember what people were told is open: what is not derived again is resolved."""
        seen = {i.id: i.seq for i in self._ledger.pictures}
        self._orphans = {i.id: i for i in told if seen.get(i.id, -1) < i.seq}

    def _adopt(self, at: float, wait: float) -> list[Transition]:
        for incident in self._ledger.pictures:
            orphan = self._orphans.get(incident.id)
            if orphan is not None and (incident.seq >= orphan.seq or incident.state in _LIVE):
                # The ledger has it again, and will end it itself.
                del self._orphans[incident.id]
        done = []
        for orphan in list(self._orphans.values()):
            if at <= orphan.updated_at + wait:
                continue
            del self._orphans[orphan.id]
            ended = replace(orphan, state=State.RESOLVED, seq=orphan.seq + 1, resolved_at=at)
            done.append(Transition(TransitionKind.RESOLVED, ended, at))
            self._facts["incidents_adopted"] += 1
        return done


def _folded(transitions: Sequence[Transition]) -> list[Transition]:
    """Fold an escalation into the opening of the same moment: one message says both."""
    folded: list[Transition] = []
    opened: dict[tuple[str, float], int] = {}
    for t in transitions:
        key = (t.incident.id, t.at)
        if t.kind is TransitionKind.ESCALATED and key in opened:
            folded[opened[key]] = Transition(TransitionKind.OPENED, t.incident, t.at)
            continue
        if t.kind is TransitionKind.OPENED:
            opened[key] = len(folded)
        folded.append(t)
    return folded
