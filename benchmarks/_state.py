"""Make an engine that has seen much: 10,000 series, 1,000 files, 5,000 templates."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from aiops.engine import Engine, EngineSettings
from aiops.model import Block, Opened, Points, Stream
from aiops.sources.exposition import Scanner

SERIES, STREAMS, TEMPLATES, WORKLOADS = 10_000, 1_000, 5_000, 100
START = 1_709_251_200.0
INTERVAL = 15.0


def page(tick: int, rng: random.Random) -> bytes:
    """Return what a target of 10,000 series answers: gauges and counters by turns."""
    lines = []
    for family in range(SERIES // 100):
        kind = "counter" if family % 2 else "gauge"
        name = f"shop_{family}_bytes" + ("_total" if family % 2 else "")
        lines.append(f"# TYPE {name} {kind}")
        for i in range(100):
            value = 100.0 + 10.0 * rng.gauss(0.0, 1.0) + (1000.0 * tick if family % 2 else 0.0)
            lines.append(f'{name}{{instance="10.0.0.{i}:80",path="/api/v1/item/{i}"}} {value!r}')
    return ("\n".join(lines) + "\n").encode()


def stream(n: int) -> Stream:
    name = f"shop{n % WORKLOADS}"
    return Stream(f"file:/var/log/{name}-{n}.log", "file", f"service:{name}", name, f"{n}")


def texts(workload: int) -> list[str]:
    """Return the forms of one workload's lines: four words that tell it, and a number."""
    rng = random.Random(workload)
    letters = "abcdefghijklmnopqrstuvwxyz"
    forms = []
    for _ in range(TEMPLATES // WORKLOADS):
        words = ["".join(rng.choices(letters, k=rng.randint(4, 9))) for _ in range(4)]
        forms.append("INFO " + " ".join(words) + " took {} ms")
    return forms


def block(n: int, at: float, forms: list[str], rng: random.Random) -> Block:
    """Return a line of every form within ten seconds."""
    whole, rest = divmod(at, 86400.0)
    assert whole * 86400.0 + rest == at
    lines = []
    for i, form in enumerate(forms):
        second = rest + 9.0 * i / len(forms)
        clock = f"{int(second // 3600):02}:{int(second // 60 % 60):02}:{second % 60:06.3f}"
        stamp = str(np.datetime64(int(at), "s"))[:10]
        lines.append(f"{stamp}T{clock}Z {form.format(rng.randint(1, 999))}")
    return Block(stream(n), ("\n".join(lines) + "\n").encode(), f"{at}", at)


def grown(
    scrapes: int = 20, windows: int = 3, open_kinds: int = TEMPLATES
) -> tuple[Engine, Scanner, dict[str, str]]:
    """Return the engine, the scanner that knows its series, and a cursor a file.

    The window that is open at the end holds at most *open_kinds* kinds of line a file.
    """
    rng = random.Random(5)
    engine, scanner = Engine(EngineSettings()), Scanner("service:shop")
    forms = [texts(w) for w in range(WORKLOADS)]
    for n in range(STREAMS):
        engine.feed(Opened(stream(n)))
    for window in range(windows):
        at = START + 10.0 * window
        for n in range(STREAMS):
            some = forms[n % WORKLOADS]
            engine.feed(block(n, at, some[: open_kinds if window == windows - 1 else None], rng))
    for tick in range(scrapes):
        engine.feed(points(scanner, tick, rng))
    return engine, scanner, {stream(n).id: f"{n}" for n in range(STREAMS)}


def points(scanner: Scanner, tick: int, rng: random.Random) -> Points:
    scrape = scanner.scan(page(tick, rng))
    return Points("scrape", START + INTERVAL * tick, scrape.columns, scrape.values, INTERVAL)


def sizes(engine: Engine) -> dict[str, Any]:
    return {
        "series": engine.metrics.series_count,
        "files": STREAMS,
        "templates": len(engine.logs.templates()),
    }
