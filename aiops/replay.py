"""Drive the engine over history, as fast as it goes: files of logs, metrics, changes, alerts."""

from __future__ import annotations

import contextlib
import csv
import glob
import gzip
import heapq
import io
import math
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TextIO

import msgspec
import numpy as np

from aiops.commands import alert
from aiops.decoding.stamps import read_moment
from aiops.detection.direction import unit_of
from aiops.engine import Engine
from aiops.entities import as_entity, split_labels
from aiops.errors import ConfigError
from aiops.model import (
    Alert,
    Block,
    ChangeEvent,
    Ended,
    Incident,
    Opened,
    Points,
    Series,
    SeriesSet,
    State,
    Stream,
    Transition,
)
from aiops.sources.entity import entity_of
from aiops.sources.file import read_file_blocks

_METRIC = re.compile(r"^\s*([^\s{]+?)\s*(?:\{(.*)\})?\s*$")
_LABEL = re.compile(r'\s*([\w.]+)\s*=\s*"((?:[^"\\]|\\.)*)"\s*,?')
_COUNTER_NAME = re.compile(r"_(?:total|count|sum|bucket)$")


_Other = Points | ChangeEvent | Alert


@dataclass(frozen=True, slots=True)
class History:
    """What to replay: paths or globs; a log path may say ``service=NAME:PATH``."""

    logs: Sequence[str] = ()
    metrics: Sequence[str] = ()
    changes: Sequence[str] = ()
    alerts: Sequence[str] = ()


@dataclass(slots=True)
class Outcome:
    """What came of it: the last picture of every incident, in order of opening, and counts."""

    incidents: dict[str, Incident] = field(default_factory=dict)
    candidates: list[Incident] = field(default_factory=list)
    transitions: list[Transition] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    lines: int = 0
    points: int = 0

    def take(self, transitions: Iterable[Transition]) -> None:
        """Remember what happened; a merged incident is gone."""
        for t in transitions:
            self.transitions.append(t)
            if t.kind.value == "merged":
                self.incidents.pop(t.incident.id, None)
            else:
                notified = (
                    self.incidents[t.incident.id].notified_at
                    if (t.incident.id in self.incidents)
                    else ()
                )
                if t.tell and t.at not in notified:
                    notified = (*notified, t.at)
                self.incidents[t.incident.id] = replace(t.incident, notified_at=notified)


def replay(history: History, engine: Engine) -> Outcome:
    """Feed everything in the order of event time and return what came of it."""
    outcome = Outcome()
    turn: list[tuple[float, int, Iterator[Block], Stream]] = []
    for text in history.logs:
        labels, pattern = _split_service(text)
        for path in _paths(pattern, "--logs"):
            entity, workload, instance = entity_of(path, labels)
            stream = Stream(f"file:{path}", "file", entity, workload, instance)
            turn.append((-math.inf, len(turn), _blocks(path, stream, outcome), stream))
            engine.feed(Opened(stream))
    others: Iterator[_Other] = heapq.merge(
        *(_sorted(_points(p, outcome)) for t in history.metrics for p in _paths(t, "--metrics")),
        *(_sorted(_changes(p, outcome)) for t in history.changes for p in _paths(t, "--changes")),
        *(_sorted(_alerts(p, outcome)) for t in history.alerts for p in _paths(t, "--alerts")),
        key=_at,
    )
    upcoming = next(others, None)
    heapq.heapify(turn)
    while turn or upcoming is not None:
        engine.horizon = math.inf if upcoming is None else upcoming.at
        if upcoming is not None and (not turn or turn[0][0] >= upcoming.at):
            if isinstance(upcoming, Points):
                outcome.points += int(np.count_nonzero(~np.isnan(upcoming.values)))
            item, upcoming = upcoming, next(others, None)
            engine.horizon = math.inf if upcoming is None else upcoming.at
            outcome.take(engine.feed(item))
            continue
        _, n, blocks, stream = heapq.heappop(turn)
        block = next(blocks, None)
        if block is None:
            outcome.take(engine.feed(Ended(stream)))
            continue
        outcome.lines += block.data.count(b"\n")
        outcome.take(engine.feed(block))
        heapq.heappush(turn, (engine.watermark(stream.id), n, blocks, stream))
    engine.horizon = math.inf
    outcome.take(engine.close_streams())
    outcome.candidates = [i for i in engine.incidents() if i.state is State.CANDIDATE]
    outcome.take(engine.finish())
    return outcome


def metric_points(history: History) -> Iterator[Points]:
    """Read the metrics of *history* once more, file by file."""
    for text in history.metrics:
        for path in _paths(text, "--metrics"):
            yield from _points(path, Outcome())


def _at(item: _Other) -> float:
    return item.at


def _sorted(items: Iterable[_Other]) -> list[_Other]:
    return sorted(items, key=_at)


def _split_service(text: str) -> tuple[dict[str, str], str]:
    match = re.match(r"(service|host)=([^:]+):(.+)$", text)
    return ({match[1]: match[2]}, match[3]) if match else ({}, text)


def _paths(pattern: str, option: str) -> list[str]:
    if Path(pattern).is_dir():
        found = sorted(str(p) for p in Path(pattern).iterdir() if p.is_file())
    else:
        whole = str(Path(pattern).expanduser())
        found = sorted(glob.glob(whole, recursive=True))  # noqa: PTH207  Path's takes no root
    if not found:
        raise ConfigError([f"{option} {pattern}: no such file; give a path or a glob that matches"])
    return found


