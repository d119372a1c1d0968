"""The same input gives the same bytes, however it is cut, interleaved, resumed or forgotten."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiops.decoding.kinds import KindCache
from aiops.decoding.stamps import clear_caches
from aiops.decoding.windows import StreamWindows, WindowSettings
from aiops.engine import Engine, EngineSettings
from aiops.model import (
    Block,
    ChangeEvent,
    Ended,
    Input,
    Opened,
    Points,
    Stream,
    Tick,
    Transition,
    Watched,
)
from aiops.sessions import SessionRule
from aiops.shop import Shop
from aiops.shop.scenarios import fault
from aiops.storage.sections import read_sections, write_sections

START = 1_741_068_000.0
QUIET = EngineSettings(multivariate="", drift="")


@dataclass
class Outcome:
    """What a run left behind, as bytes."""

    transitions: bytes
    templates: bytes
    state: bytes
    facts: dict[str, int]


def outcome(engine: Engine, transitions: Sequence[Transition], facts: dict[str, int]) -> Outcome:
    left = {k: v for k, v in facts.items() if v}
    return Outcome(
        msgspec.json.encode(transitions),
        msgspec.json.encode(engine.logs.templates()),
        saved(engine),
        left,
    )


def saved(engine: Engine) -> bytes:
    """Return the whole state as one string of bytes."""
    parts = [
        [s.name, s.version, plain(s.header), [[k, a.tolist()] for k, a in sorted(s.arrays.items())]]
        for s in sorted(engine.to_sections(), key=lambda s: s.name)
    ]
    return msgspec.msgpack.encode(parts)


def plain(value: object) -> object:
    """Return a value whose bytes do not depend on the order of keys."""
    if isinstance(value, Mapping):
        return sorted(
            ([repr(k), plain(v)] for k, v in value.items()), key=lambda pair: str(pair[0])
        )
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return value


def restart(engine: Engine, folder: Path) -> Engine:
    """Save an engine, forget it, and go on with a new one."""
    path = folder / "models.bin"
    written = write_sections(path, engine.to_sections())
    assert written.problems == ()
    sections, problems, _ = read_sections(path)
    assert problems == []
    again = Engine(engine.settings)
    assert again.restore(sections) == []
    return again


def run(
    items: Iterable[Input],
    engine_settings: EngineSettings = QUIET,
    *,
    restarts: float = 0.0,
    forgets: bool = False,
    seed: int = 0,
) -> Outcome:
    """Feed *items*; stop and resume after a share of them, drop caches between all of them."""
    chance = random.Random(seed)
    engine = Engine(engine_settings)
    found: list[Transition] = []
    facts: dict[str, int] = {}

    def take() -> None:
        for name, n in engine.take_facts().items():
            facts[name] = facts.get(name, 0) + n

    with TemporaryDirectory() as folder:
        for item in items:
            found += engine.feed(item)
            if restarts and chance.random() < restarts:
                take()
                engine = restart(engine, Path(folder))
            if forgets:
                forget(engine)
        found += engine.close_streams()
        take()
    return outcome(engine, found, facts)


def forget(engine: Engine) -> None:
    """Drop everything that is only remembered for speed."""
    engine.kinds.clear()
    clear_caches()
    for workload in engine.logs._firsts.workloads.values():
        for miner in workload.miners.values():
            miner.clear_caches()


def same(one: Outcome, two: Outcome) -> None:
    """Compare piece by piece, so that a failure says which piece it is."""
    assert one.facts == two.facts
    assert one.templates == two.templates
    assert one.transitions == two.transitions
    assert one.state == two.state


# --- streams as files: every line stamped, nothing late --------------------------------------


def stream(n: int) -> Stream:
    """Return a stream; two of them are instances of one workload."""
    name = ("cart", "cart", "mail", "db")[n]
    return Stream(f"file:/{n}", "file", f"service:{name}", f"service:{name}", str(n))


WORDS = [
    "cache",
    "order",
    "user",
    "payment",
    "refused",
    "timeout",
    "started",
    "stopped",
    "retry",
    "lost",
]


def shaped(shape: int, at: float, level: str, text: str) -> str:
    """Write one line as one of several kinds of loggers would."""
    when = datetime.fromtimestamp(at, UTC)
    if shape == 0:
        return f"{when:%Y-%m-%dT%H:%M:%S}.{int(at * 1000) % 1000:03}Z {level} {text}"
    if shape == 1:
        ids = f'"trace_id":"{int(at):032x}","span_id":"{level:0>16}","parent_id":"{"cafe":0>16}"'
        said = f'"ts":{at:.3f},"level":"{level.lower()}","msg":"{text}","service":"{level}"'
        return f"{{{said},{ids}}}" if len(text) % 3 else f"{{{said}}}"
    if shape == 2:
        return f"{when:%b %e %H:%M:%S} web1 cart[7]: {level} {text}"
    status = len(text) % 5 + 1
    return f'1.2.3.4 - - [{when:%d/%b/%Y:%H:%M:%S} +0000] "GET /{text} HTTP/1.1" {status}00 1'


def files(seed: int) -> list[tuple[Stream, list[bytes]]]:
    """Make a few files with stamped lines, almost in order, some with continuations."""
    chance = random.Random(seed)
    found = []
    for n in range(chance.randint(1, 4)):
        shape = chance.randrange(4)
        at = START + chance.uniform(0, 400)
        lines: list[bytes] = []
        if chance.random() < 0.3:
            lines.append(b"-- banner without a time --")
        for _ in range(chance.randint(1, 120)):
            at += chance.choice((0.0, 0.0, 0.1, 1.0, 7.0, 40.0))
            at += 5000.0 if chance.random() < 0.01 else 0.0
            level = chance.choice(("INFO", "INFO", "INFO", "WARN", "ERROR", "DEBUG"))
            text = " ".join(chance.choices(WORDS, k=chance.randint(1, 3)))
            text += f" {chance.randint(1, 9999)}"
            when = at - chance.uniform(0, 2.0) if shape != 2 else at
            lines.append(shaped(shape, when, level, text).encode())
            if shape == 0 and chance.random() < 0.2:
                lines += [b"  at shop.Cart(Cart.java:7)"] * chance.randint(1, 9)
        found.append((stream(n), lines))
    return found


def recut(
    inputs: Sequence[tuple[Stream, list[bytes]]], chance: random.Random, most: int
) -> Iterator[Input]:
    """Yield the same lines in other blocks and another order of streams."""
    for of, _ in inputs:
        yield Opened(of)
    left = [(of, list(lines)) for of, lines in inputs]
    while left:
        n = chance.randrange(len(left))
        of, lines = left[n]
        if not lines:
            yield Ended(of)
            del left[n]
            continue
        take = chance.randint(1, most)
        data = b"".join(line + b"\n" for line in lines[:take])
        del lines[:take]
        yield Block(of, data, str(len(lines)), -(START + 86400.0))


@settings(max_examples=15)
@given(st.integers(0, 2**16), st.integers(0, 2**16), st.sampled_from((1, 3, 20, 1000)))
def test_files_give_the_same_bytes_however_they_are_read(of: int, seed: int, most: int) -> None:
    """Blocks, interleaving, restarts and caches change nothing of transitions, templates, state."""
    inputs = files(of)
    whole = run(recut(inputs, random.Random(0), 10_000))
    again = run(recut(inputs, random.Random(seed), most), restarts=0.03, forgets=True, seed=seed)
    same(whole, again)


FLOWS = WindowSettings(
    sessions=(
        SessionRule("order", pattern=r"(?:order|user|cache|lost) (\d{1,2})", idle=40.0, max_open=9),
        SessionRule("level", field="service", streams="c*"),
    )
)


@settings(max_examples=15)
@given(st.integers(0, 2**16), st.integers(0, 2**16), st.sampled_from((1, 3, 20, 1000)))
def test_sessions_are_the_same_however_files_are_read(of: int, seed: int, most: int) -> None:
    """Open sessions, what they taught and what was told of them survive any cut to the byte."""
    flowing = replace(QUIET, window=FLOWS)
    inputs = files(of)
    whole = run(recut(inputs, random.Random(0), 10_000), flowing)
    again = run(
        recut(inputs, random.Random(seed), most), flowing, restarts=0.03, forgets=True, seed=seed
    )
    same(whole, again)


def behaviour() -> list[tuple[Stream, list[bytes]]]:
    """Make three instances whose lines change their numbers and their shares, one its pace.

    A warning that one of them said eight hours before comes back at the end.
    """
    chance = random.Random(4)
    found: list[tuple[Stream, list[bytes]]] = []
    for n in range(3):
        of = replace(stream(0), id=f"file:/cart-{n}", instance=f"cart-{n}")
        lines = [shaped(0, START - 8 * 3600.0, "WARN", "link flapped").encode()] if not n else []
        for minute in range(240):
            late = minute >= 210
            for k in range(8 if late and n == 2 else 30):
                hit = chance.random() < (0.2 if late else 0.8)
                took = chance.lognormvariate(6.0 if late else 3.0, 0.3)
                text = f"cache {'hit' if hit else 'miss'} took {took:.1f} ms"
                at = START + 60.0 * minute + 1.5 * k
                lines.append(shaped(0, at, "INFO", text).encode())
        lines.append(shaped(0, START + 240 * 60.0, "WARN", "link flapped").encode())
        found.append((of, lines))
    return found


def test_how_lines_behave_is_the_same_however_they_are_read() -> None:
    """Rare lines, instances, mixes and numbers in lines are judged alike, to the byte."""
    wide = replace(QUIET, window=WindowSettings(width=60.0), budget=1.0)
    inputs = behaviour()
    whole = run(recut(inputs, random.Random(0), 10_000), wide)
    again = run(recut(inputs, random.Random(9), 90), wide, restarts=0.02, forgets=True, seed=9)
    same(whole, again)
    kinds = {name.partition(":")[2] for name in whole.facts if name.startswith("anomaly:")}
    assert kinds >= {"rare_template", "siblings", "mix", "parameter"}


def requests(minutes: int, *, lossy: range) -> list[tuple[Stream, list[bytes]]]:
    """Make two services that pass requests on; in some minutes one in three loses a step."""
    cart, mail = [], []
    for n in range(minutes * 30):
        at = START + 2.0 * n
        cart.append(shaped(0, at, "INFO", f"order {n} accepted").encode())
        if n // 30 not in lossy or n % 3:
            mail.append(shaped(0, at + 0.3, "INFO", f"order {n} confirmed by mail").encode())
        cart.append(shaped(0, at + 0.9, "INFO", f"order {n} answered").encode())
    return [(stream(0), cart), (stream(2), mail)]


def test_requests_that_lose_a_step_open_the_same_incident_however_they_are_read() -> None:
    """A burst of odd sessions is one incident, of the service whose step is missing."""
    rule = SessionRule("request", pattern=r"order (\d+)", idle=20.0)
    flowing = replace(QUIET, window=WindowSettings(sessions=(rule,)))
    inputs = requests(50, lossy=range(40, 44))
    whole = run(recut(inputs, random.Random(0), 10_000), flowing)
    again = run(recut(inputs, random.Random(7), 60), flowing, restarts=0.01, seed=7)
    same(whole, again)

    opened = [t for t in msgspec.json.decode(whole.transitions) if t["kind"] == "opened"]
    assert len(opened) == 1
    (anomaly, *_) = [a for a in opened[0]["incident"]["anomalies"] if a["kind"] == "session"]
    assert anomaly["series"]["entity"] == "service:mail"
    assert "without" in anomaly["reason"]
    assert "confirmed by mail" in anomaly["reason"]

    calm = run(recut(requests(50, lossy=range(0)), random.Random(0), 10_000), flowing)
    assert calm.transitions == b"[]"


@settings(max_examples=30)
@given(st.integers(0, 2**16), st.integers(0, 2**16))
def test_every_line_is_counted_once(of: int, seed: int) -> None:
    """heads + continuations + other = lines read, in every window of every stream."""
    for one, lines in files(of):
        windows = StreamWindows(one, WindowSettings(max_kinds=5), KindCache())
        closed = []
        for item in recut([(one, lines)], random.Random(seed), 7):
            if isinstance(item, Block):
                closed += windows.add(item)
        closed += windows.flush()
        for w in closed:
            assert sum(w.counts.values()) + w.continuations + w.other == w.lines
            assert set(w.counts) == set(w.samples)
        assert sum(w.lines for w in closed) == len(lines)


# --- the shop, live -------------------------------------------------------------------------


def steps(items: Iterable[Input]) -> Iterator[list[Input]]:
    """Cut what a shop yields into its steps."""
    step: list[Input] = []
    for item in items:
        step.append(item)
        if isinstance(item, Tick):
            yield step
            step = []


def stirred(items: Sequence[Input], seed: int) -> Iterator[Input]:
    """Yield a shop's input with other blocks and other orders of streams within each step."""
    chance = random.Random(seed)
    for step in steps(items):
        flows: dict[str, list[Input]] = {}
        for item in step:
            if isinstance(item, Block):
                lines = item.data.splitlines(keepends=True)
                while lines:
                    n = chance.randint(1, len(lines))
                    part = replace(item, data=b"".join(lines[:n]))
                    flows.setdefault(item.stream.id, []).append(part)
                    del lines[:n]
            elif isinstance(item, Watched):
                flows.setdefault(item.stream.id, []).append(item)
            elif not isinstance(item, Tick):
                yield item
        left = list(flows.values())
        while left:
            n = chance.randrange(len(left))
            yield left[n].pop(0)
            if not left[n]:
                del left[n]
        yield step[-1]


