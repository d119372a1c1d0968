"""The engine takes any input in any order: no exception, bounded, and nothing in silence."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

import numpy as np
import pytest

from aiops.decoding.saved import without_secrets
from aiops.engine import Engine, EngineSettings
from aiops.model import (
    Block,
    ChangeEvent,
    Command,
    Cut,
    Ended,
    Gap,
    Input,
    Opened,
    Points,
    Series,
    SeriesSet,
    Stream,
    Tick,
    Watched,
)

AT = 1_741_068_000.0
SETTINGS = EngineSettings(multivariate="", drift="")


def stream(name: str = "a") -> Stream:
    return Stream(f"file:/{name}", "file", f"service:{name}", f"service:{name}")


def block(of: Stream, at: float, text: str = "INFO hello", arrived: float | None = None) -> Block:
    from datetime import UTC, datetime

    line = f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%S}Z {text}\n"
    return Block(of, line.encode(), "1", at if arrived is None else arrived)


def points(at: float, *values: float, columns: SeriesSet | None = None) -> Points:
    known = columns or SeriesSet(tuple(Series("host:a", f"m{n}") for n in range(len(values))))
    return Points("host", at, known, np.array(values))


def odd_inputs() -> Iterator[Input]:
    """Yield everything an engine may meet before it knows anything."""
    yield Tick(AT)
    yield Tick(-math.inf)
    yield Tick(math.nan)
    yield Watched(stream("never seen"), AT)
    yield Watched(stream("never seen"), -math.inf)
    yield Ended(stream("never seen"))
    yield Gap("file", AT, AT + 60.0, "suspended")
    yield Gap("nobody", AT + 60.0, AT, "time went back")
    yield Command(1, "ack", "inc_unknown", AT)
    yield Command(2, "resolve", "", AT)
    yield Command(3, "no such kind", "inc_unknown", AT)
    yield Command(4, "change", "service:a", AT, args={"title": "v2"})
    yield Command(5, "change", "service:a", AT, args={"title": "v2", "at": "nonsense"})
    yield ChangeEvent(AT, "deploy", "service:a", "v2")
    yield ChangeEvent(math.nan, "deploy", "service:a", "v2")
    yield points(AT, 1.0, math.nan, math.inf)
    yield points(AT - 1e6, 1.0, 2.0)
    yield points(math.inf, 1.0)
    yield points(AT)
    yield Opened(stream())
    yield Watched(stream(), AT)
    yield Block(stream(), b"", "0", AT)
    yield Block(stream(), b"\n\n\x00\n\xff\xfe\n", "1", AT)
    yield Block(stream("inf"), b"no stamp\n", "1", math.inf)
    yield Watched(stream(), AT + 100.0)
    yield block(stream(), AT)
    yield block(stream(), AT - 1e6)
    yield Ended(stream())
    yield block(stream(), AT + 30.0)
    yield Watched(stream(), AT + 600.0)
    yield Watched(stream(), AT - 600.0)


def test_any_order_of_odd_inputs_is_taken() -> None:
    """No input raises, whatever came before it, and the end of all leaves nothing waiting."""
    for seed in range(12):
        engine = Engine(SETTINGS)
        items = list(odd_inputs())
        random.Random(seed).shuffle(items)
        for item in items:
            engine.feed(item)
        engine.finish()
        assert engine.waiting == engine.open_windows == 0
        assert engine.take_facts()["not_finite"] >= 3


@pytest.mark.parametrize("item", list(odd_inputs()), ids=lambda item: type(item).__name__)
def test_any_input_may_be_the_first(item: Input) -> None:
    """An engine that knows nothing takes anything."""
    engine = Engine(SETTINGS)
    engine.feed(item)
    engine.feed(Tick(AT + 1000.0))
    engine.finish()
    assert engine.waiting == 0


def test_only_watched() -> None:
    """An engine that only ever sees proof of watching has nothing to say and keeps nothing."""
    engine = Engine(SETTINGS)
    for n in range(500):
        assert engine.feed(Watched(stream(), AT + n)) == []
        assert engine.feed(Tick(AT + n)) == []
    assert (engine.stream_count, engine.waiting) == (0, 0)


def test_columns_may_change_at_every_scrape() -> None:
    """A source may bring other series each time; the bound on series holds."""
    engine = Engine(EngineSettings(multivariate="", drift="", max_series=20))
    for n in range(60):
        names = SeriesSet(tuple(Series("host:a", f"m{n}.{k}") for k in range(n % 3)))
        engine.feed(points(AT + n * 15.0, *[1.0] * (n % 3), columns=names))
    assert engine.metrics.series_count <= 20


def test_streams_beyond_the_bound_are_refused_and_counted() -> None:
    """The bound on streams holds; refused streams and their lines are counted."""
    engine = Engine(EngineSettings(multivariate="", drift="", max_streams=3))
    for n in range(5):
        engine.feed(block(stream(str(n)), AT))
    facts = engine.take_facts()
    assert engine.stream_count == 3
    assert facts["streams_refused"] == facts["lines_refused"] == 2


def test_the_slowest_stream_holds_the_order() -> None:
    """What is younger than the slowest stream waits; its end releases everything."""
    engine = Engine(SETTINGS)
    slow, quick = stream("slow"), stream("quick")
    engine.feed(Opened(slow))
    for n in range(20):
        engine.feed(block(quick, AT + n * 10.0))
    assert engine.waiting > 10
    engine.feed(block(slow, AT + 100.0))
    assert 5 < engine.waiting < 15
    engine.feed(Ended(slow))
    engine.feed(Ended(quick))
    assert engine.waiting == 0
    assert engine.watermark(slow.id) == AT + 110.0


def test_what_waits_is_bounded() -> None:
    """When too much waits for one stream the oldest goes on, and that is counted."""
    engine = Engine(SETTINGS)
    engine._waiting.limit = 10
    engine.feed(Opened(stream("slow")))
    for n in range(40):
        engine.feed(block(stream("quick"), AT + n * 10.0))
    assert engine.waiting <= 11
    assert engine.take_facts()["hold_timeouts"] >= 25


def test_an_ended_stream_may_go_on() -> None:
    """A stream that ended and speaks again holds the order again."""
    engine = Engine(SETTINGS)
    engine.feed(block(stream(), AT))
    engine.feed(Ended(stream()))
    engine.feed(block(stream("b"), AT + 1000.0))
    engine.feed(block(stream(), AT + 20.0))
    assert engine.clock < AT + 1000.0
    assert engine.flows.low < AT + 1000.0


def test_a_forgotten_stream_holds_nobody() -> None:
    """A stream that is gone for good leaves no trace in the order."""
    engine = Engine(SETTINGS)
    engine.feed(Opened(stream("gone")))
    engine.feed(block(stream(), AT))
    engine.feed(block(stream(), AT + 100.0))
    assert engine.flows.low == -math.inf
    engine.forget("file:/gone")
    assert engine.flows.low == AT + 90.0
    assert engine.stream_count == 1


@pytest.mark.slow
def test_ten_thousand_streams() -> None:
    """Ten thousand streams are taken, each window judged, and the low watermark stays cheap."""
    engine = Engine(SETTINGS)
    streams = [stream(str(n)) for n in range(10_000)]
    for step in range(3):
        for one in streams:
            engine.feed(block(one, AT + step * 10.0))
            engine.feed(Watched(one, AT + step * 10.0 + 1.0))
    assert engine.stream_count == 10_000
    assert len(engine.flows._bounds) <= 3
    engine.close_streams()
    assert engine.waiting == 0


def test_time_passes_at_the_same_steps_however_ticks_fall() -> None:
    """Ticks only let time reach the next step; where they fall between steps does not matter."""
    ends = []
    for every in (0.7, 3.1, 60.0):
        engine = Engine(SETTINGS)
        at = AT
        while at < AT + 600.0:
            at += every
            engine.feed(Tick(min(at, AT + 600.0)))
        ends.append(engine.clock)
    assert set(ends) == {AT + 600.0}


def test_no_secret_reaches_a_saved_cut() -> None:
    """Neither kinds, samples, first lines nor waiting windows hold a password once hidden."""
    engine = Engine(EngineSettings())
    line = "2026-01-05 10:{:02}:{:02} INFO login of bob with password=hunter2 done\n"
    known = Stream("file:/a", "file", "service:a", "service:a")
    other = Stream("file:/b", "file", "service:b", "service:b")
    engine.feed(Block(other, b"login of bob with password=hunter2 done\n", "1", 0.0))
    for n in range(60):
        engine.feed(Block(known, line.format(n // 60, n % 60).encode(), str(n), 0.0))
    cut = Cut({}, 0, 0, engine.to_sections())

    assert "hunter2" not in repr(without_secrets(cut).sections)
    assert engine.waiting > 0