def _blocks(path: str, stream: Stream, outcome: Outcome) -> Iterator[Block]:
    try:
        written = Path(path).stat().st_mtime
        blocks = read_file_blocks(path, stream)
        while True:
            try:
                block = next(blocks)
            except StopIteration as end:
                if not end.value:
                    outcome.skipped[f"rest of {path}: damaged gzip file"] += 1
                return
            yield replace(block, arrived=-written)
    except OSError as e:
        raise ConfigError([f"--logs {path}: cannot be read ({e.strerror or e}); check it"]) from e


@contextlib.contextmanager
def _open(path: str, option: str) -> Iterator[TextIO]:
    try:
        with Path(path).open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            raw = gzip.GzipFile(fileobj=file) if packed else file
            yield io.TextIOWrapper(raw, encoding="utf-8", errors="replace", newline="")
    except (OSError, EOFError, zlib.error) as e:
        why = getattr(e, "strerror", None) or e
        raise ConfigError([f"{option} {path}: cannot be read ({why}); check it"]) from e


# --- metrics --------------------------------------------------------------------------------


def parse_series(header: str, default: str) -> Series:
    """Read a header cell: ``name`` or ``name{service="cart",…}``."""
    match = _METRIC.match(header)
    name, labels = (header.strip(), {}) if match is None else (match[1], _labels(match[2] or ""))
    entity, labels = split_labels(labels, default)
    rest = ",".join(f'{k}="{v}"' for k, v in sorted(labels.items()))
    kind = "counter" if _COUNTER_NAME.search(name) else "gauge"
    return Series(entity, f"{name}{{{rest}}}" if rest else name, kind, unit_of(name))


def _labels(text: str) -> dict[str, str]:
    return {m[1]: m[2].replace('\\"', '"') for m in _LABEL.finditer(text)}


def _points(path: str, outcome: Outcome) -> Iterator[Points]:
    with _open(path, "--metrics") as file:
        rows = csv.reader(file)
        head = next(rows, [])
        names = [h.strip() for h in head]
        if "timestamp" not in names:
            raise ConfigError([f"--metrics {path}: no timestamp column; the first line names it"])
        default = f"service:{Path(path).name.partition('.')[0]}"
        if names == ["timestamp", "series", "value"]:
            yield from _long(path, rows, default, outcome)
            return
        at_column = names.index("timestamp")
        places = [i for i in range(len(names)) if i != at_column]
        columns = SeriesSet(tuple(parse_series(names[i], default) for i in places))
        for row in rows:
            at = read_moment(row[at_column]) if len(row) > at_column else None
            if at is None:
                outcome.skipped["metrics row without a time"] += 1
                continue
            values = np.array([_number(row[i]) if i < len(row) else math.nan for i in places])
            yield Points(f"file:{path}", at, columns, values)


def _long(path: str, rows: Iterable[list[str]], default: str, outcome: Outcome) -> Iterator[Points]:
    known: dict[str, int] = {}
    by_time: dict[float, dict[int, float]] = {}
    for row in rows:
        at = read_moment(row[0]) if len(row) == 3 else None
        if at is None:
            outcome.skipped["metrics row without a time"] += 1
            continue
        place = known.setdefault(row[1], len(known))
        by_time.setdefault(at, {})[place] = _number(row[2])
    columns = SeriesSet(tuple(parse_series(name, default) for name in known))
    for at, cells in sorted(by_time.items()):
        values = np.full(len(known), math.nan)
        for place, value in cells.items():
            values[place] = value
        yield Points(f"file:{path}", at, columns, values)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


# --- changes and alerts ---------------------------------------------------------------------


def _changes(path: str, outcome: Outcome) -> Iterator[ChangeEvent]:
    for record in _records(path, "--changes", outcome):
        at = read_moment(record.get("at"))
        if at is None or not record.get("title"):
            outcome.skipped["change without time or title"] += 1
            continue
        entity = str(record.get("entity", ""))
        entity = as_entity(entity) if entity else ""
        yield ChangeEvent(at, str(record.get("kind", "change")), entity, str(record["title"]))


def _alerts(path: str, outcome: Outcome) -> Iterator[Alert]:
    for record in _records(path, "--alerts", outcome):
        at = read_moment(record.get("at"))
        labels = record.get("labels")
        if at is None or not isinstance(labels, dict):
            outcome.skipped["alert without time or labels"] += 1
            continue
        notes = record.get("annotations")
        notes = notes if isinstance(notes, dict) else {}
        title = str(notes.get("summary") or notes.get("description") or "")
        named = {str(k): str(v) for k, v in labels.items()}
        yield alert(at, named, firing=record.get("status") != "resolved", title=title)


def _records(path: str, option: str, outcome: Outcome) -> Iterator[dict[str, Any]]:
    with _open(path, option) as file:
        for line in file:
            if not line.strip():
                continue
            try:
                record = msgspec.json.decode(line.encode(), type=dict[str, Any])
            except msgspec.DecodeError:
                outcome.skipped[f"{option} line that is no JSON object"] += 1
                continue
            yield record
