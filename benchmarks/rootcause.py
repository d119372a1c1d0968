"""Name the cause of labelled faults through the real engine, beside the random floor.

Run: `python benchmarks/rootcause.py [petshop] [nezha] [tvdiag] [shop] [--graph none] [--show]`.
The data is found by AIOPS_SHARED, else in ../shared; the shop is simulated, on seeds that nothing
was built on. Its adapters (`_labelled.py`) only convert formats; a fault without a told incident is
a miss. Intervals are Wilson's at 95 %; the random floor names k of all entities. `--graph` says
whether who calls whom is given, known as if it had been learned from spans, or not known.

Last comes how true the stated shares of first suspects are: stated beside how often they were
right, over the faults that were told, and the log loss of it under other constants of the ranking.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from _labelled import INCIDENTS, Case, Fault, Labelled, nezha, petshop, tvdiag

import aiops.correlation.suspects as ranking
from aiops.decoding.windows import WindowSettings
from aiops.engine import Engine, EngineSettings
from aiops.entities import as_entity
from aiops.model import Incident, Section, TransitionKind
from aiops.shop import CALLS, Shop
from aiops.shop.scenarios import ROOTS, deploy, fault

SEEDS = (81, 82, 83)
MONDAY = 1_767_571_200.0
HOUR = 3600.0
QUIET = 7 * HOUR
AFTER = 1500.0
NEVER = 4e9  # seconds: what was seen then does not fade
EDGES = (0.0, 0.3, 0.5, 0.7, 0.9, 1.01)
SPREADS = (0.4, 0.5, 0.6, 0.7, 0.8, 1.0)
UNNAMED = (0.0, 0.05, 0.1)

Stated = tuple[str, Sequence[float], bool]  # set, shares best first, whether the first was right


@dataclass
class Score:
    """How often the root was among the first k suspects."""

    faults: int = 0
    told: int = 0
    hits: Counter[int] = field(default_factory=Counter)
    floor: Counter[int] = field(default_factory=Counter)

    def add(self, rank: int | None, *, told: bool, entities: int) -> None:
        """Count one fault; *rank* is the root's place among the suspects, from 1."""
        self.faults += 1
        self.told += told
        for k in (1, 3, 5):
            self.hits[k] += rank is not None and rank <= k
            self.floor[k] += min(k / entities, 1.0)  # type: ignore[assignment]


def shop(seed: int) -> Labelled:
    """Return one case a kind of fault of the simulated shop, after seven quiet hours."""
    first = MONDAY + QUIET
    known = [deploy("recommendation", MONDAY + 2.5 * HOUR, "5.2.0")]
    usual = Shop(seed, MONDAY, first, changes=known, step=30.0, metric_interval=60.0)
    cases = []
    for kind, roots in ROOTS.items():
        if kind == "flash_sale":
            continue
        true = fault(kind, roots[seed % len(roots)], first + 120.0)
        until = true.end + AFTER
        world = Shop(
            seed, first, until, faults=[true], changes=known, step=30.0, metric_interval=60.0
        )
        right = frozenset({true.entity} | ({true.change.id} if true.change else set()))
        about = Fault(f"{kind}/{seed}", kind, right, true.start - 60.0, true.end + 900.0)
        cases.append(Case([about], list(world.inputs())))
    entities = len({*CALLS, *chain.from_iterable(CALLS.values())})
    return Labelled("shop", list(usual.inputs()), cases, CALLS, entities)


# --- scoring --------------------------------------------------------------------------------


def play(
    case: Case,
    calls: Mapping[str, Sequence[str]],
    saved: Sequence[Section] = (),
    graph: str = "given",
) -> list[tuple[float, Incident]]:
    """Return when each story was told first or again, and its last picture until it ended."""
    engine = _engine(calls, graph)
    if saved:
        engine.restore(saved)
    stories: list[tuple[float, Incident]] = []
    latest: dict[str, int] = {}
    done = (t for item in case.inputs for t in engine.feed(item))
    for t in chain(done, engine.close_streams(), engine.finish()):
        if t.incident.id.startswith("storm_"):
            continue  # a digest of stories has no suspects of its own
        if t.kind in (TransitionKind.OPENED, TransitionKind.REOPENED) and t.tell:
            latest[t.incident.id] = len(stories)
            stories.append((t.at, t.incident))
        elif (n := latest.get(t.incident.id)) is not None and t.kind is not TransitionKind.MERGED:
            stories[n] = stories[n][0], t.incident
    return stories


