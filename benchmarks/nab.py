"""Score the 58 NAB files with `detectors.series`, River's detectors and a z-score, in one run.

Run: `python benchmarks/nab.py [--processes N] [--tail N]`. Needs the NAB files and the reference
scorer under `$AIOPS_SHARED` (else `../shared`); says so and ends with 0 without them. "best
threshold" is chosen on the labels it is scored on, as NAB publishes; "shipped" is `ALPHA`, no
labels at all. "hold" is the one rule for repeats that `aiops score` has, for every detector.
"""

from __future__ import annotations

import argparse
import datetime as dt
import importlib.metadata
import importlib.util
import math
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from river.anomaly import HalfSpaceTrees, StandardAbsoluteDeviation
from river.preprocessing import MinMaxScaler

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from detectors.series import ALPHA, HOLD, STRONGER, score_rows

SHARED = Path(os.environ.get("AIOPS_SHARED", Path(__file__).resolve().parents[2] / "shared"))
PROFILES = ("standard", "reward_low_FP_rate", "reward_low_FN_rate")


def ours(at: np.ndarray, values: np.ndarray) -> Iterator[float]:
    for score, _ in score_rows(zip(at.tolist(), values.tolist(), strict=True)):
        yield score.value or 0.0


def z_score(_: np.ndarray, values: np.ndarray) -> Iterator[float]:
    mean, square = 0.0, 0.0
    for count, value in enumerate(values.tolist()):
        deviation = math.sqrt(square / count) if count > 1 else 0.0
        yield abs(value - mean) / deviation if deviation else 0.0
        step = value - mean
        mean += step / (count + 1)
        square += step * (value - mean)


def river_sad(_: np.ndarray, values: np.ndarray) -> Iterator[float]:
    model = StandardAbsoluteDeviation()
    for value in values.tolist():
        # Learned first: before its first sample the class raises or knows nothing.
        model.learn_one(None, value)
        yield float(model.score_one(None, value))


def river_hst(_: np.ndarray, values: np.ndarray) -> Iterator[float]:
    scaler, model = MinMaxScaler(), HalfSpaceTrees(seed=42)
    for value in values.tolist():
        scaler.learn_one({"v": value})
        x = scaler.transform_one({"v": value})
        yield float(model.score_one(x))
        model.learn_one(x)


DETECTORS: dict[str, Callable[[np.ndarray, np.ndarray], Iterator[float]]] = {
    "detectors.series": ours,
    "river StandardAbsoluteDeviation": river_sad,
    "river HalfSpaceTrees (min-max)": river_hst,
    "z-score, all history": z_score,
}


def hold(scores: np.ndarray, threshold: float) -> np.ndarray:
    """Return 1.0 at the rows that would be told at *threshold*."""
    told = np.zeros(len(scores))
    last, peak = -HOLD - 1, 0.0
    for i in np.flatnonzero(scores >= threshold).tolist():
        if i - last > HOLD or scores[i] >= STRONGER * peak:
            told[i], last, peak = 1.0, i, float(scores[i])
    return told


def best_threshold(corpus: Any, scores: dict[str, np.ndarray], profile: str) -> tuple[float, float]:
    """Return (normalised score, threshold) at the best of 60 thresholds."""
    together = np.concatenate(list(scores.values()))
    found = (-math.inf, 0.0)
    for threshold in np.unique(np.quantile(together, 1.0 - np.geomspace(2e-4, 0.03, 60))):
        told = {k: hold(s, float(threshold)) for k, s in scores.items()}
        files = corpus.file_scores(told, 0.5, profile).values()
        score = corpus.normalise(sum(f["score"] for f in files), profile)
        found = max(found, (score, float(threshold)))
    return found


