"""Name the cause of labelled faults through the real engine, beside the random floor.

Run: `python benchmarks/rootcause.py [petshop] [nezha] [--show]`. The data is found by
AIOPS_SHARED, else in ../shared. Adapters only convert formats; fault-free history that was
recorded after the faults is shifted to end just before them. A fault without a told incident is a
miss. Intervals are Wilson's at 95 %; the random floor names k of all entities.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import lzma
import math
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from aiops.commands import alert
from aiops.engine import Engine, EngineSettings
from aiops.entities import as_entity
from aiops.model import Alert, Incident, Input, Points, SeriesSet, TransitionKind
from aiops.replay import parse_series

SHARED = Path(os.environ.get("AIOPS_SHARED") or Path(__file__).resolve().parents[2] / "shared")
INCIDENTS = SHARED / "data" / "incidents"
STEP = 300.0
MINUTE = 60.0
DAY = 86400.0
START = 1_700_000_000.0
FIRES = 600.0  # TVDiag gives no times: all alerts of a fault fire for so long
TEACHES = 0.7
HELD = 480.0  # a Nezha fault lasts less than this, the next one begins later


@dataclass(frozen=True)
class Fault:
    """One labelled fault: what is told first in [begun, over) is about it."""

    name: str
    kind: str
    root: str
    begun: float
    over: float


@dataclass(frozen=True)
class Case:
    """One replay and the faults in it."""

    faults: Sequence[Fault]
    inputs: Sequence[Input]
    calls: Mapping[str, Sequence[str]]
    entities: int


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


# --- adapters -------------------------------------------------------------------------------


def petshop(folder: Path) -> Iterator[Case]:
    """Yield one case an issue: shifted history, then the issue's own minutes."""
    with (folder / "graph.csv").open() as file:
        head, *rows = list(csv.reader(file))
    calls = {
        row[0]: [n for n, called in zip(head[1:], row[1:], strict=True) if _number(called) > 0.0]
        for row in rows
    }
    history = folder / "noissue" / "metrics.csv.gz"
    if not history.exists():
        print(f"\n{folder.name}: left out, it has no fault-free history")
        return
    usual = _petshop_points(history)
    for path in sorted(folder.glob("t*/issue_*/target.json")):
        told = json.loads(path.read_text())
        own = _petshop_points(path.with_name("metrics.csv.gz"))
        shift = own[0].at - STEP - usual[-1].at
        moved = [Points(p.source, p.at + shift, p.columns, p.values) for p in usual]
        root = as_entity(told["root_cause"]["node"])
        kind = told["target"]["metric"]
        begun, over = own[0].at, own[-1].at + 4 * STEP
        fault = Fault(str(path.parent.relative_to(folder)), kind, root, begun, over)
        entities = {s.entity for s in own[0].columns.series}
        yield Case([fault], [*moved, *own], calls, len(entities))


def _petshop_points(path: Path) -> list[Points]:
    with gzip.open(path, "rt", newline="") as file:
        rows = list(csv.reader(file))
    heads = zip(rows[0][1:], rows[1][1:], rows[2][1:], strict=True)
    names = [f'{metric}_{statistic}{{service="{node}"}}' for node, metric, statistic in heads]
    series = SeriesSet(tuple(parse_series(n, "service:petshop") for n in names))
    return [
        Points("file:petshop", float(row[0]), series, np.array([_number(c) for c in row[1:]]))
        for row in rows[4:]
    ]