def _engine(calls: Mapping[str, Sequence[str]], graph: str) -> Engine:
    width = 30.0 if calls is CALLS else 10.0
    given = calls if graph == "given" else {}
    made = Engine(EngineSettings(calls=given, window=WindowSettings(width=width)))
    if graph == "learned":
        pairs = [[as_entity(a), as_entity(b)] for a, called in calls.items() for b in called]
        edges = [[*pair, 1000.0, NEVER] for pair in pairs]
        seen = {"spans": [], "edges": edges, "believed": pairs, "swept": NEVER}
        made.placement.spans.restore(replace(made.placement.spans.to_section(), header=seen))
    return made


def measure(
    labelled: Labelled,
    scores: dict[str, Score],
    stated: list[Stated],
    *,
    show: bool,
    graph: str = "given",
) -> Counter[str]:
    """Add to the scores by kind of fault; return what was told, and how much about none."""
    saved: Sequence[Section] = ()
    if labelled.history:
        warm = _engine(labelled.calls, graph)
        for item in labelled.history:
            warm.feed(item)
        saved = warm.to_sections()
    other: Counter[str] = Counter()
    for case in labelled.cases:
        told = play(case, labelled.calls, saved, graph)
        used: set[tuple[str, int]] = set()
        for one in case.faults:
            about = [i for at, i in told if one.begun <= at < one.over]
            used |= {(i.id, i.seq) for i in about}
            best = about[0] if about else None
            names = [s.entity for s in best.suspects] if best else []
            rank = next((n for n, name in enumerate(names, 1) if name in one.roots), None)
            for kind in (one.kind, "all"):
                scores.setdefault(kind, Score()).add(
                    rank, told=best is not None, entities=labelled.entities
                )
            if best is not None and best.suspects:
                stated.append((labelled.name, [s.score for s in best.suspects], rank == 1))
            if show:
                _show(one, best, rank)
        other["told"] += len(told)
        other["about no fault"] += len([i for _, i in told if (i.id, i.seq) not in used])
    return other


def _show(one: Fault, incident: Incident | None, rank: int | None) -> None:
    print(f"--- {one.name} {one.kind} root {', '.join(sorted(one.roots))}: rank {rank}")
    if incident is None:
        return
    print(f"    {incident.title}; entities {', '.join(incident.entities[:6])}")
    for s in incident.suspects[:4]:
        print(f"    {s.score:.2f} {s.entity}: {'; '.join(s.reasons)}")


