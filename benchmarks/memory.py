"""Recall past incidents: is one of the same fault type and root among the three that are shown?

Run: `python benchmarks/memory.py [hotel] [sockshop] [--shuffles 2]`. TVDiag's alerts go through
the real engine; the first 70 % become cases, of the rest each is asked for and then becomes one
too. Twice: without a word from anybody, when the engine never sees a label and the scorer gives
each past incident that of the fault it was about; and with people's word, when after each incident
was told somebody names its cause and notes what it was, as `feedback` and `note` do, so that later
ones are compared by it. A fault without a told incident, or one that shows none, is a miss.
The file at hand is sorted so that most of its end was never seen before: beside its order stand
seeded shuffles, and `known` is the share of faults of which anything alike had been seen, the best
that memory can do. Beside it: guessing the commonest three (type, root) pairs, and three past
faults at random.
Intervals are Wilson's at 95 %.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from _labelled import FIRES, INCIDENTS, START, TEACHES, tvdiag
from rootcause import wilson

from aiops.engine import Engine, EngineSettings
from aiops.model import Command, TransitionKind

FLOORS = {"hotel": (0.80, 0.90), "sockshop": (0.65, 0.80)}
SHOWN = 3


@dataclass(frozen=True)
class Label:
    """What a fault truly was."""

    kind: str
    root: str


def shuffled(path: Path, seed: int, folder: Path) -> Path:
    """Return the faults in another order, as a file."""
    with gzip.open(path, "rt") as file:
        lines = file.readlines()
    random.Random(seed).shuffle(lines)
    moved = folder / f"{seed}-{path.name}"
    with gzip.open(moved, "wt") as file:
        file.writelines(lines)
    return moved


def labels_of(path: Path) -> list[Label]:
    """Return the labels of all faults, in file order."""
    with gzip.open(path, "rt") as file:
        records = [json.loads(line) for line in file]
    return [Label(r["type"], r["root"]) for r in records]


def shown(path: Path, labels: Sequence[Label], *, words: bool) -> dict[int, Sequence[int]]:
    """Return for each fault that was told the past faults that its first story pointed to."""
    labelled = tvdiag(path)
    engine = Engine(EngineSettings(calls=labelled.calls))
    about: dict[str, int] = {}
    told: dict[int, Sequence[int]] = {}
    due: list[str] = []  # incidents that were told and nobody said a word about yet
    seq = 0
    for item in labelled.cases[0].inputs:
        done = engine.feed(item)
        for t in done:
            if t.kind not in (TransitionKind.OPENED, TransitionKind.REOPENED) or not t.tell:
                continue
            fault = int((t.at - START) // 3600.0)
            about[t.incident.id] = fault
            due.append(t.incident.id)
            past = [about[s.id] for s in t.incident.similar if s.id in about]
            told.setdefault(fault, past)
        while words and due:
            one = due.pop()
            label, at = labels[about[one]], START + 3600.0 * about[one] + FIRES
            for kind, args in (
                ("feedback", {"verdict": "wrong-cause", "cause": label.root}),
                ("note", {"text": label.kind}),
            ):
                seq += 1
                engine.feed(Command(seq, kind, one, at, args=args))
    return told


def measure(name: str, path: Path) -> dict[str, float]:
    """Print one table, a row for each way of asking; return what memory found among three."""
    labels = labels_of(path)
    first = next(n for n in range(len(labels)) if n >= TEACHES * len(labels))
    said = {
        "memory": shown(path, labels, words=False),
        "with words": shown(path, labels, words=True),
    }
    scored = range(first, len(labels))
    floor, goal = FLOORS[path.name.rpartition("-")[2].partition(".")[0]]
    known = sum(labels[n] in labels[:n] for n in scored) / len(scored)
    heard = sum(n in said["memory"] for n in scored)
    print(f"\n{name}: {first} taught, {len(scored)} scored, {heard} told, "
          f"known {known:.2f}; floor {floor:.2f}, goal {goal:.2f}")  # fmt: skip
    print(f"{'':<18}{'type and root':>14}{'95 %':>12}{'of known':>10}{'type':>7}{'root':>7}")
    found_by: dict[str, float] = {}
    for (who, told), k in product(said.items(), (1, SHOWN)):
        past = [[labels[p] for p in told.get(n, ())[:k]] for n in scored]
        asked = [(labels[n], found) for n, found in zip(scored, past, strict=True)]
        found_by[who] = sum(label in found for label, found in asked) / len(scored)
        row(
            f"{who}, top {k}",
            len(scored),
            known,
            (
                sum(label in found for label, found in asked),
                sum(label.kind in {f.kind for f in found} for label, found in asked),
                sum(label.root in {f.root for f in found} for label, found in asked),
            ),
        )
    common = [label for label, _ in Counter(labels[:first]).most_common(SHOWN)]
    kinds = [kind for kind, _ in Counter(t.kind for t in labels[:first]).most_common(SHOWN)]
    roots = [root for root, _ in Counter(t.root for t in labels[:first]).most_common(SHOWN)]
    row(
        f"commonest {SHOWN}",
        len(scored),
        known,
        (
            sum(labels[n] in common for n in scored),
            sum(labels[n].kind in kinds for n in scored),
            sum(labels[n].root in roots for n in scored),
        ),
    )
    by_chance = chance(labels[:first], [labels[n] for n in scored])
    row(f"random {SHOWN}", len(scored), known, by_chance)
    return found_by


def row(what: str, n: int, known: float, hits: tuple[float, float, float]) -> None:
    """Print one way of asking: how often the pair, its type, its root was hit."""
    pairs, types, roots = hits
    low, high = wilson(pairs, n)
    print(f"{what:<18}{pairs / n:>14.2f}{f'{max(low, 0.0):.2f}-{high:.2f}':>12}"
          f"{pairs / n / max(known, 1e-9):>10.2f}{types / n:>7.2f}{roots / n:>7.2f}")  # fmt: skip


def chance(taught: Sequence[Label], asked: Sequence[Label]) -> tuple[float, float, float]:
    """Return how often three past faults drawn at random would hold the label, its type, root."""

    def hits(known: Mapping[str, int], wanted: str) -> float:
        miss, left = 1.0, len(taught)
        for _ in range(SHOWN):
            miss *= 1.0 - known.get(wanted, 0) / max(left, 1)
        return 1.0 - miss

    pairs = Counter(f"{t.kind}/{t.root}" for t in taught)
    kinds, roots = Counter(t.kind for t in taught), Counter(t.root for t in taught)
    return (
        sum(hits(pairs, f"{a.kind}/{a.root}") for a in asked),
        sum(hits(kinds, a.kind) for a in asked),
        sum(hits(roots, a.root) for a in asked),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sets", nargs="*", default=list(FLOORS), metavar="set")
    parser.add_argument("--shuffles", type=int, default=2, help="orders beside that of the file")
    options = parser.parse_args()
    if not INCIDENTS.is_dir():
        print(f"memory: skipped, no {INCIDENTS}; set AIOPS_SHARED")
        return
    with tempfile.TemporaryDirectory() as folder:
        for name in options.sets:
            path = INCIDENTS / "tvdiag" / f"{name}.jsonl.gz"
            measure(f"{name} in its own order", path)
            seeds = range(options.shuffles)
            found = [
                measure(f"{name} shuffled by {n}", shuffled(path, n, Path(folder))) for n in seeds
            ]
            for who in found[0] if found else ():
                shares = [one[who] for one in found]
                print(f"{name}, {who}, top {SHOWN}: mean of {len(found)} shuffles "
                      f"{sum(shares) / len(shares):.3f}")  # fmt: skip


if __name__ == "__main__":
    main()
