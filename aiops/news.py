"""Decide what people hear of: old news is learned in silence, ends go to who heard beginnings.

What somebody asked not to hear of is held back while that holds; once it does not and the incident
is still open, it is told once.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from aiops.incidents.accepted import Accepted
from aiops.incidents.ledger import Ledger
from aiops.incidents.muting import COMMANDS, Muting, Silence, hidden_by, snooze_of
from aiops.incidents.storm import WINDOW, Weather
from aiops.model import Anomaly, Command, Incident, Severity, State, Transition, TransitionKind

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
        self.muting = Muting(facts)
        self._ledger = ledger
        self._facts = facts
        self._orphans: dict[str, Incident] = {}
        self._weather = Weather()
        self._accepted = Accepted(facts)
        self._held: dict[str, str] = {}  # incident: what of it was held back last

    def begin(self, since: float) -> None:
        """Take everything before *since* as history again (after a downtime)."""
        self.since = since
        self.caught_up = False

    def command(self, command: Command) -> list[Transition]:
        """Apply what a person asked for."""
        if command.kind in COMMANDS:
            self.muting.obey(command)
            return []
        storm = self._weather.picture
        if storm is not None and command.target == storm.id:
            return self._weather.command(command)
        if command.kind == "snooze":
            asleep = self._live().get(command.target)
            if asleep is not None:
                self.muting.add(snooze_of(command, asleep))
                self._held.setdefault(asleep.id, TransitionKind.UPDATED)
        return self.say(self._ledger.command(command))

    def say(
        self, transitions: Sequence[Transition], found: Sequence[Anomaly] = ()
    ) -> list[Transition]:
        """Return the transitions with ``tell`` decided, before them the storm that they make.

        *found* is what led to them: what of it is accepted as normal is said when its story ends.
        """
        self._accepted.see(found)
        folded = _folded(transitions)
        mutes = self.mutes(folded[0].at) if folded and self.caught_up else []
        fresh = [
            t
            for t in folded
            if self.caught_up
            and t.kind in (TransitionKind.OPENED, TransitionKind.REOPENED)
            and t.incident.severity >= Severity.WARNING
            and not hidden_by(t.incident, mutes)
        ]
        return self._weather.see(fresh) + self._decide(folded)

    def _decide(self, folded: Sequence[Transition]) -> list[Transition]:
        said: list[Transition] = []
        for t in folded:
            known = self._ledger.is_told(t.incident.id)
            # Who waits for what is held back hears of it with the rest.
            few = t.newcomers and t.incident.id not in self._held
            heard = (
                t.tell
                and (self.caught_up or (known and t.kind in _LAST))
                and t.incident.state is not State.CANDIDATE
                and t.incident.severity >= Severity.WARNING
                and (known or t.kind in (TransitionKind.OPENED, TransitionKind.REOPENED))
                and not self._holds(t)
            )
            tell, newcomers = heard and not few, heard and few
            if tell:
                self._ledger.told(t.incident.id, t.at)
            picture = replace(t.incident, told=True) if known or tell else t.incident
            over = t.kind is TransitionKind.RESOLVED
            note = t.note or (self._accepted.ended(t.incident) if over else "")
            said.append(replace(t, incident=picture, tell=tell, note=note, newcomers=newcomers))
        return said

    def pass_time(self, at: float, wait: float) -> list[Transition]:
        """Tell what is still open when history ends; end orphans after *wait* quiet seconds."""
        done: list[Transition] = []
        if not self.caught_up and at >= self.since:
            self.caught_up = True
            done += self.say(self._ledger.tell_open(at))
        if not self._held:
            done += self._weather.advance(at, 0)
        else:
            live = self._live()
            done += self._weather.advance(at, len(self._held.keys() & live.keys()))
            done += self._let_go(at, live)
        return done + self._adopt(at, wait) if self._orphans else done

    def silences(self, at: float) -> list[Silence]:
        """Return every silence that is known, also what is over, and maintenance at *at*."""
        known = self.muting.silences
        return [*known.values(), *(s for s in self.mutes(at) if s.id not in known)]

    def mutes(self, at: float) -> list[Silence]:
        """Return what hides something at *at*: silences, snoozes, maintenance."""
        planned = (window.silence(at) for window in self._ledger.settings.maintenance)
        return [*self.muting.active(at), *(silence for silence in planned if silence is not None)]

    def expect(self, told: Sequence[Incident]) -> None:
        """Remember what people were told is open: what is not derived again is resolved."""
        seen = {i.id: i.seq for i in self.pictures}
        self._orphans = {i.id: i for i in told if seen.get(i.id, -1) < i.seq}

    @property
    def pictures(self) -> list[Incident]:
        """Return a picture of every candidate and incident that can still change."""
        storm = self._weather.picture
        return [*self._ledger.pictures, *([] if storm is None else [storm])]

    @property
    def longest_quiet(self) -> float:
        """Return after how many seconds without news everything that is open has ended."""
        quiet = self._ledger.longest_quiet
        return quiet if self._weather.picture is None else max(quiet, WINDOW)

    def to_state(self) -> dict[str, Any]:
        """Return plain values for ``restore``."""
        return {
            "caught_up": self.caught_up,
            "held": dict(self._held),
            "silences": self.muting.to_state(),
            "weather": self._weather.to_state(),
            "accepted": self._accepted.to_state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take back what ``to_state`` returned."""
        self.caught_up, self._held = state["caught_up"], dict(state["held"])
        self.muting.restore(state["silences"])
        self._weather = Weather.from_state(state["weather"])
        self._accepted.restore(state["accepted"])

    # --- held back --------------------------------------------------------------------------

    def _holds(self, t: Transition) -> bool:
        """Return whether nobody wants to hear this now; what would have been said is kept."""
        name, before = t.incident.id, self._held.get(t.incident.id)
        if t.kind in _LAST:
            # Who was told of an end, and not of what came back since, knows enough.
            self._held.pop(name, None)
            return before == TransitionKind.REOPENED
        new = t.kind is TransitionKind.OPENED
        if not hidden_by(t.incident, self.mutes(t.at)) and not (new and self._weather.holds(t)):
            self._held.pop(name, None)
            return False
        self._facts["held_back"] += 1
        if before not in (TransitionKind.OPENED, TransitionKind.REOPENED):
            self._held[name] = t.kind
        return True

    def _let_go(self, at: float, live: dict[str, Incident]) -> list[Transition]:
        """Tell once what is still open and not hidden any more."""
        mutes = self.mutes(at)
        done: list[Transition] = []
        for name in list(self._held):
            incident = live.get(name)
            if incident is not None and (
                hidden_by(incident, mutes) or (not incident.told and self._weather.keeps(incident))
            ):
                continue
            del self._held[name]
            # Whoever took it needs no reminder.
            if incident is not None and incident.state is State.OPEN:
                told = Command(0, "again", name, at, args={"note": "held back until now"})
                done += self._decide(self._ledger.command(told))
        return done

    def _live(self) -> dict[str, Incident]:
        return {i.id: i for i in self._ledger.pictures if i.state in _LIVE}

    # --- told before a restart --------------------------------------------------------------

    def _adopt(self, at: float, wait: float) -> list[Transition]:
        for incident in self.pictures:
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
            folded[opened[key]] = replace(t, kind=TransitionKind.OPENED, newcomers=False)
            continue
        if t.kind is TransitionKind.OPENED:
            opened[key] = len(folded)
        folded.append(t)
    return folded