def run_one(task: tuple[str, str, np.ndarray, np.ndarray]) -> tuple[str, str, np.ndarray, float]:
    detector, name, at, values = task
    start = time.process_time()
    scores = np.fromiter(DETECTORS[detector](at, values), float, len(values))
    return detector, name, scores, time.process_time() - start


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--only-ours", action="store_true")
    options = parser.parse_args()
    tool, data = SHARED / "tools/nab_score.py", SHARED / "data/metrics/nab"
    if not (tool.exists() and data.exists()):
        print(f"nab: skipped, no {tool} or {data}; set AIOPS_SHARED")
        return 0
    spec = importlib.util.spec_from_file_location("nab_score", tool)
    assert spec is not None
    assert spec.loader is not None
    scorer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(scorer)
    corpus, stamps, values = scorer.load_nab(data)
    utc = dt.UTC
    at = {
        k: np.array([dt.datetime.fromisoformat(t).replace(tzinfo=utc).timestamp() for t in s])
        for k, s in stamps.items()
    }
    names = list(DETECTORS)[:1] if options.only_ours else list(DETECTORS)
    tasks = [(d, k, at[k], values[k]) for d in names for k in sorted(values)]
    results: dict[str, dict[str, np.ndarray]] = {d: {} for d in names}
    seconds = dict.fromkeys(names, 0.0)
    with ProcessPoolExecutor(options.processes) as pool:
        for detector, name, scores, spent in pool.map(run_one, tasks, chunksize=2):
            results[detector][name] = scores
            seconds[detector] += spent
    rows = sum(map(len, values.values()))
    river = importlib.metadata.version("river")
    print(f"NAB, {len(values)} files, {rows:,} rows, {corpus.n_windows} windows; river {river},")
    print(f"numpy {np.__version__}, Python {platform.python_version()}, {platform.machine()}\n")
    print("| detector | raw: standard / low FP / low FN | with hold, best threshold | us/row |")
    print("| --- | --- | --- | --- |")
    for detector, scores in results.items():
        raw = " / ".join(f"{corpus.optimise(scores, p)[2]:.1f}" for p in PROFILES)
        held = [best_threshold(corpus, scores, p) for p in PROFILES]
        text = " / ".join(f"{score:.1f}" for score, _ in held) + f" (at {held[0][1]:.2f})"
        print(f"| {detector} | {raw} | {text} | {1e6 * seconds[detector] / rows:.1f} |", flush=True)
    _shipped(corpus, results["detectors.series"], rows)
    return 0


def _shipped(corpus: Any, scores: dict[str, np.ndarray], rows: int) -> None:
    told = {k: hold(s, ALPHA) for k, s in scores.items()}
    print(f"\nshipped ALPHA = {ALPHA}, no labels used:")
    for profile in PROFILES:
        files = corpus.file_scores(told, 0.5, profile)
        print(
            f"  {profile}: {corpus.normalise(sum(f['score'] for f in files.values()), profile):.1f}"
        )
    files = corpus.file_scores(told, 0.5)
    hit = sum(f["tp_windows"] for f in files.values())
    false = sum(f["fp"] for f in files.values())
    print(
        f"  windows found {hit}/{corpus.n_windows}, false {1000 * false / rows:.2f} per 1,000 rows"
    )
    print("\n| category | standard at ALPHA | found | false per 1,000 |\n| --- | --- | --- | --- |")
    for category in sorted({k.split("/")[0] for k in files}):
        some = {k: f for k, f in files.items() if k.split("/")[0] == category}
        windows = sum(f["windows"] for f in some.values())
        score = sum(f["score"] for f in some.values())
        length = sum(len(scores[k]) for k in some)
        normal = f"{corpus.normalise(score, n_windows=windows):.1f}" if windows else "-"
        found = f"{sum(f['tp_windows'] for f in some.values())}/{windows}"
        wrong = 1000 * sum(f["fp"] for f in some.values()) / length
        print(f"| {category} | {normal} | {found} | {wrong:.2f} |")


if __name__ == "__main__":
    sys.exit(main())
