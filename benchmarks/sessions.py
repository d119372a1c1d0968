"""Compare the session detector with simple ones and River's, online and without labels.

Run ``python benchmarks/sessions.py [--only SET] [--csv FILE ...] [constants]``. Data sets are read
from AIOPS_SHARED (default ``../shared`` beside the checkout): HDFS blocks as the command line cuts
them out of the log, OpenStack and Hadoop sequences in file order. ``--csv`` adds files of one's own
with columns ``anomaly,event_ids``. Every detector scores a session, then learns it; "shipped" is
``SESSION_ALPHA``. ``constants`` prints what leaving one data set out would choose.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import importlib.metadata
import math
import os
import platform
import re
import sys
import tempfile
import time
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from river.anomaly import HalfSpaceTrees
from river.preprocessing import MinMaxScaler

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from aiops.cli.mining import Mining, Text
from detectors import sessions as ours
from detectors.sessions import SESSION_ALPHA, Session, SessionDetector

SHARED = Path(os.environ.get("AIOPS_SHARED", Path(__file__).resolve().parents[2] / "shared"))
LOGS = SHARED / "data" / "logs"
WARM = 0.05
"""Share of a file that the second group of figures leaves out, as published online figures do."""

FLOORS = {"hdfs": (0.90, 0.82), "openstack": (0.93, 0.0)}
SPEED_FLOOR = 100.0


class Labelled(NamedTuple):
    """The sessions of one data set in the order of their ends, and which are anomalous."""

    sessions: list[Session]
    anomalous: np.ndarray


class Peer(Protocol):
    def step(self, session: Session) -> float: ...


class Ours:
    """The detector as shipped; what it does not know yet counts as 0."""

    def __init__(self) -> None:
        self.detector = SessionDetector()

    def step(self, session: Session) -> float:
        value = self.detector.score(session).value
        self.detector.learn(session)
        return value or 0.0


class Unseen:
    """The count vector was never seen before (1) or how rare it was."""

    def __init__(self) -> None:
        self.seen: Counter[tuple[tuple[str, int], ...]] = Counter()
        self.total = 0

    def step(self, session: Session) -> float:
        key = tuple(sorted(Counter(session.events).items()))
        score = 1.0 / (1.0 + self.seen[key])
        self.seen[key] += 1
        return score


class Rare:
    """The rarest event: largest -log10 of the share of sessions that held it."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self.total = 0

    def step(self, session: Session) -> float:
        events = dict.fromkeys(session.events)
        least = min((self.seen[event] for event in events), default=self.total)
        score = -math.log10((least + 0.5) / (self.total + 1.0))
        self.seen.update(list(events))
        self.total += 1
        return score


class Deviation:
    """The largest z-score of any event's count, against all sessions so far."""

    def __init__(self) -> None:
        self.sums: dict[str, tuple[float, float]] = {}
        self.total = 0

    def step(self, session: Session) -> float:
        counts, n, worst = Counter(session.events), self.total, 0.0
        if n:
            for event in {**self.sums, **counts}:
                first, second = self.sums.get(event, (0.0, 0.0))
                mean = first / n
                spread = math.sqrt(max(second / n - mean * mean, 0.0) + 1.0 / n)
                worst = max(worst, abs(counts.get(event, 0) - mean) / spread)
        for event, count in counts.items():
            first, second = self.sums.get(event, (0.0, 0.0))
            self.sums[event] = first + count, second + count * count
        self.total += 1
        return worst


class Trees:
    """River's half-space trees on min-max scaled counts, with its defaults."""

    def __init__(self) -> None:
        self.scaler, self.trees = MinMaxScaler(), HalfSpaceTrees(seed=42)

    def step(self, session: Session) -> float:
        x = {event: float(n) for event, n in Counter(session.events).items()}
        self.scaler.learn_one(x)
        x = self.scaler.transform_one(x)
        score = float(self.trees.score_one(x))
        self.trees.learn_one(x)
        return score


