"""Judge several features together by their distance from what they usually do together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.base import UNKNOWN, Features, Score
from detectors.calibrate import Wide
from detectors.tail import Tail

MEMORY: Final = 250.0
"""Samples over which what is usual is forgotten: eight hours of a look every two minutes."""

WARMUP: Final = 50
"""Samples before a distance means anything, or three a feature if that is more."""

REACH: Final = 6.0
"""Deviations of one feature that one sample teaches at most."""

MAX_FEATURES: Final = 100
_VERSION: Final = 1


class Mahalanobis:
    """Score the Mahalanobis distance of a sample, calibrated against the distances before it.

    Mean and covariance follow exponentially; the correlations are shrunk towards none by the
    number of features over the number of samples they rest on (Ledoit and Wolf, 2004, in its
    simplest form), so few samples claim little. A feature that leaves the others is as far as its
    correlation says it should not: each may stay within its own band. Features are finite and the
    same in every call; ``ValueError`` otherwise. State: ``8 k²`` bytes for *k* features, and 4 KB.

    Examples
    --------
    >>> detector = Mahalanobis()
    >>> for n in range(300):
    ...     detector.learn_one({"a": n % 7, "b": 2.0 * (n % 7) + n % 2})
    >>> detector.score_one({"a": 5.0, "b": 1.0}).value > 3.0
    True
    """

    def __init__(self) -> None:
        self._names: tuple[str, ...] = ()
        self._seen = 0
        self._mean: Wide = np.zeros(0)
        self._cov: Wide = np.zeros((0, 0))
        self._tail = Tail()

    @property
    def names(self) -> tuple[str, ...]:
        """Return the features that every call gives, empty before the first one is learned."""
        return self._names

    @property
    def warmup(self) -> int:
        """Return how many samples are learned before the first distance counts."""
        return max(WARMUP, 3 * len(self._names))

    def score_one(self, x: Features) -> Score:
        values = self._values(x)
        if self._seen < self.warmup:
            return UNKNOWN
        surprise = self._tail.surprise(self._distance(values))
        if surprise is None:
            return UNKNOWN
        if surprise < 2.0:
            return Score(value=surprise)
        given = self.contributions(x)
        most = max(given, key=lambda name: (given[name], name))
        return Score(value=surprise, reason=f"joint, mostly {most}")

    def learn_one(self, x: Features) -> None:
        values = self._values(x)
        if not self._names:
            if not 0 < len(x) <= MAX_FEATURES:
                raise ValueError(f"{len(x)} features: give 1 to {MAX_FEATURES}")
            self._names = tuple(sorted(x))
            self._mean = values.copy()
            self._cov = np.zeros((len(values), len(values)))
        if self._seen >= self.warmup:
            self._tail.learn(self._distance(values), 0.0)
        self._seen += 1
        gain = max(1.0 / self._seen, 1.0 / MEMORY)
        error = values - self._mean
        if self._seen > WARMUP // 2:
            unit = np.sqrt(np.diag(self._cov))
            error = np.where(unit > 0.0, np.clip(error, -REACH * unit, REACH * unit), error)
        self._mean += gain * error
        self._cov += gain * (np.outer(error, error) - self._cov)

    def contributions(self, x: Features) -> dict[str, float]:
        """Return the share of each feature in the squared distance, 0 to 1 but for rounding.

        A feature that its neighbours explain gives little or, against them, less than nothing:
        that counts as 0.
        """
        z, weighed = self._weigh(self._values(x))
        parts = np.maximum(z * weighed, 0.0)
        whole = float(parts.sum())
        shares = parts / whole if whole > 0.0 else parts
        return dict(zip(self._names, shares.tolist(), strict=True))

    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return (plain header, arrays): all that ``from_state`` needs to go on exactly."""
        header = {"version": _VERSION, "names": list(self._names), "seen": self._seen}
        return header, {
            "mean": self._mean.copy(),
            "cov": self._cov.copy(),
            "tail": self._tail.to_array(),
        }

    @classmethod
    def from_state(
        cls, header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
    ) -> Mahalanobis:
        """Return what ``to_state`` described; raise ``ValueError`` for another version."""
        if header.get("version") != _VERSION:
            raise ValueError(f"version = {header.get('version')!r}: this code reads {_VERSION}")
        made = cls()
        made._names, made._seen = tuple(header["names"]), int(header["seen"])
        made._mean, made._cov = arrays["mean"].copy(), arrays["cov"].copy()
        made._tail.load(arrays["tail"])
        return made

    def _values(self, x: Features) -> Wide:
        names = self._names or tuple(sorted(x))
        if len(x) != len(names) or any(name not in x for name in names):
            raise ValueError(f"features {sorted(x)}: give {sorted(names)}, as before")
        values = np.array([float(x[name]) for name in names])
        if not np.isfinite(values).all():
            raise ValueError(f"features {dict(x)!r}: give finite numbers")
        return values

    def _weigh(self, values: Wide) -> tuple[Wide, Wide]:
        """Return deviations, and what the shrunk inverse of their correlations makes of them."""
        unit = np.sqrt(np.diag(self._cov))
        # What never moved has no unit; its first move is for others to judge.
        moving = unit > 1e-9 * np.maximum(np.abs(self._mean), 1e-300)
        safe = np.where(moving, unit, 1.0)
        z = np.where(moving, (values - self._mean) / safe, 0.0)
        many = len(values)
        shrink = many / (min(self._seen, MEMORY) + many)
        shared = (1.0 - shrink) * self._cov / np.outer(safe, safe)
        np.fill_diagonal(shared, 1.0)
        shared[~moving, :] = shared[:, ~moving] = 0.0
        shared[~moving, ~moving] = 1.0
        return z, np.linalg.solve(shared, z)

    def _distance(self, values: Wide) -> float:
        z, weighed = self._weigh(values)
        return math.sqrt(max(float(z @ weighed), 0.0) / len(values))
