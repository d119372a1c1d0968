#!/usr/bin/env python3
"""Draw the pictures of ``docs/detection.md`` from real runs; ``--check`` says which are stale.

Run ``python docs/pictures.py [--check] [NAME ...]``. Series are generated with a seed and judged
by the detectors that ship; ``shop`` is the simulated shop of ``aiops demo --seed 1`` through the
whole engine. Nothing is drawn by hand but the words on top.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from html import escape
from pathlib import Path

import numpy as np

from aiops.cli.plot import HEIGHT, LEFT, TOP, WIDTH, Dot, render_plot
from aiops.decoding.windows import WindowSettings
from aiops.engine import Engine, EngineSettings
from aiops.model import Points
from aiops.shop import CALLS, demo
from detectors.bank import NEW_NORMAL, SeriesBank

PICTURES = Path(__file__).resolve().parent / "pictures"
START = 1_767_571_200.0  # 2026-01-05, a Monday
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
Mark = tuple[float, str]


def judged(
    samples: Iterator[tuple[float, float]], interval: float
) -> tuple[list[Dot], list[float]]:
    """Score each sample with a bank of one row, then learn it: as the daemon does.

    Dots are samples of a departure; the second list says when a new normal was accepted.
    """
    bank = SeriesBank(max_rows=1)
    row = bank.add(1, interval=interval)
    dots, accepted = [], []
    for at, value in samples:
        scores = bank.step(row, at, np.array([value]))
        low, high = float(scores.low[0]), float(scores.high[0])
        known = not math.isnan(low)
        departs = not math.isnan(scores.since[0])
        dots.append(Dot(at, value, low if known else None, high if known else None, departs))
        if scores.reason[0] == NEW_NORMAL:
            accepted.append(at)
    return dots, accepted


def drawn(dots: Sequence[Dot], marks: Sequence[Mark]) -> str:
    """Return the plot with words at their moments; every second one a line lower."""
    svg = render_plot(dots, "svg").removesuffix("</svg>\n")
    first, last = dots[0].at, dots[-1].at
    for n, (at, words) in enumerate(marks):
        x = LEFT + (at - first) / (last - first) * (WIDTH - 20 - LEFT)
        y = 9 + 10 * (n % 2)
        end = x > WIDTH * 0.75
        svg += (
            f'<line x1="{x:.1f}" y1="{TOP + 2}" x2="{x:.1f}" y2="{HEIGHT - 40}" '
            'stroke="#999" stroke-dasharray="3 3"/>'
            f'<text x="{x - 4 if end else x + 4:.1f}" y="{y}" fill="#333" '
            f'text-anchor="{"end" if end else "start"}">{escape(words)}</text>'
        )
    return svg + "</svg>\n"


# --- generated series -----------------------------------------------------------------------


def season() -> str:
    """Draw four days of a daily rhythm: warm-up, a band that learns the day, one short spike."""
    noise = np.random.default_rng(7)
    step = 15 * MINUTE
    spike = START + 3 * DAY + 3 * HOUR

    def samples() -> Iterator[tuple[float, float]]:
        for n in range(int(4 * DAY / step)):
            at = START + n * step
            usual = 100.0 + 60.0 * math.sin(2 * math.pi * (at / DAY - 0.3))
            extra = 70.0 if spike <= at < spike + step else 0.0
            yield at, usual + extra + 4.0 * float(noise.standard_normal())

    return drawn(
        judged(samples(), step)[0],
        [
            (START + 2 * DAY, "two days seen: the rhythm counts"),
            (spike, "usual by day, not by night"),
        ],
    )


def learning() -> str:
    """Draw an incident that ends, which is not learned, and a new level, which is."""
    noise = np.random.default_rng(11)
    bad, new = START + 11 * HOUR, START + 13 * HOUR
    begin = START + 9.5 * HOUR

    def samples() -> Iterator[tuple[float, float]]:
        for n in range(int(17 * HOUR / MINUTE)):
            at = START + n * MINUTE
            level = 40.0 if bad <= at < bad + 40 * MINUTE or at >= new else 20.0
            yield at, level + float(noise.standard_normal())

    every, accepted = judged(samples(), MINUTE)
    dots = [dot for dot in every if dot.at >= begin][::2]
    marks = [(bad, "an incident: the band waits"), (new, "a new level: news")]
    return drawn(dots, [*marks, *((at, "accepted, told once") for at in accepted)])


# --- the simulated shop ---------------------------------------------------------------------


def shop() -> str:
    """Draw what a customer felt of a bad deploy, and when the one incident of it was told."""
    world = demo(1)
    engine = Engine(EngineSettings(calls=CALLS, window=WindowSettings(width=30.0)))
    values: list[tuple[float, float]] = []
    told: list[Mark] = []
    for item in world.inputs():
        if isinstance(item, Points):
            values += _of(item, "service:frontend/error_ratio")
        told += [(t.at, t.kind.value) for t in engine.feed(item) if t.tell]
    told += [(t.at, t.kind.value) for t in engine.finish() if t.tell]
    first, last = told[0][0], told[-1][0]
    changes = [(at, "deploy") for at in _deploys(engine)]
    dots = [
        dot
        for dot in judged(iter(values), MINUTE)[0]
        if first - 30 * MINUTE <= dot.at <= last + 10 * MINUTE
    ]
    marks = [mark for mark in [*changes, *told] if dots[0].at <= mark[0] <= dots[-1].at]
    return drawn(dots, sorted(marks))


def _of(points: Points, series: str) -> Iterator[tuple[float, float]]:
    for one, value in zip(points.columns.series, points.values.tolist(), strict=True):
        if one.id == series and math.isfinite(value):
            yield points.at, value


def _deploys(engine: Engine) -> Iterator[float]:
    yield from sorted({c.at for incident in engine.incidents() for c in incident.changes})


# --- the face -------------------------------------------------------------------------------

DRAWINGS: dict[str, Callable[[], str]] = {"season": season, "learning": learning, "shop": shop}


def main() -> int:
    """Write the pictures, or check them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(DRAWINGS))
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when stale")
    options = parser.parse_args()
    stale = []
    PICTURES.mkdir(exist_ok=True)
    for name in options.names or DRAWINGS:
        path = PICTURES / f"{name}.svg"
        svg = DRAWINGS[name]()
        if options.check and (not path.exists() or path.read_text(encoding="utf-8") != svg):
            stale.append(name)
        elif not options.check:
            path.write_text(svg, encoding="utf-8")
    for name in stale:
        sys.stdout.write(f"docs/pictures/{name}.svg is stale: run `python docs/pictures.py`\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
