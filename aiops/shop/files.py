"""Write a shop to disk: logs, metrics, changes and the truth, in the formats that replay reads."""

from __future__ import annotations

import csv
import json
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiops.model import Block, ChangeEvent, Points

if TYPE_CHECKING:
    from aiops.shop.shop import Shop


def write(shop: Shop, directory: Path) -> None:
    """Write one log a stream, ``metrics.csv``, ``changes.jsonl`` and ``truth.json``.

    The directory is made when it is missing; files of the same names are replaced. A log holds
    exactly the bytes of its stream's blocks.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        logs = {
            stream.id: stack.enter_context((directory / f"{stream.instance}.log").open("wb"))
            for stream in shop.streams
        }
        table = stack.enter_context((directory / "metrics.csv").open("w", newline=""))
        changes = stack.enter_context((directory / "changes.jsonl").open("w"))
        rows = csv.writer(table, lineterminator="\n")
        rows.writerow(["timestamp", *(_cell(name) for name in shop.columns)])
        for item in shop.inputs():
            if isinstance(item, Block):
                logs[item.stream.id].write(item.data)
            elif isinstance(item, Points):
                values = [f"{value:.10g}" for value in item.values.tolist()]
                rows.writerow([f"{item.at:.10g}" if item.at % 1 else int(item.at), *values])
            elif isinstance(item, ChangeEvent):
                changes.write(json.dumps(_change(item)) + "\n")
    (directory / "truth.json").write_text(json.dumps(truth(shop), indent=1) + "\n")


def truth(shop: Shop) -> dict[str, Any]:
    """Return what really happened, as plain values: faults, whom they touched, and the calls."""
    return {
        "seed": shop.seed,
        "start": rfc3339(shop.start),
        "end": rfc3339(shop.end),
        "calls": {caller: list(callees) for caller, callees in shop.calls.items()},
        "faults": [
            {
                "kind": fault.kind,
                "entity": fault.entity,
                "start": rfc3339(fault.start),
                "end": rfc3339(fault.end),
                "benign": fault.benign,
                "change": None if fault.change is None else _change(fault.change),
                "affected": [
                    {"entity": f"service:{e.service}", "start": rfc3339(e.start), "hop": e.hop}
                    for e in shop.touched(fault)
                ],
            }
            for fault in shop.truth
        ],
    }


def rfc3339(at: float) -> str:
    """Return a time as RFC 3339 in UTC with milliseconds."""
    millis = round(at * 1000)
    head = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(millis // 1000))
    return f"{head}.{millis % 1000:03d}Z"


def _cell(series_id: str) -> str:
    entity, _, name = series_id.partition("/")
    kind, _, value = entity.partition(":")
    return f'{name}{{{kind}="{value}"}}'


def _change(change: ChangeEvent) -> dict[str, Any]:
    return {
        "at": rfc3339(change.at),
        "kind": change.kind,
        "entity": change.entity,
        "title": change.title,
    }