PEERS: dict[str, tuple[Callable[[], Peer], float | None]] = {
    "detectors.sessions": (Ours, SESSION_ALPHA),
    "count vector rarity": (Unseen, 1.0),
    "rarest event": (Rare, 2.0),
    "count z-score": (Deviation, 5.0),
    "river HalfSpaceTrees": (Trees, None),
}
"""Each with the threshold one would take without labels; trees: the running 98th percentile."""


# --- data -------------------------------------------------------------------------------------


def hdfs(folder: Path) -> Labelled:
    labels = {
        row["block_id"]: row["anomaly"] == "1" for row in _rows(folder / "block_labels.csv.gz")
    }
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "hdfs.log"
        path.write_bytes(gzip.decompress((folder / "hdfs_events.log.gz").read_bytes()))
        found = _blocks(str(path))
    names = list(found)
    anomalous = np.array([labels[name] for name in names])
    return Labelled([found[name] for name in names], anomalous)


def _blocks(path: str) -> dict[str, Session]:
    """Return every block's session, in the order of the last lines."""
    mining, text = Mining(), Text.of(path, path)
    total = mining.learn(text)
    events: dict[str, list[str]] = {}
    times: dict[str, array[float]] = {}
    for block in mining.assign(text, total):
        for raw, event, at in zip(block.lines.raw, block.ids, block.lines.seconds, strict=True):
            for match in dict.fromkeys(re.findall(rb"blk_-?\d+", raw)):
                name = match.decode()
                # Taken out and put back, so that the last line decides the order.
                events[name] = [*events.pop(name, []), event]
                times.setdefault(name, array("d")).append(at or 0.0)
    return {name: Session(e, max(times[name]) - min(times[name])) for name, e in events.items()}


def sequences(path: Path) -> Labelled:
    rows = list(_rows(path))
    anomalous = np.array([row["anomaly"] == "1" for row in rows])
    return Labelled([Session(row["event_ids"].split()) for row in rows], anomalous)


def _rows(path: Path) -> Iterator[dict[str, str]]:
    csv.field_size_limit(10**9)
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        yield from csv.DictReader(file)


def data_sets(own: list[Path]) -> dict[str, Callable[[], Labelled]]:
    found: dict[str, Callable[[], Labelled]] = {}
    if (folder := LOGS / "hdfs").is_dir():
        found["hdfs"] = lambda: hdfs(folder)
    for name in ("openstack", "hadoop"):
        path = LOGS / f"{name}_sequences" / "sequences.csv.gz"
        if path.exists():
            found[name] = lambda path=path: sequences(path)
    return found | {path.name: lambda path=path: sequences(path) for path in own}


# --- figures ----------------------------------------------------------------------------------


def average_precision(anomalous: np.ndarray, scores: np.ndarray) -> float:
    """Return the area under precision and recall; equal scores are one step."""
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    true = np.cumsum(anomalous[order])[last]
    recall = true / max(int(anomalous.sum()), 1)
    return float((np.diff(recall, prepend=0.0) * true / (last + 1)).sum())


def found_at(anomalous: np.ndarray, flagged: np.ndarray) -> tuple[float, float, float]:
    """Return (F1, precision, recall)."""
    true = int((anomalous & flagged).sum())
    precision = true / max(int(flagged.sum()), 1)
    recall = true / max(int(anomalous.sum()), 1)
    return 2 * precision * recall / max(precision + recall, 1e-9), precision, recall


def running(scores: np.ndarray) -> np.ndarray:
    """Return which scores exceed the 98th percentile of those before them."""
    flagged = np.zeros(len(scores), bool)
    for i in range(50, len(scores)):
        flagged[i] = scores[i] > np.quantile(scores[:i], 0.98)
    return flagged


def judge(peer: Peer, labelled: Labelled) -> tuple[np.ndarray, float]:
    """Return every score and the CPU microseconds a session."""
    start = time.process_time()
    scores = np.fromiter(map(peer.step, labelled.sessions), float, len(labelled.sessions))
    return scores, (time.process_time() - start) * 1e6 / len(labelled.sessions)