def shop_items(*, metrics: bool) -> list[Input]:
    """Return half an hour of a shop with a fault in it."""
    bad = fault("error_burst", "payment", START + 1200.0, 6.0)
    shop = Shop(3, START, START + 2000.0, faults=[bad], rate=0.3)
    return [
        *(Opened(s) for s in shop.streams),
        *(i for i in shop.inputs() if metrics or not isinstance(i, Points)),
    ]


@pytest.mark.parametrize("metrics", [False, True])
def test_a_shop_gives_the_same_bytes(metrics: bool) -> None:
    """A live shop, stirred and restarted at random, tells the same story to the byte."""
    items = shop_items(metrics=metrics)
    whole = run(items, EngineSettings())
    assert whole.transitions != b"[]"
    again = run(stirred(items, 5), EngineSettings(), restarts=0.0002, seed=5)
    same(whole, again)


def test_a_cut_is_a_picture() -> None:
    """What was saved does not change while the engine goes on."""
    items = shop_items(metrics=True)
    engine = Engine(EngineSettings())
    half = len(items) // 2
    for item in items[:half]:
        engine.feed(item)
    sections = engine.to_sections()
    before = msgspec.msgpack.encode([[s.name, plain(s.header)] for s in sections])
    arrays = [{k: a.copy() for k, a in s.arrays.items()} for s in sections]
    for item in items[half:]:
        engine.feed(item)
    assert before == msgspec.msgpack.encode([[s.name, plain(s.header)] for s in sections])
    for section, copies in zip(sections, arrays, strict=True):
        for name, copy in copies.items():
            np.testing.assert_array_equal(section.arrays[name], copy)


