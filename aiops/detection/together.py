"""Judge the series of one entity together: joint behaviour, and lasting drift.

What the bank leaves over is looked at every two minutes: the robust deviations of each series from
what was expected of it by their Mahalanobis distance (or a detector of River, which is dear), and
their mean by a drift detector of River.
"""

from __future__ import annotations

import math
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from aiops.detection.facts import anomaly_id
from aiops.model import Anomaly, Section, Series, Severity
from detectors.mahalanobis import Mahalanobis
from detectors.rivers import RiverAnomaly, RiverDrift

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence, Sized

    from numpy.typing import NDArray

    from detectors.bank import BankScores

OWN = "mahalanobis"  # beside the classes of River
MAX_TOGETHER = 20  # series of one entity that are seen at once
MAX_ENTITIES = 2000  # 8 KB each for 20 series
MAX_RIVERS = 50  # a half-space-trees object takes 1 MiB
MAX_DRIFTS = 1000
KEPT = 86400.0  # models of entities unseen for so long make room when others ask for it
FEWEST_TOGETHER = 3
CLIP = 20.0
TOGETHER_EVERY = 120.0  # this often is enough for evidence
USUAL_OF = 500.0  # looks over which the usual distance is forgotten
# A fifth of the cost of River's defaults (10 trees of height 8) and the same answers for 20 series.
SMALL = {"river.anomaly.HalfSpaceTrees": {"n_trees": 8, "height": 6}}
_NAMED = 3
_VERSION = 3


