"""Replay five runs of one system, each as its own day: is the bad one told, and no good one.

Run `python benchmarks/lo2.py [--strict] [--only ADAPTER]`. LO2 holds four normal runs and one with
a wrong request, ten seconds each and without dates. The statement, judged with `fill, daily`:
after the first normal run none of the others is told; the last run is told, with a line never
seen before as its sample and the service that said it. Nothing is known of labels or of runs;
settings are the defaults.

What an adapter changes is times and file names, nothing else; no line is dropped, joined or moved.
`fill`: the stamps of a run are spread over its day, in proportion. `keep`: they keep their time of
day. `daily`: every service begins a new file each day, as rotated logs do. `whole`: one file a
service holds all days. The other three are printed beside it: with `keep` there are ten seconds of
evidence a day, and with `whole` a service is expected at the hours at which its last run spoke.
"""

from __future__ import annotations

import argparse
import datetime as dt
import gzip
import os
import platform
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from aiops.assembly import engine_settings
from aiops.config import Settings
from aiops.engine import Engine
from aiops.model import Anomaly, Incident, SampleLine
from aiops.replay import History, replay

SHARED = Path(os.environ.get("AIOPS_SHARED", Path(__file__).resolve().parents[2] / "shared"))
LO2 = SHARED / "data" / "logs" / "lo2"
FIRST_DAY = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
DAY = 86400.0
STATED = "fill, daily"
ADAPTERS = tuple(f"{pace}, {files}" for pace in ("fill", "keep") for files in ("daily", "whole"))
_STAMP = re.compile(r"(\d\d):(\d\d):(\d\d\.\d{3})(?= )")

Line = tuple[str, str]


class Run(NamedTuple):
    """One run: its name and its lines, (service, text), in their order."""

    name: str
    lines: Sequence[Line]


class Told(NamedTuple):
    """One incident that people hear of: its run, what it says, its lines never seen before."""

    run: int
    incident: Incident
    new: tuple[Anomaly, ...]


def runs(folder: Path) -> Iterator[Run]:
    """Yield the normal runs by name, then the others."""
    normal = sorted(folder.glob("correct_*.tsv.gz"))
    for path in (*normal, *sorted(set(folder.glob("*.tsv.gz")) - set(normal))):
        with gzip.open(path, "rt", encoding="utf-8", newline="\n") as file:
            cells = (line.partition("\t") for line in file)
            yield Run(path.name.removesuffix(".tsv.gz"), [(s, text) for s, _, text in cells])


def seconds(text: str) -> float | None:
    """Return the time of day a line begins with, ``None`` for a continuation."""
    match = _STAMP.match(text)
    return None if match is None else int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3])


def adapted(run: Run, day: int, *, fill: bool) -> Iterator[Line]:
    """Yield the lines of a run with stamps of its *day*: spread over it, or at their own time."""
    stamped = [at for _, text in run.lines if (at := seconds(text)) is not None]
    start, span = min(stamped), max(max(stamped) - min(stamped), 0.001)
    for service, text in run.lines:
        at = seconds(text)
        if at is None:
            yield service, text
            continue
        shifted = (at - start) / span * (DAY - 1.0) if fill else at
        moment = FIRST_DAY + dt.timedelta(days=day, seconds=shifted)
        yield service, moment.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + text[12:]


def write(found: Sequence[Run], adapter: str, folder: Path) -> list[str]:
    """Write the files of an adapter; return them as ``--logs`` takes them."""
    pace, files = adapter.split(", ")
    texts: dict[tuple[str, str], list[str]] = {}
    for day, run in enumerate(found):
        date = (FIRST_DAY + dt.timedelta(days=day)).strftime("%Y-%m-%d")
        for service, text in adapted(run, day, fill=pace == "fill"):
            name = f"{service}-{date}.log" if files == "daily" else f"{service}.log"
            texts.setdefault((service, name), []).append(text)
    for (_, name), lines in texts.items():
        (folder / name).write_text("".join(lines), encoding="utf-8")
    return [f"service={service}:{folder / name}" for service, name in sorted(texts)]


