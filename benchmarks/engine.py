"""File to incidents with everything on, beside the bare reading of it and beside Drain3.

Run ``python benchmarks/engine.py [CASE ...] [--rounds N] [--least LINES] [--scratch DIR]``. Every
figure comes from a child process of its own: CPU seconds of the work alone, and the peak of its
memory. What comes before the first byte (interpreter, imports, compiled patterns, a miner with its
masks) is in no rate, of ours or of theirs; ours is shown as "start". The three of a case take
turns in every round, the best round of each counts:
(split) reading 256 KiB chunks and splitting them into lines, (engine) ``aiops replay`` with
default settings, one thread, and (Drain3) its miner with the masks of its example configuration
on the first lines, already in memory, nothing else done to them. The corpora are found by
AIOPS_SHARED (default: ``../shared`` beside the checkout); without them the synthetic cases run.
``lag`` runs a real daemon over a file that grows and reads its own ``aiops_loop_lag_seconds``.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import math
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import _growth

BLOCK = 256 * 1024
DRAIN_LINES = 20_000
SEED = 11
RSS_MIB = 300
LAG_P99 = 0.025
Files = Iterable[tuple[str, Iterable[str]]]


@dataclass(frozen=True)
class Case:
    """Name a corpus, how to make it, and what is asked of it."""

    make: Callable[[int], Files]
    floor: int
    drain: float = 0.0
    corpus: str = ""


CASES = {
    "plain": Case(_growth.plain, 400_000, 6.0),
    "novel": Case(lambda _: _growth.novel(), 50_000),
    "json": Case(lambda _: _growth.pino(), 150_000),
    "hdfs": Case(lambda _: _growth.hdfs(), 400_000, 6.0, "hdfs"),
    "hdfs-grown": Case(lambda n: _growth.hdfs_grown(n, SEED), 400_000, 6.0, "hdfs"),
    "lo2": Case(lambda _: _growth.lo2(), 100_000, 0.0, "lo2"),
    "lo2-grown": Case(lambda n: _growth.lo2_grown(n, SEED), 100_000, 0.0, "lo2"),
    "nezha": Case(lambda _: _growth.nezha(), 100_000, 0.0, "nezha_trainticket"),
    "nezha-grown": Case(lambda n: _growth.nezha_grown(n, SEED), 100_000, 0.0, "nezha_trainticket"),
}


def write(files: Files, folder: Path) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, lines in files:
        path = folder / name
        with path.open("w", encoding="utf-8", newline="\n") as out:
            for line in lines:
                out.write(line + "\n")
        paths.append(path)
    return paths


# --- what a child does: one measurement, told as JSON ----------------------------------------


def split(paths: list[str]) -> dict[str, Any]:
    lines = 0
    for path in paths:
        with Path(path).open("rb", buffering=0) as file:
            rest = b""
            while chunk := file.read(BLOCK):
                found = (rest + chunk).split(b"\n")
                rest = found.pop()
                lines += len(found)
    return {"lines": lines}


def engine(paths: list[str]) -> dict[str, Any]:
    from aiops.engine import Engine, EngineSettings  # noqa: PLC0415 - only in this child
    from aiops.replay import History, replay  # noqa: PLC0415

    made = Engine(EngineSettings())
    clock = Clock()
    outcome = replay(History(logs=paths), made)
    return clock.read() | {
        "lines": outcome.lines,
        "incidents": len(outcome.incidents),
        "templates": len(made.logs.templates()),
    }


def drain(paths: list[str]) -> dict[str, Any]:
    from templates import drain as miner_with_masks  # noqa: PLC0415 - only in this child

    head: list[str] = []
    for path in paths:
        with Path(path).open(encoding="utf-8", errors="replace") as file:
            head += [line.rstrip("\n") for _, line in zip(range(DRAIN_LINES), file, strict=False)]
    head = head[:: max(len(head) // DRAIN_LINES, 1)][:DRAIN_LINES]
    miner = miner_with_masks()
    clock = Clock()
    for line in head:
        miner.add_log_message(line)
    return clock.read() | {"lines": len(head)}


class Clock:
    def __init__(self) -> None:
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def read(self) -> dict[str, Any]:
        return {
            "start": self.cpu,
            "cpu": time.process_time() - self.cpu,
            "wall": time.perf_counter() - self.wall,
        }


WORK: dict[str, Callable[[list[str]], dict[str, Any]]] = {
    "split": split,
    "engine": engine,
    "drain": drain,
}


def peak_mib() -> float:
    """Return the peak of this process; ``ru_maxrss`` would count the parent's before exec."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return math.nan


