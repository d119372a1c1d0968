"""Score the 58 NAB files with `detectors.series`, River's detectors and a z-score, in one run.

Run: `python benchmarks/nab.py [--processes N] [--only-ours]`, about two minutes. Needs the NAB
files and the reference scorer under `$AIOPS_SHARED` (else `../shared`); says so and ends with 0
without them. "optimum" is the best threshold, chosen on the labels it is scored on, as NAB
publishes; "shipped" is `ALPHA`, which saw no label. Which rows are told is decided by one rule for
all, the one of `aiops score`; the others get the better of that and of the same without the rising
bar. Nothing is kept between runs.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from river.anomaly import LODA, HalfSpaceTrees, StandardAbsoluteDeviation
from river.preprocessing import MinMaxScaler

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks._nab import (
    PROFILES,
    Nab,
    Scores,
    at_threshold,
    load,
    machine,
    normal,
    thresholds,
    vus_pr,
)
from detectors.refractory import RISE
from detectors.rivers import RiverAnomaly
from detectors.series import ALPHA, WARMUP, score_rows

OURS = "detectors.series"
ONE_IN_THOUSAND = 3.29
"""Standard deviations that one normal sample in a thousand passes: their `ALPHA`."""

Stream = Callable[[np.ndarray, np.ndarray], Iterator[float]]


def ours(at: np.ndarray, values: np.ndarray) -> Iterator[float]:
    for score, _ in score_rows(zip(at.tolist(), values.tolist(), strict=True)):
        yield score.value or 0.0


def z_score(_: np.ndarray, values: np.ndarray) -> Iterator[float]:
    mean, square = 0.0, 0.0
    for count, value in enumerate(values.tolist()):
        deviation = math.sqrt(square / count) if count >= WARMUP else 0.0
        yield abs(value - mean) / deviation if deviation else 0.0
        step = value - mean
        mean += step / (count + 1)
        square += step * (value - mean)


def river_sad(_: np.ndarray, values: np.ndarray) -> Iterator[float]:
    model = StandardAbsoluteDeviation()
    for i, value in enumerate(values.tolist()):
        yield float(model.score_one(None, value)) if i >= WARMUP else 0.0
        model.learn_one(None, value)


def river_calibrated(_: np.ndarray, values: np.ndarray) -> Iterator[float]:
    model = RiverAnomaly("river.anomaly.StandardAbsoluteDeviation")
    for value in values.tolist():
        yield model.score_one({"v": value}).value or 0.0
        model.learn_one({"v": value})


def river_hst(_: np.ndarray, values: np.ndarray) -> Iterator[float]:
    scaler, model = MinMaxScaler(), HalfSpaceTrees(seed=42)
    for i, value in enumerate(values.tolist()):
        scaler.learn_one({"v": value})
        x = scaler.transform_one({"v": value})
        yield float(model.score_one(x)) if i >= WARMUP else 0.0
        model.learn_one(x)


def river_loda(_: np.ndarray, values: np.ndarray) -> Iterator[float]:
    model, last, recent = LODA(seed=42), 0.0, list[float]()
    for i, value in enumerate(values.tolist()):
        recent = [*recent[-59:], value]
        spread = float(np.std(recent))
        z = (value - sum(recent) / len(recent)) / spread if spread > 0.0 else 0.0
        x = {"v": value, "d": value - last if i else 0.0, "z": z}
        yield float(model.score_one(x)) if i >= WARMUP else 0.0
        model.learn_one(x)
        last = value


DETECTORS: dict[str, tuple[Stream, float | None]] = {
    OURS: (ours, ALPHA),
    "River StandardAbsoluteDeviation": (river_sad, ONE_IN_THOUSAND),
    "the same behind our adapter": (river_calibrated, ALPHA),
    "River LODA (value, step, z of 60)": (river_loda, None),
    "River HalfSpaceTrees (min-max)": (river_hst, None),
    "z-score, all history": (z_score, ONE_IN_THOUSAND),
}


def optimum(nab: Nab, scores: Scores, profile: str, rises: tuple[float, ...]) -> tuple[float, ...]:
    """Return (normalised score, threshold) at the best threshold and rise of the bar."""
    return max(
        (normal(nab, at_threshold(nab, scores, t, profile, rise=rise), profile), t)
        for t in thresholds(scores)
        for rise in rises
    )


def run_one(task: tuple[str, str, np.ndarray, np.ndarray]) -> tuple[str, str, np.ndarray, float]:
    detector, name, at, values = task
    start = time.process_time()
    scores = np.fromiter(DETECTORS[detector][0](at, values), float, len(values))
    return detector, name, scores, time.process_time() - start


def run(nab: Nab, names: list[str], processes: int) -> tuple[dict[str, Scores], dict[str, float]]:
    """Return the scores by detector and file, and the CPU seconds by detector."""
    tasks = [(d, k, nab.at[k], nab.values[k]) for d in names for k in sorted(nab.values)]
    results: dict[str, Scores] = {d: {} for d in names}
    seconds = dict.fromkeys(names, 0.0)
    with ProcessPoolExecutor(processes) as pool:
        for detector, name, scores, spent in pool.map(run_one, tasks, chunksize=2):
            results[detector][name] = scores
            seconds[detector] += spent
    return results, seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--only-ours", action="store_true")
    options = parser.parse_args()
    nab = load()
    if nab is None:
        return 0
    names = [OURS] if options.only_ours else list(DETECTORS)
    results, seconds = run(nab, names, options.processes)
    print(f"NAB, {len(nab.values)} files, {nab.rows:,} rows, {nab.corpus.n_windows} windows")
    print(machine() + "\n")
    head = ("detector", "optimum: standard / low FP / low FN", "shipped: the same", "found")
    _line(*head, "false per 1,000", "VUS-PR", "us/row")
    _line(*["---"] * 7)
    for name in names:
        _line(*_row(nab, name, results[name]), f"{1e6 * seconds[name] / nab.rows:.0f}")
    _categories(nab, results[OURS])
    return 0


def _line(*cells: str) -> None:
    print("| " + " | ".join(cells) + " |", flush=True)


def _row(nab: Nab, name: str, scores: Scores) -> list[str]:
    alpha = DETECTORS[name][1]
    rises = (RISE,) if name == OURS else (0.0, RISE)
    best = [optimum(nab, scores, p, rises) for p in PROFILES]
    cells = [name, " / ".join(f"{b[0]:.1f}" for b in best) + f" (at {best[0][1]:.3g})"]
    area = np.mean([vus_pr(scores[k], t.windows) for k, t in _labelled(nab)])
    if alpha is None:
        return [*cells, "-", "-", "-", f"{area:.3f}"]
    judged = {p: at_threshold(nab, scores, alpha, p) for p in PROFILES}
    cells.append(" / ".join(f"{normal(nab, r, p):.1f}" for p, r in judged.items()))
    files = judged["standard"].values()
    cells.append(f"{sum(r.found for r in files)}/{nab.corpus.n_windows}")
    cells.append(f"{1000 * sum(r.false for r in files) / nab.rows:.2f}")
    return [*cells, f"{area:.3f}"]


def _labelled(nab: Nab) -> list[tuple[str, Any]]:
    return [(k, t) for k, t in nab.corpus.truth.items() if t.windows]


def _categories(nab: Nab, scores: Scores) -> None:
    best = {p: optimum(nab, scores, p, (RISE,))[1] for p in PROFILES}
    at_best = {p: at_threshold(nab, scores, best[p], p) for p in PROFILES}
    shipped = {p: at_threshold(nab, scores, ALPHA, p) for p in PROFILES}
    print(f"\n{OURS} by category, profiles as above, shipped ALPHA = {ALPHA}\n")
    _line("category", "optimum", "shipped", "found", "false per 1,000", "VUS-PR")
    _line(*["---"] * 6)
    for category in sorted({nab.category(k) for k in scores}):
        names = [k for k in scores if nab.category(k) == category]
        windows = any(nab.corpus.truth[k].windows for k in names)
        rows = sum(len(scores[k]) for k in names)
        files = [shipped["standard"][k] for k in names]
        cells = [category]
        for results in (at_best, shipped):
            some = [
                normal(nab, {k: results[p][k] for k in names}, p) if windows else None
                for p in PROFILES
            ]
            cells.append(" / ".join("-" if x is None else f"{x:.1f}" for x in some))
        cells.append(f"{sum(r.found for r in files)}/{sum(r.windows for r in files)}")
        cells.append(f"{1000 * sum(r.false for r in files) / rows:.2f}")
        areas = [vus_pr(scores[k], t.windows) for k, t in _labelled(nab) if k in names]
        _line(*cells, f"{np.mean(areas):.3f}" if areas else "-")


if __name__ == "__main__":
    sys.exit(main())
