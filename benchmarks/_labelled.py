"""Turn sets of labelled faults into inputs of the engine: formats only, no label is looked at.

Fault-free history that was recorded after the faults ends just before each of them. It is played
once: instead of the history each case is moved, which is the same to the engine.
"""

from __future__ import annotations

import csv
import gzip
import json
import lzma
import math
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from aiops.commands import alert
from aiops.entities import as_entity
from aiops.model import Alert, Input, Points, SeriesSet
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
LEAD = 180.0  # so much of the day before a Nezha fault, when the one before is over

Row = tuple[float, dict[str, float]]


@dataclass(frozen=True)
class Fault:
    """One labelled fault: what is told first in [begun, over) is about it."""

    name: str
    kind: str
    roots: frozenset[str]
    begun: float
    over: float


@dataclass(frozen=True)
class Case:
    """One replay after the history and the faults in it."""

    faults: Sequence[Fault]
    inputs: Sequence[Input]


@dataclass(frozen=True)
class Labelled:
    """Cases that share a fault-free history, a call graph and a number of entities."""

    name: str
    history: Sequence[Input]
    cases: Sequence[Case]
    calls: Mapping[str, Sequence[str]]
    entities: int


def petshop(folder: Path) -> Labelled | None:
    """Return one case an issue, after the fault-free days; ``None`` where there are none."""
    with (folder / "graph.csv").open() as file:
        head, *rows = list(csv.reader(file))
    calls = {
        row[0]: [n for n, called in zip(head[1:], row[1:], strict=True) if number(called) > 0.0]
        for row in rows
    }
    history = folder / "noissue" / "metrics.csv.gz"
    if not history.exists():
        print(f"\n{folder.name}: left out, it has no fault-free history")
        return None
    usual = _petshop_points(history)
    cases = []
    entities: set[str] = set()
    for path in sorted(folder.glob("t*/issue_*/target.json")):
        told = json.loads(path.read_text())
        own = _petshop_points(path.with_name("metrics.csv.gz"))
        shift = usual[-1].at + STEP - own[0].at
        own = [Points(p.source, p.at + shift, p.columns, p.values) for p in own]
        root = as_entity(told["root_cause"]["node"])
        begun, over = own[0].at, own[-1].at + 4 * STEP
        name = str(path.parent.relative_to(folder))
        fault = Fault(name, told["target"]["metric"], frozenset([root]), begun, over)
        entities.update(s.entity for s in own[0].columns.series)
        cases.append(Case([fault], own))
    return Labelled(f"petshop/{folder.name}", usual, cases, calls, len(entities))


def _petshop_points(path: Path) -> list[Points]:
    with gzip.open(path, "rt", newline="") as file:
        rows = list(csv.reader(file))
    heads = zip(rows[0][1:], rows[1][1:], rows[2][1:], strict=True)
    names = [f'{metric}_{statistic}{{service="{node}"}}' for node, metric, statistic in heads]
    series = SeriesSet(tuple(parse_series(n, "service:petshop") for n in names))
    return [
        Points("file:petshop", float(row[0]), series, np.array([number(c) for c in row[1:]]))
        for row in rows[4:]
    ]