def table(name: str, labelled: Labelled) -> list[str]:
    """Print one data set's table; return the missed floors."""
    missed = []
    warm = int(WARM * len(labelled.sessions))
    anomalous = labelled.anomalous
    print(f"\n{name}: {len(anomalous)} sessions, {int(anomalous.sum())} anomalous")
    print("| detector | AP | F1 | precision | recall | AP after 5 % | F1 | us/session |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for peer, (make, threshold) in PEERS.items():
        scores, cost = min((judge(make(), labelled) for _ in range(2)), key=lambda r: r[1])
        flagged = running(scores) if threshold is None else scores >= threshold
        f1, precision, recall = found_at(anomalous, flagged)
        ap = average_precision(anomalous[warm:], scores[warm:])
        print(
            f"| {peer} | {average_precision(anomalous, scores):.3f} | {f1:.3f} | {precision:.3f} "
            f"| {recall:.3f} | {ap:.3f} | {found_at(anomalous[warm:], flagged[warm:])[0]:.3f} "
            f"| {cost:.0f} |",
            flush=True,
        )
        if peer == "detectors.sessions" and name in FLOORS:
            least_ap, least_f1 = FLOORS[name]
            for what, value, least in (("AP after 5 %", ap, least_ap), ("F1", f1, least_f1)):
                if value < least:
                    missed.append(f"{name}: {what} {value:.3f}, floor {least}")
            if cost > SPEED_FLOOR:
                missed.append(f"{name}: {cost:.0f} us a session, floor {SPEED_FLOOR:.0f}")
    return missed


def constants(sets: dict[str, Labelled]) -> None:
    """Print F1 over alpha and memory, and what each data set left out would have had chosen."""
    grid: dict[tuple[float, float], dict[str, float]] = {}
    shipped = ours.MEMORY
    for memory in (1000.0, 2000.0, 4000.0):
        ours.MEMORY = memory
        for name, labelled in sets.items():
            scores, _ = judge(Ours(), labelled)
            for alpha in (2.0, 2.25, 2.5, 2.75, 3.0):
                f1 = found_at(labelled.anomalous, scores >= alpha)[0]
                grid.setdefault((memory, alpha), {})[name] = f1
    ours.MEMORY = shipped
    print(f"\n| memory | alpha | {' | '.join(sets)} |\n| --- | --- |{' --- |' * len(sets)}")
    for (memory, alpha), by in grid.items():
        print(f"| {memory:.0f} | {alpha} | {' | '.join(f'{by[name]:.3f}' for name in sets)} |")
    for left in sets:
        others = [name for name in sets if name != left]
        best = max(grid, key=lambda c: sum(grid[c][name] for name in others))
        print(f"{left} left out: memory {best[0]:.0f}, alpha {best[1]}: F1 {grid[best][left]:.3f}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="?", choices=["table", "constants"], default="table")
    parser.add_argument("--only", help="one data set")
    parser.add_argument("--csv", type=Path, nargs="*", default=[], help="files of one's own")
    parser.add_argument("--strict", action="store_true", help="a missed floor is exit code 1")
    options = parser.parse_args()
    versions = ", ".join(f"{p} {importlib.metadata.version(p)}" for p in ("river", "numpy"))
    print(
        f"sessions: Python {platform.python_version()}, {versions}, {platform.machine()}, ", end=""
    )
    print(f"{os.cpu_count()} cores; alpha {SESSION_ALPHA}")
    makers = {k: m for k, m in data_sets(options.csv).items() if options.only in (None, k)}
    if not makers:
        print(f"sessions: skipped, no data under {LOGS}; set AIOPS_SHARED")
        return 0
    if options.what == "constants":
        constants({name: make() for name, make in makers.items() if name != "hadoop"})
        return 0
    missed = [line for name, make in makers.items() for line in table(name, make())]
    for line in missed:
        print(f"floor missed: {line}")
    return 1 if missed and options.strict else 0


if __name__ == "__main__":
    sys.exit(main())
