"""Put any anomaly or drift class of River behind this library's contract.

River's classes want inputs in [0, 1], say 0 while they know nothing, keep a NaN for ever, may
change while they score, and cannot be read back from a pickle of another version. The adapters
scale, wait, refuse, calibrate and rebuild. What a class has learned is always a function of the
last ``ring`` inputs: every half ring a fresh one replays the last half, so a restored adapter
replays its ring and goes on exactly where the saved one was.
"""

from __future__ import annotations

import copy
import importlib
import inspect
import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.base import UNKNOWN, Features, Score
from detectors.calibrate import Wide
from detectors.tail import Tail

NESTED: Final = ("river.anomaly.", "river.drift.", "river.stats.", "river.time_series.")
"""Where a parameter given as ``{"class": "river…", …}`` may come from."""

PANIC: Final = "PanicException"
"""Rust's panics reach Python outside of ``Exception``, under a name that no module exports."""

CHANGES_WHILE_SCORING: Final = frozenset({"PredictiveAnomalyDetection"})
MAX_FEATURES: Final = 64
SMALLEST_SPREAD: Final = 1e-3
"""River's scores live in [0, 1] or are a few units large: less is rounding, not a difference."""

SETTLED: Final = 20
"""Samples until level and spread are worth scaling by; before, all look usual."""

FARTHEST: Final = 1e3
"""Deviations that a class for one series is shown at most."""

LARGEST: Final = 1e100
DRIFT_REACH: Final = 8.0
_VERSION: Final = 2
_FAULTS: Final = (ArithmeticError, AttributeError, IndexError, KeyError, TypeError, ValueError)