def child(what: str, paths: list[str]) -> None:
    clock = Clock()
    found = WORK[what](paths)
    print(json.dumps(clock.read() | found | {"rss": peak_mib()}))


def ask(what: str, paths: list[Path]) -> dict[str, Any]:
    command = [sys.executable, __file__, "--child", what, *map(str, paths)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


# --- what the parent prints ------------------------------------------------------------------


def run_case(name: str, case: Case, scratch: Path, options: argparse.Namespace) -> list[str]:
    """Print one row; return which floors were missed."""
    folder = scratch / f"{name}-{options.least}"
    paths = sorted(folder.glob("*")) if (folder / "../.done" / folder.name).exists() else []
    if not paths:
        paths = write(case.make(options.least), folder)
        (scratch / ".done").mkdir(exist_ok=True)
        (scratch / ".done" / folder.name).touch()
    best: dict[str, dict[str, Any]] = {}
    for _ in range(options.rounds):
        for what in WORK:
            found = ask(what, paths)
            if what not in best or found["cpu"] < best[what]["cpu"]:
                best[what] = found
    rate = {what: found["lines"] / found["cpu"] for what, found in best.items()}
    ours = best["engine"]
    mega = sum(p.stat().st_size for p in paths) / 1e6
    print(
        f"{name:12}{ours['lines']:>9,}{mega:>6.0f}{rate['split'] / 1e6:>9.2f}M"
        f"{rate['engine']:>11,.0f}{ours['wall']:>8.1f}{ours['start']:>8.2f}{rate['drain']:>10,.0f}"
        f"{rate['engine'] / rate['split']:>8.3f}{rate['engine'] / rate['drain']:>8.1f}x"
        f"{ours['rss']:>6.0f}{ours['templates']:>7}{ours['incidents']:>6}"
        f"   {case.floor:,}" + (f", {case.drain:.0f}x Drain3" if case.drain else ""),
        flush=True,
    )
    missed = []
    if rate["engine"] < case.floor:
        missed.append(f"{name}: {rate['engine']:,.0f} lines/s of {case.floor:,}")
    if rate["engine"] < case.drain * rate["drain"]:
        missed.append(f"{name}: {rate['engine'] / rate['drain']:.1f} x Drain3 of {case.drain:.0f}")
    if ours["rss"] > RSS_MIB:
        missed.append(f"{name}: {ours['rss']:.0f} MiB of {RSS_MIB}")
    return missed


def profile(name: str, case: Case, scratch: Path, options: argparse.Namespace) -> None:
    """Print where the engine spends its time on one case."""
    import cProfile  # noqa: PLC0415 - a tool, not a part
    import pstats  # noqa: PLC0415

    paths = [str(p) for p in write(case.make(options.least), scratch / "profile")]
    print(name)
    run = cProfile.Profile()
    run.runcall(engine, paths)
    pstats.Stats(run).sort_stats("tottime").print_stats(25)


def lag(scratch: Path) -> list[str]:
    """Run a daemon over a file that grows as fast as it is read; print its own loop lag."""
    folder = scratch / "lag"
    folder.mkdir(exist_ok=True)
    seed = write(_growth.plain(100_000), folder / "seed")[0].read_bytes()
    command = [sys.executable, __file__, "--child", "daemon", str(folder), str(len(seed))]
    found = json.loads(
        subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[
            -1
        ]
    )
    print(
        f"loop lag while ingesting {found['lines']:,} lines at {found['rate']:,.0f} lines/s wall: "
        f"p99 {1e3 * found['p99']:.1f} ms, max {1e3 * found['max']:.1f} ms, "
        f"RSS {found['rss']:.0f} MiB   floor p99 {1e3 * LAG_P99:.0f} ms, {RSS_MIB} MiB"
    )
    return [f"lag: {1e3 * found['p99']:.1f} ms"] if found["p99"] > LAG_P99 else []


def daemon(folder: Path, seconds: float = 20.0) -> None:
    import asyncio  # noqa: PLC0415 - only in this child

    from aiops.assembly import build  # noqa: PLC0415
    from aiops.config import Settings  # noqa: PLC0415
    from aiops.daemon import Daemon  # noqa: PLC0415
    from aiops.telemetry import Telemetry  # noqa: PLC0415

    log = folder / "growing.log"
    log.write_bytes(b"")
    telemetry = Telemetry()
    plan = build(Settings(), paths=[str(log)])
    made = Daemon(plan, folder / "state", telemetry)

    async def measure() -> None:
        running = asyncio.create_task(made.run())
        async with asyncio.timeout(30):
            while not made.ready:  # noqa: ASYNC110 - the daemon says no more than this
                await asyncio.sleep(0.05)
        writer = await asyncio.create_subprocess_exec(
            sys.executable, __file__, "--child", "writer", str(log), str(seconds)
        )
        clock = Clock()
        await writer.wait()
        wall = clock.read()["wall"]
        lines, p99, most = figures(telemetry.exposition().decode())
        print(
            json.dumps(
                {"lines": lines, "rate": lines / wall, "p99": p99, "max": most, "rss": peak_mib()}
            ),
            flush=True,
        )
        made.stop()
        await running

    asyncio.run(measure())


def figures(text: str) -> tuple[float, float, float]:
    found = {"lines": 0.0, "p99": math.nan, "max": math.nan}
    for line in text.splitlines():
        if line.startswith("aiops_lines_total"):
            found["lines"] += float(line.rpartition(" ")[2])
        for over in ("p99", "max"):
            if line.startswith(f'aiops_loop_lag_seconds{{over="{over}"}}'):
                found[over] = float(line.rpartition(" ")[2])
    return found["lines"], found["p99"], found["max"]


def writer(path: Path, seconds: float) -> None:
    """Append for *seconds*, always a few megabytes ahead of the reader."""
    until = time.monotonic() + seconds
    with path.open("ab", buffering=0) as out:
        for data in _chunks():
            if time.monotonic() >= until:
                return
            out.write(data)
            # As fast as 1.5 million lines a second: more than is read.
            time.sleep(data.count(b"\n") / 1.5e6)


def _chunks() -> Iterator[bytes]:
    some: list[str] = []
    lines = [line for _, lines in _growth.plain(200_000) for line in lines]
    started = time.time()
    n = 0
    while True:
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(max(time.time(), started)))
        for _ in range(2000):
            some.append(stamp + lines[n % len(lines)][19:])
            n += 1
        yield ("\n".join(some) + "\n").encode()
        some.clear()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", help=f"of: {', '.join(CASES)}, lag; default: all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--least", type=int, default=500_000, help="lines of a grown corpus")
    parser.add_argument("--scratch", type=Path, help="keep the corpora here and use them again")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--strict", action="store_true", help="a missed floor is exit code 1")
    parser.add_argument("--child", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        what, *rest = options.child
        if what == "daemon":
            daemon(Path(rest[0]))
        elif what == "writer":
            writer(Path(rest[0]), float(rest[1]))
        else:
            child(what, rest)
        return 0
    unknown = set(options.cases) - {*CASES, "lag"}
    if unknown:
        parser.error(f"no such case: {', '.join(sorted(unknown))}")
    wanted = options.cases or [*CASES, "lag"]
    versions = f"drain3 {importlib.metadata.version('drain3')}, Python {platform.python_version()}"
    print(f"{versions}, {platform.machine()}; CPU time of one core, best of {options.rounds}\n")
    if not options.profile:
        print(
            f"{'case':12}{'lines':>9}{'MB':>6}{'split/s':>10}{'engine/s':>11}{'wall s':>8}"
            f"{'start s':>8}{'Drain3/s':>10}{'of split':>8}{'xDrain3':>9}{'MiB':>6}"
            f"{'templ.':>7}{'inc.':>6}   floor"
        )
    missed: list[str] = []
    with tempfile.TemporaryDirectory() as temporary:
        scratch = options.scratch or Path(temporary)
        scratch.mkdir(parents=True, exist_ok=True)
        for name in wanted:
            if name == "lag":
                missed += lag(Path(temporary))
            elif (corpus := CASES[name].corpus) and not (_growth.LOGS / corpus).exists():
                print(f"{name:12} skipped, no {_growth.LOGS / corpus}; set AIOPS_SHARED")
            elif options.profile:
                profile(name, CASES[name], Path(temporary), options)
            else:
                missed += run_case(name, CASES[name], scratch, options)
    print("\nfloors missed: " + ("; ".join(missed) or "none"))
    return 1 if missed and options.strict else 0


if __name__ == "__main__":
    sys.exit(main())
