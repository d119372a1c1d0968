"""The shop is a pure function: same seed, same bytes, however it is cut."""

from __future__ import annotations

import csv
import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from aiops.model import Block, ChangeEvent, Points, Tick, Watched
from aiops.shop import SCENARIOS, Fault, Shop, demo, scenario
from aiops.shop.scenarios import deploy

HOUR = 1_741_168_800.0  # 2025-03-05 10:00 UTC


def texts(shop: Shop) -> dict[str, bytes]:
    found: dict[str, list[bytes]] = {stream.id: [] for stream in shop.streams}
    for item in shop.inputs():
        if isinstance(item, Block):
            found[item.stream.id].append(item.data)
    return {stream: b"".join(parts) for stream, parts in found.items()}


def busy(**options: float) -> Shop:
    fault = Fault(
        "bad_deploy", "cart", HOUR + 600, HOUR + 1200, deploy("cart", HOUR + 590, "3.0.0")
    )
    return Shop(5, HOUR, HOUR + 1800, faults=[fault], **options)


def test_same_seed_means_same_inputs() -> None:
    """Two shops of one seed say exactly the same, another seed says something else."""
    first, again = list(busy().inputs()), list(busy().inputs())
    assert len(first) == len(again)
    for a, b in zip(first, again, strict=True):
        if isinstance(a, Points):
            assert isinstance(b, Points)
            assert (a.at, a.values.tobytes()) == (b.at, b.values.tobytes())
        else:
            assert a == b
    assert texts(Shop(6, HOUR, HOUR + 600)) != texts(Shop(5, HOUR, HOUR + 600))


def test_two_readings_of_one_shop_agree() -> None:
    """Reading a shop's inputs does not change it."""
    shop = busy()
    assert texts(shop) == texts(shop)


@pytest.mark.parametrize("step", [1.0, 7.0, 60.0, 3601.0])
def test_step_cuts_but_never_changes_bytes(step: float) -> None:
    """How often a stream is read changes where its blocks end and nothing else."""
    assert texts(busy(step=step)) == texts(busy())


def test_hours_do_not_depend_on_where_the_shop_starts() -> None:
    """Shops of one seed agree wherever their times overlap, faults included."""
    fault = Fault("slow_database", "postgres", HOUR - 300, HOUR + 900)
    long = texts(Shop(5, HOUR - 1800, HOUR + 600, faults=[fault]))
    short = texts(Shop(5, HOUR, HOUR + 600, faults=[fault]))
    assert all(long[stream].endswith(text) for stream, text in short.items())


def test_an_innocent_service_does_not_feel_the_fault() -> None:
    """A fault changes no byte of a service that it does not reach."""
    fault = Fault("error_burst", "payment", HOUR + 60, HOUR + 500)
    calm, sick = Shop(5, HOUR, HOUR + 600), Shop(5, HOUR, HOUR + 600, faults=[fault])
    before, after = texts(calm), texts(sick)
    reached = {effect.service for effect in sick.effects}
    assert "recommendation" not in reached
    for stream in sick.streams:
        innocent = stream.entity.removeprefix("service:") not in reached
        assert (before[stream.id] == after[stream.id]) == innocent, stream.id


def test_inputs_come_in_order_of_time() -> None:
    """Changes and points come at their time, blocks and proofs of watching at the step's end."""
    last = 0.0
    for item in busy().inputs():
        at = item.arrived if isinstance(item, Block) else item.at
        assert at >= last
        last = at


def test_every_stream_is_watched_in_every_step() -> None:
    """Silence is provable: each step names every stream once, then lets time pass."""
    shop = Shop(5, HOUR, HOUR + 605)
    kinds = Counter(type(item) for item in shop.inputs())
    assert kinds[Tick] == 61
    assert kinds[Watched] == 61 * len(shop.streams)
    ticks = [item.at for item in shop.inputs() if isinstance(item, Tick)]
    assert ticks[-1] == shop.end
    assert all(0 < b - a <= 10 for a, b in pairwise(ticks))


