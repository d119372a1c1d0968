"""What must hold for whole pages of metrics, with everything on: kinds, bank, joint, drift."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple

import numpy as np
import pytest

from aiops.detection import bounds, direction, heartbeats, shares
from aiops.detection.metrics import MetricDetection
from aiops.model import Anomaly, Points, Series, SeriesSet

START = 1_699_920_000.0  # a midnight
WEEK = 7 * 86400.0
STEP = 60.0
COUNT = 230
THRESHOLD = 6.0
ENTITIES = ("service:cart", "service:pay")

Values = dict[Series, float]


class Scrape(NamedTuple):
    """One page: when, of which source, and its values in their order."""

    at: float
    source: str
    values: Values


def gauge(entity: str, name: str) -> Series:
    return Series(entity, name)


def counter(entity: str, name: str) -> Series:
    return Series(entity, name, "counter")


def pages() -> Iterator[Scrape]:
    """Draw the pages of two services; the first has a fault of every kind late."""
    rng = np.random.default_rng(12)
    counts = {one: np.zeros(4) for one in ENTITIES}
    for n in range(COUNT):
        at = START + STEP * (n + 1)
        for entity in ENTITIES:
            bad = entity == ENTITIES[0] and n >= COUNT - 30
            noise, late = rng.standard_normal(6), n - COUNT + 30
            took = (0.4 if bad else 0.08) * np.exp(0.5 * rng.standard_normal(120))
            counts[entity] += [np.count_nonzero(took <= e) for e in (0.05, 0.1, 0.5, math.inf)]
            values = {
                gauge(entity, "basket_size"): 10.0 + 0.1 * noise[0] + 8.0 * bad,
                gauge(entity, "queue_length"): 40.0 + noise[1] - 15.0 * bad,
                gauge(entity, "workers_busy"): 7.0 + 0.2 * noise[2],
                gauge(entity, "db_healthy"): float(not bad or late < 2),
                gauge(entity, "disk_used_ratio"): 0.5 + 1e-3 * noise[3] + 0.01 * bad * late,
                gauge(entity, "job_last_success_timestamp_seconds"): at - at % 300.0 - 1e3 * bad,
                counter(entity, "sold_total"): 600.0 * n + 5.0 * noise[4] + 9e3 * bad * late,
            }
            for edge, count in zip(("0.05", "0.1", "0.5", "+Inf"), counts[entity], strict=True):
                values[counter(entity, f'took_seconds_bucket{{le="{edge}"}}')] = float(count)
            if not bad:
                values[gauge(entity, "shelf_count")] = 5.0 + noise[5]
            yield Scrape(at, f"scrape:{entity}", values)


@cache
def usual() -> tuple[Scrape, ...]:
    return tuple(pages())


class Run:
    """Judge pages; a series that is not on one is NaN, and columns live as a scraper's do."""

    def __init__(self) -> None:
        self.metrics = MetricDetection()
        self._columns: dict[str, tuple[Series, ...]] = {}
        self._sets: dict[tuple[Series, ...], SeriesSet] = {}

    def see(self, scrape: Scrape) -> list[Anomaly]:
        known = self._columns.get(scrape.source, ())
        known += tuple(one for one in scrape.values if one not in set(known))
        self._columns[scrape.source] = known
        columns = self._sets.setdefault(known, SeriesSet(known))
        row = np.array([scrape.values.get(one, math.nan) for one in known])
        points = Points(scrape.source, scrape.at, columns, row, STEP)
        return self.metrics.judge(points, THRESHOLD)


def judged(
    scrapes: tuple[Scrape, ...], before: Callable[[Run, int], None] | None = None
) -> list[Anomaly]:
    run, found = Run(), []
    for n, scrape in enumerate(scrapes):
        if before is not None:
            before(run, n)
        found += run.see(scrape)
    return found


@cache
def expected() -> tuple[Anomaly, ...]:
    return tuple(judged(usual()))


Decision = tuple[float, str, str, str, float]


def decisions(found: list[Anomaly] | tuple[Anomaly, ...], shift: float = 0.0) -> list[Decision]:
    """Return what was decided, whatever the order within a page: who, what, when, how sure."""
    return sorted(
        (a.at - shift, a.series.id, a.kind, a.reason, a.surprise, a.since - shift) for a in found
    )  # type: ignore[return-value]  # six of them


def test_the_pages_have_something_to_find() -> None:
    """Every kind of finding is among them: the sentences below are about all of them."""
    kinds = {a.kind for a in expected()}
    assert {"state", "missing", "saturation", "stale"} <= kinds
    names = {a.series.name for a in expected()}
    assert {"basket_size", "sold_total", 'took_seconds{quantile="0.5"}'} <= names
    assert {a.entity for a in expected()} == {ENTITIES[0]}


@pytest.mark.parametrize("seed", [1, 2])
def test_the_order_of_series_and_sources_changes_nothing(seed: int) -> None:
    """Columns in any order, and the sources of one moment in any order."""
    rng = np.random.default_rng(seed)
    order = {one: rng.random() for scrape in usual() for one in scrape.values}
    mixed = [
        scrape._replace(values=dict(sorted(scrape.values.items(), key=lambda kv: order[kv[0]])))
        for scrape in sorted(usual(), key=lambda s: (s.at, s.source), reverse=False)
    ]
    if seed == 2:
        mixed.sort(key=lambda s: (s.at, [-ord(c) for c in s.source]))
    assert decisions(judged(tuple(mixed))) == decisions(expected())


