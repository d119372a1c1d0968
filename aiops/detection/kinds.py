"""Treat each metric as what it is: one look at the columns of a source, arrays from then on."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from aiops.detection.bounds import bounds
from aiops.detection.claims import is_info
from aiops.detection.heartbeats import Beating, Heartbeats
from aiops.detection.histograms import Families, Histograms, counted
from aiops.detection.missing import Expected, Missing
from aiops.detection.rules import MetricRule, MetricRules
from aiops.detection.saturation import Fillable, Saturation
from aiops.detection.states import Stated, States
from aiops.detection.versions import Stating, Versions
from aiops.model import SeriesSet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from aiops.model import Anomaly, ChangeEvent, Section, Series


class _Part(Protocol):
    def to_section(self) -> Section: ...

    def restore(self, section: Section) -> None: ...

    def take_refused(self) -> int: ...

    @property
    def taken(self) -> int: ...


@dataclass(frozen=True, slots=True, eq=False)
class Kinds:
    """Say what the columns of one source are.

    ``columns`` has kinds and units as rules and names have them. ``series`` are these and then
    what is derived; ``scored`` says which of them the bank judges.
    """

    columns: SeriesSet
    series: tuple[Series, ...]
    scored: NDArray[np.intp]
    families: Families
    fillable: Fillable
    stated: Stated
    beating: Beating
    expected: Expected
    stating: Stating
    beats: frozenset[str]


class MetricKinds:
    """Own what is remembered of metrics beside the bank, and what people say of them."""

    def __init__(self, rules: Sequence[MetricRule] = (), *, most: int = 100_000) -> None:
        self.rules = MetricRules(rules)
        self.facts: Counter[str] = Counter()
        self._histograms = Histograms(most)
        self._saturation = Saturation(min(most, 10_000))
        self._states = States(most)
        self._heartbeats = Heartbeats(min(most, 10_000))
        self._missing = Missing(min(most, 20_000))
        self._versions = Versions(min(most, 10_000))
        self._parts: dict[str, _Part] = {
            "histograms": self._histograms,
            "saturation": self._saturation,
            "states": self._states,
            "heartbeats": self._heartbeats,
            "missing": self._missing,
            "versions": self._versions,
        }

    @property
    def taken(self) -> int:
        """Return how many rows changed hands: what was bound before must be bound again."""
        return sum(part.taken for part in self._parts.values())

    def bind(self, source: str, columns: SeriesSet, at: float) -> Kinds:
        """Look at every column of a source once."""
        rules = self.rules
        series = tuple(rules.kinded(one) for one in counted(columns.series))
        unwanted = {
            i
            for i, one in enumerate(series)
            if (rule := rules.of(one)) is not None and rule.kind == "ignore"
        }
        # What stands in labels beside a 1 (a version, an address) is no measurement.
        ignored = unwanted | {
            i
            for i, one in enumerate(series)
            if is_info(one.name.partition("{")[0])
            and ((rule := rules.of(one)) is None or not rule.kind)
        }
        families = self._histograms.bind(series, at)
        fillable = self._saturation.bind(
            series, [b for b in bounds(series, rules) if b.of not in ignored], at
        )
        beating = self._heartbeats.bind(series, rules, at)
        skip = families.raw | ignored
        every = series + families.derived
        kinds = Kinds(
            columns=columns if series == columns.series else SeriesSet(series),
            series=every,
            scored=np.array([i for i in range(len(every)) if i not in skip], np.intp),
            families=families,
            fillable=fillable,
            stated=self._states.bind(series, rules, frozenset({*skip, *beating.of.tolist()}), at),
            beating=beating,
            expected=self._missing.bind(source, series, at),
            stating=self._versions.bind(series, unwanted),
            beats=frozenset(one.id for one in beating.series),
        )
        self.facts["kinds_refused"] += sum(part.take_refused() for part in self._parts.values())
        return kinds

    def derive(
        self,
        kinds: Kinds,
        at: float,
        rates: NDArray[np.float64],
        elapsed: float,
        *,
        restarted: bool,
    ) -> NDArray[np.float64]:
        """Return the values of ``kinds.series``: the columns', and what is derived of them."""
        derived = self._histograms.derive(kinds.families, at, rates, elapsed, restarted=restarted)
        return np.concatenate([rates, derived]) if len(derived) else rates

    def judge(
        self,
        source: str,
        kinds: Kinds,
        at: float,
        values: NDArray[np.float64],
        *,
        found: Sequence[Anomaly],
        threshold: float,
        restarted: bool,
    ) -> list[Anomaly]:
        """Return what stands out by its kind, and of the bank's what that does not explain."""
        self._versions.see(kinds.stating, at, values)
        own = self._saturation.see(kinds.fillable, at, values, threshold)
        own += self._states.see(kinds.stated, at, values, threshold)
        own += self._heartbeats.see(kinds.beating, at, values, threshold)
        explained = {one.series.id for one in own} | kinds.beats
        own += self._missing.see(source, kinds.expected, at, values, threshold, restarted=restarted)
        for one in found:
            series = one.series
            if series.id in explained or self._states.states(kinds.stated, series):
                continue
            judged = self.rules.judged(self._states.worded(kinds.stated, one))
            if judged is not None:
                own.append(judged)
        return own

    def gap(self, source: str) -> None:
        """Take that a source did not watch for a while."""
        self._missing.gap(source)

    def take_changes(self) -> list[ChangeEvent]:
        """Return and clear the changes of versions that metrics stated."""
        taken, self._versions.changes = self._versions.changes, []
        return taken

    # --- saved at a cut ---------------------------------------------------------------------

    def to_sections(self) -> list[Section]:
        """Return one section a kind."""
        return [part.to_section() for part in self._parts.values()]

    def restore(self, sections: dict[str, Section]) -> None:
        """Take back what ``to_sections`` returned; what is not there stays cold."""
        for name, part in self._parts.items():
            if name in sections:
                part.restore(sections[name])