def told(found: Sequence[Run], adapter: str) -> list[Told]:
    """Replay all runs through a fresh engine with default settings; return what was told."""
    with tempfile.TemporaryDirectory() as place:
        logs = write(found, adapter, Path(place))
        outcome = replay(History(logs), Engine(engine_settings(Settings())))
    heard = [i for i in outcome.incidents.values() if i.told]
    return [
        Told(
            int((incident.opened_at - FIRST_DAY.timestamp()) // DAY),
            incident,
            tuple(a for a in incident.anomalies if a.kind == "new_template" and a.samples),
        )
        for incident in sorted(heard, key=lambda i: (i.opened_at, i.id))
    ]


def problems(found: Sequence[Run], stories: Sequence[Told]) -> list[str]:
    """Return what of the statement does not hold."""
    last = len(found) - 1
    wrong = [
        f"{found[one.run].name} is told: {one.incident.title}"
        for one in stories
        if 0 < one.run < last
    ]
    if not any(one.run == last and one.new for one in stories):
        wrong.append(f"{found[last].name} is not told with a line never seen before")
    return wrong


def table(found: Sequence[Run], stories: Sequence[Told]) -> None:
    """Print the stories of each run, each with its first new line."""
    print("| run | lines | told | title | service | line never seen before |")
    print("| --- | --- | --- | --- | --- | --- |")
    for day, run in enumerate(found):
        own = [one for one in stories if one.run == day]
        head = f"| {run.name} | {len(run.lines):,} | {len(own)} "
        if not own:
            print(head + "| | | |")
        for one in own:
            lead = max(one.new, key=lambda a: a.surprise, default=None)
            service = sample = ""
            if lead is not None:
                service, sample = lead.entity, f"`{_short(lead.samples[0])}`"
            title = one.incident.title.replace("|", "\\|")
            print(f"{head}| {title} | {service} | {sample} |")
            head = "| | | "


def _short(sample: SampleLine) -> str:
    """Return what is new in a line, at most 100 characters of it."""
    text = sample.text.split("\n")[0]
    if sample.new is not None:
        text = text[slice(*sample.new)]
    text = text.replace("|", "\\|")
    return text if len(text) <= 100 else text[:99] + "…"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=ADAPTERS, help="one adapter")
    parser.add_argument("--strict", action="store_true", help="a false statement is exit code 1")
    options = parser.parse_args()
    if not LO2.is_dir():
        print(f"lo2: skipped, no {LO2}; set AIOPS_SHARED")
        return 0
    found = list(runs(LO2))
    print(f"lo2: Python {platform.python_version()}, {platform.machine()}, default settings")
    failed: list[str] = []
    others = []
    for adapter in sorted(ADAPTERS, key=lambda name: name != STATED):
        if options.only not in (None, adapter):
            continue
        began = time.process_time()
        stories = told(found, adapter)
        spent = time.process_time() - began
        wrong = problems(found, stories)
        if adapter == (options.only or STATED):
            print(f"adapter: {adapter}; {spent:.1f} s of CPU\n")
            table(found, stories)
            failed = wrong
            continue
        counts = [sum(one.run == day for one in stories) for day in range(len(found))]
        new = any(one.run == len(found) - 1 and one.new for one in stories)
        others.append([adapter, *map(str, counts), "yes" if new else "no"])
    if others:
        heads = ["other adapters: told in", *(run.name for run in found), "with a new line"]
        rows = [heads, ["---"] * len(heads), *others]
        print("\n" + "\n".join(f"| {' | '.join(row)} |" for row in rows))
    for line in failed:
        print(f"statement false: {line}")
    return 1 if failed and options.strict else 0


if __name__ == "__main__":
    sys.exit(main())