class Together:
    """Own the models of entities; *multivariate* and *drift* name their classes, "" is none."""

    def __init__(self, multivariate: str, drift: str) -> None:
        self.facts: Counter[str] = Counter()
        self._multivariate = multivariate
        self._drift = drift
        self._most = MAX_ENTITIES if multivariate == OWN else MAX_RIVERS
        self._joint: dict[str, Mahalanobis | RiverAnomaly] = {}
        self._drifts: dict[str, RiverDrift] = {}
        self._since: dict[str, float] = {}  # of entities that are unusual now
        self._met: dict[str, float] = {}  # when River last looked at an entity
        self._usual: dict[str, list[float]] = {}  # looks, usual distance, how far from it as a rule
        self._next: dict[str, float] = {}  # when River looks at a source next

    @property
    def tests_per_second(self) -> float:
        """Return how many judgements the entities cost per second, at most."""
        return len(self._joint) / TOGETHER_EVERY

    def see(
        self,
        source: str,
        entities: Mapping[str, Sequence[int]],
        series: Sequence[Series],
        at: float,
        values: NDArray[np.float64],
        *,
        scores: BankScores,
        threshold: float,
    ) -> list[Anomaly]:
        """Look at the entities of a source when it is time; *entities* places them in *series*."""
        if at < self._next.get(source, -math.inf):
            return []
        self._next[source] = at + TOGETHER_EVERY
        half = np.maximum((scores.high - scores.low) / 6.0, 1e-12)
        with np.errstate(invalid="ignore", over="ignore"):
            deviation = np.clip((values - scores.expected) / half, -CLIP, CLIP)
        found: list[Anomaly] = []
        for entity, members in entities.items():
            present = [i for i in members if not math.isnan(deviation[i])]
            if len(present) >= FEWEST_TOGETHER:
                features = {series[i].name: float(deviation[i]) for i in present}
                found += self._look(entity, features, at, threshold)
        return found

    def _look(
        self, entity: str, features: dict[str, float], at: float, threshold: float
    ) -> list[Anomaly]:
        found = []
        surprise = self._surprise(entity, features, at, threshold)
        if surprise is not None and surprise >= max(threshold - 1.0, 4.0):
            since = self._since.setdefault(entity, at)
            told = partial(self._told, kind="joint", since=since, surprise=surprise)
            found.append(told(entity, features, at, threshold=threshold))
        else:
            self._since.pop(entity, None)
        mean = _mean(features)
        if self._drifts_now(entity, mean, at):
            # A drift joins a story and never makes one: ADWIN gives no tail probability.
            surprise = min(threshold - 1.0, 3.0 + mean)
            told = partial(self._told, kind="drift", since=at, surprise=surprise)
            found.append(told(entity, features, at, threshold=threshold))
        if entity in self._joint or entity in self._drifts:
            self._met[entity] = at
            if not found:
                self._learn_usual(entity, mean)
        return found

    def _surprise(
        self, entity: str, features: dict[str, float], at: float, threshold: float
    ) -> float | None:
        if not self._multivariate:
            return None
        model = self._joint.get(entity)
        if model is None:
            if not self._has_room(self._joint, self._most, at):
                self.facts["joint_refused"] += 1
                return None
            model = self._joint[entity] = self._made()
        if model.names:
            if 2 * sum(name in features for name in model.names) < len(model.names):
                return None
            # What is not there now says nothing: it counts as being where it was expected.
            features = {name: features.get(name, 0.0) for name in model.names}
        score = model.score_one(features)
        if score.value is None or score.value < threshold:
            model.learn_one(features)
        return score.value

    def _made(self) -> Mahalanobis | RiverAnomaly:
        if self._multivariate == OWN:
            return Mahalanobis()
        return RiverAnomaly(self._multivariate, SMALL.get(self._multivariate), ring=500)

    def _drifts_now(self, entity: str, mean: float, at: float) -> bool:
        if not self._drift:
            return False
        drift = self._drifts.get(entity)
        if drift is None:
            if not self._has_room(self._drifts, MAX_DRIFTS, at):
                self.facts["drift_refused"] += 1
                return False
            drift = self._drifts[entity] = RiverDrift(self._drift)
        return drift.update(mean) and mean > 1.0

    def _has_room(self, models: Sized, most: int, at: float) -> bool:
        """Return whether one more model may be made; what was not seen for long makes room."""
        if len(models) >= most:
            for entity in [e for e, met in self._met.items() if met < at - KEPT]:
                for mine in (self._joint, self._drifts, self._met, self._usual, self._since):
                    mine.pop(entity, None)
        return len(models) < most

    def _learn_usual(self, entity: str, mean: float) -> None:
        known = self._usual.setdefault(entity, [0.0, mean, 0.0])
        known[0] += 1.0
        error = mean - known[1]
        gain = 1.0 / min(known[0], USUAL_OF)
        known[1] += gain * error
        known[2] += gain * (abs(error) - known[2])

    def _told(
        self,
        entity: str,
        features: dict[str, float],
        at: float,
        *,
        kind: str,
        since: float,
        surprise: float,
        threshold: float,
    ) -> Anomaly:
        """Say how far the series are from what was expected of them, and which are farthest."""
        given = self._given(entity, features) if kind == "joint" else {}
        ranked = sorted(features, key=lambda n: (-given.get(n, 0.0), -abs(features[n]), n))
        parts = ", ".join(
            f"{name} {features[name]:+.1f} sd"
            + (f" ({100.0 * given[name]:.0f} %)" if name in given else "")
            for name in ranked[:_NAMED]
        )
        words = "unusual together" if kind == "joint" else "drifting together"
        series = Series(entity, f"{kind} behaviour", "gauge", "sd")
        looks, usual, spread = self._usual.get(entity, [0.0, math.nan, math.nan])
        # Three normal deviations: the mean absolute one is 0.8 of it.
        reach = 3.0 * spread / 0.8
        return Anomaly(
            id=anomaly_id(series.id, kind, since),
            series=series,
            kind=kind,
            at=at,
            since=since,
            surprise=round(surprise, 3),
            threshold=round(threshold, 3),
            severity=Severity.WARNING if kind == "joint" else Severity.INFO,
            reason=f"{words}: {parts}",
            detector=self._multivariate if kind == "joint" else self._drift,
            actual=_mean(features),
            expected=usual if looks else None,
            low=max(usual - reach, 0.0) if looks else None,
            high=usual + reach if looks else None,
            unit="sd",
            seen=int(looks),
        )

    def _given(self, entity: str, features: dict[str, float]) -> dict[str, float]:
        """Return the share of each series in the distance, as far as the model says."""
        model = self._joint[entity]
        if not isinstance(model, Mahalanobis):
            return {}
        return model.contributions({name: features.get(name, 0.0) for name in model.names})

    # --- saved at a cut ---------------------------------------------------------------------

    def to_section(self) -> Section:
        """Return River's recent inputs: its models are rebuilt from them."""
        header: dict[str, Any] = {
            "multivariate": self._multivariate,
            "next": dict(self._next),
            "met": dict(self._met),
            "since": dict(self._since),
            "usual": {entity: list(known) for entity, known in self._usual.items()},
            "joint": {},
            "drift": {},
        }
        arrays: dict[str, NDArray[Any]] = {}
        parts_of: list[tuple[str, str, Any]] = [
            *(("joint", entity, model) for entity, model in sorted(self._joint.items())),
            *(("drift", entity, model) for entity, model in sorted(self._drifts.items())),
        ]
        for name, entity, model in parts_of:
            state, ring = model.to_state()
            arrays |= {f"{name}.{len(header[name])}.{key}": value for key, value in ring.items()}
            header[name][entity] = state
        return Section("rivers", _VERSION, header, arrays)

    def restore(self, section: Section) -> None:
        """Take back what ``to_section`` returned; another version stays cold."""
        if section.version != _VERSION:
            return
        header = section.header
        self._next, self._met = dict(header["next"]), dict(header["met"])
        self._since = dict(header["since"])
        self._usual = {entity: list(known) for entity, known in header["usual"].items()}
        kind = Mahalanobis if header["multivariate"] == OWN else RiverAnomaly
        for n, (entity, state) in enumerate(sorted(header["joint"].items())):
            # Another detector than the one that was saved begins anew.
            if header["multivariate"] == self._multivariate:
                self._joint[entity] = kind.from_state(state, _part(section, f"joint.{n}."))
        for n, (entity, state) in enumerate(sorted(header["drift"].items())):
            self._drifts[entity] = RiverDrift.from_state(state, _part(section, f"drift.{n}."))


def _mean(features: Mapping[str, float]) -> float:
    return sum(abs(value) for value in features.values()) / len(features)


def _part(section: Section, prefix: str) -> dict[str, NDArray[Any]]:
    return {
        key.removeprefix(prefix): value
        for key, value in section.arrays.items()
        if key.startswith(prefix)
    }