def wilson(hits: float, n: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share."""
    if not n:
        return 0.0, 1.0
    z, p = 1.96, hits / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return middle - half, middle + half


def table(name: str, scores: Mapping[str, Score], other: Mapping[str, int]) -> None:
    """Print one table: over all faults, and over those that were told."""
    print(f"\n{name}: {other['told']} incidents told, {other['about no fault']} about no fault")
    print(f"{'kind':<18}{'n':>4}{'told':>6}{'top-1':>7}{'95 %':>11}{'top-3':>7}{'95 %':>11}"
          f"{'top-5':>7}{'of told: top-1':>16}{'top-3':>7}{'random 1/3':>13}")  # fmt: skip
    for kind in [*sorted(k for k in scores if k != "all"), "all"]:
        s = scores[kind]
        cells = ""
        for k in (1, 3):
            low, high = wilson(s.hits[k], s.faults)
            cells += f"{s.hits[k] / s.faults:>7.2f}{f'{low:.2f}-{high:.2f}':>11}"
        of = max(s.told, 1)
        print(f"{kind:<18}{s.faults:>4}{s.told:>6}{cells}{s.hits[5] / s.faults:>7.2f}"
              f"{s.hits[1] / of:>16.2f}{s.hits[3] / of:>7.2f}"
              f"{f'{s.floor[1] / s.faults:.2f}/{s.floor[3] / s.faults:.2f}':>13}")  # fmt: skip


def reliability(stated: Sequence[Stated]) -> None:
    """Print how often first suspects were right, by the share that was stated."""
    print("\nfirst suspects of told faults: share stated > how often right (faults)")
    bins = list(pairwise(EDGES))
    print(f"{'set':<34}{'n':>4}" + "".join(f"{f'{a:.1f}-{min(b, 1.0):.1f}':>18}" for a, b in bins)
          + f"{'all':>18}{'Brier':>7}")  # fmt: skip
    by_set: dict[str, list[tuple[float, bool]]] = {}
    for name, shares, right in stated:
        for one in (name, "all sets"):
            by_set.setdefault(one, []).append((shares[0], right))
    for name, pairs in sorted(by_set.items(), key=lambda kept: kept[0] == "all sets"):
        cells = [_cell([p for p in pairs if a <= p[0] < b]) for a, b in bins]
        brier = sum((share - right) ** 2 for share, right in pairs) / len(pairs)
        print(f"{name[:33]:<34}{len(pairs):>4}{''.join(cells)}{_cell(pairs)}{brier:>7.3f}")


def _cell(pairs: Sequence[tuple[float, bool]]) -> str:
    if not pairs:
        return f"{'-':>18}"
    n = len(pairs)
    said, right = sum(s for s, _ in pairs) / n, sum(r for _, r in pairs) / n
    return f"{f'{said:.2f} > {right:.2f} ({n})':>18}"


def spreads(stated: Sequence[Stated]) -> None:
    """Print the log loss of the first suspect's share under other constants, per set."""
    sets = sorted({name for name, *_ in stated})
    heads = "".join(f"{name[:12]:>14}" for name in sets)
    print(f"\n{'log loss of the first share':<30}{heads}{'mean':>8}")
    for spread in SPREADS:
        for unnamed in UNNAMED:
            losses = [_loss([one for one in stated if one[0] == s], spread, unnamed) for s in sets]
            cells = "".join(f"{loss:>14.3f}" for loss in losses)
            what = f"spread {spread}, unnamed {unnamed}"
            print(f"{what:<30}{cells}{sum(losses) / len(losses):>8.3f}")


def _loss(stated: Sequence[Stated], spread: float, unnamed: float) -> float:
    total = 0.0
    for _, shares, right in stated:
        # What was stated says how far apart the scores were; who was not shown hardly counts.
        odds = sum((max(s, 5e-4) / shares[0]) ** (ranking.SPREAD / spread) for s in shares)
        share = min(max((1.0 - unnamed) / odds, 1e-3), 1.0 - 1e-3)
        total -= math.log(share if right else 1.0 - share)
    return total / len(stated)


def _folders(name: str) -> list[Path]:
    return sorted(d for d in (INCIDENTS / name).iterdir() if d.is_dir())


def _found(one: Labelled | None) -> list[Labelled]:
    return [] if one is None else [one]


SETS: dict[str, Callable[[], Iterator[list[Labelled]]]] = {
    "petshop": lambda: (_found(petshop(d)) for d in _folders("petshop")),
    "nezha": lambda: ([nezha(d, pods_only=p)] for d in _folders("nezha") for p in (False, True)),
    "tvdiag": lambda: ([tvdiag(p)] for p in sorted((INCIDENTS / "tvdiag").glob("*.jsonl.gz"))),
    "shop": lambda: iter([[shop(seed) for seed in SEEDS]]),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sets", nargs="*", default=list(SETS), metavar="set")
    parser.add_argument("--show", action="store_true", help="print every fault and its suspects")
    graphs = ("given", "learned", "none")
    parser.add_argument("--graph", choices=graphs, default="given", help="who calls whom is so")
    options = parser.parse_args()
    if not INCIDENTS.is_dir():
        print(f"rootcause: skipped, no {INCIDENTS}; set AIOPS_SHARED")
        return
    stated: list[Stated] = []
    for wanted in options.sets:
        for group in SETS[wanted]():
            scores: dict[str, Score] = {}
            other: Counter[str] = Counter()
            for labelled in group:
                other += measure(labelled, scores, stated, show=options.show, graph=options.graph)
            if scores:
                table(group[0].name, scores, other)
    if stated:
        reliability(stated)
        spreads(stated)


if __name__ == "__main__":
    main()