def test_cursor_is_the_offset_behind_the_block() -> None:
    """A cursor counts the bytes of its stream up to the end of the block, which ends a line."""
    offsets: Counter[str] = Counter()
    for item in busy().inputs():
        if isinstance(item, Block):
            offsets[item.stream.id] += len(item.data)
            assert item.cursor == str(offsets[item.stream.id])
            assert item.data.endswith(b"\n")


def test_columns_are_one_set_that_is_reused() -> None:
    """All points share one set of columns, hold one finite value each and keep the pace."""
    points = [item for item in busy(metric_interval=20.0).inputs() if isinstance(item, Points)]
    assert len(points) == 90
    assert len({id(p.columns) for p in points}) == 1
    assert all(len(p.values) == len(p.columns.series) for p in points)
    assert all((p.values >= 0).all() and p.interval == 20.0 and p.at % 20 == 0 for p in points)


def test_rate_multiplies_lines() -> None:
    """Three times the rate is about three times the lines."""
    once, thrice = (
        sum(text.count(b"\n") for text in texts(Shop(5, HOUR, HOUR + 1200, rate=r)).values())
        for r in (1.0, 3.0)
    )
    assert 2.3 < thrice / once < 3.3


def test_files_hold_what_the_inputs_say(tmp_path: Path) -> None:
    """Written logs are the streams' bytes; metrics, changes and truth can be read back."""
    shop = busy()
    shop.write(tmp_path / "out")
    expected = texts(shop)
    for stream in shop.streams:
        assert (tmp_path / "out" / f"{stream.instance}.log").read_bytes() == expected[stream.id]
    with (tmp_path / "out" / "metrics.csv").open(newline="") as handle:
        rows = list(csv.reader(handle))
    assert rows[0][:2] == ["timestamp", 'request_rate{service="frontend"}']
    assert len(rows) == 121
    assert all(len(row) == len(rows[0]) for row in rows)
    assert float(rows[1][0]) == HOUR
    changes = [json.loads(x) for x in (tmp_path / "out" / "changes.jsonl").read_text().splitlines()]
    assert [c["title"] for c in changes] == ["deploy cart v3.0.0"]
    truth = json.loads((tmp_path / "out" / "truth.json").read_text())
    assert truth["faults"][0]["entity"] == "service:cart"
    assert {"entity": "service:cart", "start": "2025-03-05T10:10:00.000Z", "hop": 0} in truth[
        "faults"
    ][0]["affected"]


def test_changes_come_at_their_time() -> None:
    """A fault's change and the others are handed over once, between the right steps."""
    changes = [item for item in busy().inputs() if isinstance(item, ChangeEvent)]
    assert [(c.at, c.entity) for c in changes] == [(HOUR + 590, "service:cart")]


def test_nonsense_is_refused() -> None:
    """An end before the start and an unknown service are errors by name."""
    with pytest.raises(ValueError, match="end after the start"):
        Shop(1, HOUR, HOUR)
    with pytest.raises(KeyError):
        Shop(1, HOUR, HOUR + 60, faults=[Fault("bad_deploy", "nobody", HOUR, HOUR + 9)])


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenarios_are_whole(name: str) -> None:
    """Each named story has its faults and changes inside its time, for any seed."""
    for seed in (1, 2, 99):
        shop = scenario(name, seed, HOUR)
        assert all(shop.start < f.start < f.end < shop.end for f in shop.truth)
        assert all(shop.start < c.at < shop.end for c in shop.changes)


def test_demo_ends_with_a_bad_deploy_and_its_rollback() -> None:
    """The demo's one fault is a deploy that its callers feel; later it is rolled back."""
    shop = demo(7)
    (fault,) = shop.truth
    assert fault.change in shop.changes
    assert [c.kind for c in shop.changes[-2:]] == ["deploy", "rollback"]
    felt = {e.service for e in shop.touched(fault) if e.hop > 0}
    assert {"checkout", "gateway"} <= felt
    assert 8 <= (shop.end - shop.start) / 3600 <= 10