def test_an_unrelated_source_changes_nothing() -> None:
    """Without the second service the first one is judged the same."""
    alone = tuple(s for s in usual() if s.source.endswith(ENTITIES[0]))
    assert decisions(judged(alone)) == decisions(expected())


@pytest.mark.parametrize("weeks", [-3, 40])
def test_whole_weeks_change_nothing(weeks: int) -> None:
    """Only the part of the week and the differences of time count; times that are values move."""
    by = weeks * WEEK
    moved = tuple(
        Scrape(
            scrape.at + by,
            scrape.source,
            {one: v + by * one.name.endswith("seconds") for one, v in scrape.values.items()},
        )
        for scrape in usual()
    )
    assert decisions(judged(moved), by) == decisions(expected())


def test_a_thousand_times_as_much_is_the_same() -> None:
    """For metrics without a known unit or bound: the same departures, as sure within rounding."""
    bare = ("basket_size", "queue_length", "workers_busy", "sold_total", "shelf_count")

    def scaled(by: float) -> list[Anomaly]:
        only = tuple(
            scrape._replace(values={k: by * v for k, v in scrape.values.items() if k.name in bare})
            for scrape in usual()
        )
        return [a for a in judged(only) if a.kind not in ("joint", "drift")]

    one, thousand = scaled(1.0), scaled(1000.0)
    assert [(a.at, a.series.id, a.kind) for a in one] == [
        (a.at, a.series.id, a.kind) for a in thousand
    ]
    assert [a.surprise for a in thousand] == pytest.approx(
        [a.surprise for a in one], rel=5e-3, abs=5e-3
    )
    assert one


@pytest.mark.parametrize("cut", [2 * (COUNT - 20), 2 * (COUNT - 5) + 1])
def test_the_future_changes_nothing(cut: int) -> None:
    """What was said before stays as it was, whatever comes after."""
    early = usual()[:cut]
    last = early[-1]
    kept = [a for a in expected() if a.at < last.at]
    assert [a for a in judged(early) if a.at < last.at] == kept


@pytest.mark.parametrize("value", [0.0, 1.0, -3e9])
def test_a_constant_never_alarms_by_itself(value: float) -> None:
    """Whatever it is called and whatever kind it has."""
    still = tuple(s._replace(values=dict.fromkeys(usual()[0].values, value)) for s in usual()[::2])
    assert judged(still) == []


def test_what_is_no_number_is_counted_and_harmless() -> None:
    """A series of NaN and infinities among the others: they are judged the same, it is counted."""
    odd, bad = gauge(ENTITIES[0], "odd"), (math.nan, math.inf, -math.inf)
    dirty = tuple(
        s._replace(values=s.values | {odd: bad[n % 3]}) if s.source.endswith("cart") else s
        for n, s in enumerate(usual())
    )
    run, found = Run(), []
    for scrape in dirty:
        found += run.see(scrape)
    assert decisions(found) == decisions(expected())
    infinite = sum(math.isinf(s.values.get(odd, 0.0)) for s in dirty)
    assert run.metrics.facts["not_finite"] == infinite > 0


def test_repeated_and_late_pages_are_counted_and_harmless() -> None:
    """A page as old as the last of its source, or older, is as if it had not come."""
    run, found, strays = Run(), [], 0
    for n, scrape in enumerate(usual()):
        found += run.see(scrape)
        if n % 5 == 0:
            wrong = {one: 3.0 * value + 1.0 for one, value in scrape.values.items()}
            for back in (0.0, 30.0, 3600.0):
                assert run.see(Scrape(scrape.at - back, scrape.source, wrong)) == []
                strays += 1
    assert decisions(found) == decisions(expected())
    assert run.metrics.facts["points_stale"] == strays


def test_a_gap_makes_nothing_up() -> None:
    """Half an hour that nobody watched: no rate over it, nothing missing after it, no alarm."""
    first, second = usual()[: 2 * 120], usual()[2 * 150 : 2 * (COUNT - 31)]
    run = Run()
    assert [a for s in first for a in run.see(s)] == []
    for entity in ENTITIES:
        run.metrics.gap(f"scrape:{entity}")
    assert [a for s in second for a in run.see(s)] == []


def test_clearing_any_cache_changes_nothing() -> None:
    """Columns that were looked at, names that were understood, the last look of the bank."""

    def forget(run: Run, n: int) -> None:
        if n % 7:
            return
        metrics = run.metrics
        metrics._columns.clear()
        metrics._rows.bank._last = None
        metrics._rows._full_until = -math.inf
        metrics._kinds._missing._ids.clear()
        for module in (bounds, direction, heartbeats, shares):
            for cached in vars(module).values():
                if hasattr(cached, "cache_clear"):
                    cached.cache_clear()

    assert judged(usual(), forget) == list(expected())


def test_a_restart_changes_nothing() -> None:
    """Saved and restored between any two pages, it goes on as if nothing had been."""

    def again(run: Run, n: int) -> None:
        if n % 97 == 50:
            sections = {s.name: s for s in run.metrics.to_sections()}
            run.metrics = MetricDetection()
            run.metrics.restore(sections)

    assert judged(usual(), again) == list(expected())
