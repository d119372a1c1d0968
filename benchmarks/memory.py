"""Recall past incidents: is one of the same fault type and root among the three that are shown?

Run: `python benchmarks/memory.py [hotel] [sockshop] [--shuffles 2]`. TVDiag's alerts go through
the real engine; the first 70 % become cases, of the rest each is asked for and then becomes one
too. The engine never sees a label: the scorer gives each past incident that of the fault it was
about. A fault without a told incident, or one that shows none, is a miss. The file at hand is
sorted so that most of its end was never seen before: beside its order stand seeded shuffles, and
`known` is the share of faults of which anything alike had been seen, the best that memory can do.
Beside it: guessing the commonest three (type, root) pairs, and three past faults at random.
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
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from _labelled import INCIDENTS, START, TEACHES, tvdiag
from rootcause import play, wilson

FLOORS = {"hotel": (0.80, 0.90), "sockshop": (0.65, 0.80)}
SHOWN = 3


@dataclass(frozen=True)
class Label:
    """What a fault truly was."""

    kind: str
    root: str


def shuffled(path: Path, seed: int | None, folder: Path) -> Path:
    """Return the faults in another order, as a file; ``None`` is the order they have."""
    if seed is None:
        return path
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


def shown(path: Path) -> dict[int, Sequence[int]]:
    """Return for each fault that was told the past faults that its first story pointed to."""
    labelled = tvdiag(path)
    stories = play(labelled.cases[0], labelled.calls)
    about = {i.id: int((at - START) // 3600.0) for at, i in stories}
    told: dict[int, Sequence[int]] = {}
    for at, incident in stories:
        past = [about[s.id] for s in incident.similar if s.id in about]
        told.setdefault(int((at - START) // 3600.0), past)
    return told


def measure(name: str, path: Path) -> None:
    """Print one table: a row for each way of asking."""
    labels = labels_of(path)
    first = next(n for n in range(len(labels)) if n >= TEACHES * len(labels))
    told = shown(path)
    scored = range(first, len(labels))
    floor, goal = FLOORS[path.name.rpartition("-")[2].partition(".")[0]]
    known = sum(labels[n] in labels[:n] for n in scored) / len(scored)
    print(f"\n{name}: {first} taught, {len(scored)} scored, {sum(n in told for n in scored)} told, "
          f"known {known:.2f}; floor {floor:.2f}, goal {goal:.2f}")  # fmt: skip
    print(f"{'':<16}{'type and root':>14}{'95 %':>12}{'of known':>10}{'type':>7}{'root':>7}")
    for k in (1, SHOWN):
        past = [[labels[p] for p in told.get(n, ())[:k]] for n in scored]
        asked = [(labels[n], found) for n, found in zip(scored, past, strict=True)]
        row(
            f"memory, top {k}",
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


def row(what: str, n: int, known: float, hits: tuple[float, float, float]) -> None:
    """Print one way of asking: how often the pair, its type, its root was hit."""
    pairs, types, roots = hits
    low, high = wilson(pairs, n)
    print(f"{what:<16}{pairs / n:>14.2f}{f'{max(low, 0.0):.2f}-{high:.2f}':>12}"
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
            for seed in (None, *range(options.shuffles)):
                order = "in its own order" if seed is None else f"shuffled by {seed}"
                measure(f"{name} {order}", shuffled(path, seed, Path(folder)))


if __name__ == "__main__":
    main()
