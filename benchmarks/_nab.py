"""Load NAB with the reference scorer, tell rows by our rule, and compute VUS-PR."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import importlib.util
import math
import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from detectors.refractory import FORGET, RISE, Refractory

SHARED = Path(os.environ.get("AIOPS_SHARED", Path(__file__).resolve().parents[2] / "shared"))
PROFILES = ("standard", "reward_low_FP_rate", "reward_low_FN_rate")
THRESHOLDS = 60
BUFFERS = range(0, 101, 20)
"""Lengths of the buffers around windows, in rows, whose range AUC-PR is averaged."""

STEPS = 250
"""Thresholds of one precision-recall curve, evenly spaced in rank."""

Scores = dict[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class Nab:
    """Hold the corpus of the reference scorer, times in epoch seconds and values, by file."""

    corpus: Any
    at: Scores
    values: Scores

    @property
    def rows(self) -> int:
        return sum(map(len, self.values.values()))

    def category(self, name: str) -> str:
        return name.split("/", maxsplit=1)[0]

    @property
    def labelled(self) -> list[str]:
        """Return the categories that have windows."""
        truth = self.corpus.truth
        return sorted({self.category(k) for k in truth if truth[k].windows})


def load() -> Nab | None:
    """Return NAB; ``None``, and words why, where it is not installed."""
    tool, data = SHARED / "tools/nab_score.py", SHARED / "data/metrics/nab"
    if not (tool.exists() and data.exists()):
        print(f"nab: skipped, no {tool} or {data}; set AIOPS_SHARED")
        return None
    spec = importlib.util.spec_from_file_location("nab_score", tool)
    assert spec is not None
    assert spec.loader is not None
    scorer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(scorer)
    corpus, stamps, values = scorer.load_nab(data)
    at = {
        k: np.array([dt.datetime.fromisoformat(t + "+00:00").timestamp() for t in s])
        for k, s in stamps.items()
    }
    return Nab(corpus, at, values)


def machine() -> str:
    """Return versions and machine in one line."""
    parts = [f"Python {platform.python_version()}", f"numpy {np.__version__}"]
    parts.append(f"river {importlib.metadata.version('river')}")
    model = platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [x for x in info.read_text().splitlines() if x.startswith("model name")]
        model = names[0].partition(":")[2].strip() if names else model
    return ", ".join([*parts, f"{os.cpu_count()} x {model}"])


def tell(
    scores: np.ndarray,
    at: np.ndarray,
    threshold: float,
    *,
    rise: float = RISE,
    forget: float = FORGET,
) -> list[int]:
    """Return the rows that `aiops score` would tell at *threshold*."""
    rule = Refractory(threshold, rise=rise, forget=forget)
    rows = np.flatnonzero(scores >= threshold).tolist()
    return [i for i in rows if rule.told(i, float(at[i]), float(scores[i]))]


@dataclass(frozen=True, slots=True)
class Result:
    """State what telling some rows of one file earned (raw score), found and got wrong."""

    raw: float
    found: int
    windows: int
    false: int


def judge(truth: Any, told: list[int], profile: str) -> Result:
    """Score the *told* rows of one file as the reference scorer does, only those looked at."""
    right, false_cost, missed = {
        "standard": (1.0, 0.11, 1.0),
        "reward_low_FP_rate": (1.0, 0.22, 1.0),
        "reward_low_FN_rate": (1.0, 0.11, 2.0),
    }[profile]
    best: dict[int, float] = {}
    raw, false = 0.0, 0
    for i in told:
        if i < truth.probation:
            continue
        window, credit = int(truth.win[i]), float(truth.credit[i])
        if window < 0:
            raw += false_cost * credit
            false += 1
        else:
            best[window] = max(best.get(window, -1.0), right * credit)
    windows = sum(last >= truth.probation for _, last in truth.windows)
    raw += sum(best.values()) - missed * (windows - len(best))
    return Result(raw, len(best), windows, false)


def at_threshold(
    nab: Nab,
    scores: Scores,
    threshold: float,
    profile: str = "standard",
    *,
    rise: float = RISE,
    forget: float = FORGET,
) -> dict[str, Result]:
    """Judge every file at one threshold."""
    return {
        k: judge(
            nab.corpus.truth[k], tell(s, nab.at[k], threshold, rise=rise, forget=forget), profile
        )
        for k, s in scores.items()
    }


def normal(nab: Nab, results: dict[str, Result], profile: str = "standard") -> float:
    """Return the normalised score, 0 for silence and 100 for perfect."""
    windows = sum(len(nab.corpus.truth[k].windows) for k in results)
    return float(nab.corpus.normalise(sum(r.raw for r in results.values()), profile, windows))


def thresholds(scores: Scores) -> list[float]:
    """Return candidate thresholds: quantiles of all scores, as many rows as alerts make sense."""
    together = np.concatenate(list(scores.values()))
    shares = np.geomspace(2e-4, 0.03, THRESHOLDS)
    return [float(t) for t in np.unique(np.quantile(together, 1.0 - shares))]


def vus_pr(scores: np.ndarray, windows: list[tuple[int, int]]) -> float:
    """Return the volume under the surface of range precision-recall curves of one file.

    After Paparrizos et al., "Volume Under the Surface" (PVLDB 15, 2022): windows get buffers on
    both sides whose labels fall off as a square root, recall is weighted by the share of windows
    touched, and the area under the curve is averaged over buffer lengths.
    """
    order = np.argsort(-scores, kind="stable")
    rank = np.empty(len(scores), np.int64)
    rank[order] = np.arange(len(scores))
    at = np.unique(np.linspace(0, len(scores) - 1, STEPS).astype(int))
    # A threshold takes all of its ties.
    taken = np.searchsorted(-scores[order], -scores[order][at], side="right")
    plain = sum(last - first + 1 for first, last in windows)
    areas = []
    for buffer in BUFFERS:
        half = buffer // 2
        labels = np.zeros(len(scores))
        for first, last in windows:
            labels[first : last + 1] = 1.0
            for step in range(1, half + 1):
                fall = math.sqrt(1.0 - step / buffer)
                for i in (first - step, last + step):
                    if 0 <= i < len(labels):
                        labels[i] = min(labels[i] + fall, 1.0)
        edges = np.flatnonzero(np.diff(np.concatenate([[0], labels > 0, [0]])))
        ranges = edges.reshape(-1, 2)
        first_rank = np.sort([rank[a:b].min() for a, b in ranges])
        hit = np.concatenate([[0.0], np.cumsum(labels[order])])[taken]
        exists = np.searchsorted(first_rank, taken) / len(ranges)
        recall = np.minimum(hit / ((plain + labels.sum()) / 2), 1.0) * exists
        precision = hit / taken
        areas.append(float(np.diff(recall, prepend=0.0) @ precision))
    return float(np.mean(areas))
