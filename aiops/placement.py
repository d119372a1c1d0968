"""Place anomalies into incidents within the alert budget: into which one, and may it open."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from operator import attrgetter

from aiops.correlation.bursts import Bursts, is_rare
from aiops.correlation.gate import LASTING, could_open, might_open, odds, opens, share_near
from aiops.correlation.grouping import Grouping
from aiops.correlation.kinship import Kinship
from aiops.correlation.nearby import STRANGER_SECONDS
from aiops.correlation.requests import Requests
from aiops.correlation.spans import Spans
from aiops.correlation.suspects import rank
from aiops.correlation.topology import Topology
from aiops.correlation.waves import explains
from aiops.incidents.inhibition import Follows
from aiops.incidents.ledger import Ledger, LedgerSettings
from aiops.incidents.opening import Gate
from aiops.model import Anomaly, ChangeEvent, Command, Incident, LogWindow, Suspect, Transition
from aiops.pace import PACES, reach
from detectors.calibrate import budget_threshold

_IN_ORDER = attrgetter("at", "series.id", "id")


class Placement:
    """Own the ledger and the call graph; *tests* says how many judgements a second there are."""

    def __init__(
        self,
        ledger: LedgerSettings,
        topology: Topology,
        tests: Callable[[], float],
        *,
        budget: float,
        window: float,
        max_entities: int,
    ) -> None:
        self.ledger = Ledger(ledger, self._rank, Follows(self._explains, self._depends))
        self.budget = budget
        self.entities: set[str] = set()
        self.facts: Counter[str] = Counter()
        self.grouping = Grouping(topology, window, self.facts)
        self.bursts = Bursts()
        self.requests = Requests(self.facts)
        self.kinship = Kinship(self.facts)
        self.spans = Spans(self.facts)
        self._taught = self.spans.version
        self._tests = tests
        self._asked = (math.nan, math.nan)  # the budget and rate that the threshold is of
        self._threshold = math.inf
        self._max_entities = max_entities

    def know(self, entity: str) -> None:
        """Count an entity among those that coincidences may come from."""
        if len(self.entities) < self._max_entities:
            self.entities.add(entity)

    def see(self, window: LogWindow) -> None:
        """Take what a window says beside its lines: whose it is, and who called whom."""
        self.know(window.stream.entity)
        if window.spans:
            self.spans.learn(window)

    def hears(self, command: Command) -> bool:
        """Take a command that is about what was learned here; return whether it was one."""
        if command.kind != "forget-calls":
            return False
        self.spans.forget()
        return True

    def change(self, event: ChangeEvent) -> None:
        """Take a change: what happens after it may be its."""
        self.ledger.change(event)
        self.kinship.change(event)

    def place(self, found: Sequence[Anomaly]) -> list[Transition]:
        """Absorb anomalies in the order of (at, series) and return what followed."""
        done: list[Transition] = []
        if self._taught != self.spans.version:
            self.topology = self.topology
        grouping, ledger, entities = self.grouping, self.ledger, self.entities
        for kind, count in Counter([a.kind for a in found]).items():
            self.facts[f"anomaly:{kind}"] += count
        for one in sorted(found, key=_IN_ORDER):
            anomaly, same = grouping.dated(one), ""
            if anomaly.series.entity not in entities:
                self.know(anomaly.series.entity)
            if moved := ledger.moved():
                grouping.follow(moved)
            names, beside = grouping.homes(anomaly)
            if anomaly.series.kind == "log":
                same = self.requests.home(anomaly, grouping.prints)
                self.kinship.see(anomaly)
            if one.kind == "alert":
                self.bursts.see(one)
            if not names and not beside:
                same = same or self.kinship.home(anomaly, grouping.prints)
                names = (same,) if same else ()
            grouping.learn(anomaly, names)
            done += ledger.take(anomaly, names, beside)
        return done + ledger.settle(self._gate)

    def _gate(self, pace: float) -> Gate:
        """Return what opens an incident now, for evidence of this pace (seconds)."""
        strangers = 0.0 if self.topology.entities else reach(pace / PACES, STRANGER_SECONDS)
        chance = odds(
            self.threshold(),
            self._tests(),
            len(self.entities),
            reach(pace, self.window),
            strange=2.0 * strangers,
            is_burst=partial(
                is_rare,
                rate=self.bursts.rate,
                near=share_near(len(self.entities)) if self.topology.entities else 1.0,
                budget=self.budget,
            ),
        )
        return Gate(
            partial(
                opens,
                chance=chance,
                has_outlasted=self._has_outlasted,
                is_confirmed=self.ledger.firing.is_confirmed,
                last_sign=self.ledger.firing.last_sign,
            ),
            partial(might_open, chance=chance),
            partial(could_open, chance=chance),
        )

    @property
    def parts(self) -> tuple[Grouping, Requests, Kinship, Spans, Bursts]:
        """Return what is saved at a cut beside the ledger."""
        return self.grouping, self.requests, self.kinship, self.spans, self.bursts

    @property
    def topology(self) -> Topology:
        """Return the call graph that is used; another one may be set, and is taught again."""
        return self.grouping.topology

    @topology.setter
    def topology(self, known: Topology) -> None:
        self._taught = self.spans.version
        self.grouping.know(known.taught(self.spans.edges))

    @property
    def window(self) -> float:
        """Return for how many seconds evidence belongs together; it may be set."""
        return self.grouping.window

    @window.setter
    def window(self, seconds: float) -> None:
        self.grouping.window = seconds

    def threshold(self) -> float:
        """Return the surprise that one anomaly needs under the alert budget."""
        asked = self.budget, self._tests()
        if asked != self._asked:
            self._asked, self._threshold = asked, budget_threshold(*asked)
        return self._threshold

    def _has_outlasted(self, anomaly: Anomaly) -> bool:
        return self.ledger.firing.has_outlasted(anomaly, LASTING)

    def _explains(self, host: Incident, wave: Incident, at: float) -> bool:
        return explains(host, wave, self.topology, partial(self.ledger.firing.goes_on, at=at))

    def _depends(self, entity: str, root: str) -> bool:
        return self.topology.reaches(entity, root)

    def _rank(
        self, anomalies: Sequence[Anomaly], changes: Sequence[ChangeEvent]
    ) -> tuple[Suspect, ...]:
        return rank(anomalies, changes, self.topology)
