"""Compare detectors of several series together: faults that each series alone would let pass.

Run: `python benchmarks/joint.py`. An entity has 4 or 12 series; what a bank leaves over of them
(robust deviations) is drawn normal or heavy-tailed (Student's t with four degrees of freedom),
with little or much in common. Each detector learns 1,000 looks; then 2,000 normal ones say how
often it cries, and 60 of each fault how loud it is: *leaves* (the others are up by two deviations
as they are together now and then, one is down by two), *apart* (half up, half down by three),
*all up* (by three) and *far* (by twenty). Surprises are calibrated by the same tail for all.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from detectors.mahalanobis import Mahalanobis
from detectors.rivers import RiverAnomaly

LOOKS, NORMAL, FAULTS = 1000, 2000, 60
TOLD = 5.0  # a decade below the threshold of a small installation
HALF_SPACES = "river.anomaly.HalfSpaceTrees"
SMALL = {"n_trees": 8, "height": 6}
MAKERS: dict[str, Callable[[], RiverAnomaly | Mahalanobis]] = {
    "River HalfSpaceTrees": lambda: RiverAnomaly(HALF_SPACES, SMALL, ring=500),
    "River LODA": lambda: RiverAnomaly("river.anomaly.LODA", ring=500),
    "Mahalanobis": Mahalanobis,
}


class Entity:
    """Draw the deviations of one entity's series."""

    def __init__(self, many: int, shared: float, *, heavy: bool, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.names = [f"m{n}" for n in range(many)]
        self.shared, self.heavy = shared, heavy

    def _noise(self, many: int) -> np.ndarray:
        return (
            self.rng.standard_t(4, many) / 2**0.5 if self.heavy else self.rng.standard_normal(many)
        )

    def look(self, fault: str = "") -> dict[str, float]:
        many = len(self.names)
        common = 2.0 if fault == "leaves" else float(self._noise(1)[0])
        row = self.shared**0.5 * common + (1.0 - self.shared) ** 0.5 * self._noise(many)
        if fault == "leaves":
            row[0] = -2.0
        elif fault == "apart":
            row += np.where(np.arange(many) < many // 2, 3.0, -3.0)
        elif fault:
            row += 3.0 if fault == "all up" else 20.0
        return dict(zip(self.names, np.clip(row, -20.0, 20.0).tolist(), strict=True))


KINDS = ("leaves", "apart", "all up", "far")


def surprises(model: RiverAnomaly | Mahalanobis, looks: Iterator[dict[str, float]]) -> np.ndarray:
    return np.array([model.score_one(x).value or 0.0 for x in looks])


def figures(make: Callable[[], RiverAnomaly | Mahalanobis], entity: Entity) -> list[float]:
    """Return cries in a thousand normal looks at 2 and 3, median of each fault, told, µs a look."""
    model = make()
    start = time.process_time()
    for _ in range(LOOKS):
        x = entity.look()
        model.score_one(x)
        model.learn_one(x)
    spent = 1e6 * (time.process_time() - start) / LOOKS
    normal = surprises(model, (entity.look() for _ in range(NORMAL)))
    faults = [surprises(model, (entity.look(k) for _ in range(FAULTS))) for k in KINDS]
    cries = [1e3 * float(np.mean(normal >= limit)) for limit in (2.0, 3.0)]
    told = float(np.mean(np.concatenate(faults) >= TOLD))
    return [*cries, *(float(np.median(f)) for f in faults), 100.0 * told, spent]


def main() -> int:
    print(
        f"surprise is -log10 of the calibrated chance; told: share of faults at {TOLD:g} or more\n"
    )
    print(
        f"| series, noise, in common | detector | cries/1000 at 2 | at 3 | {' | '.join(KINDS)}",
        end="",
    )
    print(" | told % | µs a look |")
    print("| --- " * 10 + "|")
    means: dict[str, list[list[float]]] = {name: [] for name in MAKERS}
    for many, heavy, shared in product((4, 12), (False, True), (0.2, 0.8)):
        for name, make in MAKERS.items():
            found = figures(make, Entity(many, shared, heavy=heavy))
            means[name].append(found)
            noise = "heavy" if heavy else "normal"
            cells = " | ".join(f"{v:.1f}" for v in found[:-1])
            print(
                f"| {many}, {noise}, {shared:g} | {name} | {cells} | {found[-1]:.0f} |", flush=True
            )
    for name, rows in means.items():
        mean = np.mean(rows, axis=0)
        cells = " | ".join(f"{v:.1f}" for v in mean[:-1])
        print(f"| mean | {name} | {cells} | {mean[-1]:.0f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