class RiverAnomaly:
    """Score named finite features with the class of River at *path*.

    Features are the names of the first sample learned (at most 64); a later sample must have
    them all, others are ignored. Each is scaled to (0, 1) around its own level, in memory that
    does not grow. The first ``warmup`` samples, or the class's own window if longer, and the
    first 50 scores after them are unknown. Classes that take a target (``score_one(x, y)``) are
    given the only feature, in deviations from its level and half a deviation above 0. Raises
    ``ValueError`` for a path outside ``river.anomaly``, unknown
    parameters, missing or non-finite features. ``faults`` counts how often River raised or
    returned no number; the class is then rebuilt.
    """

    def __init__(
        self,
        path: str = "river.anomaly.HalfSpaceTrees",
        params: Mapping[str, Any] | None = None,
        *,
        warmup: int = 100,
        ring: int = 1000,
        seed: int = 42,
    ) -> None:
        if ring < 2 or warmup < 1:
            raise ValueError(f"ring = {ring!r}, warmup = {warmup!r}: give at least 2 and 1")
        self.path = path
        self.params = dict(params or {})
        self.seed = seed
        self._model = _build(path, self.params, "river.anomaly", seed)
        self._with_target = "y" in inspect.signature(self._model.score_one).parameters
        own = [getattr(self._model, name, 0) or 0 for name in ("window_size", "grace_period")]
        self.warmup = max(warmup, *(int(n) for n in own))
        # A fresh model must be past its own window before it takes over.
        self._half = max(ring // 2, self.warmup)
        self.faults = 0
        self._names: tuple[str, ...] = ()
        self._ring: NDArray[np.float32] = np.zeros((0, 0), np.float32)
        self._held = 0
        self._seen = 0
        self._scale = np.zeros((2, 0))
        self._score_scale = np.zeros(3)
        self._tail = Tail()

    @property
    def names(self) -> tuple[str, ...]:
        """Return the features that every call gives, empty before the first one is learned."""
        return self._names

    def score_one(self, x: Features) -> Score:
        if not self._names:
            _features(x, tuple(sorted(x)))
            return UNKNOWN
        values = _features(x, self._names)
        if self._seen < self.warmup:
            return UNKNOWN
        if not self._scale[1].any() and np.array_equal(values, self._scale[0]):
            return Score(value=0.0)
        raw = self._raw(self._squash(values))
        if raw is None:
            return UNKNOWN
        seen, mean, spread = self._score_scale
        if seen < 50:
            return UNKNOWN
        distance = max(raw - mean, 0.0) / max(spread, SMALLEST_SPREAD)
        surprise = self._tail.surprise(float(distance))
        if surprise is None:
            return UNKNOWN
        far = np.abs(values - self._scale[0]) / np.maximum(self._scale[1], 1e-12)
        reason = f"joint, mostly {self._names[int(far.argmax())]}" if surprise >= 2.0 else ""
        return Score(value=surprise, reason=reason)

    def learn_one(self, x: Features) -> None:
        if not self._names:
            if not 0 < len(x) <= MAX_FEATURES:
                raise ValueError(f"{len(x)} features: give 1 to {MAX_FEATURES}")
            if self._with_target and len(x) != 1:
                raise ValueError(f"{self.path} takes one series: give one feature, not {len(x)}")
            names = tuple(sorted(x))
            values = _features(x, names)
            self._names = names
            self._ring = np.zeros((2 * self._half, len(names)), np.float32)
            self._scale = np.stack([values, np.zeros(len(names))])
        values = _features(x, self._names)
        scaled = self._squash(values)
        if self._seen >= self.warmup:
            self._learn_score(self._raw(scaled))
        self._seen += 1
        gain = max(1.0 / self._seen, 1.0 / self._half)
        unit = np.maximum(self._scale[1], 1e-300)
        error = values - self._scale[0]
        if self._seen > 20:
            moving = self._scale[1] > 0.0
            error = np.where(moving, np.clip(error, -6.0 * unit, 6.0 * unit), error)
        self._scale[0] += gain * error
        self._scale[1] += gain * (np.abs(error) - self._scale[1])
        self._ring[self._held] = scaled
        self._held += 1
        self._teach(self._ring[self._held - 1])
        if self._held == 2 * self._half:
            self._ring[: self._half] = self._ring[self._half :]
            self._held = self._half
            self._rebuild()

    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return (plain header, arrays): all that ``from_state`` needs to go on exactly."""
        header = {
            "version": _VERSION,
            "path": self.path,
            "params": self.params,
            "warmup": self.warmup,
            "ring": 2 * self._half,
            "seed": self.seed,
            "names": list(self._names),
            "seen": self._seen,
            "faults": self.faults,
        }
        arrays: dict[str, NDArray[Any]] = {
            "ring": self._ring[: self._held].copy(),
            "scale": self._scale.copy(),
            "score_scale": self._score_scale.copy(),
            "tail": self._tail.to_array(),
        }
        return header, arrays

    @classmethod
    def from_state(
        cls, header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
    ) -> RiverAnomaly:
        """Return the adapter ``to_state`` described; raise ``ValueError`` for another version."""
        _check_version(header)
        made = cls(
            header["path"],
            header["params"],
            warmup=header["warmup"],
            ring=header["ring"],
            seed=header["seed"],
        )
        made._names = tuple(header["names"])
        made._seen, made.faults = int(header["seen"]), int(header["faults"])
        made._held = len(arrays["ring"])
        made._ring = np.zeros((2 * made._half, len(made._names)), np.float32)
        made._ring[: made._held] = arrays["ring"]
        made._scale = arrays["scale"].copy()
        made._score_scale = arrays["score_scale"].copy()
        made._tail.load(arrays["tail"])
        made._rebuild()
        return made

    def _squash(self, values: Wide) -> NDArray[np.float32]:
        if self._seen < SETTLED:
            return np.full(len(values), 0.5, np.float32)
        # Four mean deviations reach 0.88: outliers keep their order and stay inside.
        unit = np.maximum(2.0 * self._scale[1], 1e-9 * np.abs(self._scale[0]))
        z = np.divide(values - self._scale[0], unit, out=np.zeros_like(values), where=unit > 0.0)
        if self._with_target:
            # These judge distances themselves: squashed, all outliers would look alike.
            far: Wide = 0.5 + np.clip(2.0 * z, -FARTHEST, FARTHEST)
            return far.astype(np.float32)
        squashed: NDArray[np.float32] = (0.5 + 0.5 * np.tanh(0.5 * np.clip(z, -30, 30))).astype(
            np.float32
        )
        return squashed

    def _raw(self, scaled: NDArray[np.float32]) -> float | None:
        model = self._model
        if type(model).__name__ in CHANGES_WHILE_SCORING:
            model = copy.deepcopy(model)
        try:
            if self._with_target:
                score = model.score_one(None, float(scaled[0]))
            else:
                score = model.score_one(dict(zip(self._names, map(float, scaled), strict=True)))
            number = float(score)
        except _FAULTS:
            return None
        except BaseException as e:
            if type(e).__name__ != PANIC:
                raise
            return None
        return number if math.isfinite(number) else None

    def _learn_score(self, raw: float | None) -> None:
        if raw is None:
            self.faults += 1
            return
        seen, mean, spread = self._score_scale
        if seen >= 50:
            self._tail.learn(float(max(raw - mean, 0.0) / max(spread, SMALLEST_SPREAD)), 0.0)
        gain = max(1.0 / (seen + 1.0), 1.0 / self._half)
        error = raw - mean
        self._score_scale[:] = seen + 1, mean + gain * error, spread + gain * (abs(error) - spread)

    def _teach(self, scaled: NDArray[np.float32]) -> None:
        try:
            if self._with_target:
                self._model.learn_one(None, float(scaled[0]))
            else:
                self._model.learn_one(dict(zip(self._names, map(float, scaled), strict=True)))
        except _FAULTS:
            self.faults += 1
        except BaseException as e:
            if type(e).__name__ != PANIC:
                raise
            self.faults += 1

    def _rebuild(self) -> None:
        faults = self.faults
        self._model = _build(self.path, self.params, "river.anomaly", self.seed)
        for row in self._ring[: self._held]:
            self._teach(row)
        # Faults were counted when they happened first.
        self.faults = faults


class RiverDrift:
    """Say whether a stream of standardised values has drifted, by the class of River at *path*.

    Values beyond 8 deviations count as 8. Raises ``ValueError`` for a path outside
    ``river.drift``, unknown parameters or a value that is not finite.
    """

    def __init__(
        self,
        path: str = "river.drift.ADWIN",
        params: Mapping[str, Any] | None = None,
        *,
        ring: int = 1000,
        seed: int = 42,
    ) -> None:
        if ring < 2:
            raise ValueError(f"ring = {ring!r}: give at least 2")
        self.path = path
        self.params = dict(params or {})
        self.seed = seed
        self.faults = 0
        self._half = ring // 2
        self._ring: NDArray[np.float32] = np.zeros(2 * self._half, np.float32)
        self._held = 0
        self._model = _build(path, self.params, "river.drift", seed)

    def update(self, value: float) -> bool:
        """Learn *value*, in deviations from the usual; return whether a drift was found."""
        if not math.isfinite(value):
            raise ValueError(f"value = {value!r}: give a finite number")
        self._ring[self._held] = min(max(value, -DRIFT_REACH), DRIFT_REACH)
        self._held += 1
        found = self._teach(float(self._ring[self._held - 1]))
        if self._held == 2 * self._half:
            self._ring[: self._half] = self._ring[self._half :]
            self._held = self._half
            self._rebuild()
        return found

    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return (plain header, arrays): all that ``from_state`` needs to go on exactly."""
        header = {
            "version": _VERSION,
            "path": self.path,
            "params": self.params,
            "ring": 2 * self._half,
            "seed": self.seed,
            "faults": self.faults,
        }
        return header, {"ring": self._ring[: self._held].copy()}

    @classmethod
    def from_state(
        cls, header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
    ) -> RiverDrift:
        """Return the adapter ``to_state`` described; raise ``ValueError`` for another version."""
        _check_version(header)
        made = cls(header["path"], header["params"], ring=header["ring"], seed=header["seed"])
        made._held = len(arrays["ring"])
        made._ring[: made._held] = arrays["ring"]
        made._rebuild()
        made.faults = int(header["faults"])
        return made

    def _teach(self, value: float) -> bool:
        try:
            self._model.update(value)
            return bool(self._model.drift_detected)
        except _FAULTS:
            self.faults += 1
        except BaseException as e:
            if type(e).__name__ != PANIC:
                raise
            self.faults += 1
        return False

    def _rebuild(self) -> None:
        faults = self.faults
        self._model = _build(self.path, self.params, "river.drift", self.seed)
        for value in self._ring[: self._held].tolist():
            self._teach(value)
        self.faults = faults


def _build(path: str, params: Mapping[str, Any], package: str, seed: int) -> Any:
    found = _resolve(path, package + ".")
    wanted = "score_one" if package == "river.anomaly" else "update"
    if not (inspect.isclass(found) and callable(getattr(found, wanted, None))):
        raise ValueError(f"{path}: not a detector with {wanted}; name a class of {package}")
    try:
        built = {name: _nested(value) for name, value in params.items()}
        if "seed" in inspect.signature(found).parameters:
            built.setdefault("seed", seed)
        return found(**built)
    except (TypeError, ValueError) as e:
        raise ValueError(f"{path} with {dict(params)!r}: {e}; see its signature") from e


def _nested(value: Any) -> Any:
    if isinstance(value, Mapping) and "class" in value:
        inner = {name: _nested(v) for name, v in value.items() if name != "class"}
        return _resolve(str(value["class"]), *NESTED)(**inner)
    return value


def _resolve(path: str, *prefixes: str) -> Any:
    parent, _, name = path.rpartition(".")
    if not (path.startswith(prefixes) and path.count(".") == 2 and name.isidentifier()):
        allowed = " or ".join(prefix + "NAME" for prefix in prefixes)
        raise ValueError(f"{path}: not allowed here; write {allowed}")
    # Imported here: River's packages cost half a second and 100 MB.
    found = getattr(importlib.import_module(parent), name, None)
    if found is None or name.startswith("_"):
        raise ValueError(f"{path}: River has no such class; see the contents of {parent}")
    return found


def _features(x: Features, names: tuple[str, ...]) -> Wide:
    try:
        values = np.array([x[name] for name in names], dtype=np.float64)
    except KeyError as e:
        raise ValueError(f"feature {e} is missing; give {', '.join(names)}") from None
    for name, value in zip(names, values.tolist(), strict=True):
        if not abs(value) <= LARGEST:
            raise ValueError(f"{name} = {value!r}: give a finite number of at most {LARGEST}")
    return values


def _check_version(header: Mapping[str, Any]) -> None:
    if header.get("version") != _VERSION:
        raise ValueError(f"version = {header.get('version')!r}: this code reads {_VERSION}")