def nezha(folder: Path) -> Iterator[Case]:
    """Yield a day of faults: its fault-free hours (they came later), then the faults."""
    with (folder / "dependency.csv").open() as file:
        edges = [(r["Source"], r["Target"]) for r in csv.DictReader(file)]
    calls: dict[str, list[str]] = {}
    for caller, callee in edges:
        if not re.fullmatch(r"[\d.]+", callee):
            calls.setdefault(caller, []).append(callee)
    table: dict[float, dict[str, float]] = {}
    with lzma.open(folder / "pod_metrics.csv.xz", "rt", newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    began: dict[str, float] = {}
    for row in rows:
        began.setdefault(row["PodName"], float(row["TimeStamp"]))
    usual_start = sorted(began.values())[len(began) // 2]
    for row in rows:
        pod = row.pop("PodName")
        # One pod's clock is years off: its first minute is everybody's first minute.
        wrong = began[pod] - usual_start if abs(began[pod] - usual_start) > DAY else 0.0
        cells = table.setdefault((float(row.pop("TimeStamp")) - wrong) // MINUTE * MINUTE, {})
        service = _service(pod)
        for name, cell in row.items():
            cells[f'{name}{{service="{service}"}}'] = _number(cell)
    names = sorted({n for cells in table.values() for n in cells})
    series = SeriesSet(tuple(parse_series(n, "service:nezha") for n in names))
    minutes = [
        (at, np.array([cells.get(n, math.nan) for n in names]))
        for at, cells in sorted(table.items())
    ]
    entities = len({s.entity for s in series.series})
    records = json.loads((folder / "faults.json").read_text())
    times = [float(r["t_utc"]) for r in records]
    usual = [v for at, v in minutes if at >= max(times) + HELD]
    own = [(at, v) for at, v in minutes if at < max(times) + HELD]
    first = own[0][0] - MINUTE * len(usual)
    moved = [(first + MINUTE * m, v) for m, v in enumerate(usual)]
    inputs = [Points("file:nezha", at, series, v) for at, v in (*moved, *own)]
    faults = [
        Fault(f"{folder.name}/{n}", r["inject_type"], as_entity(_service(r["inject_pod"])),
              begun - MINUTE, begun + HELD)
        for n, (r, begun) in enumerate(zip(records, times, strict=True))
    ]  # fmt: skip
    yield Case(faults, inputs, calls, entities)


def tvdiag(path: Path) -> Iterator[Case]:
    """Yield one case: every fault an hour after the one before, all its alerts at once.

    The first 70 % by file order only teach what fires when; the rest is scored.
    """
    with gzip.open(path, "rt") as file:
        records = [json.loads(line) for line in file]
    inputs: list[Input] = []
    faults: list[Fault] = []
    calls: dict[str, set[str]] = {}
    entities: set[str] = set()
    for n, record in enumerate(records):
        at = START + 3600.0 * n
        alerts = sorted(_tvdiag_alerts(record))
        inputs += [_alert(at, *one, firing=True) for one in alerts]
        inputs += [_alert(at + FIRES, *one, firing=False) for one in alerts]
        nodes = [as_entity(node) for node in record["nodes"]]
        entities.update(nodes)
        for caller, callee, *_ in record["trace_alerts"]:
            if caller != callee:
                calls.setdefault(caller, set()).add(callee)
        if n >= TEACHES * len(records):
            root = as_entity(record["root"])
            faults.append(Fault(f"{path.stem}/{n}", record["type"], root, at, at + 3000.0))
    yield Case(faults, inputs, {k: sorted(v) for k, v in calls.items()}, len(entities))


def _tvdiag_alerts(record: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Return (entity, what) of every alert of a fault, each once."""
    metric = {(who, f"{what} {way}") for who, what, way in record["metric_alerts"]}
    log = {(who, f"log {what}") for who, what in record["log_alerts"]}
    trace = {(b, f"trace {what} {why}") for _, b, what, why in record["trace_alerts"]}
    return metric | log | trace


def _alert(at: float, entity: str, what: str, *, firing: bool) -> Alert:
    return alert(at, {"service": entity, "alertname": what}, firing=firing)


def _service(pod: str) -> str:
    return re.sub(r"-[0-9a-f]{6,10}-[a-z0-9]{5}$", "", pod)


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return math.nan


# --- scoring --------------------------------------------------------------------------------


def play(case: Case) -> list[tuple[float, Incident]]:
    """Return when each story was told first or again, and its last picture until it ended."""
    engine = Engine(EngineSettings(calls=case.calls))
    stories: list[tuple[float, Incident]] = []
    latest: dict[str, int] = {}
    done = (t for item in case.inputs for t in engine.feed(item))
    for t in chain(done, engine.close_streams(), engine.finish()):
        if t.kind in (TransitionKind.OPENED, TransitionKind.REOPENED) and t.tell:
            latest[t.incident.id] = len(stories)
            stories.append((t.at, t.incident))
        elif (n := latest.get(t.incident.id)) is not None and t.kind is not TransitionKind.MERGED:
            stories[n] = stories[n][0], t.incident
    return stories


def measure(cases: Iterator[Case], *, show: bool) -> tuple[dict[str, Score], Counter[str]]:
    """Return scores by kind of fault, and how many incidents were told and were about none."""
    scores: dict[str, Score] = {}
    other: Counter[str] = Counter()
    for case in cases:
        told = play(case)
        used: set[tuple[str, int]] = set()
        for fault in case.faults:
            about = [i for at, i in told if fault.begun <= at < fault.over]
            used |= {(i.id, i.seq) for i in about}
            best = about[0] if about else None
            names = [s.entity for s in best.suspects] if best else []
            rank = names.index(fault.root) + 1 if fault.root in names else None
            for kind in (fault.kind, "all"):
                scores.setdefault(kind, Score()).add(
                    rank, told=best is not None, entities=case.entities
                )
            if show:
                _show(fault, best, rank)
        other["told"] += len(told)
        other["about no fault"] += len([i for _, i in told if (i.id, i.seq) not in used])
    return scores, other


def _show(fault: Fault, incident: Incident | None, rank: int | None) -> None:
    print(f"--- {fault.name} {fault.kind} root {fault.root}: rank {rank}")
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


def _folders(name: str) -> list[Path]:
    return sorted(d for d in (INCIDENTS / name).iterdir() if d.is_dir())


SETS: dict[str, Callable[[], list[tuple[str, Iterator[Case]]]]] = {
    "petshop": lambda: [(f"petshop/{d.name}", petshop(d)) for d in _folders("petshop")],
    "nezha": lambda: [(f"nezha/{d.name}", nezha(d)) for d in _folders("nezha")],
    "tvdiag": lambda: [
        (f"tvdiag/{p.name}", tvdiag(p)) for p in sorted((INCIDENTS / "tvdiag").glob("*.jsonl.gz"))
    ],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sets", nargs="*", default=list(SETS), metavar="set")
    parser.add_argument("--show", action="store_true", help="print every fault and its suspects")
    options = parser.parse_args()
    if not INCIDENTS.is_dir():
        print(f"rootcause: skipped, no {INCIDENTS}; set AIOPS_SHARED")
        return
    for wanted in options.sets:
        for name, cases in SETS[wanted]():
            scores, other = measure(cases, show=options.show)
            if scores:
                table(name, scores, other)


if __name__ == "__main__":
    main()
