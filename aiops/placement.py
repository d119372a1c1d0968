"""Place anomalies into incidents within the alert budget: into which one, and may it open."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

from aiops.correlation.gate import odds, opens
from aiops.correlation.grouping import STRANGER_SECONDS, homes
from aiops.correlation.suspects import rank
from aiops.correlation.topology import Topology
from aiops.incidents.ledger import Ledger, LedgerSettings
from aiops.model import Anomaly, ChangeEvent, Suspect, Transition
from detectors.calibrate import budget_threshold


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
        self.ledger = Ledger(ledger, self._rank)
        self.topology = topology
        self.budget = budget
        self.window = window
        self.entities: set[str] = set()
        self.facts: Counter[str] = Counter()
        self._tests = tests
        self._asked = (math.nan, math.nan)  # the budget and rate that the threshold is of
        self._threshold = math.inf
        self._max_entities = max_entities

    def know(self, entity: str) -> None:
        """Count an entity among those that coincidences may come from."""
        if len(self.entities) < self._max_entities:
            self.entities.add(entity)

    def place(self, found: Sequence[Anomaly]) -> list[Transition]:
        """Absorb anomalies in the order of (at, series) and return what followed."""
        done: list[Transition] = []
        for anomaly in sorted(found, key=lambda a: (a.at, a.series.id, a.id)):
            self.facts[f"anomaly:{anomaly.kind}"] += 1
            self.know(anomaly.entity)
            chance = odds(
                self.threshold(),
                self._tests(),
                len(self.entities),
                self.window,
                strange=0.0 if self.topology.entities else 2.0 * STRANGER_SECONDS,
            )
            where = homes(anomaly, self.ledger.footprints(), self.topology, self.window)
            done += self.ledger.absorb(anomaly, where, partial(opens, chance=chance))
        return done

    def threshold(self) -> float:
        """Return the surprise that one anomaly needs under the alert budget."""
        asked = self.budget, self._tests()
        if asked != self._asked:
            self._asked, self._threshold = asked, budget_threshold(*asked)
        return self._threshold

    def _rank(
        self, anomalies: Sequence[Anomaly], changes: Sequence[ChangeEvent]
    ) -> tuple[Suspect, ...]:
        return rank(anomalies, changes, self.topology)