# --- departures -----------------------------------------------------------------------------


def late_files(seed: int) -> list[tuple[Stream, list[bytes]]]:
    """Make files with late lines, stamps from the future and lines without a stamp."""
    chance = random.Random(seed)
    found = []
    for of, lines in files(seed):
        dirty = list(lines)
        for _ in range(chance.randint(1, 6)):
            at = START + chance.choice((-50_000.0, 1e6, 4e8, 100.0))
            dirty.insert(chance.randint(1, len(dirty)), shaped(0, at, "INFO", "odd one").encode())
            dirty.insert(chance.randint(1, len(dirty)), b"no stamp here")
        found.append((of, dirty))
    return found


@settings(max_examples=15)
@given(st.integers(0, 2**16), st.integers(0, 2**16))
def test_departures_are_bounded_and_counted(of: int, seed: int) -> None:
    """Late, distrusted and unstamped lines lose no line and move no other stream."""
    chance = random.Random(seed)
    engine = Engine(QUIET)
    inputs = late_files(of)
    now = START + 86400.0
    ends = {}
    lines = 0
    for item in recut(inputs, chance, 9):
        engine.feed(item)
        if isinstance(item, Block):
            lines += item.data.count(b"\n")
        if isinstance(item, Block) and chance.random() < 0.2:
            now += chance.choice((1.0, 20.0))
            watched = Watched(item.stream, now)
            before = engine.open_windows
            closes = engine.would_close(watched)
            engine.feed(watched)
            facts = engine.take_facts()
            assert facts["idle_advances"] == closes
            assert closes or engine.open_windows <= before + 1
            ends[item.stream.id] = facts
        if chance.random() < 0.1:
            engine.feed(Tick(now))
        assert engine.open_windows <= 4 * len(inputs)
    engine.close_streams()
    assert engine.open_windows == engine.waiting == 0
    counted = sum(t["count"] for t in engine.logs.templates())
    assert counted <= lines


def test_a_silent_source_is_waited_for_no_longer_than_the_hold() -> None:
    """A stream whose source gives no sign is left behind after the hold, and that is counted."""
    engine = Engine(QUIET)
    slow, quick = stream(0), stream(2)
    engine.feed(Opened(slow))
    for n in range(30):
        at = START + n
        line = shaped(0, at, "INFO", "hello").encode() + b"\n"
        engine.feed(Block(quick, line, str(n), at))
        engine.feed(Tick(at))
    assert engine.stream_count == 2
    assert engine.take_facts()["hold_timeouts"] == 1
    assert engine.clock >= START


def test_points_behind_the_released_past_are_counted() -> None:
    """What comes older than what was judged already is judged now, and counted."""
    engine = Engine(QUIET)
    engine.feed(ChangeEvent(START + 100.0, "deploy", "service:cart", "v2"))
    engine.feed(ChangeEvent(START, "deploy", "service:cart", "v1"))
    assert engine.take_facts()["out_of_order"] == 1
