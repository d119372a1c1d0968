"""Judge single series by the River detector that a ``[[metrics]]`` rule names, beside the bank."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from aiops.detection.direction import bad_direction, is_symptom
from aiops.detection.facts import anomaly_id
from aiops.model import Anomaly, Section, Severity
from aiops.units import quantity
from detectors.rivers import RiverAnomaly, RiverDrift

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from aiops.detection.rows import Wording
    from aiops.detection.rules import MetricRule, MetricRules
    from aiops.model import Series
    from detectors.bank import BankScores

MAX_NAMED: Final = 100
"""Series that River judges alone: an object of River may take 1 MiB and 50 µs a value."""

FLAG: Final = 3.0
"""Surprise from which a value is evidence and not learned.

Many of River's scores have a highest value, which normal data reach once in a thousand samples:
more than three decades such a detector cannot say, however far out a value is."""

ACCEPT_AFTER: Final = 7200.0
"""Seconds after which what stays is learned and no longer told, as in the bank."""

# What River's own defaults cost is for one model, not for a hundred.
SMALL: Final[Mapping[str, Mapping[str, Any]]] = {
    "river.anomaly.HalfSpaceTrees": {"n_trees": 8, "height": 6}
}
TRIES: Final = 20
DRIFTS: Final = "river.drift."
_VERSION: Final = 1


def made(detector: str, params: Mapping[str, Any]) -> RiverAnomaly | RiverDrift:
    """Return a new detector of this name; ``ValueError`` says what is wrong with it."""
    if detector.startswith(DRIFTS):
        return RiverDrift(detector, params)
    return RiverAnomaly(detector, params or SMALL.get(detector))


def tried(model: RiverAnomaly | RiverDrift) -> bool:
    """Return whether a detector takes a few plain values; the model is used up by it."""
    for n in range(TRIES):
        if isinstance(model, RiverDrift):
            model.update(float(n % 3))
        else:
            model.learn_one({"value": float(n % 3)})
    return model.faults == 0


@dataclass(frozen=True, slots=True)
class Chosen:
    """Say which place of the judged series a rule with a detector fits."""

    place: int
    series: Series
    rule: MetricRule


class NamedDetectors:
    """Own River's detectors of single series, at most ``MAX_NAMED``."""

    def __init__(self) -> None:
        self.facts: Counter[str] = Counter()
        self._models: dict[str, RiverAnomaly | RiverDrift] = {}
        self._named: dict[str, tuple[str, dict[str, Any]]] = {}
        self._since: dict[str, float] = {}
        self._last: dict[str, float] = {}

    def bind(self, series: Sequence[Series], rules: MetricRules) -> tuple[Chosen, ...]:
        """Find the series whose rule names a detector; another detector than before starts cold."""
        if not self._models and not any(rule.detector for rule in rules.every):
            return ()
        chosen = []
        for place, one in enumerate(series):
            rule = rules.of(one)
            if rule is None or not rule.detector:
                self._forget(one.id)
                continue
            wanted = (rule.detector, dict(rule.params))
            if self._named.get(one.id) != wanted:
                self._forget(one.id)
                if len(self._models) >= MAX_NAMED:
                    self.facts["named_refused"] += 1
                    continue
                self._models[one.id] = made(*wanted)
                self._named[one.id] = wanted
            chosen.append(Chosen(place, one, rule))
        return tuple(chosen)

    def see(
        self,
        chosen: Sequence[Chosen],
        at: float,
        values: NDArray[np.float64],
        scores: BankScores,
        *,
        threshold: float,
        wording: Callable[[int], Wording],
    ) -> list[Anomaly]:
        """Score and learn one scrape; return what stood out to the detectors that were named."""
        found = []
        for one in chosen:
            value, name = float(values[one.place]), one.series.id
            if not math.isfinite(value) or at <= self._last.get(name, -math.inf):
                continue
            self._last[name] = at
            model = self._models[name]
            if isinstance(model, RiverDrift):
                surprise = self._drift(model, value, scores, one.place, threshold)
            else:
                surprise = self._surprise(model, name, value, at)
            if surprise is not None and surprise >= FLAG:
                told = self._anomaly(
                    one,
                    at,
                    value,
                    scores,
                    surprise=surprise,
                    threshold=threshold,
                    words=wording(one.place),
                )
                found.append(told)
        return found

    def _surprise(self, model: RiverAnomaly, name: str, value: float, at: float) -> float | None:
        surprise = model.score_one({"value": value}).value
        if surprise is None or surprise < FLAG:
            self._since.pop(name, None)
            model.learn_one({"value": value})
            return surprise
        since = self._since.setdefault(name, at)
        if at - since < ACCEPT_AFTER:
            return surprise
        model.learn_one({"value": value})
        return None

    @staticmethod
    def _drift(
        model: RiverDrift, value: float, scores: BankScores, place: int, threshold: float
    ) -> float | None:
        """Return a surprise that joins a story and never makes one: drifts have no tail."""
        half = max(float(scores.high[place] - scores.low[place]) / 6.0, 1e-12)
        deviation = (value - float(scores.expected[place])) / half
        if not math.isfinite(deviation) or not model.update(deviation):
            return None
        return min(threshold - 1.0, 3.0 + min(abs(deviation), 8.0))

    def _anomaly(
        self,
        one: Chosen,
        at: float,
        value: float,
        scores: BankScores,
        *,
        surprise: float,
        threshold: float,
        words: Wording,
    ) -> Anomaly:
        expected, *band = (
            _known(float(x[one.place]), words) for x in (scores.expected, scores.low, scores.high)
        )
        # A row may hold failures where people read successes: its low is their high.
        edges = sorted(x for x in band if x is not None)
        low, high = edges if len(edges) == 2 else (None, None)
        actual = words.back(value)
        unit = words.unit or one.series.unit
        drifts = one.rule.detector.startswith(DRIFTS)
        bad = bad_direction(one.series.name)
        good = expected is not None and bad is not None and (actual > expected) != (bad > 0)
        severity = Severity.INFO if drifts or good else Severity.WARNING
        usual = "" if expected is None else f", usual {quantity(expected, unit)}"
        verb = "drifting, says" if drifts else "unusual to"
        since = self._since.get(one.series.id, at)
        return Anomaly(
            id=anomaly_id(one.series.id, one.rule.detector, since),
            series=one.series,
            kind="river",
            at=at,
            since=since,
            surprise=round(surprise, 3),
            threshold=round(threshold, 3),
            severity=severity,
            reason=f"{verb} {one.rule.detector}: {quantity(actual, unit)}{usual}",
            detector=one.rule.detector,
            actual=actual,
            expected=expected,
            low=low,
            high=high,
            unit=unit,
            severe=severity > Severity.INFO and is_symptom(one.series.name, unit, actual, expected),
            seen=int(scores.seen[one.place]),
        )

    def _forget(self, name: str) -> None:
        for memory in (self._models, self._named, self._since, self._last):
            memory.pop(name, None)

    # --- saved at a cut ---------------------------------------------------------------------

    def to_section(self) -> Section:
        """Return the recent inputs of all models: River's objects are rebuilt from them."""
        header: dict[str, Any] = {}
        arrays: dict[str, NDArray[Any]] = {}
        for n, (name, model) in enumerate(sorted(self._models.items())):
            state, parts = model.to_state()
            detector, params = self._named[name]
            header[name] = {
                "detector": detector,
                "params": params,
                "state": state,
                "since": self._since.get(name),
                "last": self._last.get(name),
            }
            arrays |= {f"{n}.{key}": value for key, value in parts.items()}
        return Section("named_detectors", _VERSION, header, arrays)

    def restore(self, section: Section) -> None:
        """Take back what ``to_section`` returned; another version starts cold."""
        if section.version != _VERSION:
            return
        for n, (name, saved) in enumerate(sorted(section.header.items())):
            parts = {
                key.partition(".")[2]: value
                for key, value in section.arrays.items()
                if key.startswith(f"{n}.")
            }
            kind = RiverDrift if saved["detector"].startswith(DRIFTS) else RiverAnomaly
            self._models[name] = kind.from_state(saved["state"], parts)
            self._named[name] = (saved["detector"], dict(saved["params"]))
            for memory, key in ((self._since, "since"), (self._last, "last")):
                if saved[key] is not None:
                    memory[name] = saved[key]


def _known(value: float, words: Wording) -> float | None:
    return None if math.isnan(value) else words.back(value)