def nezha(folder: Path, *, pods_only: bool) -> Labelled:
    """Return one case a fault, after the day's fault-free hours (they came later).

    *pods_only* leaves out what the calls and the front door say of themselves: median latencies of
    each edge, measured at both ends, and success and latency of the front service.
    """
    with (folder / "dependency.csv").open() as file:
        edges = [(r["Source"], r["Target"]) for r in csv.DictReader(file)]
    calls: dict[str, list[str]] = {}
    for caller, callee in edges:
        if not re.fullmatch(r"[\d.]+", callee):
            calls.setdefault(caller, []).append(callee)
    parts = [_pods(folder)] if pods_only else [_pods(folder), _edges(folder), _front(folder)]
    table: dict[float, dict[str, float]] = {}
    for at, cells in (row for part in parts for row in part):
        table.setdefault(at // MINUTE * MINUTE, {}).update(cells)
    names = sorted({n for cells in table.values() for n in cells})
    series = SeriesSet(tuple(parse_series(n, "service:nezha") for n in names))
    minutes = [
        Points("file:nezha", at, series, np.array([cells.get(n, math.nan) for n in names]))
        for at, cells in sorted(table.items())
    ]
    records = json.loads((folder / "faults.json").read_text())
    last = max(float(r["t_utc"]) for r in records) + HELD
    usual = [p for p in minutes if p.at >= last]
    cases = []
    for n, record in enumerate(records):
        begun = float(record["t_utc"])
        own = [p for p in minutes if begun - LEAD <= p.at < begun + HELD]
        shift = usual[-1].at + MINUTE - own[0].at
        root = frozenset([as_entity(_service(record["inject_pod"]))])
        name, kind = f"{folder.name}/{n}", record["inject_type"]
        fault = Fault(name, kind, root, begun + shift - MINUTE, begun + shift + HELD)
        cases.append(Case([fault], [Points(p.source, p.at + shift, series, p.values) for p in own]))
    entities = len({s.entity for s in series.series})
    what = "pods alone" if pods_only else "pods, calls and front"
    return Labelled(f"nezha/{folder.name}, {what}", usual, cases, calls, entities)


def _pods(folder: Path) -> Iterator[Row]:
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
        at = float(row.pop("TimeStamp")) - wrong
        service = _service(pod)
        yield at, {f'{what}{{service="{service}"}}': number(cell) for what, cell in row.items()}


def _edges(folder: Path) -> Iterator[Row]:
    """Yield the median latency of calls: the caller's word names who is called."""
    for reporter in ("source", "destination"):
        with (folder / f"{reporter}_50.csv").open() as file:
            for row in csv.DictReader(file):
                cells = {}
                for edge in row.keys() - {"time", "timestamp"}:
                    caller, callee = edge.split("_")
                    said, by, of = ("destination", caller, callee)
                    if reporter == "destination":
                        said, by, of = ("source", callee, caller)
                    name = f'latency_p50_seconds{{service="{by}",{said}_service="{of}"}}'
                    cells[name] = number(row[edge])
                yield float(row["timestamp"]), cells


def _front(folder: Path) -> Iterator[Row]:
    with (folder / "front_service.csv").open() as file:
        for row in csv.DictReader(file):
            service = row.pop("ServiceName").lower()
            at = float(row.pop("TimeStamp"))
            del row["Time"]
            yield at, {f'{what}{{service="{service}"}}': number(c) for what, c in row.items()}


def tvdiag(path: Path) -> Labelled:
    """Return one case: every fault an hour after the one before, all its alerts at once.

    The first 70 % by file order only teach what fires when; the rest is scored.
    """
    records = tvdiag_records(path)
    inputs: list[Input] = []
    faults: list[Fault] = []
    entities: set[str] = set()
    for n, record in enumerate(records):
        at = START + 3600.0 * n
        alerts = sorted(tvdiag_alerts(record))
        inputs += [_alert(at, *one, firing=True) for one in alerts]
        inputs += [_alert(at + FIRES, *one, firing=False) for one in alerts]
        nodes = [as_entity(node) for node in record["nodes"]]
        entities.update(nodes)
        if n >= TEACHES * len(records):
            root = frozenset([as_entity(record["root"])])
            faults.append(Fault(f"{path.stem}/{n}", record["type"], root, at, at + 3000.0))
    calls = tvdiag_calls(records)
    return Labelled(f"tvdiag/{path.name}", (), [Case(faults, inputs)], calls, len(entities))


def tvdiag_records(path: Path) -> list[dict[str, Any]]:
    """Read one fault a line."""
    with gzip.open(path, "rt") as file:
        return [json.loads(line) for line in file]


def tvdiag_calls(records: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return who calls whom, as far as an alert about traces says it."""
    calls: dict[str, set[str]] = {}
    for record in records:
        for caller, callee, *_ in record["trace_alerts"]:
            if caller != callee:
                calls.setdefault(caller, set()).add(callee)
    return {caller: sorted(callees) for caller, callees in calls.items()}


def tvdiag_alerts(record: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Return (entity, what) of every alert of a fault, each once."""
    metric = {(who, f"{what} {way}") for who, what, way in record["metric_alerts"]}
    log = {(who, f"log {what}") for who, what in record["log_alerts"]}
    trace = {(b, f"trace {what} {why}") for _, b, what, why in record["trace_alerts"]}
    return metric | log | trace


def _alert(at: float, entity: str, what: str, *, firing: bool) -> Alert:
    return alert(at, {"service": entity, "alertname": what}, firing=firing)


def _service(pod: str) -> str:
    return re.sub(r"-[0-9a-f]{6,10}-[a-z0-9]{5}$", "", pod)


def number(cell: str) -> float:
    """Read a cell, NaN where there is no number."""
    try:
        return float(cell)
    except ValueError:
        return math.nan
